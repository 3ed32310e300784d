"""Encoded answers of one cycle: many clients that read the same cost what one costs."""

from __future__ import annotations

from collections.abc import Callable


class AnswerCache:
    """Encoded answers by key, of the host and version that were read last."""

    MOST = 32
    """Answers at a time; further keys, such as filters, are encoded for each request."""

    def __init__(self) -> None:
        self._version: tuple[str, int] | None = None
        self._answers: dict[str, bytes] = {}

    def get(self, host: str, version: int, key: str, encode: Callable[[], bytes]) -> bytes:
        """The answer for this key and version of the host's view, encoded at most once."""
        if (host, version) != self._version:
            self._version, self._answers = (host, version), {}
        answer = self._answers.get(key)
        if answer is None:
            answer = encode()
            if len(self._answers) < self.MOST:
                self._answers[key] = answer
        return answer
