from __future__ import annotations

import io
import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.gating import FloorGate, GateResult, GateVerdict, SuiteGate
from aqaa_eval.reports.ci import gate_json, junit_xml, print_gate, step_summary

HOSTILE = 'sing<script>alert(1)</script>|`x`\x00\x1b[31m"&'


def suite(name: str, verdict: GateVerdict, *, n_needed: int | None = None) -> SuiteGate:
    return SuiteGate(
        suite=name,
        difference=Estimate(value=-0.12, low=-0.3, high=0.06, n=24, n_clusters=24, unscored=0, failed=0),
        candidate=3.1,
        baseline=3.22,
        margin=0.2,
        p_worse=0.4,
        p_within=0.2,
        n_missing=0,
        n_needed=n_needed,
        verdict=verdict,
        reason="too few",
    )


@pytest.fixture
def result() -> GateResult:
    return GateResult(
        candidate=HOSTILE,
        baseline="cascade",
        metric="mos",
        suites=(
            suite("gaming", GateVerdict.PASSED),
            suite(HOSTILE, GateVerdict.REGRESSION),
            suite("singing", GateVerdict.INCONCLUSIVE, n_needed=80),
        ),
        floors=(FloorGate(demand="failures at most 0.02", measured="5.0 %", verdict=GateVerdict.REGRESSION),),
        missing=("gaming/g01",),
        extra=("gaming/new",),
    )


def test_the_junit_file_counts_failures_and_errors_and_survives_hostile_names(result):
    root = ElementTree.fromstring(junit_xml(result))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "2", "1")
    assert next(case.get("name") for case in root) == "gaming"


def test_the_step_summary_holds_no_markup_of_the_data(result):
    text = step_summary(result)
    assert "<script" not in text
    assert "\x1b" not in text
    row = next(line for line in text.splitlines() if "alert(1)" in line and line.startswith("|"))
    assert row.replace("\\|", "").count("|") == 10
    assert "regression" in text.splitlines()[0]


def test_the_json_is_strict_and_holds_the_exit_code(result):
    values = json.loads(json.dumps(gate_json(result), allow_nan=False))
    assert (values["verdict"], values["exit_code"]) == ("regression", 1)
    assert values["suites"][2]["n_needed"] == 80


def test_the_table_shows_every_suite_and_the_decision(result):
    console = Console(file=io.StringIO(), width=160, force_terminal=False)
    print_gate(result, console)
    text = console.file.getvalue()
    assert "singing" in text
    assert "-0.30 to +0.06" in text
    assert text.strip().endswith("against cascade: regression")


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ((GateVerdict.PASSED,), 0),
        ((GateVerdict.PASSED, GateVerdict.INCONCLUSIVE), 4),
        ((GateVerdict.INCOMPLETE, GateVerdict.INCONCLUSIVE), 3),
        ((GateVerdict.INCOMPLETE, GateVerdict.REGRESSION), 1),
    ],
)
def test_the_worst_verdict_gives_the_exit_code(result, verdicts, code):
    parts = tuple(suite(str(place), verdict) for place, verdict in enumerate(verdicts))
    assert replace(result, suites=parts, floors=()).verdict.exit_code == code
