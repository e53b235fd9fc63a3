"""The radar of a run: one spoke per suite, the mean as a line, the 95 % interval as a band, published figures dashed.

Matplotlib draws geometry only. Every group of the SVG gets a class ("radar-band", "radar-line", ...) and loses its
own colours, so the page's style sheet paints it: light, dark and print from the same bytes, and nothing inline that a
strict content-security-policy would refuse.
"""

from __future__ import annotations

import math
import re
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.reports.published import Published

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MIN_SPOKES = 3
"""Fewer suites make no polygon; the table's interval bars show them then."""

MOS_RANGE = (1, 5)
_HUB = 0.12  # radius of MOS 1, so that the floor is a ring and not a point
_WIDTH_PX, _HEIGHT_PX = 520, 440
_LINE_HEIGHT = 0.1
_DPI = 72  # one unit of the SVG per point


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoke:
    """One suite in the radar.

    Attributes:
        suite: its id, by which published figures are found.
        title: its label.
        estimate: MOS 1 to 5; None or without a value if nothing was scored, which leaves a gap.
    """

    suite: str
    title: str
    estimate: Estimate | None


def radar_svg(spokes: Sequence[Spoke], published: Sequence[Published] = ()) -> str:
    """Draw the radar as an SVG element without styles of its own.

    Args:
        spokes: clockwise from the top; at least `MIN_SPOKES`.
        published: rows for the overlay, group "radar-published radar-published-0" and so on.

    Raises:
        ValueError: too few spokes for a polygon.
    """
    return _svg([spokes], published)


def radars_svg(series: Sequence[Sequence[Spoke]]) -> str:
    """Draw several runs over each other; groups of run i carry the class "series-i" beside their own.

    Args:
        series: one sequence of spokes per run, of the same suites in the same order.

    Raises:
        ValueError: no run, too few spokes, or suites that differ.
    """
    if not series:
        raise ValueError("no run to draw: give the spokes of one or more")
    if len({tuple(spoke.suite for spoke in spokes) for spokes in series}) > 1:
        raise ValueError("the runs' spokes are of different suites: give each run a spoke for every suite")
    return _svg(series, (), [f" series-{index}" for index in range(len(series))])


def _svg(series: Sequence[Sequence[Spoke]], published: Sequence[Published], marks: Sequence[str] = ("",)) -> str:
    spokes = series[0]
    if len(spokes) < MIN_SPOKES:
        raise ValueError(f"a radar needs at least {MIN_SPOKES} suites, got {len(spokes)}; the table shows them")
    import io

    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "aqaa-eval", "path.simplify": False}):
        figure = Figure(figsize=(_WIDTH_PX / _DPI, _HEIGHT_PX / _DPI), dpi=_DPI, frameon=False)
        half_width, half_height = 1.34 * _WIDTH_PX / _HEIGHT_PX, 1.34
        axes = figure.add_axes((0, 0, 1, 1), frameon=False, xlim=(-half_width, half_width), ylim=(-half_height, 1.34))
        axes.set_axis_off()
        _draw_grid(axes, spokes)
        for index, row in enumerate(published):
            _draw_line(axes, [row.mos.get(spoke.suite) for spoke in spokes], f"radar-published-{index}")
        for drawn_spokes, mark in zip(series, marks, strict=True):
            _draw_estimates(axes, drawn_spokes, mark)
        with warnings.catch_warnings():
            # A title in a script that the layout font lacks: the browser has the glyphs, we only measure here.
            warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
            metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            FigureCanvasSVG(figure).print_svg(drawn, metadata=metadata)  # type: ignore[no-untyped-call]
    return _themed(drawn.getvalue())


Point = tuple[float, float]


def _point(spoke: int, n_spokes: int, radius: float) -> Point:
    angle = 2 * math.pi * spoke / n_spokes
    return radius * math.sin(angle), radius * math.cos(angle)


def _radius(mos: float) -> float:
    low, high = MOS_RANGE
    return _HUB + (1 - _HUB) * (min(max(mos, low), high) - low) / (high - low)


def _add_path(axes: Axes, points: Sequence[Point], name: str, *, closed: bool = True) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    vertices = [*points, points[0]] if closed else list(points)
    codes = [Path.MOVETO] + [Path.LINETO] * (len(vertices) - 1)
    if closed:
        codes[-1] = Path.CLOSEPOLY
    axes.add_artist(PathPatch(Path(vertices, codes), fill=closed, gid=name, clip_on=False))


def _draw_grid(axes: Axes, spokes: Sequence[Spoke]) -> None:
    n = len(spokes)
    for mos in range(MOS_RANGE[0], MOS_RANGE[1] + 1):
        _add_path(axes, [_point(spoke, n, _radius(mos)) for spoke in range(n)], "radar-ring")
    for index, spoke in enumerate(spokes):
        _add_path(axes, [_point(index, n, _HUB), _point(index, n, 1)], "radar-spoke", closed=False)
        _draw_label(axes, textwrap.wrap(spoke.title, width=15, break_long_words=False), _point(index, n, 1.09))
    for mos in range(MOS_RANGE[0], MOS_RANGE[1] + 1):
        # Beside the first spoke, where no line of the figure hides it.
        _add_text(axes, str(mos), (-0.04, _radius(mos) - 0.03), "radar-tick", align="right")


def _draw_label(axes: Axes, lines: Sequence[str], anchor: Point) -> None:
    """Place a label of several lines outside the end of its spoke."""
    x, y = anchor
    align = "center" if abs(x) < 0.2 else "left" if x > 0 else "right"
    # The middle of the block lies beside the spoke's end; at the top it stands on it, at the bottom it hangs from it.
    above = len(lines) if y > 0.9 else 0 if y < -0.9 else len(lines) / 2
    for index, line in enumerate(lines):
        _add_text(axes, line, (x, y + (above - index - 0.8) * _LINE_HEIGHT), "radar-label", align=align)


def _add_text(axes: Axes, text: str, place: Point, name: str, *, align: str) -> None:
    # On the baseline, so that no metric of a local font moves it; the browser sets the size.
    axes.text(*place, text, ha=align, va="baseline", gid=name, parse_math=False, clip_on=False)


def _draw_line(axes: Axes, values: Sequence[float | None], name: str) -> None:
    """Join neighbours that both have a value; a missing one leaves a gap, never a zero."""
    n = len(values)
    for index, value in enumerate(values):
        following = values[(index + 1) % n]
        if value is not None and following is not None:
            ends = [_point(index, n, _radius(value)), _point(index + 1, n, _radius(following))]
            _add_path(axes, ends, name, closed=False)


def _draw_estimates(axes: Axes, spokes: Sequence[Spoke], mark: str = "") -> None:
    from matplotlib.patches import Circle

    n = len(spokes)
    bounds = [_bounds(spoke.estimate) for spoke in spokes]
    for index, bound in enumerate(bounds):
        following = bounds[(index + 1) % n]
        if bound and following:
            corners = [(index, bound[0]), (index, bound[1]), (index + 1, following[1]), (index + 1, following[0])]
            _add_path(axes, [_point(spoke, n, _radius(mos)) for spoke, mos in corners], f"radar-band{mark}")
    for index, bound in enumerate(bounds):
        if bound:
            _add_path(axes, [_point(index, n, _radius(mos)) for mos in bound], f"radar-whisker{mark}", closed=False)
    values = [spoke.estimate.value if spoke.estimate else None for spoke in spokes]
    _draw_line(axes, values, f"radar-line{mark}")
    for index, value in enumerate(values):
        if value is not None:
            axes.add_artist(Circle(_point(index, n, _radius(value)), 0.028, gid=f"radar-dot{mark}", clip_on=False))


def _bounds(estimate: Estimate | None) -> tuple[float, float] | None:
    if estimate is None or estimate.low is None or estimate.high is None:
        return None
    return estimate.low, estimate.high


_TAG = re.compile(r"<[^<>]*>")
_ATTRIBUTE = re.compile(r'\s(style|id|width|height|xmlns:xlink|version)="([^"]*)"')
_STYLE_BLOCK = re.compile(r"<defs>\s*<style.*?</defs>", re.DOTALL)


def _themed(svg: str) -> str:
    """Matplotlib's file as an element for the page: no prologue, no colours, our names as classes.

    Works on tags only; matplotlib escapes angle brackets in text, so no label can look like one.
    """
    element = _STYLE_BLOCK.sub("", svg[svg.index("<svg") :], count=1)
    element = _TAG.sub(lambda tag: _ATTRIBUTE.sub(_themed_attribute, tag.group()), element)
    return re.sub(r"\s*\n\s*", " ", element).strip()


def _themed_attribute(match: re.Match[str]) -> str:
    name, value = match.groups()
    if name == "id" and value.startswith("radar-"):
        return f' class="{value}"'
    if name == "style":
        anchor = re.search(r"text-anchor: (\w+)", value)
        return f' text-anchor="{anchor.group(1)}"' if anchor else ""
    return ""
