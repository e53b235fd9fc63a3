import io

import numpy as np
import pytest
import soundfile

from aqaa_eval.core.answers import (
    ENOUGH_S,
    MAX_ANSWER_S,
    checked_response,
    cut_to_limit,
    is_too_long,
    read_answer,
)
from aqaa_eval.core.attempt import Finish, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import AudioError, ModelError


def response(
    *, duration_s: float = 1.0, sample_rate_hz: int = 24_000, value: float = 0.1, **fields: object
) -> Response:
    samples = np.full(int(duration_s * sample_rate_hz), value, np.float32)
    audio = Audio(samples=samples, sample_rate_hz=sample_rate_hz)
    return Response(**{"audio": audio, "text": "hi", "timing": Timing(first_audio_s=None, total_s=1.0), **fields})


def test_a_proper_answer_passes_unchanged() -> None:
    proper = response()
    assert checked_response(proper) == proper
    assert cut_to_limit(proper) is proper


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (None, "returned a NoneType, not a Response"),
        (response(value=float("nan")), "24000 of 24000 samples of the answer are NaN or infinite"),
        (response(value=float("inf")), "NaN or infinite"),
        (response(sample_rate_hz=4000), "has 4000 samples a second; speech needs at least 8000"),
        (response(audio=np.zeros(10)), "the answer's sound is a ndarray"),
        (response(text=b"hi"), "text is a bytes"),
        (response(text="x" * 1_000_001), "1000001 characters"),
        (response(timing=1.0), "timing is a float"),
        (response(timing=Timing(first_audio_s=None, total_s=float("nan"))), "total_s is nan"),
        (response(timing=Timing(first_audio_s=-1.0, total_s=1.0)), "first_audio_s is -1.0"),
    ],
)
def test_what_is_no_answer_is_refused_with_what_it_is(broken: object, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        checked_response(broken)


def test_sound_above_48_khz_is_resampled_so_that_it_can_be_stored() -> None:
    audio = checked_response(response(sample_rate_hz=191_999)).audio
    assert audio is not None
    assert audio.sample_rate_hz == 48_000
    assert audio.duration_s == pytest.approx(1.0, abs=0.01)


def test_an_answer_of_twenty_minutes_keeps_the_first_five() -> None:
    long = response(duration_s=1200, sample_rate_hz=8000)
    assert is_too_long(long)
    kept = cut_to_limit(long)
    assert kept.audio is not None
    assert (kept.audio.duration_s, kept.finish) == (MAX_ANSWER_S, Finish.LENGTH)
    assert not is_too_long(kept)


def test_a_file_of_twenty_minutes_is_read_just_far_enough_to_know() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(1200 * 8000, np.int16), 8000, format="WAV")
    audio = read_answer(buffer.getvalue(), name="answer.wav")
    assert audio.duration_s == ENOUGH_S > MAX_ANSWER_S


def test_a_file_of_more_bytes_than_any_answer_is_not_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("aqaa_eval.core.audio.MAX_FILE_BYTES", 10)
    path = tmp_path / "answer.wav"
    path.write_bytes(b"RIFF" * 10)
    with pytest.raises(AudioError, match=r"40 bytes, at most 10 are read"):
        read_answer(path, name="answer.wav")
