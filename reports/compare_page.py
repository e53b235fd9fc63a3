"""compare.html: runs side by side on one page that opens from disk, loads nothing, and can hide who is who.

In the blind mode names, figures and texts that tell are hidden, and the answers of each conversation stand in an order
drawn by a seed; the listener prefers one, and sees at the end which runs were preferred.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.chain import chain_of
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.charts import MIN_SPOKES, Spoke, radars_svg
from aqaa_eval.reports.compare import Comparison, RunPair
from aqaa_eval.reports.compare_view import Recordings, choose, item_views
from aqaa_eval.reports.labels import plural
from aqaa_eval.reports.page import PAGE_STYLES, environment, frame_of, write_page
from aqaa_eval.reports.recordings import MAX_EMBEDDED_BYTES, Recording, load_recordings
from aqaa_eval.reports.summary import Summary, summarise

MAX_ITEMS = 500
MAX_OVERLAID = 4
"""Runs in one radar: more bands over each other cannot be told apart."""


_SCRIPTS = ("pages/base.js", "pages/players.js", "pages/compare.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareSettings:
    """How the page is made.

    Attributes:
        blind: whether it opens with the names hidden.
        seed: of the order in which answers stand while names are hidden.
        max_embedded_bytes: encoded sound that the page carries, of all runs together; beyond it, recordings are linked.
        max_items: conversations with players; what changed comes first.
    """

    blind: bool = False
    seed: int = 0
    max_embedded_bytes: int = MAX_EMBEDDED_BYTES
    max_items: int = MAX_ITEMS


def write_comparison(
    logs: Sequence[RunLog], comparison: Comparison, target: Path, settings: CompareSettings | None = None
) -> Path:
    """Write the page, whole or not at all.

    Raises:
        UsageError: the place cannot be written.
    """
    return write_page([render_comparison(logs, comparison, settings, folder=target.parent)], target)


def render_comparison(
    logs: Sequence[RunLog], comparison: Comparison, settings: CompareSettings | None = None, *, folder: Path = Path()
) -> str:
    """The page as text; the same runs, settings and places give the same text.

    Args:
        logs: the runs of the comparison, in its order.
        comparison: of them.
        settings: how the page is made.
        folder: where the page will lie; links to recordings start there.
    """
    settings = settings or CompareSettings()
    shown = choose(logs, comparison, limit=settings.max_items)
    recordings = _recordings(logs, shown.keys, settings, folder)
    summaries = [summarise(log) for log in logs]
    played = [recording for of in recordings for recording in of.values()]
    has_links = any(recording.source and not recording.is_embedded for recording in played)
    return (
        environment()
        .get_template("pages/compare.html.j2")
        .render(
            frame=frame_of((*PAGE_STYLES, "pages/compare.css"), _SCRIPTS, has_links=has_links),
            names=comparison.names,
            letters=[letter(place) for place in range(len(logs))],
            comparison=comparison,
            summaries=summaries,
            pairs=[(pair, _scale(pair)) for pair in comparison.pairs],
            radar=_radar(summaries),
            n_overlaid=min(len(logs), MAX_OVERLAID),
            chain=_chain(logs),
            items=item_views(logs, comparison, shown.keys, recordings, seed=settings.seed),
            n_left_out=shown.n_left_out,
            sound=_sound(played, settings.max_embedded_bytes),
            blind=settings.blind,
            seed=settings.seed,
        )
    )


def letter(place: int) -> str:
    """A short name for a run: A to Z, then numbers.

    >>> letter(0), letter(26)
    ('A', '27')
    """
    return chr(ord("A") + place) if place < 26 else str(place + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A symmetric axis of 100 units for differences; `reach` is what lies at its ends."""

    reach: float

    def x(self, difference: float) -> str:
        """Place of a difference.

        >>> Scale(reach=2.0).x(0.0), Scale(reach=2.0).x(-3.0)
        ('50.0', '0.0')
        """
        return f"{50 + 50 * min(max(difference / self.reach, -1), 1):.1f}"


def _scale(pair: RunPair) -> Scale:
    estimates = [pair.overall, *(suite.difference for suite in pair.suites)]
    return Scale(reach=max(0.5, *(_size(estimate) for estimate in estimates)))


def _size(estimate: Estimate) -> float:
    return max(abs(bound) for bound in (estimate.value or 0.0, estimate.low or 0.0, estimate.high or 0.0))


def _radar(summaries: Sequence[Summary]) -> str:
    """The first runs over each other; "" for fewer suites than make a polygon."""
    axes = [(row.suite, row.title) for row in summaries[0].suites]
    if len(axes) < MIN_SPOKES:
        return ""
    series = []
    for summary in summaries[:MAX_OVERLAID]:
        found = {row.suite: row.metrics.get("mos") for row in summary.suites}
        series.append([Spoke(suite=suite, title=title, estimate=found.get(suite)) for suite, title in axes])
    return radars_svg(series)


def _recordings(
    logs: Sequence[RunLog], keys: Sequence[str], settings: CompareSettings, folder: Path
) -> list[Recordings]:
    """The sound of what is shown: each run gets an equal share of the room, questions are the first run's."""
    wanted, asked = set(keys), set[str]()
    found: list[Recordings] = []
    for log in logs:
        by_key = {attempt.key: attempt for attempt in reversed(log.attempts) if attempt.key in wanted}
        names = []
        for key in (key for key in keys if key in by_key):
            for turn in by_key[key].turns:
                names += [turn.question.audio] * (key not in asked) + [turn.audio]
            asked.add(key)
        room = settings.max_embedded_bytes // len(logs)
        loaded = load_recordings(log.folder / "audio", [name for name in names if name is not None], max_bytes=room)
        found.append(_linked_from(loaded, log.folder, folder))
    return found


def _linked_from(recordings: Mapping[str, Recording], run: Path, folder: Path) -> Recordings:
    """Links that lead from the page into the run's folder."""
    way = quote(Path(os.path.relpath(run.absolute(), folder.absolute())).as_posix())
    return {
        name: replace(recording, source=f"{way}/{recording.source}")
        if recording.source and not recording.is_embedded
        else recording
        for name, recording in recordings.items()
    }


def _sound(recordings: Sequence[Recording], max_bytes: int) -> str:
    n_embedded = sum(recording.is_embedded for recording in recordings)
    n_linked = sum(bool(recording.source) and not recording.is_embedded for recording in recordings)
    told = f"{plural(n_embedded, 'recording')} inside this file"
    if n_linked:
        told += f" (limit {max_bytes / 1e6:g} MB); {n_linked:,} more are read from the folders of the runs"
    return told


def _chain(logs: Sequence[RunLog]) -> list[tuple[str, list[str]]]:
    chains = [chain_of(log) for log in logs]
    rows = [("model", [log.manifest.model for log in logs])]
    rows += [(part, [chain[part] or "none" for chain in chains]) for part in chains[0]]
    return [*rows, ("seed", [str(log.spec.seed) for log in logs])]
