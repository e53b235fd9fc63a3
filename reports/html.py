"""report.html: one file with everything in it, opened from disk, that loads nothing and runs nothing but its own.

The figures are laid out here, by templates that escape whatever comes from a run. The conversations follow as inert
data blocks that the page's script lays out page by page, as text only, so ten thousand of them open as fast as ten.
The content-security-policy names our one style sheet and our one script by hash, so nothing else runs even if escaping
had a hole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.assets import report_frame
from aqaa_eval.reports.blocks import item_blocks, json_block
from aqaa_eval.reports.charts import MIN_SPOKES, Spoke, radar_svg
from aqaa_eval.reports.figures import cells, chain_rows, metric_groups
from aqaa_eval.reports.hearing import hearing_rows
from aqaa_eval.reports.kept import Kept, kept_rows
from aqaa_eval.reports.page import environment, write_page
from aqaa_eval.reports.published import CAPABILITIES, PUBLISHED, SOURCE
from aqaa_eval.reports.recordings import MAX_EMBEDDED_BYTES, Recording, load_recordings
from aqaa_eval.reports.summary import Summary, summarise
from aqaa_eval.reports.texts import Texts, Writer, texts_for
from aqaa_eval.reports.view import audio_names

_SHOWN_CHAIN = 12
"""Rows of the measuring chain that stand open; the others unfold."""


def write_report(
    log: RunLog,
    summary: Summary | None = None,
    *,
    kept: Kept | None = None,
    max_embedded_bytes: int = MAX_EMBEDDED_BYTES,
) -> Path:
    """Write `report.html` into the run's folder, whole or not at all.

    Args:
        log: the run.
        summary: of the same run, if it is at hand.
        kept: what the run keeps of a clean one.
        max_embedded_bytes: encoded sound that the page carries; beyond it, recordings are linked.

    Raises:
        UsageError: the folder cannot be written.
    """
    target = log.folder / "report.html"
    if not log.folder.is_dir():
        raise UsageError(f"{target}: cannot be written (the run's folder is gone); give the folder of a run")
    return write_page(_page(log, summary, kept, max_embedded_bytes), target)


def render_report(
    log: RunLog,
    summary: Summary | None = None,
    *,
    kept: Kept | None = None,
    max_embedded_bytes: int = MAX_EMBEDDED_BYTES,
) -> str:
    """The page as text; the same run gives the same text. Arguments as of `write_report`."""
    return "".join(_page(log, summary, kept, max_embedded_bytes))


def _page(log: RunLog, summary: Summary | None, kept: Kept | None, max_embedded_bytes: int) -> Iterator[str]:
    """The page in pieces, so that a long run is never held twice."""
    summary = summary or summarise(log)
    recordings = load_recordings(log.folder / "audio", audio_names(log), max_bytes=max_embedded_bytes)
    metrics = list(summary.overall.metrics)
    texts = texts_for(metrics)
    is_linked = any(recording.source and not recording.is_embedded for recording in recordings.values())
    frame = report_frame(has_links=is_linked)
    yield (
        environment()
        .get_template("report.html.j2")
        .render(
            _figures(log, summary, kept)
            | _words(texts, recordings, max_embedded_bytes)
            | {"policy": frame.policy, "style": frame.style}
            | {"languages": _languages(log), "metrics": metrics}
        )
    )
    yield json_block("texts", texts)
    yield from item_blocks(log.attempts, recordings, metrics)
    yield f"<script>{frame.script}</script>\n</body>\n</html>\n"


def _figures(log: RunLog, summary: Summary, kept: Kept | None) -> dict[str, Any]:
    """What the upper half of the page shows."""
    chain = chain_rows(log)
    return {
        "summary": summary,
        "kept": kept,
        "kept_rows": kept_rows(kept) if kept else (),
        "hearing": hearing_rows(log),
        "radar": _radar(summary),
        "published": PUBLISHED,
        "capabilities": CAPABILITIES,
        "source": SOURCE,
        "groups": metric_groups(summary),
        "chain": chain[:_SHOWN_CHAIN],
        "more_chain": chain[_SHOWN_CHAIN:],
    }


def _words(texts: Texts, recordings: Mapping[str, Recording], max_bytes: int) -> dict[str, Any]:
    """The page's own words, and how the sound is carried."""
    writer = Writer(texts)
    n_embedded = sum(recording.is_embedded for recording in recordings.values())
    n_linked = sum(bool(recording.source) and not recording.is_embedded for recording in recordings.values())
    sound = ("items.linked", n_embedded, f"{max_bytes / 1e6:g}", n_linked) if n_linked else None
    return {
        "t": writer.words,
        "en": writer.english,
        "mark": writer.mark,
        "label": writer.label,
        **cells(writer),
        "sound": sound or ("items.embedded", n_embedded),
    }


def _languages(log: RunLog) -> list[str]:
    questions = [turn.question for attempt in log.attempts for turn in attempt.turns]
    return sorted({tag for question in questions for tag in (question.language, question.answer_language) if tag})


def _radar(summary: Summary) -> str:
    """The chart as SVG; "" for fewer suites than make a polygon, where the table's bars are the chart."""
    if len(summary.suites) < MIN_SPOKES:
        return ""
    spokes = [Spoke(suite=row.suite, title=row.title, estimate=row.metrics.get("mos")) for row in summary.suites]
    return radar_svg(spokes, PUBLISHED)
