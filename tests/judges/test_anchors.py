"""Anchors: graded beside a batch, kept per run, and an alarm when a judge no longer grades as it did."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.errors import DataError
from aqaa_eval.judges.anchors import MIN_ANCHORS, alarms, bundled_anchors, stand
from aqaa_eval.judges.llm import LlmJudge
from aqaa_eval.judges.llm_build import build
from aqaa_eval.testing.judge_server import Fault, JudgeScript, JudgeServer, hashed_grades
from tests.judges.builders import QUICK, conversation

Messages = Sequence[Mapping[str, Any]]


def grader(level_of: Callable[[int], int]) -> Any:
    """Gives every anchor what is made of its known level, and anything else a hash."""
    known = {json.dumps(anchor.answer, ensure_ascii=False): anchor.level for anchor in bundled_anchors()}

    def grade(messages: Messages, schema: Mapping[str, Any]) -> dict[str, Any]:
        verdict = hashed_grades(messages, schema)
        found = [level for answer, level in known.items() if f"answered: {answer}" in messages[1]["content"]]
        return {**verdict, "content": level_of(found[0])} if found and "content" in verdict else verdict

    return grade


def make(server: JudgeServer, folder: Path, **options: Any) -> LlmJudge:
    given = {**QUICK, "base_url": server.base_url, "conversation": False, **options}
    judge = build(["openai:m"], given, verdicts=folder / "verdicts.sqlite", anchors=folder / "anchors.jsonl")
    assert isinstance(judge, LlmJudge)
    return judge


def judged(folder: Path, level_of: Callable[[int], int], *, id: str, **script: Any) -> tuple[str, int]:
    """One command that judges one conversation: what it tells, and how many requests it took."""
    with JudgeServer(JudgeScript(grade=grader(level_of), **script)) as server:
        judge = make(server, folder)
        judge.judge(conversation(["Ahoy!"], id=id))
        told = judge.account
        judge.close()
        return told, server.n_requests


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "anchors.jsonl").read_text().splitlines()]


def test_the_anchors_cover_all_suites_and_levels_and_are_named_once() -> None:
    from aqaa_eval.tasks.suite import BUNDLED

    anchors = bundled_anchors()
    assert len({anchor.id for anchor in anchors}) == len(anchors) == 20
    assert {anchor.suite for anchor in anchors} == set(BUNDLED)
    assert {anchor.level for anchor in anchors} == {1, 2, 3, 5}


def test_a_judge_that_stays_as_it_was_is_graded_along_and_stored_without_an_alarm(tmp_path: Path) -> None:
    told, n_requests = judged(tmp_path, lambda level: level, id="c01")
    assert "grades 20 known answers, Spearman 1.00, 0.00 levels too high" in told
    assert n_requests == 21
    told, n_requests = judged(tmp_path, lambda level: level, id="c02")
    assert "DRIFT" not in told
    assert n_requests == 21
    assert [line["notes"] for line in lines(tmp_path)] == [[], []]
    assert set(lines(tmp_path)[0]["levels"]) == {anchor.id for anchor in bundled_anchors()}


def test_a_model_that_changed_behind_its_name_raises_the_alarm_against_the_first_command(tmp_path: Path) -> None:
    judged(tmp_path, lambda level: level, id="c01")
    told, _ = judged(tmp_path, lambda level: max(1, level - 1), id="c02")
    assert "DRIFT of openai:m: its grades of the same 20 answers moved by -0." in told
    assert "DRIFT" in lines(tmp_path)[1]["notes"][0]


def test_a_judge_that_grades_upside_down_is_not_to_be_believed(tmp_path: Path) -> None:
    told, _ = judged(tmp_path, lambda level: 6 - level, id="c01")
    assert "Spearman -1.00" in told
    assert "should not be believed" in told


def test_where_nothing_is_bought_no_anchors_are_either(tmp_path: Path) -> None:
    judged(tmp_path, lambda level: level, id="c01")
    told, n_requests = judged(tmp_path, lambda level: level, id="c01")
    assert n_requests == 0
    assert "anchors" not in told
    assert len(lines(tmp_path)) == 1


def test_anchors_that_are_lost_are_said_and_nothing_is_compared_with_a_handful(tmp_path: Path) -> None:
    faults = (Fault.REFUSAL,)
    told, _ = judged(tmp_path, lambda level: level, id="c01", fault_share=0.9, faults=faults, seed=3)
    assert "too few to say" in told
    assert len(lines(tmp_path)[0]["levels"]) < MIN_ANCHORS
    told, _ = judged(tmp_path, lambda level: 1, id="c02")  # the first line is no base to drift from
    assert "DRIFT" not in told


def test_they_can_be_left_out(tmp_path: Path) -> None:
    with JudgeServer(JudgeScript()) as server:
        judge = make(server, tmp_path, anchors=False)
        judge.judge(conversation(["Ahoy!"]))
        judge.close()
        assert server.n_requests == 1
    assert not (tmp_path / "anchors.jsonl").exists()


def test_a_little_noise_is_no_drift() -> None:
    before = {anchor.id: float(anchor.level) for anchor in bundled_anchors()}
    now = {key: value + (0.1 if place % 2 else -0.1) for place, (key, value) in enumerate(before.items())}
    assert alarms("j", now, before, stand("j", now, bundled_anchors())) == []


def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "anchors.jsonl").write_text("{}\n")
    with JudgeServer(JudgeScript()) as server, pytest.raises(DataError, match="line 1 is no line of anchors"):
        make(server, tmp_path)
