"""The run report's own style sheet and script, joined of small files, and the policy that lets nothing else run."""

from __future__ import annotations

from functools import cache

from aqaa_eval.reports.page import Frame, frame_of

_STYLES = ("shared.css", "report.css", "report/items.css", "report/player.css", "report/small.css")
_SCRIPTS = ("base", "language", "theme", "data", "player", "texts", "item", "filter", "list", "keys", "start")


@cache
def report_frame(*, has_links: bool) -> Frame:
    """What goes round the report; style sheets stand in the order in which one overrules another.

    Args:
        has_links: whether the page plays recordings that lie beside it.
    """
    return frame_of(_STYLES, [f"report/js/{name}.js" for name in _SCRIPTS], has_links=has_links)
