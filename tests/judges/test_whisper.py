"""The default ear on real parts: what is not speech gives no words, and speech gives its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Transcript
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip
from aqaa_eval.core.weights import is_present
from aqaa_eval.judges.transcribers.decoding import BoundedDecoding, RunawayDecoding
from aqaa_eval.judges.transcribers.guarded import GuardedTranscriber
from aqaa_eval.judges.transcribers.speech_cut import cut_silences
from aqaa_eval.judges.transcribers.whisper import WhisperRecogniser, build
from aqaa_eval.metrics.voice_activity import Segment, speech_segments
from aqaa_eval.metrics.word_errors import count_word_errors

Speak = Callable[[str], Audio]
RATE_HZ = 24_000
TIME_S = np.arange(3 * RATE_HZ) / RATE_HZ
RNG = np.random.default_rng(3)
NOT_SPEECH = {
    "silence": (0 * TIME_S, Failure.SILENT),
    "noise at -80 dBFS": (1e-5 * RNG.standard_normal(len(TIME_S)), Failure.SILENT),
    "noise": (0.1 * RNG.standard_normal(len(TIME_S)), Failure.ASR_EMPTY),
    "40 Hz hum": (0.3 * np.sin(2 * np.pi * 40 * TIME_S), Failure.ASR_EMPTY),
    "tone": (0.3 * np.sin(2 * np.pi * 1000 * TIME_S), Failure.ASR_EMPTY),
    "chord": (
        sum(0.1 * np.sin(2 * np.pi * f * TIME_S) for f in (262, 330, 392)) * np.exp(-4 * (TIME_S % 0.5)),
        Failure.ASR_EMPTY,
    ),
}


def _audio(samples: NDArray[np.floating]) -> Audio:
    return Audio(samples=samples.astype(np.float32), sample_rate_hz=RATE_HZ)


def _transcribe(whisper: GuardedTranscriber, audio: Audio, language: str | None = None) -> Transcript:
    [transcript] = whisper.transcribe([Clip(audio=audio, language=language)])
    return transcript


@pytest.fixture(scope="module")
def whisper() -> GuardedTranscriber:
    if not is_present("whisper:base"):
        pytest.skip("needs weights: aqaa-eval fetch whisper:base")
    return build("base", {})


@pytest.mark.parametrize("kind", NOT_SPEECH)
def test_what_is_not_speech_never_reaches_the_network(tmp_path: Path, kind: str) -> None:
    checkpoint = tmp_path / "not-a-checkpoint.pt"
    checkpoint.write_bytes(b"opening this would fail")
    samples, failure = NOT_SPEECH[kind]
    transcript = _transcribe(build(str(checkpoint), {}), _audio(samples))
    assert (transcript.text, transcript.words, transcript.confidence) == ("", (), None)
    assert transcript.failure is failure
    assert transcript.note


def test_the_identity_follows_name_and_bytes(tmp_path: Path) -> None:
    checkpoint = tmp_path / "my.pt"
    checkpoint.write_bytes(b"one")
    first = GuardedTranscriber(WhisperRecogniser(checkpoint, name="my")).identity
    assert first == "whisper:my@7692c3ad+vad+2"  # sha256 of "one"
    checkpoint.write_bytes(b"two")
    assert GuardedTranscriber(WhisperRecogniser(checkpoint, name="my")).identity != first


def test_clear_speech_gives_its_words_with_times_and_confidences(whisper: GuardedTranscriber, speak: Speak) -> None:
    said = "I would take the early train, because it is cheaper."
    audio = speak(said)
    transcript = _transcribe(whisper, audio)
    assert count_word_errors(reference=said, hypothesis=transcript.text, language="en").errors == 0
    assert (transcript.language, transcript.failure, transcript.asr) == ("en", None, whisper.identity)
    assert transcript.confidence is not None
    assert transcript.confidence > 0.8
    assert len(transcript.words) == 10
    times = [moment for word in transcript.words for moment in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= audio.duration_s
    assert all(type(word.start_s) is float and 0 <= word.confidence <= 1 for word in transcript.words)


def test_a_long_silence_inside_is_skipped_and_word_times_are_of_the_recording(
    whisper: GuardedTranscriber, speak: Speak
) -> None:
    sentence = speak("Twelve people came.").samples
    gap = np.zeros(40 * RATE_HZ, np.float32)
    transcript = _transcribe(whisper, _audio(np.concatenate([sentence, gap, sentence])), "en")
    n_words = len(transcript.words) // 2
    assert (
        count_word_errors(
            reference="Twelve people came. Twelve people came.", hypothesis=transcript.text, language="en"
        ).errors
        == 0
    )
    assert transcript.words[n_words - 1].end_s < len(sentence) / RATE_HZ + 0.3
    assert transcript.words[n_words].start_s > 40 + len(sentence) / RATE_HZ - 0.3


def test_a_looped_syllable_is_marked_and_comes_out_the_same_twice(whisper: GuardedTranscriber, speak: Speak) -> None:
    syllable = speak("No.")
    [segment] = speech_segments(syllable)
    once = syllable.samples[int(segment.start_s * RATE_HZ) : int(segment.end_s * RATE_HZ)]
    looped = np.tile(once, 12)
    first, second = (_transcribe(whisper, _audio(looped.copy()), "en") for _ in range(2))
    assert first.failure in {Failure.LOOPED, Failure.ASR_HALLUCINATED}
    assert first.note
    assert first == second


def test_speech_played_backwards_is_no_answer(whisper: GuardedTranscriber, speak: Speak) -> None:
    backwards = speak("I would take the early train, because it is cheaper.").samples[::-1]
    transcript = _transcribe(whisper, _audio(backwards.copy()))
    assert transcript.text == ""
    assert transcript.failure is Failure.ASR_HALLUCINATED
    assert "dropped" in transcript.note


class CountingModel:
    """Stands for Whisper where only the order of calls matters: features are the mel plus one."""

    dims = "known to the model"

    def __init__(self) -> None:
        self.n_encoded = 0

    def encoder(self, mel: torch.Tensor) -> torch.Tensor:
        self.n_encoded += 1
        return mel + 1

    def detect_language(self, features: torch.Tensor, tokenizer: None) -> tuple[torch.Tensor, dict[str, float]]:
        return features, {"cy": 0.6, "en": 0.4}

    def decode(self, features: torch.Tensor, options: None) -> torch.Tensor:
        return features

    def decoder(self, tokens: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return features


def test_a_decoding_that_runs_away_is_stopped() -> None:
    bounded = BoundedDecoding(CountingModel(), duration_s=25.0)
    for _ in range(5):
        bounded.decode(torch.zeros(80, 3000), None)
    with pytest.raises(RunawayDecoding, match="after 5 windows"):
        bounded.decode(torch.zeros(80, 3000), None)
    assert bounded.dims == "known to the model"


def test_a_window_is_encoded_once_for_language_words_and_times() -> None:
    model = CountingModel()
    bounded = BoundedDecoding(model, duration_s=60.0, languages=("en", "ja"))
    first, second = torch.zeros(80, 3000), torch.ones(80, 3000)
    told, shares = bounded.detect_language(first)
    assert torch.equal(told, first + 1)
    assert (shares, bounded.language_probability) == ({"en": 1.0}, 0.4)
    assert torch.equal(bounded.decode(first, None), told)
    assert torch.equal(bounded(first.unsqueeze(0), torch.zeros(1, 4))[0], told)
    assert model.n_encoded == 1
    assert torch.equal(bounded.decode(second, None), second + 1)
    assert model.n_encoded == 2


def test_short_pauses_are_kept_and_long_ones_cut() -> None:
    audio = _audio(np.arange(20 * RATE_HZ) / (20 * RATE_HZ))
    speech = tuple(Segment(start_s=start, end_s=start + 1) for start in (1.0, 3.5, 12.0))
    cut = cut_silences(audio, speech)
    assert [(round(part.start_s, 3), round(part.end_s, 3)) for part in cut.kept] == [(0.7, 4.8), (11.7, 13.3)]
    assert cut.audio.duration_s == pytest.approx(5.7)
    for moment_s in (0.5, 2.0, 4.0, 4.2, 5.5):
        index = round(moment_s * RATE_HZ)
        place = cut.original(Segment(start_s=moment_s, end_s=moment_s + 0.05))
        assert cut.audio.samples[index] * 20 == pytest.approx(place.start_s, abs=0.001)
