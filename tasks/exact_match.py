"""A written answer that must be the expected one, word for word, after normalising: what text benchmarks count."""

from __future__ import annotations

from collections.abc import Sequence

from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.metrics.normaliser import normalise


def answers_exactly(heard: Heard, *, words: Sequence[str], language: str = "") -> CheckOutcome:
    """The whole answer is one of the given texts; case, punctuation and the spelling of numbers do not count.

    Args:
        heard: the answer.
        words: each of them is right.
        language: of the answer, for the normaliser; that of the transcript if not given.

    >>> from aqaa_eval.tasks.wording import said
    >>> answers_exactly(said("Forty-two."), words=["42"], language="en").passed
    True
    >>> answers_exactly(said("It is 42."), words=["42"], language="en").measured
    "said 'it is 42', asked for '42'"
    """
    tag = language or heard.language
    given = normalise(heard.text, language=tag)
    wanted = [normalise(text, language=tag) for text in words]
    asked = " or ".join(repr(text) for text in wanted)
    return CheckOutcome(passed=given in wanted, measured=f"said {given[:80]!r}, asked for {asked}")
