"""Ratings of people against scores of a run: what is matched, what is told, and a curve that is applied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.attempt import Finish, Score, Timing, Transcript
from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.core.runlog import AttemptLog, Manifest, QuestionLog, RunLog, TurnLog
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.judges import calibrate as calibration
from aqaa_eval.judges.calibrate import OVERALL, Agreement, Calibration, write_curves
from aqaa_eval.judges.llm_build import build
from aqaa_eval.judges.ratings import Rating, read_ratings
from aqaa_eval.testing.judge_server import JudgeScript, JudgeServer, hashed_grades
from tests.judges.builders import QUICK, conversation

SUITES = ("gaming", "singing")
calibrate = partial(calibration.calibrate, n_resamples=60)


def turn(words: str, language: str = "en") -> TurnLog:
    return TurnLog(
        question=QuestionLog(
            audio=None,
            text="?",
            language="en",
            answer_language=language,
            reference=None,
            rubric=None,
            voice="",
        ),
        audio=None,
        text=words,
        timing=Timing(first_audio_s=None, total_s=1.0),
        duration_s=None,
        finish=Finish.STOP,
        transcript=Transcript(text=words, language=language, confidence=None, asr="t"),
        failure=None,
        detail="",
    )


def run_log(values: Sequence[float], *, words: Sequence[str] = (), judge: str = "j") -> RunLog:
    """One conversation per value, in two suites."""
    attempts = []
    for place, value in enumerate(values):
        score = Score(metric="content", value=value, reason="r", judge=judge)
        said = words[place] if words else "some words"
        attempts.append(
            AttemptLog(suite=SUITES[place % 2], sample=f"s{place:03d}", repeat=0, turns=(turn(said),), scores=(score,))
        )
    return RunLog(
        folder=Path("run"),
        spec=RunSpec(model="m"),
        manifest=Manifest(model="m", asr="t", judge=judge, normaliser="1"),
        cards={},
        attempts=tuple(attempts),
        n_planned=len(attempts),
    )


def rated(place: int, value: float, *, rater: str = "ann", run: str = "") -> Rating:
    return Rating(
        rater=rater,
        run=run,
        suite=SUITES[place % 2],
        sample=f"s{place:03d}",
        repeat=0,
        turn=None,
        metric="content",
        value=value,
    )


def people(n: int, seed: int = 0) -> list[float]:
    return [float(v) for v in np.random.default_rng(seed).integers(1, 6, n)]


def overall(found: Calibration) -> Agreement:
    return next(one for one in found.agreements if one.suite == OVERALL)


def test_a_judge_that_orders_like_people_and_is_a_level_too_kind_is_told_as_that() -> None:
    truth = [value for value in people(80) if value < 5]
    found = calibrate({"run": run_log([v + 1 for v in truth])}, [rated(n, v) for n, v in enumerate(truth)])
    measures = overall(found).judge
    assert measures["spearman"].value == pytest.approx(1.0)
    assert measures["bias"].value == pytest.approx(1.0)
    assert measures["kappa"].value is not None
    assert measures["kappa"].value < 0.9
    assert {one.suite for one in found.agreements} == {OVERALL, *SUITES}
    [mapped] = found.mapped
    assert mapped.after["bias"].value == pytest.approx(0.0, abs=0.05)


def test_people_among_each_other_stand_beside_the_judge() -> None:
    truth = people(60)
    rng = np.random.default_rng(3)
    ratings = [
        rated(n, float(np.clip(v + rng.integers(-1, 2), 1, 5)), rater=who)
        for n, v in enumerate(truth)
        for who in ("ann", "bob", "cem")
    ]
    found = overall(calibrate({"run": run_log(people(60, seed=9))}, ratings))
    assert found.n_raters == 3
    assert found.alpha_people is not None
    assert found.alpha_people > 0.6
    assert found.people["spearman"].value is not None
    assert found.judge["spearman"].value is not None
    assert found.people["spearman"].value > 0.6 > abs(found.judge["spearman"].value)
    assert found.people["spearman"].n == 180


def test_a_judge_that_likes_length_politeness_or_a_language_is_found_and_a_fair_one_is_not() -> None:
    truth = people(120)
    rng = np.random.default_rng(1)
    lengths = [int(n) for n in rng.integers(2, 60, 120)]
    polite = ["please " if n % 2 else "" for n in range(120)]
    words = [p + "word " * n for p, n in zip(polite, lengths, strict=True)]
    ratings = [rated(n, v) for n, v in enumerate(truth)]
    noise = rng.normal(0, 0.3, 120)
    fair = [float(np.clip(v + e, 1, 5)) for v, e in zip(truth, noise, strict=True)]
    partial = [
        float(np.clip(0.6 * v + 0.03 * n + (p != "") + 0.3, 1, 5))
        for v, n, p in zip(truth, lengths, polite, strict=True)
    ]
    for values, expected in ((fair, set()), (partial, {"length", "politeness"})):
        probes = calibrate({"run": run_log(values, words=words)}, ratings).probes["content"]
        assert {probe.name for probe in probes if probe.is_found} == expected


def test_by_system_the_runs_means_are_ranked() -> None:
    runs, ratings = {}, []
    for place, name in enumerate(("bad", "middling", "good", "best")):
        truth = [min(5.0, 1.0 + place + (n % 2)) for n in range(20)]
        runs[name] = run_log([1 + 0.5 * v for v in truth])
        ratings += [rated(n, v, run=name) for n, v in enumerate(truth)]
    found = calibrate(runs, ratings)
    assert found.systems["content"].value == pytest.approx(1.0)
    assert found.systems["content"].n == 4


def test_ratings_that_fit_nothing_are_named_and_scores_that_are_missing_are_too() -> None:
    log = run_log([3.0] * 4)
    ratings = [rated(0, 2.0), rated(1, 4.0), rated(77, 5.0), Rating(**{**_fields(rated(2, 1.0)), "metric": "chat"})]
    found = calibrate({"run": log}, ratings)
    assert found.problems == ("singing/s077: not in the run",)
    assert found.lost == ("gaming/s002: chat: the judge of this run does not score it",)
    with pytest.raises(DataError, match="has no run"):
        calibrate({"a": log, "b": log}, [rated(0, 2.0)])


def _fields(rating: Rating) -> dict[str, object]:
    return {name: getattr(rating, name) for name in Rating.__dataclass_fields__}


def test_every_malformed_row_is_named_with_its_line_and_rule(tmp_path: Path) -> None:
    path = tmp_path / "human.csv"
    path.write_text(
        "rater,suite,sample,repeat,turn,metric,rating\n"
        "ann,gaming,g01,0,,content,4\n"
        "ann,gaming,g02,0,,content,six\n"
        "ann,gaming,g03,0,,content,6\n"
        "ann,,g04,0,,content,3\n"
        "ann,gaming,g05,-1,,content,3\n"
        "ann,gaming,g06,0,0,content,3\n"
        "ann,gaming,g07,0,,factuality,2\n"
        "ann,gaming,g01,0,,content,5\n"
        "ann,gaming,g08,0,2,content,3,extra\n"
        "bob,gaming,g08,,2,content,nan\n",
        encoding="utf-8",
    )
    read = read_ratings(path)
    assert [(problem.line, problem.rule) for problem in read.problems] == [
        (2, "rated again in line 9, which counts"),
        (3, "rating 'six' must be a number from 1 to 5 for content"),
        (4, "rating '6' must be a number from 1 to 5 for content"),
        (5, "suite is empty"),
        (6, "repeat '-1' must be a whole number from 0"),
        (7, "turn '0' must be a whole number from 1"),
        (8, "rating '2' must be a number from 0 to 1 for factuality"),
        (10, "more fields than the header names"),
        (11, "rating 'nan' must be a number from 1 to 5 for content"),
    ]
    assert [rating.value for rating in read.ratings] == [5.0]


def test_a_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "human.csv"
    path.write_text("rater,score\nann,4\n")
    with pytest.raises(DataError, match="no column suite, sample, metric, rating"):
        read_ratings(path)


def test_a_curve_is_applied_by_the_judge_that_it_was_made_for_and_refused_by_another(tmp_path: Path) -> None:
    with JudgeServer(JudgeScript(grade=_fours)) as server:
        options = {**QUICK, "base_url": server.base_url, "conversation": False}
        plain = build(["openai:m"], options)
        raw = plain.judge(conversation(["Ahoy!"]))[0]
        plain.close()
        truth = people(40)
        log = run_log([4.0 if v > 2 else 2.0 for v in truth], judge=plain.identity)
        found = calibrate({"run": log}, [rated(n, max(1.0, v - 1)) for n, v in enumerate(truth)])
        path = tmp_path / "curves.json"
        write_curves(path, found, metrics=("content",))
        laid = build(["openai:m"], {**options, "calibration": str(path)})
        try:
            score = laid.judge(conversation(["Ahoy!"]))[0]
        finally:
            laid.close()
        with pytest.raises(UsageError, match="fitted on another judge"):
            build(["openai:other"], {**options, "calibration": str(path)})
    assert raw.value == 4.0
    expected = float(np.mean([max(1.0, v - 1) for v in truth if v > 2]))
    assert score.value == pytest.approx(expected, abs=1e-6)
    assert "[the judge's own value: 4]" in score.reason
    assert score.judge == laid.identity != plain.identity
    assert json.loads(path.read_text())["curves"]["content"]["n"] == 40


def _fours(messages, schema):
    return {**hashed_grades(messages, schema), "content": 4}


def test_a_curve_needs_conversations(tmp_path: Path) -> None:
    found = calibrate({"run": run_log([3.0, 4.0])}, [rated(0, 2.0), rated(1, 4.0)])
    with pytest.raises(DataError, match="takes 10 rated conversations"):
        write_curves(tmp_path / "curves.json", found, metrics=("content",))
