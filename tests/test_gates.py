"""The gate on simulated runs whose true difference is known: what it calls, how often it is wrong, what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.attempt import Status
from aqaa_eval.core.errors import ExitCode, NotComparable
from aqaa_eval.core.gating import GateVerdict
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.gates import GateSettings, calibrated_margins, gate
from aqaa_eval.reports.published import CAPABILITIES
from tests.reports.builders import attempt, missing, run_log, score

FOLDER = Path("runs/simulated")
SUITES = tuple(CAPABILITIES)
MARGIN = 0.2
NOISE = 0.5


def simulated(seed: int, *, n: int = 24, loss: float = 0.0, suites: tuple[str, ...] = SUITES) -> RunLog:
    """A run whose conversations differ in how hard they are (the same for every seed) and whose answers vary."""
    hardness = np.random.default_rng(n).normal(3.0, 0.8, (len(suites), n))
    noise = np.random.default_rng([seed, 1]).normal(0.0, NOISE, hardness.shape)
    return run_log(
        FOLDER,
        [
            attempt(suite, f"s{place:04d}", [score("mos", float(value))])
            for suite, row in zip(suites, hardness + noise - loss, strict=True)
            for place, value in enumerate(row)
        ],
    )


def gate_at(n: int, *, loss: float, trials: int) -> list[GateVerdict]:
    return [
        gate(simulated(2 * trial, n=n, loss=loss), simulated(2 * trial + 1, n=n)).verdict for trial in range(trials)
    ]


def test_where_nothing_changed_the_gate_fails_in_at_most_5_of_100():
    verdicts = gate_at(24, loss=0.0, trials=100)
    assert verdicts.count(GateVerdict.REGRESSION) <= 5


def test_at_the_number_it_asks_for_a_loss_of_twice_the_margin_fails_in_at_least_95_of_100():
    small = gate(simulated(1000), simulated(1001))
    n = max(suite.n_needed or 0 for suite in small.suites)
    assert 24 < n < 400
    lost = gate_at(n, loss=2 * MARGIN, trials=100)
    assert lost.count(GateVerdict.REGRESSION) >= 95
    kept = gate_at(n, loss=0.0, trials=40)
    assert kept.count(GateVerdict.REGRESSION) <= 2
    assert kept.count(GateVerdict.PASSED) >= 30


def test_a_run_against_itself_passes():
    log = simulated(0)
    result = gate(log, log)
    assert result.verdict is GateVerdict.PASSED
    assert result.verdict.exit_code is ExitCode.PASSED
    assert [suite.difference.value for suite in result.suites] == [0.0] * 9


def test_a_loss_in_one_suite_is_a_regression_in_that_suite_alone():
    baseline = simulated(0, n=200)
    worse = simulated(1, n=200, loss=0.6)
    mixed = run_log(
        FOLDER,
        [
            (bad if bad.suite == "singing" else good)
            for good, bad in zip(simulated(1, n=200).attempts, worse.attempts, strict=True)
        ],
    )
    result = gate(mixed, baseline)
    assert result.verdict is GateVerdict.REGRESSION
    assert [suite.suite for suite in result.suites if suite.verdict is GateVerdict.REGRESSION] == ["singing"]


def test_few_conversations_are_inconclusive_and_the_gate_says_how_many_would_do():
    result = gate(simulated(0, n=6), simulated(1, n=6))
    undecided = [suite for suite in result.suites if suite.verdict is GateVerdict.INCONCLUSIVE]
    assert result.verdict is GateVerdict.INCONCLUSIVE
    assert result.verdict.exit_code is ExitCode.INCONCLUSIVE
    assert all(suite.n_needed and suite.n_needed > 6 and str(suite.n_needed) in suite.reason for suite in undecided)


def test_reordered_and_doubled_attempts_change_nothing():
    candidate, baseline = simulated(0), simulated(1)
    shuffled = list(candidate.attempts)
    np.random.default_rng(0).shuffle(shuffled)
    twice = run_log(FOLDER, [*candidate.attempts, *candidate.attempts[:40]])
    plain = gate(candidate, baseline).suites
    assert gate(replace(candidate, attempts=tuple(shuffled)), baseline).suites == plain
    assert gate(twice, baseline).suites == plain


def test_missing_and_unscored_conversations_are_named_and_make_the_gate_incomplete():
    baseline = simulated(0)
    kept = list(simulated(0).attempts)
    gone = kept.pop(3)
    lost = kept[30]
    kept[30] = attempt(lost.suite, lost.sample, [missing("mos", Status.FAILED)])
    result = gate(run_log(FOLDER, kept), baseline)
    assert set(result.missing) == {gone.key, lost.key}
    assert result.verdict is GateVerdict.INCOMPLETE
    assert result.verdict.exit_code is ExitCode.INCOMPLETE


def test_conversations_that_only_the_candidate_has_are_named_and_count_for_nothing():
    candidate = simulated(0)
    more = run_log(FOLDER, [*candidate.attempts, attempt("gaming", "extra", [score("mos", 1.0)])])
    result = gate(more, simulated(1))
    assert result.extra == ("gaming/extra",)
    assert result.suites == gate(candidate, simulated(1)).suites


def test_repeats_of_a_conversation_are_averaged_before_they_are_compared():
    once = run_log(FOLDER, [attempt("gaming", f"g{i}", [score("mos", 3.0 + i % 2)]) for i in range(8)])
    thrice = run_log(
        FOLDER,
        [
            attempt("gaming", f"g{i}", [score("mos", 3.0 + i % 2 + shift)], repeat=repeat)
            for i in range(8)
            for repeat, shift in enumerate((-0.5, 0.0, 0.5))
        ],
    )
    [suite] = gate(thrice, once).suites
    assert suite.difference.value == pytest.approx(0.0)
    assert suite.difference.n == 8


def test_another_chain_is_refused_by_name_unless_it_is_allowed():
    candidate, baseline = simulated(0), simulated(1)
    manifest = replace(candidate.manifest, asr="whisper:tiny")
    other = replace(candidate, manifest=manifest)
    with pytest.raises(NotComparable, match=r"asr: whisper:tiny against whisper:base.*--allow-different asr"):
        gate(other, baseline)
    result = gate(other, baseline, GateSettings(allowed=("asr",)))
    assert [difference.part for difference in result.allowed] == ["asr"]


def test_runs_without_a_conversation_in_common_cannot_be_gated():
    with pytest.raises(NotComparable, match="no conversation"):
        gate(simulated(0, suites=("gaming",)), simulated(1, suites=("singing",)))


def test_margins_from_repeats_are_as_wide_as_chance():
    margins = calibrated_margins([simulated(seed) for seed in range(3)])
    assert set(margins) == set(SUITES)
    assert all(0.15 < margin < 0.8 for margin in margins.values())
    same = calibrated_margins([simulated(0), simulated(0)])
    assert set(same.values()) == {0.05}
