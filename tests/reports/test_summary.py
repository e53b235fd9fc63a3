from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.attempt import Status
from aqaa_eval.core.failure import Failure
from aqaa_eval.metrics.uncertainty import mean_estimate, ratio_estimate
from aqaa_eval.reports.macro import macro_estimate
from aqaa_eval.reports.summary import summarise
from tests.reports.builders import answered, attempt, broken, missing, nine_suites, run_log, score, transcript

HERE = Path("nowhere")


def test_repeats_of_a_conversation_are_one_cluster() -> None:
    attempts = [
        attempt("gaming", "g01", [score("mos", 1.0)]),
        attempt("gaming", "g01", [score("mos", 3.0)], repeat=1),
        attempt("gaming", "g02", [score("mos", 5.0)]),
    ]
    row = summarise(run_log(HERE, attempts)).suites[0]
    assert row.metrics["mos"] == mean_estimate({"gaming/g01": [1.0, 3.0], "gaming/g02": [5.0]})
    assert row.metrics["mos"].value == 3.0
    assert (row.metrics["mos"].n, row.metrics["mos"].n_clusters) == (3, 2)
    assert (row.n_attempts, row.n_conversations, row.n_turns) == (3, 2, 3)


def test_the_overall_mean_weighs_each_suite_the_same() -> None:
    attempts = [attempt("gaming", f"g{index}", [score("mos", 3.0)]) for index in range(3)]
    attempts += [attempt("singing", "s0", [score("mos", 1.0)])]
    summary = summarise(run_log(HERE, attempts))
    assert summary.overall.metrics["mos"].value == 2.0  # (3 + 1) / 2; pooled it would be 10 / 4
    assert summary.overall.metrics["mos"].n == 4
    assert summary.overall.metrics["mos"].low is None  # one conversation of singing says nothing of its spread
    assert summary.n_suites_scored == 2


def test_word_errors_are_pooled_over_words_not_averaged_over_turns() -> None:
    attempts = [
        attempt("gaming", "g01", [score("fidelity", 0.1, turn=0, weight=10)]),
        attempt("gaming", "g02", [score("fidelity", 0.15, turn=0, weight=20)]),
    ]
    fidelity = summarise(run_log(HERE, attempts)).suites[0].metrics["fidelity"]
    assert fidelity.value == pytest.approx(4 / 30)
    assert fidelity == ratio_estimate({"gaming/g01": [(1.0, 10.0)], "gaming/g02": [(3.0, 20.0)]})


def test_an_error_rate_over_no_words_is_counted_as_unscored() -> None:
    attempts = [attempt("gaming", "g01", [score("fidelity", 0.0, turn=0, weight=0)])]
    fidelity = summarise(run_log(HERE, attempts)).suites[0].metrics["fidelity"]
    assert (fidelity.value, fidelity.n, fidelity.unscored) == (None, 0, 1)


def test_scores_without_a_value_are_counted_and_never_move_the_mean() -> None:
    attempts = [
        attempt("gaming", "g01", [score("mos", 4.0)]),
        attempt("gaming", "g02", [missing("mos", Status.UNSCORED)]),
        attempt("gaming", "g03", [missing("mos", Status.FAILED, Failure.TIMEOUT)]),
    ]
    summary = summarise(run_log(HERE, attempts))
    for mos in (summary.suites[0].metrics["mos"], summary.overall.metrics["mos"]):
        assert (mos.value, mos.n, mos.unscored, mos.failed) == (4.0, 1, 1, 1)


def test_a_failure_counts_once_per_turn_however_often_it_is_told() -> None:
    silent = answered(heard="")
    told_twice = attempt(
        "gaming",
        "g01",
        [missing("speech", Status.UNSCORED, Failure.SILENT, turn=0), missing("mos", Status.UNSCORED, Failure.SILENT)],
        turns=[broken(Failure.SILENT, "no speech"), silent],
    )
    refused = attempt(
        "gaming", "g02", [missing(name, Status.UNSCORED, Failure.JUDGE_REFUSED) for name in ("mos", "content")]
    )
    failures = summarise(run_log(HERE, [told_twice, refused])).suites[0].failures
    assert failures == {Failure.JUDGE_REFUSED: 1, Failure.SILENT: 1}


def test_a_failure_that_only_the_transcript_tells_is_counted() -> None:
    from dataclasses import replace

    heard = transcript("you you you", failure=Failure.LOOPED, note="one word thrice")
    log = run_log(HERE, [attempt("gaming", "g01", turns=[replace(answered(), transcript=heard)])])
    assert summarise(log).overall.failures == {Failure.LOOPED: 1}


def test_the_most_frequent_failure_comes_first() -> None:
    kinds = [Failure.TIMEOUT, Failure.SILENT, Failure.SILENT, Failure.CLIPPED]
    attempts = [attempt("gaming", f"g{index}", turns=[broken(kind, "x")]) for index, kind in enumerate(kinds)]
    failures = summarise(run_log(HERE, attempts)).overall.failures
    assert list(failures.items()) == [(Failure.SILENT, 2), (Failure.CLIPPED, 1), (Failure.TIMEOUT, 1)]


def test_latency_is_measured_over_the_turns_that_have_it() -> None:
    turns = [
        answered(timing=(0.1, 1.0), duration_s=2.0),
        answered(timing=(0.3, 3.0), duration_s=2.0),
        answered(timing=(None, 2.0), duration_s=0.0),
        broken(Failure.TIMEOUT, "60 s"),
    ]
    latency = summarise(run_log(HERE, [attempt("gaming", "g01", turns=turns)])).overall.latency
    assert latency.first_audio_s is not None
    assert latency.total_s is not None
    assert latency.real_time_factor is not None
    assert (latency.first_audio_s.n, latency.first_audio_s.p50) == (2, pytest.approx(0.2))
    assert (latency.total_s.n, latency.total_s.p50, latency.total_s.p90) == (3, 2.0, pytest.approx(2.8))
    assert (latency.real_time_factor.n, latency.real_time_factor.p50) == (2, 1.0)  # 0.5 and 1.5


def test_a_run_that_was_cut_says_so() -> None:
    judged, begun = attempt("gaming", "g01", [score("mos", 3.0)]), attempt("gaming", "g02")
    assert summarise(run_log(HERE, [judged])).is_complete
    assert not summarise(run_log(HERE, [judged], n_planned=2)).is_complete
    assert not summarise(run_log(HERE, [judged, begun])).is_complete
    assert summarise(run_log(HERE, [judged, begun])).overall.n_unjudged == 1


def test_a_run_of_nothing_has_no_figures_and_no_error() -> None:
    summary = summarise(run_log(HERE, [], n_planned=54))
    assert (summary.suites, summary.overall.metrics, summary.n_suites_scored) == ((), {}, 0)


def test_metrics_come_in_the_order_of_interest_and_strange_ones_last() -> None:
    scores = [score(name, 2.0) for name in ("zeal", "noise", "mos", "accent")]
    row = summarise(run_log(HERE, [attempt("gaming", "g01", scores)])).suites[0]
    assert list(row.metrics) == ["mos", "noise", "accent", "zeal"]


def test_the_same_run_gives_the_same_summary(tmp_path: Path) -> None:
    log = nine_suites(tmp_path, n_samples=2)
    assert summarise(log) == summarise(log)
    assert [row.suite for row in summarise(log).suites] == list(log.cards)


def test_the_mean_over_one_suite_is_that_suite() -> None:
    pairs = {"a/1": [(1.0, 1.0)], "a/2": [(3.0, 1.0), (4.0, 1.0)]}
    assert macro_estimate({"a": pairs, "b": {}}) == ratio_estimate(pairs)


def test_the_overall_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    n_runs, n_covered = 300, 0
    for _ in range(n_runs):
        suites = {
            name: {f"{name}/{index}": [(value, 1.0)] for index, value in enumerate(generator.normal(3, spread, 5))}
            for name, spread in (("a", 0.5), ("b", 1.0), ("c", 0.8))
        }
        found = macro_estimate(suites, n_resamples=400)
        assert found.low is not None
        assert found.high is not None
        n_covered += found.low <= 3 <= found.high
    assert 0.91 <= n_covered / n_runs <= 0.985
