"""How text and sound alternate in an answer: sound only, text first, or interleaved N to M.

The paper's finding: with text beside the sound the answers are far better, and 10 text to 15 audio tokens is at least
as good as all text first. Any model runs that can switch its layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aqaa_eval.ablations.design import Arm, Design, against_first, with_claims
from aqaa_eval.ablations.measures import CONTENT, JUDGED, RUN_MEASURES
from aqaa_eval.ablations.published import LAYOUTS, PAPER
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runspec import OptionValue, RunSpec
from aqaa_eval.reports.ablation import Claim, Measure

LayoutSettings = Callable[[str], Mapping[str, OptionValue]]
"""The model's settings for a layout; raises `UsageError` for one that it cannot do."""

_TITLES = {
    "audio_only": "sound only",
    "text_to_audio": "text first, then sound",
    "text_only": "text only",
    "text_and_audio": "text and sound",
}
_TIMES = "Times are of this machine, with transcribing and judging going on beside the model."
_NO_SOUND = "text_only gives no sound, which counts as no answer to a spoken question: its scores are the floor."
_CLAIMS = (
    ("text_to_audio", "audio_only"),
    ("interleave_10_15", "audio_only"),
    ("interleave_10_15", "text_to_audio"),
    ("text_to_audio", "interleave_6_50"),
    ("text_to_audio", "interleave_3_5"),
)
"""The better layout and the worse one."""


def interleave_design(base: RunSpec, layouts: Sequence[str], settings_of: LayoutSettings) -> Design:
    """An arm per layout that the model can do.

    Args:
        base: the run that all arms share.
        layouts: as asked for; "6:50" is "interleave_6_50".
        settings_of: of the model.

    Raises:
        UsageError: fewer than two of the layouts can be had.
    """
    arms: dict[str, Arm] = {}
    missing: dict[str, str] = {}
    for layout in layouts:
        try:
            settings = settings_of(layout)
        except UsageError as error:
            missing[layout] = str(error)
            continue
        name = str(settings.get("layout", layout))
        spec = base.model_copy(update={"model_options": {**base.model_options, **settings}})
        arms[name] = Arm(name=name, title=_title(name), spec=spec)
    if len(arms) < 2:
        told = (
            "; ".join(f"{layout}: {reason}" for layout, reason in missing.items())
            or f"only {', '.join(arms)} asked for"
        )
        raise UsageError(f"an ablation compares two layouts or more, and {len(arms)} can run ({told})")
    names = [name for name in _FIRST if name in arms] or list(arms)[:1]
    ordered = [*names, *(name for name in arms if name not in names)]
    claims = claims_among({*arms, *missing}, base)
    return Design(
        name="interleave",
        title="Output layouts",
        question="does it help to write text beside the sound, and how should the two alternate?",
        arms=tuple(arms[name] for name in ordered),
        comparisons=with_claims(against_first(ordered), claims),
        measures=RUN_MEASURES,
        claims=claims,
        published=LAYOUTS,
        missing=missing,
        notes=(_TIMES, *((_NO_SOUND,) if "text_only" in arms else ())),
    )


_FIRST = ("text_to_audio", "text_and_audio")
"""What the other layouts are held against."""


def claims_among(layouts: set[str], base: RunSpec) -> tuple[Claim, ...]:
    """The paper's claims on these layouts, by the measures that the judge of the run gives."""
    measures: tuple[Measure, ...] = (CONTENT,) if base.judge == "checks" else JUDGED
    return tuple(
        _claim(better, worse, measure)
        for better, worse in _CLAIMS
        if {better, worse} <= layouts
        for measure in measures
    )


def _claim(better: str, worse: str, measure: Measure) -> Claim:
    rows = LAYOUTS[0].arms
    published = rows[better].get(measure.key), rows[worse].get(measure.key)
    by = " (by checks, in the place of the judge's Chat)" if measure is CONTENT else ""
    return Claim(
        says=f"{_title(better).capitalize()} beats {_title(worse)} in {measure.title}{by}",
        measure=measure.key,
        better=better,
        worse=worse,
        published=None if published[0] is None or published[1] is None else round(published[0] - published[1], 4),
        source=PAPER,
    )


def _title(layout: str) -> str:
    """The layout in words.

    >>> _title("interleave_10_15"), _title("audio_only")
    ('interleaved 10:15', 'sound only')
    """
    return _TITLES.get(layout) or f"interleaved {':'.join(layout.split('_')[1:])}"
