"""Measurements of the delivery, on voices whose delivery is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.attempt import Attempt, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import DataError, MissingWeights
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.weights import is_present, locate
from aqaa_eval.judges.acoustic import MEASUREMENTS, SPEAKER_METRIC, VOICE_METRICS, AcousticJudge
from aqaa_eval.judges.speaker import SpeakerEncoder, similarities
from aqaa_eval.metrics.voice_quality import can_measure_voice, measure_voice

Speak = Callable[[str], Audio]
MakeTurn = Callable[..., TurnAttempt]
MakeAttempt = Callable[..., Attempt]
TEXT = "I would take the early train, because it is cheaper."


@pytest.fixture(scope="module")
def sentence(speak: Speak) -> Audio:
    return speak(TEXT)


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    if not is_present("resemblyzer"):
        pytest.skip("needs weights: aqaa-eval fetch resemblyzer")
    return SpeakerEncoder(locate("resemblyzer"))


def _buzz(pitch_hz: float, duration_s: float = 2.0) -> Audio:
    time_s = np.arange(round(duration_s * 24_000)) / 24_000
    wave = sum(np.sin(2 * np.pi * k * pitch_hz * time_s) / k for k in range(1, 15))
    return Audio(samples=(0.2 * wave).astype(np.float32), sample_rate_hz=24_000)


def _at_rate(audio: Audio, factor: float) -> Audio:
    """Played faster: rate and pitch go up together, as on a tape."""
    return Audio(samples=audio.samples, sample_rate_hz=round(audio.sample_rate_hz * factor))


def _values(judge: AcousticJudge, attempt: Attempt, turn: int | None = 0) -> dict[str, float | None]:
    return {score.metric: score.value for score in judge.judge(attempt) if score.turn == turn}


def test_every_measurement_has_a_value_and_its_unit(
    sentence: Audio, make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    judge = AcousticJudge()
    scores = judge.judge(make_attempt([make_turn(0, TEXT, audio=sentence)], [[]]))
    assert tuple(score.metric for score in scores) == judge.metrics
    assert all(score.status is Status.SCORED and score.judge == judge.identity for score in scores)
    assert all(MEASUREMENTS[score.metric].unit in score.reason for score in scores)
    assert not any("emotion" in score.metric + score.reason for score in scores)


def test_a_tape_played_faster_has_more_syllables_a_second_and_a_higher_pitch(
    sentence: Audio, make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    turns = [make_turn(0, TEXT, audio=sentence), make_turn(1, TEXT, audio=_at_rate(sentence, 1.25))]
    attempt = make_attempt(turns, [[], []])
    plain, fast = (_values(AcousticJudge(), attempt, turn) for turn in (0, 1))
    assert fast["rate_syllables_per_s"] == pytest.approx(1.25 * float(plain["rate_syllables_per_s"] or 0), rel=0.15)
    assert fast["pitch_hz"] == pytest.approx(1.25 * float(plain["pitch_hz"] or 0), rel=0.08)
    assert fast["pitch_range_semitones"] == pytest.approx(float(plain["pitch_range_semitones"] or 0), abs=1.5)


def test_level_and_pauses_are_what_was_done_to_the_sound(
    sentence: Audio, make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    quiet = Audio(samples=sentence.samples * np.float32(0.1), sample_rate_hz=24_000)
    gap = np.zeros(3 * 24_000, np.float32)
    paused = Audio(samples=np.concatenate([sentence.samples, gap, sentence.samples]), sample_rate_hz=24_000)
    turns = [make_turn(index, TEXT, audio=audio) for index, audio in enumerate((sentence, quiet, paused))]
    attempt = make_attempt(turns, [[], [], []])
    plain, soft, slow = (_values(AcousticJudge(), attempt, turn) for turn in range(3))
    assert soft["level_dbfs"] == pytest.approx(float(plain["level_dbfs"] or 0) - 20, abs=0.3)
    assert slow["longest_pause_s"] == pytest.approx(3.4, abs=0.5)
    assert float(slow["pause_share"] or 0) > float(plain["pause_share"] or 0) + 0.2


@pytest.mark.skipif(not can_measure_voice(), reason="needs the extra: pip install '.[acoustic]'")
def test_noise_in_the_voice_lowers_the_harmonics_to_noise_ratio() -> None:
    clean = _buzz(150.0)
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(clean.samples))
    noisy = Audio(samples=(clean.samples + noise).astype(np.float32), sample_rate_hz=24_000)
    pure, hoarse = measure_voice(clean), measure_voice(noisy)
    assert pure.hnr_db is not None
    assert hoarse.hnr_db is not None
    assert pure.hnr_db > 30 > 20 > hoarse.hnr_db > 5
    assert pure.jitter_percent == pytest.approx(0.0, abs=0.05)
    silence = measure_voice(Audio.silence(duration_s=1.0))
    assert (silence.hnr_db, silence.jitter_percent) == (None, None)


def test_without_praat_its_metrics_are_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aqaa_eval.judges.acoustic.can_measure_voice", lambda: False)
    judge = AcousticJudge()
    assert judge.identity == "acoustic@1"
    assert not set(VOICE_METRICS) & set(judge.metrics)


@pytest.mark.parametrize(
    ("audio", "failure"),
    [(Audio.silence(duration_s=1.0), Failure.SILENT), (None, Failure.NO_AUDIO), (_buzz(0.0), Failure.SILENT)],
)
def test_what_is_not_speech_is_unscored(
    make_turn: MakeTurn, make_attempt: MakeAttempt, audio: Audio | None, failure: Failure
) -> None:
    scores = AcousticJudge().judge(make_attempt([make_turn(0, None, audio=audio)], [[]]))
    assert scores
    assert all((score.value, score.status, score.failure) == (None, Status.UNSCORED, failure) for score in scores)
    assert all(score.reason for score in scores)


def test_a_break_of_the_system_is_failed(make_attempt: MakeAttempt) -> None:
    broken = TurnAttempt(index=0, response=None, failure=Failure.TIMEOUT, detail="after 60 s")
    scores = AcousticJudge().judge(make_attempt([broken], [[]]))
    assert {(score.status, score.reason) for score in scores} == {(Status.FAILED, "after 60 s")}


def test_one_voice_is_like_itself_and_unlike_another(encoder: SpeakerEncoder, speak: Speak, sentence: Audio) -> None:
    other_words = speak("There are twelve people in the room, and all of them are waiting for dinner.")
    lower = _at_rate(other_words, 0.75)  # a fourth lower and slower: to the encoder somebody else
    same, other, _ = similarities([encoder.embed(audio) for audio in (sentence, other_words, lower)])
    assert same > 0.85
    assert same > other + 0.2
    embedding = encoder.embed(sentence)
    assert embedding.shape == (256,)
    assert float(np.linalg.norm(embedding)) == pytest.approx(1.0, abs=1e-5)
    quiet = Audio(samples=sentence.samples * np.float32(0.02), sample_rate_hz=24_000)
    assert similarities([embedding, encoder.embed(quiet)])[0] > 0.95


def test_the_voice_is_compared_over_the_turns_of_a_conversation(
    encoder: SpeakerEncoder, sentence: Audio, speak: Speak, make_turn: MakeTurn, make_attempt: MakeAttempt
) -> None:
    def over(audios: Sequence[Audio | None]) -> tuple[float | None, str]:
        turns = [make_turn(index, TEXT, audio=audio) for index, audio in enumerate(audios)]
        scores = AcousticJudge(speaker=encoder).judge(make_attempt(turns, [[] for _ in turns]))
        [score] = [score for score in scores if score.metric == SPEAKER_METRIC]
        assert score.turn is None
        return score.value, score.reason

    answer = speak("There are twelve people in the room, and all of them are waiting.")
    value, reason = over([sentence, answer])
    assert value is not None
    assert value > 0.8  # 0.84 where the processor has no VNNI, above 0.85 where it has
    assert "1 pair of answers" in reason
    value, reason = over([sentence, None])
    assert (value, reason) == (None, "1 of 2 answers hold 1 s of speech; two are needed")


def test_the_encoder_says_where_its_weights_come_from_and_when_there_is_no_speech(
    encoder: SpeakerEncoder, tmp_path: Path, sentence: Audio
) -> None:
    with pytest.raises(MissingWeights, match="aqaa-eval fetch resemblyzer"):
        SpeakerEncoder(tmp_path / "pretrained.pt")
    with pytest.raises(DataError, match="no speech"):
        encoder.embed(Audio.silence(duration_s=2.0))
    wrong = tmp_path / "wrong.pt"
    wrong.write_bytes(b"no weights")
    with pytest.raises(DataError, match="not Resemblyzer's weights"):
        SpeakerEncoder(wrong).embed(sentence)
