"""Which language a recording is in, from a recogniser's probabilities and what is likely.

Neither of the simple rules serves. A forced language hides an answer in the wrong one: Mandarin decoded as English
comes out as English nonsense. Free detection takes a short English answer for Welsh. So the languages of the suite go
first, and another is believed only where it is clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aqaa_eval.core.errors import UsageError
from aqaa_eval.metrics.normaliser import primary_tag

SUITE, DETECT = "suite", "detect"
CLEAR_PROBABILITY = 0.8
SURE_PROBABILITY = 0.7


def pick_language(
    shares: Mapping[str, float], likely: Sequence[str], *, is_second_try: bool = False
) -> tuple[str, float]:
    """The language, with its probability.

    The most probable one, if it is a likely one or has at least 0.8; else the most probable of the likely ones. A
    second try takes the runner-up where the first was not sure (0.7): laughter heard as Japanese comes out as a loop.

    Args:
        shares: probability by primary tag; at least one.
        likely: tags; if empty, all are.
        is_second_try: whether the first choice gave nothing that is to be believed.

    >>> pick_language({"cy": 0.5, "en": 0.4, "ja": 0.1}, ["en", "ja"])
    ('en', 0.4)
    >>> pick_language({"zh": 0.9, "en": 0.1}, ["en"])
    ('zh', 0.9)
    >>> pick_language({"ja": 0.6, "en": 0.4}, ["en", "ja"], is_second_try=True)
    ('en', 0.4)
    """
    wanted = {primary_tag(tag) for tag in likely}
    ranked = sorted(shares, key=lambda tag: -shares[tag])
    inside = [tag for tag in ranked if tag in wanted]
    if inside and ranked[0] not in wanted and shares[ranked[0]] < CLEAR_PROBABILITY:
        ranked = inside + [tag for tag in ranked if tag not in wanted]
    if is_second_try and len(ranked) > 1 and shares[ranked[0]] < SURE_PROBABILITY:
        ranked = ranked[1:]
    return ranked[0], float(shares[ranked[0]])


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRule:
    """How the language of an answer is found, by suite.

    A rule is "suite" (those of the answer's suite go first), "detect" (the suite is not looked at) or a tag, which is
    forced.

    Attributes:
        default: for suites that are not named.
        by_suite: for those that are.
    """

    default: str
    by_suite: Mapping[str, str]

    def of(self, suite: str) -> str:
        """The rule of one suite."""
        return self.by_suite.get(suite, self.default)

    def forced(self, suite: str) -> str | None:
        """The tag that is forced in a suite, if one is."""
        rule = self.of(suite)
        return None if rule in (SUITE, DETECT) else rule


def parse_language_rule(text: str) -> LanguageRule:
    """Read the setting: one rule for all, and "id:rule" for single suites, by comma.

    >>> rule = parse_language_rule("detect,gaming:en")
    >>> rule.of("gaming"), rule.of("singing"), parse_language_rule("gaming:en").of("singing")
    ('en', 'detect', 'suite')

    Raises:
        UsageError: a part is no rule.
    """
    default, by_suite = SUITE, {}
    for part in text.split(","):
        suite, colon, rule = part.strip().rpartition(":")
        if (colon and not suite) or (rule not in (SUITE, DETECT) and not 2 <= len(primary_tag(rule)) <= 3):
            raise UsageError(
                f"--asr-set language={text}: give suite, detect or a language tag such as en; for one suite gaming:en"
            )
        if suite:
            by_suite[suite] = rule
        else:
            default = rule
    return LanguageRule(default=default, by_suite=by_suite)
