from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aqaa_eval.catalog import MODELS

PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")
NINE = 9


def test_run_prints_a_table_and_writes_the_page(cli: Callable, tmp_path: Path) -> None:
    done = cli("run", "--model", "fake:silent", "--limit", 1, *PLAIN, "--out", tmp_path / "run")
    assert done.code == 0
    assert "Gaming" in done.out
    assert str(tmp_path / "run" / "report.html") in done.err
    assert "<html" in (tmp_path / "run" / "report.html").read_text()


def test_json_on_stdout_is_data_alone(cli: Callable, tmp_path: Path) -> None:
    done = cli("run", "--model", "fake:silent", "--limit", 1, *PLAIN, "--out", tmp_path / "run", "--json")
    summary = json.loads(done.out)
    assert summary["run"] == str(tmp_path / "run")
    assert len(summary["suites"]) == NINE


def test_the_same_run_gives_the_same_page_to_the_byte(cli: Callable, tmp_path: Path) -> None:
    for name in ("a", "b"):
        cli("run", "--model", "fake:echo", "--limit", 1, *PLAIN, "--out", tmp_path / name)
    first = (tmp_path / "a" / "report.html").read_bytes()
    assert (tmp_path / "b" / "report.html").read_bytes() == first
    cli("report", tmp_path / "a")
    assert (tmp_path / "a" / "report.html").read_bytes() == first


def test_dry_run_shows_the_plan_and_touches_nothing(
    cli: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("run", "--model", "cascade", "--limit", 2, "--repeats", 3, "--dry-run", "--json", *PLAIN)
    plan = json.loads(done.out)
    assert plan["n_conversations"] == NINE * 2 * 3
    assert list(tmp_path.iterdir()) == []


def test_a_config_file_and_flags_make_one_spec(cli: Callable, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("model: fake:echo\nsuites: [gaming]\nlimit: 2\nasr: none\nspeech_mos: []\n")
    done = cli("run", "--config", config, "--limit", 1, "--dry-run", "--json")
    assert json.loads(done.out)["n_conversations"] == 1


def test_silent_scores_at_the_floor_with_its_reason_in_every_suite(cli: Callable, tmp_path: Path) -> None:
    done = cli("run", "--model", "fake:silent", *PLAIN, "--out", tmp_path / "run", "--json")
    suites = json.loads(done.out)["suites"]
    assert len(suites) == NINE
    from aqaa_eval.core.attempt import Status
    from aqaa_eval.engine.load import load_run

    for attempt in load_run(tmp_path / "run").attempts:
        mos = next(score for score in attempt.scores if score.metric == "mos")
        assert mos.status is Status.SCORED
        assert mos.value == 1.0
        assert "silent" in mos.reason
        assert not any(evidence.passed for score in attempt.scores for evidence in score.evidence)


def test_scoring_a_stored_run_again_does_not_ask_the_model(cli: Callable, tmp_path: Path) -> None:
    out = tmp_path / "run"
    cli("run", "--model", "fake:echo", "--suite", "gaming", "--limit", 2, *PLAIN, "--out", out)
    before = sorted(path.name for path in (out / "audio").iterdir())
    done = cli("score", out, "--channel", "text", "--quiet", "--json")
    assert done.code == 0
    assert sorted(path.name for path in (out / "audio").iterdir()) == before


@pytest.mark.parametrize("kind", ["suites", "formats", "models", "judges", "transcribers", "predictors", "weights"])
def test_every_list_has_rows(kind: str, cli: Callable) -> None:
    done = cli("list", kind, "--json")
    assert done.code == 0
    assert json.loads(done.out)


def test_every_model_is_listed_with_what_it_lacks_here_and_where_its_page_is(cli: Callable) -> None:
    rows = {row["name"]: row["here"] for row in json.loads(cli("list", "models", "--json").out)}
    assert list(rows) == list(MODELS)
    assert rows["fake"] == "ready"
    assert rows["kimi-audio"] == "ready" or "MoonshotAI/Kimi-Audio" in rows["kimi-audio"]
    pattern = cli("list", "models").out.splitlines()[-1].partition(": ")[2]
    assert [name for name in MODELS if not Path(pattern.replace("NAME", name)).is_file()] == []


def test_the_nine_suites_are_listed_with_what_they_hold(cli: Callable) -> None:
    rows = json.loads(cli("list", "suites", "--json").out)
    assert len(rows) == NINE
    assert all(int(row["conversations"]) >= 6 for row in rows)


def test_a_bundled_suite_validates(cli: Callable) -> None:
    done = cli("validate", "suite", "gaming")
    assert done.code == 0, done.out
    assert "no findings" in done.out


def test_doctor_says_how_ready_the_machine_is(cli: Callable) -> None:
    done = cli("doctor")
    assert done.code in (0, 3)
    assert "bundled suites" in done.out


def test_a_stored_run_can_be_replayed(cli: Callable, tmp_path: Path) -> None:
    common = ("--suite", "gaming", "--limit", 2, *PLAIN, "--json")
    first = cli("run", "--model", "fake:silent", *common, "--out", tmp_path / "a")
    again = cli("run", "--model", f"replay:{tmp_path / 'a'}", *common, "--out", tmp_path / "b")
    assert again.code == 0, again.err
    assert json.loads(again.out)["suites"] == json.loads(first.out)["suites"]
