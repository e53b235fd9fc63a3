"""Which language a recording is in, from a recogniser's probabilities and what is likely.

Neither of the simple rules serves. A forced language hides an answer in the wrong one: Mandarin decoded as English
comes out as English nonsense. Free detection takes a short English answer for Welsh. So the languages of the suite go
first, and another is believed only where it is clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aqaa_eval.metrics.normaliser import primary_tag

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
