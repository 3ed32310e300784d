"""What the table of finding codes has for each code."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class FindingText(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one code. `sentence` and `advice` are templates over the finding's `args`; the
    `unmovable_sentence` replaces the sentence where the IRQ cannot be moved, and `enabled_advice`
    the advice where the policy that would help is enabled. `ways` and `sentences` are advices and
    sentences by what the finding's `help` names. `causes` follows the sentence where the finding's
    `who` is not empty. `meaning` stands in the documents.
    """

    meaning: str
    sentence: str
    advice: str
    unmovable_sentence: str = ""
    enabled_advice: str = ""
    ways: Mapping[str, str] = {}
    causes: str = ""
    sentences: Mapping[str, str] = {}
