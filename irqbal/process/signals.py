"""What becomes of a command that a signal ends while it has something to put back."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a service manager, a terminal that was closed."""


class OrderlyEnd:
    """A context in which a signal that ends the process raises an exception, so that `finally`
    blocks run; or calls `instead`, if that is set. For the main thread.
    """

    def __init__(self, instead: Callable[[], object] | None = None) -> None:
        self.instead = instead
        self._before: dict[int, object] = {}

    def __enter__(self) -> OrderlyEnd:
        self._before = {number: signal.signal(number, self._arrived) for number in ENDING}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self.instead is not None:
            self.instead()
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + number)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Such a signal waits until this is left: what is put back within is put back whole."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
