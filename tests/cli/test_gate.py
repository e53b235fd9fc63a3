"""`aqaa-eval gate` from the shell's side: exit codes, JSON, JUnit, the step summary, floors, margins, baselines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.gate_runs import N, make_log, values, write
from tests.reports.payloads import PAYLOADS

PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    return write(make_log({"gaming": values(), "singing": values()}), tmp_path / "baseline.json.gz")


@pytest.fixture
def gate(cli: Callable, baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Gate the made suites against the baseline."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def call(suites: dict, *arguments: object, asr: str | None = None):
        candidate = write(make_log(suites, asr=asr), tmp_path / "candidate.json.gz")
        return cli("gate", candidate, "--baseline", baseline, *arguments)

    return call


def verdicts(done) -> dict[str, str]:
    return {suite["suite"]: suite["verdict"] for suite in json.loads(done.out)["suites"]}


def test_a_candidate_as_good_as_the_baseline_passes_with_0(gate: Callable) -> None:
    done = gate({"gaming": values(spread=0.06), "singing": values(spread=0.04)})
    assert done.code == 0, done.out + done.err
    assert "passed" in done.out.splitlines()[-1]


def test_a_clear_loss_in_one_suite_fails_with_1_and_names_it(gate: Callable) -> None:
    done = gate({"gaming": values(), "singing": values(shift=-0.8, spread=0.06)}, "--json")
    assert done.code == 1
    assert verdicts(done) == {"gaming": "passed", "singing": "regression"}


def test_a_conversation_without_a_score_makes_it_incomplete_with_3_and_is_named(gate: Callable) -> None:
    lost = [*values(spread=0.06)[:-1], None]
    done = gate({"gaming": values(), "singing": lost}, "--json")
    assert done.code == 3
    assert json.loads(done.out)["missing"] == [f"singing/c{N - 1:03d}"]


def test_runs_too_small_to_tell_leave_with_4_and_say_how_many_would_do(cli: Callable, tmp_path: Path) -> None:
    before = write(make_log({"gaming": [3.0, 4.0, 2.0, 3.5, 4.5]}), tmp_path / "before.json.gz")
    after = write(make_log({"gaming": [4.0, 3.0, 2.5, 2.5, 5.0]}), tmp_path / "after.json.gz")
    done = cli("gate", after, "--baseline", before, "--json")
    assert done.code == 4
    [suite] = json.loads(done.out)["suites"]
    assert suite["n_needed"] > 5
    assert f"about {suite['n_needed']} needed" in suite["reason"]


def test_another_recogniser_is_not_comparable_and_leaves_with_5_unless_allowed(gate: Callable) -> None:
    same = {"gaming": values(), "singing": values()}
    done = gate(same, asr="whisper:tiny")
    assert (done.code, done.out) == (5, "")
    assert "--allow-different asr" in done.err
    assert gate(same, "--allow-different", "asr", asr="whisper:tiny").code == 0


def test_runs_that_share_nothing_leave_with_5(gate: Callable) -> None:
    done = gate({"creativity": values()})
    assert done.code == 5
    assert "no conversation" in done.err


def test_the_json_holds_what_the_exit_code_says(gate: Callable) -> None:
    found = json.loads(gate({"gaming": values(), "singing": values(shift=-0.8)}, "--json").out)
    assert (found["verdict"], found["exit_code"]) == ("regression", 1)
    assert found["suites"][1]["difference"]["value"] == pytest.approx(-0.8)


def test_the_junit_file_has_a_case_per_suite_and_floor(gate: Callable, tmp_path: Path) -> None:
    suites = {"gaming": values(), "singing": values(shift=-0.8)}
    gate(suites, "--junit", tmp_path / "junit.xml", "--min", "gaming=4.9", "--min", "overall=1")
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    failed = {case.get("name"): case.find("failure") is not None for case in root.findall("testcase")}
    assert failed == {"gaming": False, "singing": True, "gaming at least 4.9": True, "overall at least 1": False}
    assert (root.get("tests"), root.get("failures")) == ("4", "2")


def test_the_summary_goes_where_github_wants_it_and_is_appended(
    gate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    suites = {"gaming": values(), "singing": values()}
    gate(suites, "--markdown", summary)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    gate(suites)
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# before\n")
    assert text.count("aqaa-eval gate: passed") == 2


@pytest.mark.parametrize(
    ("floor", "code"),
    [
        (("--min", "singing=3.4"), 0),
        (("--min", "singing=3.6"), 1),
        (("--max", "failures=2%"), 0),
        (("--max", "ttfa_p90=0.5s"), 0),
        (("--max", "ttfa_p90=200ms"), 1),
        (("--min", "overall.speech=3"), 3),
        (("--min", "sining=3"), 2),
        (("--min", "singing"), 2),
    ],
)
def test_absolute_floors_hold_or_fail_or_say_that_nothing_was_measured(
    gate: Callable, floor: tuple[str, str], code: int
) -> None:
    done = gate({"gaming": values(), "singing": values()}, *floor)
    assert done.code == code, done.out + done.err


def test_a_margin_can_be_given_for_one_suite(gate: Callable) -> None:
    suites = {"gaming": values(), "singing": values(shift=-0.3)}
    assert gate(suites).code == 1
    assert gate(suites, "--margin", "singing=0.5").code == 0
    assert gate(suites, "--margin", "0.5").code == 0
    assert gate(suites, "--margin", "singing=nine").code == 2


def test_margins_come_from_runs_of_one_model(gate: Callable, tmp_path: Path) -> None:
    shifts = [0.0, 0.4]
    repeats = [write(make_log({"singing": values(shift=shift)}), tmp_path / f"{shift}.json.gz") for shift in shifts]
    suites = {"gaming": values(), "singing": values(shift=-0.3)}
    assert gate(suites).code == 1
    assert gate(suites, *(word for path in repeats for word in ("--calibrate", path))).code == 0


def test_the_order_of_conversations_and_a_doubled_one_change_nothing(cli: Callable, tmp_path: Path) -> None:
    from dataclasses import replace

    before, after = make_log({"gaming": values()}), make_log({"gaming": values(spread=0.07)})
    turned = replace(after, attempts=(*reversed(after.attempts), after.attempts[0]))
    baseline = write(before, tmp_path / "before.json.gz")
    plain = cli("gate", write(after, tmp_path / "a.json.gz"), "--baseline", baseline, "--json")
    other = cli("gate", write(turned, tmp_path / "b.json.gz"), "--baseline", baseline, "--json")
    assert plain.out == other.out != ""


def test_names_that_are_markup_stay_text_in_every_form(cli: Callable, tmp_path: Path) -> None:
    log = make_log({"gaming": values()}, model="".join(PAYLOADS))
    path = write(log, tmp_path / "run.json.gz")
    summary, junit = tmp_path / "summary.md", tmp_path / "junit.xml"
    done = cli("gate", path, "--baseline", path, "--markdown", summary, "--junit", junit)
    assert done.code == 0, done.err
    assert "<script" not in summary.read_text(encoding="utf-8")
    assert ElementTree.parse(junit).getroot().tag == "testsuite"


def test_a_stored_run_and_its_exported_baseline_give_the_same_decision(cli: Callable, tmp_path: Path) -> None:
    run, baseline = tmp_path / "run", tmp_path / "baseline.json.gz"
    cli("run", "--model", "fake:silent", "--suite", "gaming", *PLAIN, "--out", run)
    assert cli("export", run, "--format", "baseline", "--out", baseline).code == 0
    assert 0 < baseline.stat().st_size < 1_000_000
    against_file = cli("gate", run, "--baseline", baseline, "--json")
    against_run = cli("gate", run, "--baseline", run, "--json")
    assert (against_file.code, against_file.out) == (0, against_run.out)


def test_the_tables_of_a_stored_run_are_exported(cli: Callable, tmp_path: Path) -> None:
    run = tmp_path / "run"
    cli("run", "--model", "fake:silent", "--suite", "gaming", "--limit", 2, *PLAIN, "--out", run)
    done = cli("export", run, "--format", "jsonl", "--out", tmp_path / "tables")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in (tmp_path / "tables" / "scores.jsonl").read_text("utf-8").splitlines()]
    assert {row["value"] for row in rows if row["metric"] == "mos"} == {1.0}

    import aqaa_eval

    assert len(aqaa_eval.load_run(run).scores()) == len(rows)
