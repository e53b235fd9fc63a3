"""What every page is made of: style, script, security policy, templates, safe writing.

Everything that comes from a run is escaped by the templates; the content-security-policy names our one style sheet and
our one script by hash, so nothing else runs even if escaping had a hole.
"""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.core.errors import UsageError
from aqaa_eval.reports import labels
from aqaa_eval.reports.charts import MOS_RANGE
from aqaa_eval.reports.compare_table import interval as signed_interval
from aqaa_eval.reports.compare_table import signed
from aqaa_eval.reports.kept import percent
from aqaa_eval.reports.recordings import BARS_HEIGHT, N_BARS

if TYPE_CHECKING:
    from jinja2 import Environment


PAGE_STYLES = ("shared.css", "pages/base.css")
"""Of every page but the run report, before its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What goes round a page's own content.

    Attributes:
        style: text of the one style sheet.
        script: text of the one script.
        policy: the content-security-policy.
    """

    style: str
    script: str
    policy: str


def frame_of(styles: Sequence[str], scripts: Sequence[str], *, has_links: bool = False) -> Frame:
    """Join the named assets of `templates` to one sheet and one script, in one scope.

    Args:
        styles: file names, later ones win.
        scripts: file names; what one declares the next can use.
        has_links: whether the page plays recordings that lie beside it.
    """
    style = "\n".join(map(asset, styles))
    script = '"use strict";\n(() => {\n' + "\n".join(map(asset, scripts)) + "})();\n"
    return Frame(style=style, script=script, policy=_policy(style, script, has_links=has_links))


def _policy(style: str, script: str, *, has_links: bool) -> str:
    parts = (
        "default-src 'none'",
        f"script-src {_hash_source(script)}",
        f"style-src {_hash_source(style)}",
        "media-src data: 'self' file:" if has_links else "media-src data:",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(parts)


def _hash_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def asset(name: str) -> str:
    """A file of `templates` as text."""
    return (files("aqaa_eval.reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """The templates, escaping by themselves; an unknown name is an error and not an empty place."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    found = Environment(
        loader=FunctionLoader(asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {"plural": labels.plural, "seconds": labels.seconds, "signed": signed}
    found.globals |= {
        "number": labels.number,
        "interval": labels.interval,
        "spread": labels.spread,
        "percent": percent,
        "signed_interval": signed_interval,
        "scale_x": scale_x,
        "nothing": labels.NOTHING,
        "wave": {"width": 2 * N_BARS, "height": BARS_HEIGHT},
    }
    return found


def scale_x(mos: float) -> str:
    """Place of a MOS on an axis of 100 units.

    >>> scale_x(1), scale_x(3), scale_x(9)
    ('0.0', '50.0', '100.0')
    """
    low, high = MOS_RANGE
    return f"{100 * (min(max(mos, low), high) - low) / (high - low):.1f}"


def write_page(parts: Iterable[str], target: Path) -> Path:
    """Write a page whole or not at all.

    Args:
        parts: its text, piece by piece, so that a large page is never in memory at once.
        target: the file; its folder is made.

    Raises:
        UsageError: the place cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".page-", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for part in parts:
                    # A lone surrogate in some model's text must not cost the page.
                    file.write(part.encode("utf-8", "replace"))
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{target}: cannot be written ({error.strerror}); give another --out") from error
    return target
