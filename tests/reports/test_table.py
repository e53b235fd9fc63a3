from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from aqaa_eval.core.attempt import Status
from aqaa_eval.core.failure import Failure
from aqaa_eval.reports.summary import Summary, summarise
from aqaa_eval.reports.table import print_table, to_json
from tests.reports.builders import attempt, broken, card, missing, run_log, score


def two_suites() -> Summary:
    attempts = [
        attempt("gaming", "g01", [score("mos", 2.0), score("fidelity", 0.1, turn=0, weight=10)]),
        attempt("gaming", "g02", [score("mos", 4.0)]),
        attempt("gaming", "g03", [missing("mos", Status.FAILED)], turns=[broken(Failure.TIMEOUT, "60 s")]),
        attempt("singing", "s01", [score("mos", 5.0)]),
    ]
    return summarise(run_log(Path("nowhere"), attempts, n_planned=6, cards=[card("singing", "[red]Sing[/red]")]))


def printed(summary: Summary) -> list[str]:
    out = io.StringIO()
    print_table(summary, Console(file=out, width=140))
    return out.getvalue().splitlines()


def test_the_table_has_a_row_per_suite_and_one_for_the_run() -> None:
    headline, heads, gaming, singing, overall = printed(two_suites())
    assert headline == "fake:echo: 4 conversations of 6 planned; overall is the mean over 2 scored suites"
    assert heads.split() == ["suite", "MOS", "95", "%", "interval", "n", "fidelity", "TTFA", "RTF", "failures"]
    assert gaming.split()[:5] == ["Gaming", "3.00", "2.00", "to", "4.00"]
    assert "2/3" in gaming
    assert "10.0 %" in gaming
    assert gaming.rstrip().endswith("1 timeout")
    assert singing.rstrip().endswith("none")
    assert overall.split()[:2] == ["Overall", "4.00"]


def test_markup_in_a_title_is_text() -> None:
    assert printed(two_suites())[3].startswith("[red]Sing[/red]")


def test_json_holds_every_estimate_and_no_nan() -> None:
    data = json.loads(json.dumps(to_json(two_suites()), allow_nan=False))
    assert data["suites"]["gaming"]["metrics"]["mos"] == {
        "value": 3.0,
        "low": 2.0,
        "high": 4.0,
        "n": 2,
        "n_clusters": 2,
        "unscored": 0,
        "failed": 1,
    }
    assert data["suites"]["gaming"]["failures"] == {"timeout": 1}
    assert data["overall"]["metrics"]["mos"]["low"] is None
    assert data["overall"]["latency"]["total_s"]["n"] == 3
    assert (data["is_complete"], data["n_planned"]) == (False, 6)


def test_equal_scores_are_not_sold_as_certainty() -> None:
    attempts = [attempt("gaming", f"g{index}", [score("mos", 1.0)]) for index in range(2)]
    assert "no spread" in printed(summarise(run_log(Path("nowhere"), attempts)))[2]


def test_what_a_reader_must_know_of_the_measuring_is_told() -> None:
    summary = replace(two_suites(), notes=("the judge m graded anchors 0.9 lower than before",))
    assert to_json(summary)["notes"] == ["the judge m graded anchors 0.9 lower than before"]
