"""Every ear on real speech, end to end, and on what is no speech; skipped, by name, where weights are absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from aqaa_eval.catalog import TRANSCRIBERS, make_transcriber, missing_of
from aqaa_eval.core.attempt import Transcript
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import DataError, MissingWeights, UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip, Transcriber
from aqaa_eval.core.weights import is_present
from aqaa_eval.metrics.voice_activity import speech_segments
from aqaa_eval.metrics.word_errors import WordErrors, count_word_errors
from aqaa_eval.tasks.suite import bundled_suite
from tests.judges.sentences import SENTENCES

Speak = Callable[[str], Audio]
RATE_HZ = 24_000
LOCAL = ("faster-whisper:tiny.en", "faster-whisper:base", "hf-whisper:base")  # openai-whisper: test_whisper.py
SAID = ("I would take the early train, because it is cheaper.", "The bridge was built more than two hundred years ago.")


@cache
def ear(name: str) -> Transcriber:
    if not is_present(name):
        pytest.skip(f"needs weights: aqaa-eval fetch {name}")
    lacking = [item for item in missing_of(TRANSCRIBERS[name.partition(":")[0]]) if item.startswith("pip")]
    if lacking:
        pytest.skip(f"needs: {lacking[0]}")
    made = make_transcriber(name)
    assert made is not None
    return made


def _audio(samples: Any) -> Audio:
    return Audio(samples=np.asarray(samples, np.float32), sample_rate_hz=RATE_HZ)


def _heard(name: str, audios: Sequence[Audio], *, languages: tuple[str, ...] = ("en", "ja")) -> list[Transcript]:
    return ear(name).transcribe([Clip(audio=audio, languages=languages) for audio in audios])


def music() -> Any:
    """Four bars of a plucked and a bowed voice over a drum: sound that moves like a song without words."""
    time_s = np.arange(6 * RATE_HZ) / RATE_HZ
    rng = np.random.default_rng(2)
    tune = np.zeros(len(time_s))
    for beat, note in enumerate((60, 64, 67, 72, 71, 67, 64, 62, 60, 65, 69, 72)):
        start = beat * 0.5
        inside = (time_s >= start) & (time_s < start + 0.5)
        local_s = time_s[inside] - start
        pitch_hz = 440 * 2 ** ((note - 69) / 12)
        tune[inside] += (
            0.2 * np.exp(-4 * local_s) * sum(np.sin(2 * np.pi * k * pitch_hz * local_s) / k for k in range(1, 6))
        )
        tune[inside] += 0.05 * np.exp(-40 * local_s) * rng.standard_normal(len(local_s))
    return tune + 0.05 * np.sin(2 * np.pi * 130.8 * time_s) * (1 + 0.3 * np.sin(2 * np.pi * 5 * time_s))


def not_speech() -> dict[str, Any]:
    time_s = np.arange(4 * RATE_HZ) / RATE_HZ
    rng = np.random.default_rng(3)
    return {
        "silence": 0 * time_s,
        "noise": 0.1 * rng.standard_normal(len(time_s)),
        "40 Hz hum": 0.3 * np.sin(2 * np.pi * 40 * time_s),
        "music": music(),
    }


@pytest.mark.parametrize("name", LOCAL)
def test_two_turns_are_heard_at_once_with_times_and_confidences(name: str, speak: Speak) -> None:
    audios = [speak(text) for text in SAID]
    transcripts = _heard(name, audios)
    for said, audio, transcript in zip(SAID, audios, transcripts, strict=True):
        assert count_word_errors(reference=said, hypothesis=transcript.text, language="en").errors == 0
        assert (transcript.language, transcript.failure, transcript.asr) == ("en", None, ear(name).identity)
        assert transcript.confidence is not None
        assert transcript.confidence > 0.7
        assert " ".join(word.text for word in transcript.words) == transcript.text
        times = [moment for word in transcript.words for moment in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert 0 <= times[0] < 0.6
        assert audio.duration_s - 1.0 < times[-1] <= audio.duration_s
    assert _heard(name, audios[:1]) == transcripts[:1]  # alone or in a batch


@pytest.mark.parametrize("name", ["whisper:base", *LOCAL])
@pytest.mark.parametrize("kind", ["silence", "noise", "40 Hz hum", "music"])
def test_what_is_not_speech_gives_no_words(name: str, kind: str) -> None:
    [transcript] = _heard(name, [_audio(not_speech()[kind])])
    assert (transcript.text, transcript.words) == ("", ())
    assert transcript.failure in (Failure.SILENT, Failure.ASR_EMPTY, Failure.ASR_HALLUCINATED)


@pytest.mark.parametrize("name", LOCAL)
def test_a_looped_syllable_is_no_plain_answer(name: str, speak: Speak) -> None:
    syllable = speak("No.")
    [segment] = speech_segments(syllable)
    once = syllable.samples[int(segment.start_s * RATE_HZ) : int(segment.end_s * RATE_HZ)]
    first, second = (_heard(name, [_audio(np.tile(once, 12))])[0] for _ in range(2))
    assert first.failure in (Failure.LOOPED, Failure.ASR_HALLUCINATED, Failure.ASR_EMPTY)
    assert first.note
    assert first == second


@pytest.mark.parametrize("name", ["faster-whisper:base", "hf-whisper:base"])
def test_an_answer_in_another_language_is_heard_as_what_it_is(name: str) -> None:
    spoken = (turn for sample in bundled_suite("language_ability").samples() for turn in sample.turns)
    turn = next(turn for turn in spoken if turn.language == "ja" and turn.audio is not None)
    assert turn.audio is not None
    audio = turn.audio.load()
    [transcript] = _heard(name, [audio], languages=("en",))
    assert transcript.language == "ja"
    errors = count_word_errors(reference=turn.text, hypothesis=transcript.text, language="ja")
    assert errors.rate is not None
    assert errors.rate < 0.4  # kana and kanji of one word count as different characters
    assert transcript.language_probability is not None
    assert transcript.language_probability > 0.8


@pytest.mark.parametrize("name", ["faster-whisper:tiny.en"])
def test_half_a_minute_and_more_is_heard_to_its_end(name: str, speak: Speak) -> None:
    said = SENTENCES[:12]
    pause = np.zeros(RATE_HZ // 2, np.float32)
    audio = _audio(np.concatenate([part for text in said for part in (speak(text).samples, pause)]))
    assert audio.duration_s > 40
    [transcript] = _heard(name, [audio])
    errors = count_word_errors(reference=" ".join(said), hypothesis=transcript.text, language="en")
    assert errors.rate is not None
    assert errors.rate < 0.06
    assert transcript.words[-1].end_s > audio.duration_s - 3


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("faster-whisper:/no/such/folder", {}, UsageError, "no such folder; give a CTranslate2 folder"),
        ("hf-whisper:./missing", {}, UsageError, "no such folder; give a transformers folder"),
        ("whisper:/no/such.pt", {}, UsageError, "no such file; give a Whisper .pt file"),
        ("faster-whisper:tiny.en", {"beams": 3}, UsageError, "no setting 'beams'; it has language, device"),
        ("http:whisper-1", {}, UsageError, "no server and no key"),
        ("http:", {"base_url": "http://localhost:1/v1"}, UsageError, "name the server's model"),
        ("http:m", {"base_url": "http://localhost:1/v1", "retries": -1}, UsageError, "must be 0 or more"),
        ("http:m", {"base_url": "http://localhost:1/v1", "speed": 2}, UsageError, "no setting 'speed'"),
    ],
)
def test_what_cannot_be_had_is_told_with_the_way_out(
    name: str, options: dict[str, Any], error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(error, match=words):
        make_transcriber(name, options)


def test_absent_weights_are_told_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights, match=r"aqaa-eval fetch faster-whisper:tiny\.en, or --asr faster-whisper:/path"):
        make_transcriber("faster-whisper:tiny.en")


@pytest.mark.parametrize("kind", ["faster-whisper", "hf-whisper"])
def test_a_folder_that_holds_no_model_is_told_by_name(kind: str, tmp_path: Any, speak: Speak) -> None:
    (tmp_path / "model.bin").write_bytes(b"not a model")
    made = make_transcriber(f"{kind}:{tmp_path}")
    assert made is not None
    with pytest.raises(DataError, match=str(tmp_path)):
        made.transcribe([Clip(audio=speak("Twelve people came."))])


def test_a_second_ear_needs_a_first_one() -> None:
    with pytest.raises(UsageError, match="nothing to compare with"):
        make_transcriber("none", second="faster-whisper:tiny.en")


def _pooled(pairs: Sequence[tuple[str, str]]) -> WordErrors:
    counts = [count_word_errors(reference=said, hypothesis=heard, language="en") for said, heard in pairs]
    return sum(counts[1:], start=counts[0])


def _within_one_point_of_whisper(texts: Sequence[str], speak: Speak) -> None:
    import whisper as upstream

    from aqaa_eval.core.weights import locate
    from aqaa_eval.core.whisper_model import load_whisper

    audios = [speak(text) for text in texts]
    ours = [transcript.text for transcript in _heard("whisper:base", audios)]
    model = load_whisper(locate("whisper:base"))
    direct = [
        upstream.transcribe(model, audio.resampled(16_000).samples, fp16=False, temperature=0.0)["text"]
        for audio in audios
    ]
    own, theirs = (_pooled(list(zip(texts, heard, strict=True))).rate for heard in (ours, direct))
    assert own is not None
    assert theirs is not None
    assert own <= theirs + 0.01
    assert own < 0.03


def test_the_error_rate_on_ten_sentences_is_within_a_point_of_whisper_alone(speak: Speak) -> None:
    _within_one_point_of_whisper(SENTENCES[::6], speak)


@pytest.mark.slow
def test_the_error_rate_on_sixty_sentences_is_within_a_point_of_whisper_alone(speak: Speak) -> None:
    assert len(set(SENTENCES)) == 60
    _within_one_point_of_whisper(SENTENCES, speak)
