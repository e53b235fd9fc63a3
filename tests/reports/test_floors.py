from __future__ import annotations

from pathlib import Path

import pytest

from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.gating import GateVerdict
from aqaa_eval.reports.floors import hold_floors, parse_floor
from aqaa_eval.reports.summary import summarise
from tests.reports.builders import attempt, nine_suites, run_log, score


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return summarise(nine_suites(tmp_path_factory.mktemp("run")))


def held(summary, written: str, *, at_least: bool):
    [floor] = hold_floors([parse_floor(written, at_least=at_least)], summary)
    return floor


@pytest.mark.parametrize(
    ("written", "at_least", "verdict"),
    [
        ("overall=1", True, GateVerdict.PASSED),
        ("overall=4.9", True, GateVerdict.REGRESSION),
        ("gaming.speech=3", True, GateVerdict.PASSED),
        ("gaming.speech=4.9", True, GateVerdict.REGRESSION),
        ("failures=90%", False, GateVerdict.PASSED),
        ("failures=1%", False, GateVerdict.REGRESSION),
        ("model_error=10%", False, GateVerdict.PASSED),
        ("model_error=1%", False, GateVerdict.REGRESSION),
        ("ttfa_p90=1.5s", False, GateVerdict.PASSED),
        ("ttfa_p90=10ms", False, GateVerdict.REGRESSION),
        ("rtf_p50=2", False, GateVerdict.PASSED),
        ("overall.fidelity=25%", False, GateVerdict.PASSED),
    ],
)
def test_a_demand_is_held_against_what_was_measured(summary, written, at_least, verdict):
    assert held(summary, written, at_least=at_least).verdict is verdict


def test_a_floor_says_what_was_measured_in_its_unit(summary):
    assert held(summary, "ttfa_p90=1.5s", at_least=False).measured.endswith("s")
    assert held(summary, "failures=2%", at_least=False).measured.endswith("% of turns")


def test_what_was_not_measured_is_incomplete_and_does_not_pass():
    log = run_log(Path("runs/none"), [attempt("gaming", "g1", [score("mos", 3.0)], turns=[])])
    assert held(summarise(log), "ttfa_p90=1s", at_least=False).verdict is GateVerdict.INCOMPLETE
    assert held(summarise(log), "gaming.delivery=1", at_least=True).verdict is GateVerdict.INCOMPLETE


def test_an_unknown_name_is_told_with_the_nearest_one(summary):
    with pytest.raises(UnknownName, match="did you mean singing"):
        held(summary, "sining=3", at_least=True)


@pytest.mark.parametrize("written", ["singing", "=3", "singing=high", "singing=nan", ""])
def test_a_malformed_demand_is_refused(written):
    with pytest.raises(UsageError, match="NAME=NUMBER"):
        parse_floor(written, at_least=True)
