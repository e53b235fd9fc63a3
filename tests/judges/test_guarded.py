"""The guards around any recogniser, told by a scripted one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from aqaa_eval.core.attempt import Transcript, Word
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip
from aqaa_eval.judges.transcribers.guarded import GuardedTranscriber
from aqaa_eval.judges.transcribers.language_choice import pick_language
from aqaa_eval.judges.transcribers.recogniser import Decoding, Recording, SecondTry
from aqaa_eval.judges.transcribers.windows import Window, join, recognise_windows, windows_of

Speak = Callable[[str], Audio]


class Scripted:
    """Says the first line to every first try, and the second to every second one."""

    identity = "scripted"
    languages: tuple[str, ...] = ()

    def __init__(self, first: Decoding, second: Decoding | None = None) -> None:
        self._first, self._second = first, second
        self.batches: list[list[Recording]] = []
        self.trials: list[SecondTry] = []

    def recognise(self, recordings: Sequence[Recording]) -> list[Decoding]:
        self.batches.append(list(recordings))
        return [self._first for _ in recordings]

    def recognise_again(self, recording: Recording, *, trial: SecondTry) -> Decoding:
        self.trials.append(trial)
        assert self._second is not None
        return self._second


GOOD = Decoding(
    text="Twelve people came.", language="en", language_probability=0.97, confidence=0.9, log_probability=-0.2
)
GUESS = Decoding(text="Thank you.", language="en", confidence=0.2, log_probability=-1.6)
LOOP = Decoding(text="ba ba ba ba ba ba ba ba", language="en", confidence=0.9, log_probability=-0.3)


@pytest.fixture(scope="module")
def sentence(speak: Speak) -> Audio:
    return speak("Twelve people came to see the old town hall yesterday.")


def _one(recogniser: Scripted, audio: Audio, **clip: object) -> Transcript:
    [transcript] = GuardedTranscriber(recogniser).transcribe([Clip(audio=audio, **clip)])  # type: ignore[arg-type]
    return transcript


def test_only_speech_reaches_the_recogniser_and_all_of_it_at_once(sentence: Audio) -> None:
    recogniser = Scripted(GOOD)
    silence = Audio.silence(duration_s=1.0)
    hum = Audio(
        samples=0.3 * np.sin(np.arange(48_000) * 2 * np.pi * 40 / 16_000).astype(np.float32), sample_rate_hz=16_000
    )
    clips = [Clip(audio=audio) for audio in (silence, sentence, hum, sentence)]
    transcripts = GuardedTranscriber(recogniser).transcribe(clips)
    assert [t.failure for t in transcripts] == [Failure.SILENT, None, Failure.ASR_EMPTY, None]
    assert [t.text for t in transcripts] == ["", GOOD.text, "", GOOD.text]
    assert [len(batch) for batch in recogniser.batches] == [2]
    assert transcripts[1].language_probability == 0.97


def test_without_speech_it_is_not_asked_at_all() -> None:
    recogniser = Scripted(GOOD)
    assert _one(recogniser, Audio.silence(duration_s=1.0)).text == ""
    assert recogniser.batches == []


def test_a_guess_is_tried_again_with_a_seed_of_the_sound(sentence: Audio) -> None:
    recogniser = Scripted(GUESS, GOOD)
    transcript = _one(recogniser, sentence)
    assert (transcript.text, transcript.failure) == (GOOD.text, None)
    assert transcript.note.startswith("second try at temperature 0.4; first: a guess")
    assert recogniser.trials == [SecondTry(temperature=0.4, seed=int(sentence.content_hash[:8], 16))]


def test_two_guesses_are_no_words(sentence: Audio) -> None:
    transcript = _one(Scripted(GUESS, GUESS), sentence)
    assert (transcript.text, transcript.failure) == ("", Failure.ASR_HALLUCINATED)
    assert "dropped: 'Thank you.'" in transcript.note


def test_a_loop_keeps_its_words_and_is_marked(sentence: Audio) -> None:
    for recogniser in (Scripted(LOOP, GUESS), Scripted(GUESS, LOOP)):
        transcript = _one(recogniser, sentence)
        assert (transcript.text, transcript.failure) == (LOOP.text, Failure.LOOPED)


def test_a_decoding_that_reports_a_problem_is_not_believed(sentence: Audio) -> None:
    broken = Decoding(text="Well", language="en", confidence=0.9, problem="decoding went on after 4 windows")
    transcript = _one(Scripted(broken, broken), sentence)
    assert (transcript.text, transcript.failure) == ("", Failure.ASR_HALLUCINATED)
    assert "4 windows" in transcript.note


def test_a_recogniser_without_confidence_is_believed_unless_its_tokens_are_unlikely(sentence: Audio) -> None:
    plain = Decoding(text="Twelve people came.", language="")
    assert _one(Scripted(plain), sentence).confidence is None
    unlikely = Decoding(text="Twelve people came.", language="", log_probability=-1.4)
    assert _one(Scripted(unlikely, unlikely), sentence).failure is Failure.ASR_HALLUCINATED


def test_the_language_is_suggested_detected_or_forced(sentence: Audio) -> None:
    def asked(rule: str, **clip: object) -> Recording:
        recogniser = Scripted(GOOD)
        GuardedTranscriber(recogniser, language=rule).transcribe([Clip(audio=sentence, **clip)])  # type: ignore[arg-type]
        return recogniser.batches[0][0]

    suite = {"languages": ("en", "zh-CN")}
    assert (asked("suite", **suite).language, asked("suite", **suite).languages) == (None, ("en", "zh"))
    assert (asked("detect", **suite).language, asked("detect", **suite).languages) == (None, ())
    assert asked("ja", **suite).language == "ja"
    assert asked("ja", language="fr").language == "fr"
    for wrong in ("english", "gaming:english", ":en", "en,,ja"):
        with pytest.raises(UsageError, match=f"language={wrong}"):
            GuardedTranscriber(Scripted(GOOD), language=wrong)


def test_a_language_can_be_forced_for_one_suite(sentence: Audio) -> None:
    recogniser = Scripted(GOOD)
    ear = GuardedTranscriber(recogniser, language="detect,singing:ja,gaming:suite")
    likely = ("en", "zh-CN")
    ear.transcribe(
        [Clip(audio=sentence, languages=likely, suite=suite) for suite in ("singing", "gaming", "creativity")]
    )
    found = [(recording.language, recording.languages) for recording in recogniser.batches[0]]
    assert found == [("ja", ()), (None, ("en", "zh")), (None, ())]
    assert ear.identity == "scripted+vad+2+language=detect,singing:ja,gaming:suite"


def test_the_language_rule_is_in_the_identity() -> None:
    assert GuardedTranscriber(Scripted(GOOD)).identity == "scripted+vad+2"
    assert GuardedTranscriber(Scripted(GOOD), language="ja").identity == "scripted+vad+2+language=ja"


def test_a_clear_foreign_language_is_believed_and_an_unclear_one_is_not() -> None:
    shares = {"cy": 0.7, "en": 0.2, "ja": 0.1}
    assert pick_language(shares, ("en", "ja")) == ("en", 0.2)
    assert pick_language(shares, ()) == ("cy", 0.7)
    assert pick_language(shares, ("de",)) == ("cy", 0.7)
    assert pick_language({"zh": 0.85, "en": 0.15}, ("en",)) == ("zh", 0.85)
    assert pick_language({"en": 0.9, "zh": 0.1}, ("en",), is_second_try=True) == ("en", 0.9)


def test_long_recordings_are_cut_where_it_is_quiet_and_joined_with_their_times() -> None:
    rate_hz = 16_000
    samples = 0.1 * np.random.default_rng(1).standard_normal(70 * rate_hz)
    for second in (23.0, 45.5):
        samples[round(second * rate_hz) : round((second + 0.5) * rate_hz)] = 0.0
    audio = Audio(samples=samples.astype(np.float32), sample_rate_hz=rate_hz)
    recording = Recording(audio=audio, language=None, languages=("en",), speech_s=60.0)
    windows = list(windows_of(recording))
    assert [round(window.start_s) for window in windows] == [0, 23, 46]
    assert sum(len(window.samples) for window in windows) == len(samples)
    assert all(len(window.samples) <= 28 * rate_hz for window in windows)

    def decode(batch: Sequence[Window]) -> list[Decoding]:
        return [
            Decoding(
                text=f"from {window.start_s:.0f}",
                language=window.language or "en",
                words=(Word(text="from", start_s=1.0, end_s=2.0, confidence=0.5),),
                confidence=0.5,
            )
            for window in batch
        ]

    [heard] = recognise_windows([recording], decode)
    assert heard.text == "from 0 from 23 from 46"
    assert [round(word.start_s) for word in heard.words] == [1, 24, 47]


def test_first_windows_share_a_batch_and_later_ones_keep_the_language() -> None:
    audios = [Audio(samples=np.full(n * 16_000, 0.1, np.float32), sample_rate_hz=16_000) for n in (2, 40, 3)]
    recordings = [Recording(audio=audio, language=None, languages=(), speech_s=2.0) for audio in audios]
    batches: list[list[str | None]] = []

    def decode(batch: Sequence[Window]) -> list[Decoding]:
        batches.append([window.language for window in batch])
        return [Decoding(text="x", language="ja") for _ in batch]

    heard = recognise_windows(recordings, decode)
    assert batches == [[None, None, None], ["ja"]]
    assert [decoding.text for decoding in heard] == ["x", "xx", "x"]  # Japanese writes no spaces
    with pytest.raises(IndexError):
        join([], [])
