"""Judging in the engine: outages are made good by the same command, transcripts stay, verdicts are bought once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.core.attempt import Status, Transcript
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip
from aqaa_eval.engine.load import load_run
from aqaa_eval.engine.run import Outcome
from aqaa_eval.judges.chain import ScoringChain
from aqaa_eval.judges.llm_build import build
from aqaa_eval.testing.judge_server import Fault, JudgeScript, JudgeServer
from tests.engine.builders import CountingTranscriber, LengthJudge, ToneSuite, drive, dump, request

WEIGHTS = {"tones": {"content": 1.0}}
OPTIONS = {"backoff_s": 0.02, "acoustics": False, "concurrency": 8}


class TellingApart(CountingTranscriber):
    """Hears something else in every answer; equal conversations would be judged once."""

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        heard = super().transcribe(clips)
        pairs = zip(heard, clips, strict=True)
        return [replace(transcript, text=clip.audio.content_hash[:8]) for transcript, clip in pairs]


def judged(
    folder: Path,
    base_url: str,
    *,
    suite: ToneSuite,
    calls: Path | None = None,
    only_stored: bool = False,
    **options: object,
) -> Outcome:
    settings = {**OPTIONS, "base_url": base_url, **options}
    judge = build(["openai:m"], settings, verdicts=folder / "verdicts.sqlite")  # type: ignore[arg-type]
    chain = ScoringChain([judge], WEIGHTS)
    model = None if only_stored else fake.build("echo", {})
    identity = fake.build("echo", {}).identity
    transcriber = TellingApart(calls=calls)
    what = request(folder, model, suite=suite, judge=chain, transcriber=transcriber, model_identity=identity)  # type: ignore[arg-type]
    try:
        return drive(what)
    finally:
        chain.close()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def test_several_conversations_are_judged_at_once(run: Path, tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=12, n_turns=1)
    with JudgeServer(JudgeScript(latency_s=0.2)) as server:
        outcome = judged(run, server.base_url, suite=suite)
        assert server.n_most_at_once > 2
        assert server.n_most_at_once <= 8  # the budget of the endpoint
    assert outcome.n_finished == 12
    assert len(load_run(run).attempts) == 12


def test_verdicts_that_an_outage_cost_are_asked_for_again_and_the_others_are_kept(run: Path, tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=10, n_turns=1)
    heard = tmp_path / "heard"
    script = JudgeScript(fault_share=0.4, faults=(Fault.SERVER_ERROR,))
    with JudgeServer(script) as server:
        outcome = judged(run, server.base_url, suite=suite, calls=heard, attempts=1)
        lost = outcome.failures[Failure.JUDGE_UNREACHABLE]
        assert 0 < lost < 10
        failed = [a for a in load_run(run).attempts if any(s.status is Status.FAILED for s in a.scores)]
        assert len(failed) == lost
        assert all(a.scores[0].metric == "mos" for a in failed)
        kept = {a.key: a.scores for a in load_run(run).attempts if a not in failed}
        for _ in range(20):
            if not judged(run, server.base_url, suite=suite, calls=heard, attempts=1).failures:
                break
        log = load_run(run)
        assert set(server.delivered.values()) == {1}  # two verdicts per conversation, none twice
        assert sum(server.delivered.values()) == 20
    assert all(
        score.value is not None for attempt in log.attempts for score in attempt.scores if score.metric == "content"
    )
    assert all(attempt.scores == kept[attempt.key] for attempt in log.attempts if attempt.key in kept)
    assert heard.read_text().count("clip") == 10


def test_changing_the_judge_leaves_answers_and_transcripts_alone(run: Path, tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=3, n_turns=1)
    heard = tmp_path / "heard"
    what = request(run, fake.build("echo", {}), suite=suite, judge=LengthJudge(), transcriber=TellingApart(calls=heard))
    drive(what)
    before = dump(run)
    with JudgeServer(JudgeScript()) as server:
        outcome = judged(run, server.base_url, suite=suite, calls=heard, only_stored=True)
        assert server.n_requests == 6
    assert outcome.n_finished == 3
    assert dump(run) != before
    drive(what)
    assert dump(run) == before  # the first judge's scores are still there
    assert heard.read_text().count("clip") == 3
