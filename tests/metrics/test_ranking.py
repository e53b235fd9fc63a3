from __future__ import annotations

import numpy as np
import pytest

from aqaa_eval.metrics.ranking import Wins, bradley_terry, rank_models, wins_matrix

SUITES = ("gaming", "singing", "creativity")


def simulated(skills: dict[str, float], *, n: int = 30, seed: int = 0, noise: float = 0.7):
    hardness = np.random.default_rng(99).normal(3, 0.6, (len(SUITES), n))
    drawn = {model: np.random.default_rng([seed, place]) for place, model in enumerate(sorted(skills))}
    return {
        model: {
            suite: {f"s{i}": float(value) for i, value in enumerate(row + skill + drawn[model].normal(0, noise, n))}
            for suite, row in zip(SUITES, hardness, strict=True)
        }
        for model, skill in skills.items()
    }


def test_a_clear_order_is_found_with_narrow_ranks_and_groups_of_their_own():
    rows = rank_models(simulated({"weak": -1.0, "strong": 1.0, "middle": 0.0}))
    assert [(row.model, row.rank, row.low, row.high, row.group) for row in rows] == [
        ("strong", 1, 1, 1, "A"),
        ("middle", 2, 2, 2, "B"),
        ("weak", 3, 3, 3, "C"),
    ]


def test_equal_models_share_a_group_and_wide_ranks():
    rows = rank_models(simulated(dict.fromkeys("abcd", 0.0)))
    assert {row.group for row in rows} == {"A"}
    assert max(row.high for row in rows) == 4
    assert min(row.low for row in rows) == 1
    assert any(row.high > row.low for row in rows)


def test_a_model_between_two_that_differ_belongs_to_both_groups():
    rows = rank_models(simulated({"a": 0.25, "b": 0.0, "c": -0.25}, n=20, seed=3))
    letters = {row.model: row.group for row in rows}
    assert letters == {"a": "A", "b": "AB", "c": "B"}


def test_the_rank_interval_holds_the_true_rank_in_nearly_all_repeats():
    held = 0
    for seed in range(60):
        rows = {row.model: row for row in rank_models(simulated({"a": 0.1, "b": 0.0, "c": -0.1}, seed=seed), seed=seed)}
        held += all(rows[model].low <= rank <= rows[model].high for model, rank in (("a", 1), ("b", 2), ("c", 3)))
    assert held >= 54


def test_a_conversation_that_one_model_lacks_counts_for_none():
    scores = simulated({"a": 0.0, "b": 0.0})
    scores["a"]["gaming"]["only"] = 500.0
    assert rank_models(scores)[0].score < 5
    del scores["b"]["singing"]
    assert {row.model for row in rank_models(scores)} == {"a", "b"}
    with pytest.raises(ValueError, match="nothing to rank"):
        rank_models({"a": {"gaming": {"1": 1.0}}, "b": {"gaming": {"2": 1.0}}})


def test_every_suite_counts_the_same_however_many_conversations_it_has():
    a = {"large": {str(i): 3.0 for i in range(99)}, "small": {"x": 1.0}}
    b = {"large": {str(i): 2.0 for i in range(99)}, "small": {"x": 5.0}}
    assert [row.model for row in rank_models({"a": a, "b": b})] == ["b", "a"]


def test_wins_of_a_pair_add_up_to_one_and_ties_are_halves():
    wins = wins_matrix(simulated({"a": 0.4, "b": 0.0}))
    assert wins["a", "b"].share + wins["b", "a"].share == pytest.approx(1)
    assert wins["a", "b"].share > 0.5
    same = simulated({"a": 0.0})["a"]
    assert wins_matrix({"x": same, "y": same})["x", "y"].share == 0.5


def test_bradley_terry_recovers_strengths_that_made_the_wins():
    truth = {"a": 1.0, "b": 0.2, "c": -1.2}
    wins = {
        (first, second): Wins(share=1 / (1 + np.exp(truth[second] - truth[first])), n=100_000, p=0.0)
        for first in truth
        for second in truth
        if first != second
    }
    assert bradley_terry(wins) == pytest.approx(truth, abs=1e-3)


def test_a_model_that_never_lost_has_a_finite_strength():
    wins = {("a", "b"): Wins(share=1.0, n=50, p=0.0), ("b", "a"): Wins(share=0.0, n=50, p=0.0)}
    strengths = bradley_terry(wins)
    assert strengths["a"] - strengths["b"] == pytest.approx(np.log(50.5 / 0.5), rel=1e-6)
