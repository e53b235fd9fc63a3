"""Estimates: arithmetic by hand, scipy as an outside oracle, and coverage in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from aqaa_eval.metrics.uncertainty import mean_estimate, ratio_estimate, wilson_estimate


def test_the_mean_is_over_scores_and_the_counts_are_kept() -> None:
    found = mean_estimate({"a": [1.0, 3.0], "b": [5.0], "c": []}, unscored=2, failed=4)
    assert found.value == 3.0
    assert (found.n, found.n_clusters, found.unscored, found.failed) == (3, 2, 2, 4)
    assert found.low is not None
    assert found.high is not None
    assert 2.0 <= found.low <= 3.0 <= found.high <= 5.0


def test_one_conversation_has_a_mean_and_no_interval() -> None:
    found = mean_estimate({"a": [2.0, 4.0, 4.5]})
    assert found.value == 3.5
    assert (found.low, found.high) == (None, None)


def test_nothing_scored_is_no_value_and_not_zero() -> None:
    found = mean_estimate({"a": []}, failed=3)
    assert (found.value, found.low, found.high, found.n, found.failed) == (None, None, None, 0, 3)


def test_a_ratio_pools_before_it_divides() -> None:
    assert ratio_estimate({"a": [(1.0, 1.0)], "b": [(1.0, 9.0)]}).value == pytest.approx(0.2)


def test_a_ratio_over_nothing_is_no_value() -> None:
    found = ratio_estimate({"a": [(0.0, 0.0)], "b": [(0.0, 0.0)]})
    assert (found.value, found.low, found.n) == (None, None, 2)


def test_the_order_of_conversations_does_not_matter() -> None:
    values = {f"c{i}": [float(i % 5), 1.0] for i in range(20)}
    assert mean_estimate(values, seed=3) == mean_estimate(dict(reversed(values.items())), seed=3)
    assert mean_estimate(values, seed=3) != mean_estimate(values, seed=4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused_by_name(bad: float) -> None:
    with pytest.raises(ValueError, match="g03"):
        mean_estimate({"g03": [bad]})


def test_many_conversations_agree_with_scipys_bootstrap() -> None:
    values = np.random.default_rng(1).normal(3.0, 1.0, 400)
    ours = mean_estimate({f"{i:03d}": [v] for i, v in enumerate(values)}, n_resamples=20_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.006)
    assert ours.high == pytest.approx(theirs.high, abs=0.006)


def test_six_conversations_get_students_interval() -> None:
    values = np.array([2.0, 2.5, 3.0, 3.5, 4.0, 3.0])
    ours = mean_estimate({str(i): [v] for i, v in enumerate(values)}, n_resamples=50_000)
    theirs = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert ours.low == pytest.approx(theirs[0], abs=0.12)
    assert ours.high == pytest.approx(theirs[1], abs=0.12)


def _covers(rng: np.random.Generator, *, n_clusters: int, seed: int) -> bool:
    """Draw conversations of one to three turns that share a conversation effect; is the true mean of 3 inside?"""
    effects = rng.normal(3.0, 0.7, n_clusters)
    values = {str(i): list(effect + rng.normal(0, 0.5, rng.integers(1, 4))) for i, effect in enumerate(effects)}
    found = mean_estimate(values, seed=seed, n_resamples=1000)
    assert found.low is not None
    assert found.high is not None
    return found.low <= 3.0 <= found.high


@pytest.mark.parametrize("n_clusters", [6, 15, 60])
def test_the_interval_covers_the_truth_95_times_in_100(n_clusters: int) -> None:
    rng = np.random.default_rng(20 + n_clusters)
    share = np.mean([_covers(rng, n_clusters=n_clusters, seed=seed) for seed in range(1200)])
    assert 0.93 <= share <= 0.97


def test_ignoring_the_clusters_would_be_too_sure() -> None:
    values = {str(i): [float(i)] * 10 for i in range(6)}
    clustered = mean_estimate(values)
    naive = mean_estimate({f"{key}.{j}": [v] for key, scores in values.items() for j, v in enumerate(scores)})
    assert clustered.high is not None
    assert naive.high is not None
    assert clustered.high - 2.5 > 2 * (naive.high - 2.5)


@pytest.mark.parametrize(("n_true", "n"), [(0, 10), (10, 10), (3, 8), (91, 137)])
def test_wilson_agrees_with_scipy(n_true: int, n: int) -> None:
    ours = wilson_estimate(n_true, n)
    theirs = stats.binomtest(n_true, n).proportion_ci(0.95, method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)


def test_wilson_over_nothing_is_no_value_and_over_too_much_is_refused() -> None:
    assert wilson_estimate(0, 0, unscored=3).value is None
    with pytest.raises(ValueError, match=r"n_true \(5\)"):
        wilson_estimate(5, 4)


def test_equal_scores_have_no_spread_however_they_round() -> None:
    found = mean_estimate({f"c{i}": [1.05, 1.15] for i in range(1111)})
    assert found.low == found.high


@pytest.mark.parametrize("n_values", [2, 100_000])
def test_of_very_many_conversations_the_interval_is_that_of_the_normal(n_values: int) -> None:
    values = np.random.default_rng(0).integers(0, n_values, 6_000) / n_values
    found = mean_estimate({str(number): [float(value)] for number, value in enumerate(values)})
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(values.mean() - half, abs=0.08 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.08 * half)


def test_very_many_equal_scores_have_no_spread() -> None:
    found = mean_estimate({str(number): [0.1] for number in range(6_000)})
    assert (found.low, found.high) == (0.1, 0.1)
