"""The page's own style sheet, script and templates, and the policy that lets nothing else run.

Style and script are kept in small files and joined here; the policy names each by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from aqaa_eval.reports import labels
from aqaa_eval.reports.charts import MOS_RANGE
from aqaa_eval.reports.kept import percent

if TYPE_CHECKING:
    from jinja2 import Environment

_STYLES = ("report.css", "report/items.css", "report/player.css", "report/small.css")
_SCRIPTS = ("base", "language", "theme", "data", "player", "texts", "item", "filter", "list", "keys", "start")


@cache
def style_sheet() -> str:
    """All style sheets in the order in which one overrules another."""
    return "\n".join(map(asset, _STYLES))


@cache
def script() -> str:
    """All parts of the script in one scope, which nothing outside can reach."""
    parts = "\n".join(asset(f"report/js/{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def policy(*, has_links: bool) -> str:
    """The content-security-policy; only a page with linked recordings may read beside itself."""
    media = "media-src data: 'self' file:" if has_links else "media-src data:"
    parts = (
        "default-src 'none'",
        f"script-src {_hash_source(script())}",
        f"style-src {_hash_source(style_sheet())}",
        media,
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(parts)


def _hash_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def asset(name: str) -> str:
    """A file of the templates' folder."""
    return (files("aqaa_eval.reports") / "templates" / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """The templates; whatever a run holds is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    found = Environment(
        loader=FunctionLoader(asset), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.globals |= {
        "number": labels.number,
        "spread": labels.spread,
        "percent": percent,
        "scale_x": scale_x,
        "nothing": labels.NOTHING,
    }
    return found


def scale_x(mos: float) -> str:
    """Place of a MOS on an axis of 100 units.

    >>> scale_x(1), scale_x(4), scale_x(9)
    ('0.0', '75.0', '100.0')
    """
    low, high = MOS_RANGE
    return f"{100 * (min(max(mos, low), high) - low) / (high - low):.1f}"
