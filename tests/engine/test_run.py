from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.adapters import fake
from aqaa_eval.core.attempt import Query, Response, Status, Transcript
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.engine.folder import RunFolder
from aqaa_eval.engine.load import load_run
from tests.engine.builders import CountingTranscriber, LengthJudge, ToneSuite, drive, dump, request


class Recorder:
    """A model that remembers its queries and echoes."""

    identity = "recorder@1"

    def __init__(self) -> None:
        self.queries: list[Query] = []

    def answer(self, query: Query) -> Response:
        self.queries.append(query)
        return fake.build("echo", {}).answer(query)


def test_each_turn_is_asked_once_with_the_models_own_answers_in_the_history(tmp_path: Path) -> None:
    model = Recorder()
    drive(request(tmp_path / "run", model, suite=ToneSuite(folder=tmp_path / "data")))
    assert [query.key for query in model.queries] == [f"tones/t0{n}#{turn}" for n in range(3) for turn in range(2)]
    second = model.queries[1]
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert second.messages[1].audio is not None
    assert second.messages[1].audio.content_hash == second.messages[0].audio.content_hash  # type: ignore[union-attr]


def test_the_model_cannot_see_what_was_meant_by_the_question(tmp_path: Path) -> None:
    model = Recorder()
    drive(request(tmp_path / "run", model, suite=ToneSuite(folder=tmp_path / "data")))
    assert all(message.text is None for query in model.queries for message in query.messages if message.role == "user")


def test_the_same_command_again_asks_nothing(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data")
    drive(request(tmp_path / "run", Recorder(), suite=suite))
    before = dump(tmp_path / "run")
    again = Recorder()
    outcome = drive(request(tmp_path / "run", again, suite=suite))
    assert not again.queries
    assert (outcome.n_stored, outcome.n_finished, outcome.n_planned) == (3, 3, 3)
    assert dump(tmp_path / "run") == before


def test_repeats_are_asked_with_other_seeds(tmp_path: Path) -> None:
    model = Recorder()
    suite = ToneSuite(folder=tmp_path / "data", n_samples=1, n_turns=1)
    spec = RunSpec(model="recorder@1", suites=("tones",), repeats=3)
    drive(request(tmp_path / "run", model, suite=suite, spec=spec))
    assert [query.key for query in model.queries] == ["tones/t00#0", "tones/t00@1#0", "tones/t00@2#0"]
    assert len({query.seed for query in model.queries}) == 3


def test_a_broken_turn_is_counted_the_rest_goes_on_and_it_is_asked_again(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=6, n_turns=1)
    broken = fake.build("failing", {"share": 0.5})
    outcome = drive(request(tmp_path / "run", broken, suite=suite))
    log = load_run(tmp_path / "run")
    kinds = Counter(turn.failure for attempt in log.attempts for turn in attempt.turns)
    assert outcome.failures == {Failure.MODEL_ERROR: kinds[Failure.MODEL_ERROR]}
    assert 0 < kinds[Failure.MODEL_ERROR] < 6
    statuses = Counter(score.status for attempt in log.attempts for score in attempt.scores)
    assert statuses == {Status.SCORED: kinds[None], Status.FAILED: kinds[Failure.MODEL_ERROR]}

    class Healed(Recorder):
        identity = broken.identity

    healed = Healed()
    drive(request(tmp_path / "run", healed, suite=suite))
    assert len(healed.queries) == kinds[Failure.MODEL_ERROR]
    assert all(turn.failure is None for attempt in load_run(tmp_path / "run").attempts for turn in attempt.turns)


def test_after_a_broken_turn_the_rest_of_the_conversation_is_not_asked(tmp_path: Path) -> None:
    class Breaks(Recorder):
        def answer(self, query: Query) -> Response:
            super().answer(query)
            raise RuntimeError("out of memory")

    model = Breaks()
    drive(request(tmp_path / "run", model, suite=ToneSuite(folder=tmp_path / "data", n_samples=1, n_turns=3)))
    [attempt] = load_run(tmp_path / "run").attempts
    assert len(model.queries) == 1
    assert [turn.failure for turn in attempt.turns] == [Failure.MODEL_ERROR] * 3
    assert attempt.turns[0].detail == "RuntimeError: out of memory"
    assert attempt.turns[2].detail == "not asked: turn 1 of the conversation broke"


def test_a_missing_question_is_one_bad_sample_not_the_end(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data", n_samples=3, n_turns=1)
    samples = list(suite.samples())
    samples[1].turns[0].audio.path.unlink()  # type: ignore[union-attr]

    class Fixed(ToneSuite):
        def samples(self):  # type: ignore[no-untyped-def]
            return iter(samples)

    outcome = drive(request(tmp_path / "run", Recorder(), suite=Fixed(folder=tmp_path / "data")))
    assert outcome.failures == {Failure.BAD_INPUT: 1}
    turn = load_run(tmp_path / "run").attempts[1].turns[0]
    assert turn.failure is Failure.BAD_INPUT
    assert "1-0.wav" in turn.detail


def test_a_silent_answer_is_named_and_kept(tmp_path: Path) -> None:
    model = fake.build("silent", {})
    drive(request(tmp_path / "run", model, suite=ToneSuite(folder=tmp_path / "data")))
    turns = [turn for attempt in load_run(tmp_path / "run").attempts for turn in attempt.turns]
    assert len(turns) == 6
    assert {turn.failure for turn in turns} == {Failure.SILENT}


def test_another_judge_leaves_answers_and_transcripts_alone(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data")
    heard = tmp_path / "heard"
    drive(request(tmp_path / "run", Recorder(), suite=suite, transcriber=CountingTranscriber(calls=heard)))
    assert heard.read_text().count("clip") == 6
    calls = tmp_path / "judged"
    drive(
        request(
            tmp_path / "run",
            None,
            model_identity="recorder@1",
            suite=suite,
            judge=LengthJudge(identity="length@2", calls=calls),
            transcriber=CountingTranscriber(calls=heard),
        )
    )
    assert heard.read_text().count("clip") == 6
    assert len(calls.read_text().splitlines()) == 3
    log = load_run(tmp_path / "run")
    assert {score.judge for attempt in log.attempts for score in attempt.scores} == {"length@2"}


def test_an_asr_outage_is_a_failure_and_is_heard_again_next_time(tmp_path: Path) -> None:
    class Out(CountingTranscriber):
        def transcribe(self, clips):  # type: ignore[no-untyped-def]
            raise OSError("recogniser is gone")

    suite = ToneSuite(folder=tmp_path / "data", n_samples=1, n_turns=1)
    drive(request(tmp_path / "run", Recorder(), suite=suite, transcriber=Out()))
    assert load_run(tmp_path / "run").attempts[0].turns[0].failure is Failure.ASR_FAILED
    again = Recorder()
    drive(request(tmp_path / "run", again, suite=suite, transcriber=CountingTranscriber()))
    assert not again.queries
    turn = load_run(tmp_path / "run").attempts[0].turns[0]
    assert turn.failure is None
    assert turn.transcript is not None
    assert turn.transcript.text == "4800"


def test_what_is_heard_before_and_after_a_resume_is_the_same_sound(tmp_path: Path) -> None:
    class Fine(Recorder):
        """Answers in samples between the steps of 16 bits."""

        def answer(self, query: Query) -> Response:
            said = super().answer(query)
            assert said.audio is not None
            return replace(said, audio=Audio(samples=said.audio.samples * np.float32(0.777), sample_rate_hz=16_000))

    class Hashing(CountingTranscriber):
        def transcribe(self, clips):  # type: ignore[no-untyped-def]
            digests = [hashlib.sha256(clip.audio.samples.tobytes()).hexdigest() for clip in clips]
            return [Transcript(text=digest, language="en", confidence=1.0, asr="count@1") for digest in digests]

    class Out(CountingTranscriber):
        def transcribe(self, clips):  # type: ignore[no-untyped-def]
            raise OSError("recogniser is gone")

    suite = ToneSuite(folder=tmp_path / "data")
    drive(request(tmp_path / "whole", Fine(), suite=suite, transcriber=Hashing()))
    drive(request(tmp_path / "resumed", Fine(), suite=suite, transcriber=Out()))
    drive(request(tmp_path / "resumed", Fine(), suite=suite, transcriber=Hashing()))
    assert dump(tmp_path / "resumed") == dump(tmp_path / "whole")


def test_a_folder_of_another_spec_is_refused_with_what_differs(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data")
    drive(request(tmp_path / "run", Recorder(), suite=suite))
    other = RunSpec(model="recorder@1", suites=("tones",), seed=7)
    with pytest.raises(UsageError, match="another spec: seed 0, now 7"):
        drive(request(tmp_path / "run", Recorder(), suite=suite, spec=other))


def test_answers_to_another_version_of_the_data_are_not_mixed_with_new_ones(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data")
    first = request(tmp_path / "run", Recorder(), suite=suite)
    drive(replace(first, manifest=replace(first.manifest, suites={"tones": "a" * 64})))
    changed = replace(first, manifest=replace(first.manifest, suites={"tones": "b" * 64}))
    with pytest.raises(UsageError, match="another version of tones"):
        drive(changed)
    drive(replace(changed, only_stored=True, tools=replace(changed.tools, judge=LengthJudge())))


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create()
    with folder.held(), pytest.raises(UsageError, match=f"in use by process {os.getpid()}"):
        drive(request(tmp_path / "run", Recorder(), suite=ToneSuite(folder=tmp_path / "data")))


def test_a_damaged_database_is_one_clear_error(tmp_path: Path) -> None:
    suite = ToneSuite(folder=tmp_path / "data")
    drive(request(tmp_path / "run", Recorder(), suite=suite))
    (tmp_path / "run" / "run.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(DataError, match=r"run\.sqlite"):
        load_run(tmp_path / "run")


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    model = Recorder()
    with pytest.raises(UsageError, match="cannot write there"):
        drive(request(tmp_path / "file" / "run", model, suite=ToneSuite(folder=tmp_path / "data")))
    assert not model.queries


_KILLED = """
import sys
from pathlib import Path
from aqaa_eval.adapters import fake
from tests.engine.builders import CountingTranscriber, LengthJudge, ToneSuite, drive, request
root = Path(sys.argv[1])
model = fake.build("slow", {"delay_s": float(sys.argv[3])})
calls = root / "asked"
class Counted:
    identity = "counted@1"
    def answer(self, query):
        with calls.open("a") as file:
            file.write(query.key + "\\n")
        return model.answer(query)
suite = ToneSuite(folder=root / "data", n_samples=8)
drive(request(root / sys.argv[2], Counted(), suite=suite, transcriber=CountingTranscriber()))
"""


def _start(root: Path, name: str, delay_s: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _KILLED, str(root), name, str(delay_s)], cwd=Path.cwd())


def test_kill_9_loses_nothing_that_was_done_and_the_scores_are_the_same(tmp_path: Path) -> None:
    process = _start(tmp_path, "killed", 0.05)
    asked = tmp_path / "asked"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not asked.exists() or len(asked.read_text().splitlines()) < 9):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # What is durable at the kill: conversations with both answers stored.
    done = {a.key for a in load_run(tmp_path / "killed").attempts if sum(t.timing is not None for t in a.turns) == 2}
    assert done
    n_before = len(asked.read_text().splitlines())
    assert n_before < 16
    assert _start(tmp_path, "killed", 0.0).wait() == 0
    asked_after = asked.read_text().splitlines()[n_before:]
    assert not {key.split("#")[0] for key in asked_after} & done
    assert _start(tmp_path, "whole", 0.0).wait() == 0
    assert dump(tmp_path / "killed") == dump(tmp_path / "whole")
