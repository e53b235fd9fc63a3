"""The page of a comparison: what stands on it, what it hides, what it carries; the browser's part is apart."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.compare import compare
from aqaa_eval.reports.compare_page import CompareSettings, render_comparison, write_comparison
from aqaa_eval.reports.compare_view import choose, item_views
from tests.reports.builders import attempt, check, nine_suites, run_log, score
from tests.reports.payloads import PAYLOADS, hostile_log


def renamed(log: RunLog, model: str) -> RunLog:
    return replace(log, spec=log.spec.model_copy(update={"model": model}))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunLog]:
    """Two runs over nine suites; in the second every third conversation lost what it had."""
    first = renamed(nine_suites(tmp_path_factory.mktemp("first")), "cascade")
    second = renamed(nine_suites(tmp_path_factory.mktemp("second")), "reference:step7")
    attempts = [
        replace(item, scores=tuple(score("mos", 1.0) for _ in item.scores[:1])) if place % 3 == 1 else item
        for place, item in enumerate(second.attempts)
    ]
    return [first, replace(second, attempts=tuple(attempts))]


@pytest.fixture(scope="module")
def page(runs: list[RunLog]) -> str:
    return render_comparison(runs, compare(runs))


def test_the_page_has_a_row_per_suite_and_both_radars(runs: list[RunLog], page: str) -> None:
    assert len(re.findall(r'<th scope="row"><a href="#conversations"', page)) == 9
    assert page.count('class="radar-line series-0"') > 0 < page.count('class="radar-line series-1"')
    assert page.count('<details class="item"') == len(runs[0].attempts)
    assert "cascade" in page
    assert "reference:step7" in page


def test_what_a_reader_must_know_of_a_runs_measuring_stands_there_and_goes_with_the_names(runs: list[RunLog]) -> None:
    drifted = [runs[0], replace(runs[1], notes=("the judge <b>drifted</b>",))]
    page = render_comparison(drifted, compare(drifted))
    told = page[page.index('<div class="told">') : page.index("<table")]  # hidden while the names are
    assert "reference:step7: the judge &lt;b&gt;drifted&lt;/b&gt;" in told


def test_the_same_runs_give_the_same_bytes_and_another_seed_another_order(runs: list[RunLog], page: str) -> None:
    assert render_comparison(runs, compare(runs)) == page
    other = render_comparison(runs, compare(runs), CompareSettings(seed=1))
    places = [re.findall(r'data-blind-place="(\d+)"', text) for text in (page, other)]
    assert places[0] != places[1]


def test_what_changed_most_comes_first_and_what_has_no_room_is_counted(runs: list[RunLog]) -> None:
    comparison = compare(runs)
    shown = choose(runs, comparison, limit=5)
    steps = [abs(item.step) for item in item_views(runs, comparison, shown.keys, [{}, {}], seed=0)]
    assert steps == sorted(steps, reverse=True)
    assert (len(shown.keys), shown.n_left_out) == (5, len(runs[0].attempts) - 5)
    page = render_comparison(runs, comparison, CompareSettings(max_items=5))
    assert f"{len(runs[0].attempts) - 5} more conversations" in page


def test_a_flipped_check_stands_with_its_conversation() -> None:
    first = run_log(
        Path("a"), [attempt("gaming", "g1", [score("mos", 5.0, evidence=(check("says_number(4)", True),))])]
    )
    other = run_log(
        Path("b"), [attempt("gaming", "g1", [score("mos", 1.0, evidence=(check("says_number(4)", False),))])]
    )
    logs = [first, other]
    [item] = item_views(logs, compare(logs), ["gaming/g1"], [{}, {}], seed=0)
    assert item.kinds == ("worse", "flipped")
    assert item.sides[1].lost == ("turn 1: says_number(4)",)
    assert "A lost" not in (page := render_comparison(logs, compare(logs)))
    assert "B lost 1 check" in page


def test_each_conversation_draws_its_own_order_and_every_run_stands_everywhere(runs: list[RunLog]) -> None:
    comparison = compare(runs)
    keys = choose(runs, comparison, limit=500).keys
    firsts = [item.sides[0].blind for item in item_views(runs, comparison, keys, [{}, {}], seed=3)]
    assert 0.2 < sum(firsts) / len(firsts) < 0.8
    for item in item_views(runs, comparison, keys, [{}, {}], seed=3):
        orders = {tuple((answer.series, answer.blind) for answer in turn.answers) for turn in item.turns}
        assert orders == {tuple((side.series, side.blind) for side in item.sides)}


def test_a_page_that_opens_blind_stands_in_the_drawn_order(runs: list[RunLog]) -> None:
    page = render_comparison(runs, compare(runs), CompareSettings(blind=True, seed=5))
    assert '<html lang="en" class="blind">' in page
    order = [int(place) for place in re.findall(r'<details class="item"[^>]* data-blind-place="(\d+)"', page)]
    assert order == sorted(order)
    assert not re.search(r"<title>[^<]*(cascade|reference)", page)


def test_beyond_the_limit_recordings_are_linked_from_where_the_page_lies(runs: list[RunLog], tmp_path: Path) -> None:
    target = write_comparison(
        runs, compare(runs), tmp_path / "pages" / "compare.html", CompareSettings(max_embedded_bytes=0)
    )
    links = re.findall(r'<audio[^>]* src="([^"]+)"', target.read_text("utf-8"))
    assert links
    assert not any(link.startswith("data:") for link in links)
    assert all((target.parent / link).is_file() for link in links)


def test_a_run_without_sound_says_so(runs: list[RunLog]) -> None:
    silent = [replace(item, turns=tuple(replace(turn, audio=None) for turn in item.turns)) for item in runs[1].attempts]
    logs = [runs[0], replace(runs[1], attempts=tuple(silent))]
    assert "read from a file without sound" in render_comparison(logs, compare(logs))


def test_three_runs_stand_side_by_side(runs: list[RunLog]) -> None:
    page = render_comparison([*runs, renamed(runs[0], "third")], compare([*runs, renamed(runs[0], "third")]))
    assert page.count('class="suites"') == 2
    assert "Answer 3" in page


@pytest.mark.parametrize("payload", PAYLOADS)
def test_texts_of_others_stay_text(payload: str, tmp_path: Path) -> None:
    log = renamed(hostile_log(tmp_path, payload), payload)
    logs = [log, renamed(log, "other")]
    page = render_comparison(logs, compare(logs))
    body = page.replace(re.search(r"<script>.*?</script>", page, re.DOTALL)[0], "")
    body = body.replace(re.search(r"<style>.*?</style>", body, re.DOTALL)[0], "")
    if "<" in payload:
        assert payload not in body
    assert not re.search(r"<(script|iframe|object|base|link rel=stylesheet|meta http-equiv=refresh)", body)
    assert page.count("Content-Security-Policy") == 1
