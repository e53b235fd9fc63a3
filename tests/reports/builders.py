"""Small run logs with real sound on disk, for the tests of the reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aqaa_eval.core.attempt import Evidence, Finish, Score, Status, Timing, Transcript, Word
from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.card import Card
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.runlog import AttemptLog, Manifest, QuestionLog, RunLog, TurnLog
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.reports.published import CAPABILITIES


def syllables(*, duration_s: float, frequency_hz: float = 180.0, sample_rate_hz: int = 16_000) -> Audio:
    """A tone that swells four times a second, with a breath in the middle."""
    t_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    swell = np.abs(np.sin(np.pi * 4 * t_s)) * (0.4 + 0.6 * np.cos(1.7 * t_s) ** 2)
    breath = np.where(np.abs(t_s - duration_s / 2) < 0.15, 0.02, 1.0)
    samples = 0.4 * swell * breath * np.sin(2 * np.pi * frequency_hz * t_s)
    return Audio(samples=samples.astype(np.float32), sample_rate_hz=sample_rate_hz)


def store(folder: Path, name: str, audio: Audio) -> str:
    """Write a FLAC file into the run's audio folder and give its name."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    (folder / "audio" / name).write_bytes(encode_audio(audio))
    return name


def card(suite: str, title: str | None = None) -> Card:
    return Card(
        id=suite,
        title=title or CAPABILITIES.get(suite, suite.capitalize()),
        measures="what the test needs",
        languages=("en",),
        weights={"content": 1.0},
        scoring="checks",
        licence="Apache-2.0",
        source="tests",
        version="1",
    )


def question(text: str = "What is two and two?", *, audio: str | None = None, **fields: str) -> QuestionLog:
    return QuestionLog(
        audio=audio,
        text=text,
        language=fields.get("language", "en"),
        answer_language=fields.get("language", "en"),
        reference=fields.get("reference"),
        rubric=fields.get("rubric"),
        voice=fields.get("voice", "hibari"),
    )


def transcript(text: str, *, failure: Failure | None = None, note: str = "") -> Transcript:
    return Transcript(
        text=text,
        language="en",
        confidence=0.93,
        asr="whisper:base",
        words=spoken(text),
        failure=failure,
        note=note,
    )


def spoken(text: str, *, seconds: float = 2.0) -> tuple[Word, ...]:
    """The words of a text, evenly over the time."""
    words = text.split()
    length_s = seconds / max(1, len(words))
    return tuple(
        Word(text=word, start_s=place * length_s, end_s=(place + 0.8) * length_s, confidence=0.9)
        for place, word in enumerate(words)
    )


def answered(
    *,
    asked: QuestionLog | None = None,
    audio: str | None = None,
    text: str | None = "Two and two is four.",
    heard: str = "Two and two is for.",
    timing: tuple[float | None, float] = (0.3, 1.0),
    duration_s: float = 2.0,
) -> TurnLog:
    """A turn that went well."""
    return TurnLog(
        question=asked or question(),
        audio=audio,
        text=text,
        timing=Timing(first_audio_s=timing[0], total_s=timing[1]),
        duration_s=duration_s,
        finish=Finish.STOP,
        transcript=transcript(heard),
        failure=None,
        detail="",
    )


def broken(failure: Failure, detail: str, *, asked: QuestionLog | None = None) -> TurnLog:
    """A turn without an answer."""
    return TurnLog(
        question=asked or question(),
        audio=None,
        text=None,
        timing=None,
        duration_s=None,
        finish=None,
        transcript=None,
        failure=failure,
        detail=detail,
    )


def score(metric: str, value: float, *, turn: int | None = None, weight: float = 1.0, **fields: object) -> Score:
    evidence = fields.get("evidence", ())
    assert isinstance(evidence, tuple)
    return Score(
        metric=metric,
        value=value,
        reason=str(fields.get("reason", f"{metric} as measured")),
        judge="checks 1",
        turn=turn,
        weight=weight,
        evidence=evidence,
    )


def missing(metric: str, status: Status, failure: Failure | None = None, *, turn: int | None = None) -> Score:
    return Score(
        metric=metric,
        value=None,
        reason=f"no {metric} can be had",
        judge="checks 1",
        status=status,
        failure=failure,
        turn=turn,
    )


def check(name: str, passed: bool, *, turn: int = 0, measured: str = "heard 4, asked 4") -> Evidence:
    return Evidence(turn=turn, name=name, passed=passed, measured=measured)


def attempt(
    suite: str,
    sample: str,
    scores: Sequence[Score] = (),
    *,
    turns: Sequence[TurnLog] | None = None,
    repeat: int = 0,
) -> AttemptLog:
    return AttemptLog(
        suite=suite,
        sample=sample,
        repeat=repeat,
        turns=tuple(turns) if turns is not None else (answered(),),
        scores=tuple(scores),
    )


def run_log(
    folder: Path, attempts: Sequence[AttemptLog], *, n_planned: int | None = None, cards: Sequence[Card] = ()
) -> RunLog:
    suites = list(dict.fromkeys(attempt.suite for attempt in attempts))
    known = {item.id: item for item in cards}
    return RunLog(
        folder=folder,
        spec=RunSpec(model="fake:echo", seed=7),
        manifest=Manifest(
            model="fake:echo",
            asr="whisper:base sha256:ed3a0b6b",
            judge="checks 1",
            normaliser="1",
            suites={suite: f"{index:064x}" for index, suite in enumerate(suites)},
            versions={"torch": "2.13.0", "aqaa-eval": "0.1.0"},
        ),
        cards={suite: known.get(suite) or card(suite) for suite in suites},
        attempts=tuple(attempts),
        n_planned=len(attempts) if n_planned is None else n_planned,
    )


QUESTIONS = (
    "I would like to book a table for two. What do you need to know from me, and in which order would you ask?",
    "What is two and two?",
    "Sing me the scale of C major, please, slowly and then twice as fast.",
    "If all bloops are razzies and all razzies are lazzies, are all bloops lazzies?",
)


def nine_suites(folder: Path, *, n_samples: int = 3, n_repeats: int = 1) -> RunLog:
    """A run over the nine capabilities with every kind of trouble in it."""
    attempts = []
    for place, suite in enumerate(CAPABILITIES):
        for sample in range(n_samples):
            attempts += [_conversation(folder, suite, place, sample, repeat) for repeat in range(n_repeats)]
    return run_log(folder, attempts)


def _conversation(folder: Path, suite: str, place: int, sample: int, repeat: int) -> AttemptLog:
    name = f"{suite[0]}{sample + 1:02d}"
    asked = question(
        QUESTIONS[(place + sample) % len(QUESTIONS)],
        audio=store(folder, f"q-{suite}-{sample}.flac", syllables(duration_s=1.5 + 0.3 * sample, frequency_hz=210)),
        reference="Four." if sample == 0 else "",
        rubric="Names the result and nothing else." if sample == 1 else "",
    )
    if place == 7 and sample == 0:
        scores = [missing("mos", Status.FAILED, Failure.MODEL_ERROR), missing("content", Status.FAILED)]
        lost = broken(Failure.MODEL_ERROR, "CUDA out of memory after 3 tries", asked=asked)
        return attempt(suite, name, scores, turns=[lost], repeat=repeat)
    sound = syllables(duration_s=2 + 0.4 * sample, frequency_hz=150 + 10 * place + repeat)
    turn = answered(
        asked=asked,
        audio=store(folder, f"a-{suite}-{sample}-{repeat}.flac", sound),
        timing=(0.2 + 0.05 * place, 0.8 + 0.1 * sample),
        duration_s=sound.duration_s,
    )
    n_passed = (place + 2 * sample + repeat) % 4
    evidence = tuple(check(f"says_number(value={index})", index < n_passed, turn=index % 2) for index in range(3))
    content = 1 + 4 * n_passed / 3 if n_passed < 3 else 5.0
    scores = [
        score("mos", content, reason="content 1.0", evidence=evidence),
        score("content", content, reason=f"{n_passed} of 3 checks passed", evidence=evidence),
        score("speech", 3.5 + 0.1 * place, turn=0, reason="Distill-MOS over 2.0 s of speech"),
        score("noise", 3.1, turn=0, reason="DNSMOS OVRL"),
        score("fidelity", 0.2, turn=0, weight=5, reason="1 error in 5 words"),
        missing("speech", Status.UNSCORED, Failure.SILENT, turn=1),
    ]
    second = broken(Failure.SILENT, "no speech in 2.0 s of audio", asked=question("And twice that?"))
    return attempt(suite, name, scores, turns=[turn, second], repeat=repeat)
