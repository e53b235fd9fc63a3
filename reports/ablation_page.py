"""ablation.html: arms, published figures, effects drawn on one axis per measure, a verdict per claim, radars."""

from __future__ import annotations

from pathlib import Path

from aqaa_eval.reports.ablation import ArmResult, Findings, verdict_sentence
from aqaa_eval.reports.ablation_table import reach_of
from aqaa_eval.reports.charts import MIN_SPOKES, Spoke, radars_svg
from aqaa_eval.reports.compare_page import MAX_OVERLAID, Scale
from aqaa_eval.reports.page import PAGE_STYLES, environment, frame_of, write_page

_STYLES = (*PAGE_STYLES, "pages/compare.css", "pages/ablation.css")


def write_findings(findings: Findings, target: Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        UsageError: the place cannot be written.
    """
    return write_page([render_findings(findings)], target)


def render_findings(findings: Findings) -> str:
    """The page as text; the same findings give the same text."""
    drawn = [arm for arm in findings.arms if len(arm.suites) >= MIN_SPOKES][:MAX_OVERLAID]
    return (
        environment()
        .get_template("pages/ablation.html.j2")
        .render(
            frame=frame_of(_STYLES, ("pages/base.js",)),
            findings=findings,
            measures=findings.shown_measures,
            effects=[
                (measure, found, Scale(reach=reach_of(found)))
                for measure in findings.shown_measures
                if (found := [each for each in findings.effects[measure.key] if each.difference.value is not None])
            ],
            verdicts=[(result, verdict_sentence(findings, result)) for result in findings.claims],
            drawn=drawn,
            radar=_radar(drawn),
        )
    )


def _radar(arms: list[ArmResult]) -> str:
    """The arms over each other; "" if none has enough suites."""
    suites = list(dict.fromkeys(suite for arm in arms for suite in arm.suites))
    if len(suites) < MIN_SPOKES:
        return ""
    return radars_svg(
        [[Spoke(suite=suite, title=suite, estimate=arm.suites.get(suite)) for suite in suites] for arm in arms]
    )
