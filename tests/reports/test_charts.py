from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.reports.charts import Spoke, radar_svg, radars_svg
from aqaa_eval.reports.published import CAPABILITIES, PUBLISHED

SVG = "{http://www.w3.org/2000/svg}"


def estimate(value: float | None, half_width: float | None = 0.5) -> Estimate:
    low = high = None
    if value is not None and half_width is not None:
        low, high = value - half_width, value + half_width
    return Estimate(value=value, low=low, high=high, n=3, n_clusters=3, unscored=0, failed=0)


def spokes(*estimates: Estimate | None) -> list[Spoke]:
    named = zip(CAPABILITIES.items(), estimates, strict=False)
    return [Spoke(suite=suite, title=title, estimate=value) for (suite, title), value in named]


NINE = spokes(*(estimate(2 + 0.2 * index) for index in range(9)))


def groups(svg: str, name: str) -> list[ElementTree.Element]:
    return [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("class") == name]


def centre(group: ElementTree.Element) -> tuple[float, float]:
    path = group.find(f"{SVG}path")
    assert path is not None
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.get("d", ""))]
    xs, ys = numbers[::2], numbers[1::2]
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def test_the_radar_has_a_dot_a_whisker_and_a_label_per_suite() -> None:
    svg = radar_svg(NINE)
    for name in ("radar-dot", "radar-whisker", "radar-band", "radar-line", "radar-spoke"):
        assert len(groups(svg, name)) == 9, name
    labels = " ".join("".join(group.itertext()).strip() for group in groups(svg, "radar-label"))
    assert labels.split() == " ".join(CAPABILITIES.values()).split()


def test_values_lie_on_their_rings() -> None:
    svg = radar_svg(spokes(estimate(5.0), estimate(1.0), estimate(3.0)))
    top = [min(_ys(ring)) for ring in groups(svg, "radar-ring")]  # MOS 1 to 5 on the upward spoke
    assert centre(groups(svg, "radar-dot")[0])[1] == pytest.approx(top[4], abs=0.01)
    assert top == sorted(top, reverse=True)
    assert top[1] - top[2] == pytest.approx(top[3] - top[4], abs=0.01)


def _ys(group: ElementTree.Element) -> list[float]:
    path = group.find(f"{SVG}path")
    assert path is not None
    return [float(y) for _, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))]


def test_a_suite_without_a_score_is_a_gap_and_not_a_zero() -> None:
    values = [estimate(3.0) for _ in range(9)]
    values[4] = estimate(None)
    svg = radar_svg(spokes(*values))
    assert len(groups(svg, "radar-dot")) == 8
    assert len(groups(svg, "radar-line")) == 7
    assert len(groups(svg, "radar-band")) == 7


def test_a_mean_without_an_interval_gets_no_band() -> None:
    svg = radar_svg(spokes(*(estimate(3.0, None) for _ in range(9))))
    assert len(groups(svg, "radar-dot")) == 9
    assert groups(svg, "radar-band") == []
    assert groups(svg, "radar-whisker") == []


def test_published_figures_are_their_own_groups() -> None:
    svg = radar_svg(NINE, PUBLISHED)
    assert [len(groups(svg, f"radar-published-{index}")) for index in range(3)] == [9, 9, 9]
    assert "radar-published" not in radar_svg(NINE)


def test_published_figures_are_those_of_the_article() -> None:
    assert [row.model for row in PUBLISHED] == ["Step-Audio-AQAA", "Kimi-Audio", "Qwen-Omni"]
    assert [sum(row.mos.values()) for row in PUBLISHED] == pytest.approx([38.2, 36.0, 37.0])
    assert PUBLISHED[0].mos["instruction_following"] == 3.6
    assert PUBLISHED[1].mos["singing"] == 4.2
    assert all(row.mark == "published, other raters" and row.source for row in PUBLISHED)


def test_the_chart_holds_no_colour_and_no_style_of_its_own() -> None:
    svg = radar_svg(NINE, PUBLISHED)
    attributes = {name for element in ElementTree.fromstring(svg).iter() for name in element.attrib}
    assert attributes <= {"viewBox", "class", "d", "x", "y", "transform", "text-anchor"}
    assert "<style" not in svg
    assert "<!" not in svg


def test_the_same_figures_give_the_same_bytes_whatever_matplotlib_is_set_to() -> None:
    expected = radar_svg(NINE, PUBLISHED)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "font.family": "serif", "svg.hashsalt": "other"}):
        assert radar_svg(NINE, PUBLISHED) == expected
    assert mpl.rcParams["svg.hashsalt"] != "aqaa-eval"


@pytest.mark.parametrize(
    "title", ["<script>alert(1)</script>", "$\\frac{1}{0}$", 'a" style="fill:red', "歌唱", "&amp;"]
)
def test_a_title_is_text_whatever_it_holds(title: str) -> None:
    plain = radar_svg([Spoke(suite=str(index), title="x", estimate=estimate(3.0)) for index in range(3)])
    svg = radar_svg([Spoke(suite=str(index), title=title, estimate=estimate(3.0)) for index in range(3)])
    elements = ElementTree.fromstring(svg)
    told = ["".join(group.itertext()) for group in groups(svg, "radar-label")]
    assert "".join(told).replace(" ", "").startswith(title.replace(" ", "").replace(' style="fill:red', "")[:5])
    assert {element.tag for element in elements.iter()} == {
        element.tag for element in ElementTree.fromstring(plain).iter()
    }


def test_two_suites_make_no_radar() -> None:
    with pytest.raises(ValueError, match="at least 3 suites, got 2"):
        radar_svg(NINE[:2])


def test_several_runs_lie_over_each_other_each_with_its_own_class() -> None:
    higher = spokes(*(estimate(3 + 0.2 * index) for index in range(9)))
    svg = radars_svg([NINE, higher])
    for index in (0, 1):
        for name in ("radar-dot", "radar-band", "radar-line"):
            assert len(groups(svg, f"{name} series-{index}")) == 9, name
    assert len(groups(svg, "radar-label")) == len(groups(radar_svg(NINE), "radar-label"))
    first, second = (centre(groups(svg, f"radar-dot series-{index}")[0])[1] for index in (0, 1))
    assert second < first  # higher on the upward spoke
    assert svg == radars_svg([NINE, higher])


def test_runs_of_different_suites_are_not_laid_over_each_other() -> None:
    with pytest.raises(ValueError, match="different suites"):
        radars_svg([NINE, NINE[:5]])
    with pytest.raises(ValueError, match="no run"):
        radars_svg([])
