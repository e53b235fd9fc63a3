from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.core.attempt import Status
from aqaa_eval.core.errors import NotComparable, UsageError
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.metrics.uncertainty import ratio_estimate
from aqaa_eval.reports.html import render_report
from aqaa_eval.reports.kept import share_kept
from aqaa_eval.reports.summary import summarise
from aqaa_eval.reports.table import to_json
from tests.reports.builders import attempt, missing, run_log, score

HERE = Path("clean-run")


def mos(suite: str, sample: str, value: float, repeat: int = 0) -> AttemptLog:
    return attempt(suite, sample, [score("mos", value)], repeat=repeat)


def clean_of(attempts: Sequence[AttemptLog]) -> RunLog:
    return run_log(HERE, attempts)


def noisy_of(attempts: Sequence[AttemptLog]) -> RunLog:
    log = run_log(Path("noisy-run"), attempts)
    return replace(log, spec=log.spec.model_copy(update={"perturb": ("noise:10dB",)}))


CLEAN = [mos("gaming", "g1", 4.0), mos("gaming", "g2", 2.0), mos("singing", "s1", 5.0), mos("singing", "s2", 3.0)]
NOISY = [mos("gaming", "g1", 3.0), mos("gaming", "g2", 1.5), mos("singing", "s1", 5.0), mos("singing", "s2", 1.0)]


def test_the_share_is_the_ratio_of_sums_with_a_paired_interval() -> None:
    kept = share_kept(noisy_of(NOISY), clean_of(CLEAN))
    assert kept.suites["gaming"] == ratio_estimate({"gaming/g1": [(3.0, 4.0)], "gaming/g2": [(1.5, 2.0)]})
    assert kept.suites["gaming"].value == 4.5 / 6
    assert kept.suites["gaming"].low == kept.suites["gaming"].high == 0.75  # each conversation keeps the same
    assert kept.suites["singing"].value == 6 / 8
    assert kept.suites["singing"].low is not None
    assert kept.suites["singing"].low < 0.5
    assert kept.overall.value == 0.75


def test_a_run_against_itself_keeps_all() -> None:
    kept = share_kept(noisy_of(CLEAN), clean_of(CLEAN))
    assert [share.value for share in (*kept.suites.values(), kept.overall)] == [1.0, 1.0, 1.0]


def test_pairs_without_both_scores_are_counted_and_move_nothing() -> None:
    noisy = [
        *NOISY[:1],
        attempt("gaming", "g2", [missing("mos", Status.FAILED)]),
        *NOISY[2:],
        mos("gaming", "new", 1.0),
    ]
    kept = share_kept(noisy_of(noisy), clean_of(CLEAN))
    assert (kept.suites["gaming"].value, kept.suites["gaming"].n, kept.suites["gaming"].unscored) == (0.75, 1, 2)
    kept = share_kept(noisy_of(NOISY[1:]), clean_of(CLEAN))
    assert (kept.suites["gaming"].n, kept.suites["gaming"].unscored) == (1, 1)


def test_repeats_are_paired_one_by_one_in_one_cluster() -> None:
    clean = [mos("gaming", "g1", 4.0), mos("gaming", "g1", 2.0, repeat=1)]
    noisy = [mos("gaming", "g1", 2.0), mos("gaming", "g1", 1.0, repeat=1)]
    kept = share_kept(noisy_of(noisy), clean_of(clean))
    assert (kept.suites["gaming"].value, kept.suites["gaming"].n, kept.suites["gaming"].n_clusters) == (0.5, 2, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": {"seed": 8}}, "seed 7 against 8"),
        ({"spec": {"limit": 3}}, "limit None against 3"),
        ({"manifest": {"model": "other@1"}}, "model fake:echo against other@1"),
        ({"manifest": {"asr": "whisper:tiny"}}, "asr: whisper:base sha256:ed3a0b6b against whisper:tiny"),
        ({"manifest": {"judge": "checks 2"}}, "judge: checks 1 against checks 2"),
        ({"manifest": {"suites": {"gaming": "f" * 64}}}, "suites: gaming 00000000 against gaming ffffffff"),
        (
            {"manifest": {"versions": {"torch": "2.12.0", "aqaa-eval": "0.1.0"}}},
            "version of torch: 2.13.0 against 2.12.0",
        ),
    ],
)
def test_runs_that_differ_in_more_are_refused_with_each_difference(change: dict, message: str) -> None:
    clean = clean_of(CLEAN)
    clean = replace(
        clean,
        spec=clean.spec.model_copy(update=change.get("spec", {})),
        manifest=replace(clean.manifest, **change.get("manifest", {})),
    )
    with pytest.raises(NotComparable, match="differ in more than what was done to the questions") as caught:
        share_kept(noisy_of(NOISY), clean)
    assert message in str(caught.value)


def test_two_clean_or_two_perturbed_runs_make_no_share() -> None:
    with pytest.raises(UsageError, match="clean-run is not perturbed"):
        share_kept(clean_of(CLEAN), clean_of(CLEAN))
    with pytest.raises(UsageError, match="noisy-run is perturbed"):
        share_kept(noisy_of(NOISY), noisy_of(NOISY))


def test_json_and_page_carry_the_shares() -> None:
    log = noisy_of(NOISY)
    kept = share_kept(log, clean_of(CLEAN))
    found = to_json(summarise(log), kept)["kept"]
    assert (found["perturb"], found["clean"]) == (["noise:10dB"], "clean-run")
    assert found["suites"]["gaming"]["value"] == 0.75
    page = render_report(log, kept=kept)
    assert 'id="kept-title"' in page
    assert "75.0 %" in page
    assert "noise:10dB" in page
    assert 'id="kept-title"' not in render_report(log)
