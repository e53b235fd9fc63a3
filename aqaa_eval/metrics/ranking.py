"""Many models on the same conversations: ranks with intervals, groups that cannot be told apart, wins, Bradley-Terry.

The unit of resampling is the conversation, drawn for all models at once and within its suite, so that the pairing and
the weight of every suite are kept. Overall scores are means over suites, each counting the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.metrics.paired import PairedBootstrap, holm

CONFIDENCE = 0.95
N_RESAMPLES = 2000
ALPHA = 0.05
PRIOR_WINS = 0.5
"""Half a win and half a loss of every pair, so that a model that never lost has a finite strength."""

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By model, suite and conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Where a model stands.

    Attributes:
        model: its name.
        score: mean over suites on the shared conversations.
        rank: 1 is best; equal scores share the better rank.
        low: best rank within the 95 % interval.
        high: worst rank within it.
        group: letters of the groups that it belongs to; models that share a letter are not told apart.
    """

    model: str
    score: float
    rank: int
    low: int
    high: int
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wins:
    """How often one model beat another.

    Attributes:
        share: of the shared conversations; a tie is half a win.
        n: shared conversations.
        p: two-sided, of "the mean difference is nothing", adjusted over all pairs by Holm.
    """

    share: float
    n: int
    p: float


def rank_models(scores: Scores, *, seed: int = 0, n_resamples: int = N_RESAMPLES) -> list[Rank]:
    """Ranks on the conversations that every model has, best first.

    Args:
        scores: by model, suite and conversation; what one model lacks counts for none.
        seed: of the resampling.
        n_resamples: how often the conversations are drawn again.

    Raises:
        ValueError: no conversation is shared by all.

    >>> better = {"gaming": {str(i): 3.0 + 0.1 * (i % 3) for i in range(30)}}
    >>> worse = {"gaming": {str(i): 1.0 + 0.1 * (i % 3) for i in range(30)}}
    >>> [(row.model, row.rank, row.low, row.high, row.group) for row in rank_models({"a": worse, "b": better})]
    [('b', 1, 1, 1, 'A'), ('a', 2, 2, 2, 'B')]
    """
    shared = shared_conversations(scores)
    if not any(shared.values()):
        raise ValueError("no conversation is scored for every model, so there is nothing to rank them on")
    models = sorted(scores)
    tables = [
        np.array([[scores[model][suite][key] for key in keys] for model in models])
        for suite, keys in shared.items()
        if keys
    ]
    means = np.mean([table.mean(axis=1) for table in tables], axis=0)
    lows, highs = _rank_interval(_resampled(tables, np.random.default_rng(seed), n_resamples))
    ranks = _ranks(means)
    groups = _groups(models, means, wins_matrix(scores, seed=seed))
    rows = [
        Rank(
            model=model,
            score=float(means[place]),
            rank=int(ranks[place]),
            low=int(min(lows[place], ranks[place])),
            high=int(max(highs[place], ranks[place])),
            group=groups[model],
        )
        for place, model in enumerate(models)
    ]
    return sorted(rows, key=lambda row: (row.rank, row.model))


def shared_conversations(scores: Scores) -> dict[str, list[str]]:
    """By suite, the conversations that every model has a score for."""
    suites = sorted(set.intersection(*(set(of) for of in scores.values()))) if scores else []
    return {suite: sorted(set.intersection(*(set(of[suite]) for of in scores.values()))) for suite in suites}


def wins_matrix(scores: Scores, *, seed: int = 0) -> dict[tuple[str, str], Wins]:
    """Wins of the first model over the second, for every ordered pair that shares a conversation.

    >>> scores = {"a": {"s": {"1": 2.0, "2": 3.0}}, "b": {"s": {"1": 1.0, "2": 3.0}}}
    >>> wins_matrix(scores)["a", "b"].share
    0.75
    """
    models = sorted(scores)
    found: dict[tuple[str, str], tuple[float, int]] = {}
    p_values: dict[str, float] = {}
    for place, first in enumerate(models):
        for second in models[place + 1 :]:
            differences = _differences(scores[first], scores[second])
            if not differences:
                continue
            won = sum(1.0 if value > 0 else 0.5 if value == 0 else 0.0 for value in differences.values())
            found[first, second] = (won / len(differences), len(differences))
            p_values[f"{first}\0{second}"] = PairedBootstrap(differences, seed=seed).p_differs()
    adjusted = holm(p_values)
    matrix = {}
    for (first, second), (share, n) in found.items():
        p = adjusted[f"{first}\0{second}"]
        matrix[first, second] = Wins(share=share, n=n, p=p)
        matrix[second, first] = Wins(share=1 - share, n=n, p=p)
    return matrix


def bradley_terry(wins: Mapping[tuple[str, str], Wins]) -> dict[str, float]:
    """Strengths from pairwise wins, as logits with mean 0: a difference of d means odds of e^d to win.

    Bradley and Terry (Biometrika 39, 1952), fitted by Hunter's minorisation (Annals of Statistics 32, 2004); a tie is
    half a win for both, and every pair that met gets half a win each way on top.

    >>> won, lost = Wins(share=0.75, n=40, p=0.01), Wins(share=0.25, n=40, p=0.01)
    >>> strengths = bradley_terry({("a", "b"): won, ("b", "a"): lost})
    >>> round(strengths["a"] - strengths["b"], 2)  # ln(30.5 / 10.5)
    1.07
    """
    models = sorted({model for pair in wins for model in pair})
    index = {model: place for place, model in enumerate(models)}
    won = np.zeros((len(models), len(models)))
    for (first, second), result in wins.items():
        won[index[first], index[second]] = result.share * result.n + PRIOR_WINS
    met, totals = won + won.T, won.sum(axis=1)
    strength = np.ones(len(models))
    for _ in range(10_000):
        pooled = strength[:, None] + strength[None, :]
        following = totals / np.maximum((met / pooled).sum(axis=1), 1e-12)
        following /= math.exp(float(np.mean(np.log(following))))
        if np.max(np.abs(np.log(following) - np.log(strength))) < 1e-10:
            break
        strength = following
    return {model: float(np.log(strength[index[model]])) for model in models}


def _differences(
    first: Mapping[str, Mapping[str, float]], second: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    return {
        f"{suite}/{key}": first[suite][key] - second[suite][key]
        for suite in first.keys() & second.keys()
        for key in first[suite].keys() & second[suite].keys()
    }


def _resampled(
    tables: Sequence[NDArray[np.float64]], generator: np.random.Generator, n_resamples: int
) -> NDArray[np.float64]:
    """Mean over suites in each resample, shape (n_resamples, n_models)."""
    means = np.zeros((n_resamples, len(tables[0])))
    for table in tables:
        n = table.shape[1]
        # How often each conversation is drawn is all that a mean needs: one matrix product instead of a gather.
        counts = generator.multinomial(n, np.full(n, 1 / n), size=n_resamples)
        means += counts @ table.T / n
    return means / len(tables)


def _ranks(means: NDArray[np.float64]) -> NDArray[np.int64]:
    """1 is best; equal means share the better rank."""
    rounded = np.round(means, 9)
    ranks: NDArray[np.int64] = 1 + (rounded[..., None, :] > rounded[..., :, None]).sum(axis=-1)
    return ranks


def _rank_interval(resampled: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ranks = _ranks(resampled)
    tail = (1 - CONFIDENCE) / 2
    low = np.quantile(ranks, tail, axis=0, method="inverted_cdf")
    high = np.quantile(ranks, 1 - tail, axis=0, method="inverted_cdf")
    return low.astype(np.int64), high.astype(np.int64)


def _groups(models: Sequence[str], means: NDArray[np.float64], wins: Mapping[tuple[str, str], Wins]) -> dict[str, str]:
    """Letters: each group is a run of neighbours in the ranking of whom no two are told apart."""
    ordered = [models[place] for place in np.argsort(-means, kind="stable")]
    letters: dict[str, str] = dict.fromkeys(ordered, "")
    reached = 0
    n_groups = 0
    for start in range(len(ordered)):
        end = start + 1
        while end < len(ordered) and all(_alike(wins, ordered[end], other) for other in ordered[start:end]):
            end += 1
        if end <= reached:
            continue  # the group before holds all of it
        for model in ordered[start:end]:
            letters[model] += _letter(n_groups)
        reached, n_groups = end, n_groups + 1
    return letters


def _alike(wins: Mapping[tuple[str, str], Wins], first: str, second: str) -> bool:
    result = wins.get((first, second))
    return result is None or result.p > ALPHA


def _letter(place: int) -> str:
    """A to Z, then A2 to Z2.

    >>> _letter(0), _letter(25), _letter(26)
    ('A', 'Z', 'A2')
    """
    return chr(ord("A") + place % 26) + (str(place // 26 + 1) if place >= 26 else "")
