"""report.html: one file with everything in it, opened from disk, that loads nothing and runs nothing but its own.

Everything that comes from a run (transcripts, titles, file names) is escaped by the templates; the content-security-
policy names our one style sheet and our one script by hash, so nothing else runs even if escaping had a hole.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports import labels
from aqaa_eval.reports.charts import MIN_SPOKES, MOS_RANGE, Spoke, radar_svg
from aqaa_eval.reports.kept import Kept, kept_rows, percent, percent_interval
from aqaa_eval.reports.published import CAPABILITIES, MARK, PUBLISHED, SOURCE
from aqaa_eval.reports.recordings import BARS_HEIGHT, MAX_EMBEDDED_BYTES, N_BARS, Recording, load_recordings
from aqaa_eval.reports.summary import Summary, summarise
from aqaa_eval.reports.view import audio_names, item_view

if TYPE_CHECKING:
    from jinja2 import Environment


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
    page = render_report(log, summary, kept=kept, max_embedded_bytes=max_embedded_bytes)
    target = log.folder / "report.html"
    try:
        descriptor, name = tempfile.mkstemp(dir=log.folder, prefix=".report-", suffix=".html")
        try:
            with os.fdopen(descriptor, "wb") as file:
                # A lone surrogate in some model's text must not cost the report.
                file.write(page.encode("utf-8", "replace"))
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{target} cannot be written ({error.strerror}); free or unlock the run's folder") from error
    return target


def render_report(
    log: RunLog,
    summary: Summary | None = None,
    *,
    kept: Kept | None = None,
    max_embedded_bytes: int = MAX_EMBEDDED_BYTES,
) -> str:
    """The page as text; the same run gives the same text. Arguments as of `write_report`."""
    summary = summary or summarise(log)
    recordings = load_recordings(log.folder / "audio", audio_names(log), max_bytes=max_embedded_bytes)
    has_links = any(recording.source and not recording.is_embedded for recording in recordings.values())
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            log=log,
            summary=summary,
            kept=kept,
            kept_rows=kept_rows(kept) if kept else (),
            policy=_policy(style, script, has_links=has_links),
            style=style,
            script=script,
            radar=_radar(summary),
            published=PUBLISHED,
            capabilities=CAPABILITIES,
            mark=MARK,
            source=SOURCE,
            items=[item_view(log, attempt, recordings) for attempt in log.attempts],
            chain=_chain(log),
            sound=_sound(recordings, max_embedded_bytes),
            wave={"width": 2 * N_BARS, "height": BARS_HEIGHT},
        )
    )


def _policy(style: str, script: str, *, has_links: bool) -> str:
    """The content-security-policy; only a page with linked recordings may read beside itself."""
    media = "media-src data: 'self' file:" if has_links else "media-src data:"
    parts = (
        "default-src 'none'",
        f"script-src {_hash_source(script)}",
        f"style-src {_hash_source(style)}",
        media,
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(parts)


def _hash_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _asset(name: str) -> str:
    return (files("aqaa_eval.reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "metric_title": labels.metric_title,
        "metric_note": labels.metric_note,
        "failure_title": labels.failure_title,
        "seconds": labels.seconds,
        "plural": labels.plural,
    }
    environment.globals |= {
        "number": labels.number,
        "interval": labels.interval,
        "spread": labels.spread,
        "percent": percent,
        "percent_interval": percent_interval,
        "scale_x": _scale_x,
        "nothing": labels.NOTHING,
    }
    return environment


def _scale_x(mos: float) -> str:
    """Place of a MOS on an axis of 100 units."""
    low, high = MOS_RANGE
    return f"{100 * (min(max(mos, low), high) - low) / (high - low):.1f}"


def _radar(summary: Summary) -> str:
    """The chart as SVG; "" for fewer suites than make a polygon, where the table's bars are the chart."""
    if len(summary.suites) < MIN_SPOKES:
        return ""
    spokes = [Spoke(suite=row.suite, title=row.title, estimate=row.metrics.get("mos")) for row in summary.suites]
    return radar_svg(spokes, PUBLISHED)


def _chain(log: RunLog) -> list[tuple[str, str]]:
    spec, manifest = log.spec, log.manifest
    rows = [
        ("Model", manifest.model),
        ("Transcriber (ASR)", manifest.asr),
        ("Judge", manifest.judge),
        ("Speech predictors", ", ".join(spec.speech_mos) or "none"),
        ("Text normaliser", f"version {manifest.normaliser}"),
        ("Answer channel", spec.channel),
        ("Seed", str(spec.seed)),
        ("Repeats", str(spec.repeats)),
        ("Questions changed by", ", ".join(spec.perturb) or "nothing"),
        ("Limit per suite", "none" if spec.limit is None else str(spec.limit)),
        ("Spec", spec.fingerprint),
    ]
    rows += [(f"Option {name}", str(value)) for name, value in sorted(spec.model_options.items())]
    rows += [(f"Data of {suite}", digest) for suite, digest in manifest.suites.items()]
    return rows + [(f"Version of {name}", version) for name, version in sorted(manifest.versions.items())]


def _sound(recordings: Mapping[str, Recording], max_bytes: int) -> str:
    n_embedded = sum(recording.is_embedded for recording in recordings.values())
    n_linked = sum(bool(recording.source) and not recording.is_embedded for recording in recordings.values())
    if not n_linked:
        return f"{labels.plural(n_embedded, 'recording')} inside this file"
    limit = f"{max_bytes / 1e6:g} MB"
    return (
        f"{labels.plural(n_embedded, 'recording')} inside this file (limit {limit}); {n_linked:,} more are read from "
        "the folder audio/ beside it"
    )
