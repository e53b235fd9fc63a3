"""Answers that leave while the model makes them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import openai
import pytest

from aqaa_eval.adapters import openai_chat, reference
from aqaa_eval.core.attempt import Finish, Query
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError
from aqaa_eval.core.pieces import ResponsePiece
from aqaa_eval.serving.live import Resampler
from aqaa_eval.serving.server import LocalServer, ServerSettings
from tests.adapters.queries import ask, assistant, tone, user
from tests.serving.builders import Pupil, call, chat_body, serve

CHAT = "/v1/chat/completions"
PCM = {"stream": True, "audio": {"voice": "any", "format": "pcm16"}}


class Talker(Pupil):
    """Says the question back in four pieces, and waits or breaks before one of them if it is told to."""

    before: Callable[[int], None] = staticmethod(lambda _number: None)

    def stream(self, query: Query) -> Iterator[ResponsePiece]:
        self.seen.append(query)
        audio = query.question.audio
        assert audio is not None
        for number, part in enumerate(np.array_split(audio.samples, 4)):
            self.before(number)
            piece = Audio(samples=part, sample_rate_hz=audio.sample_rate_hz)
            yield ResponsePiece(audio=piece, text="la ", finish=Finish.LENGTH if number == 3 else None)


def talker(before: Callable[[int], None]) -> Talker:
    made = Talker()
    made.before = before  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize("rate_hz", [24_000, 16_000])
def test_the_pieces_are_the_whole_and_the_first_is_there_before_the_last_is_made(rate_hz: int) -> None:
    heard, question = threading.Event(), tone(duration_s=2.0, sample_rate_hz=rate_hz)

    def wait(number: int) -> None:
        # The last piece is made only when the client has the first: nothing that gathers could pass.
        assert number < 3 or heard.wait(20)

    with serve(talker(wait)) as server, openai.OpenAI(api_key="none", base_url=f"{server.url}/v1") as client:
        chunks = []
        with client.chat.completions.create(**chat_body(question, **PCM)) as stream:
            for chunk in stream:
                chunks.append(chunk)
                if chunk.choices[0].delta.audio and "data" in str(chunk.choices[0].delta.audio):
                    heard.set()
        whole = openai_chat.build("pupil", {"base_url": f"{server.url}/v1", "stream": True}).answer(ask(user(question)))
    assert chunks[-1].choices[0].finish_reason == "length"
    assert whole.audio is not None
    assert (whole.text, whole.finish) == ("la la la la ", Finish.LENGTH)
    expected = question.resampled(24_000).samples
    assert len(whole.audio.samples) == len(expected)
    assert np.abs(whole.audio.samples - expected).max() < (1e-4 if rate_hz == 24_000 else 2e-3)


def test_time_to_first_audio_over_the_server_is_that_of_the_model() -> None:
    with serve(talker(lambda _number: time.sleep(0.3))) as server:
        model = openai_chat.build("pupil", {"base_url": f"{server.url}/v1", "stream": True})
        timing = model.answer(ask(user(tone()))).timing
    assert timing.first_audio_s is not None
    assert 0.3 < timing.first_audio_s < timing.total_s / 2  # a busy machine slows both
    assert timing.total_s > 1.2


@pytest.mark.parametrize("number", [0, 2])
def test_what_breaks_before_the_first_piece_has_a_status_and_later_it_ends_the_stream(number: int) -> None:
    def break_at(at: int) -> None:
        if at == number:
            raise ModelError("the talker broke")

    with serve(talker(break_at)) as server:
        told = call(server.url + CHAT, chat_body(**PCM))
        with pytest.raises(ModelError, match="the talker broke"):
            openai_chat.build("pupil", {"base_url": f"{server.url}/v1", "stream": True}).answer(ask(user(tone())))
    if number == 0:
        assert (told.status, told.error["message"]) == (500, "the talker broke")
        return
    *pieces, last = [json.loads(line[6:]) for line in told.body.decode().split("\n\n") if line.startswith("data: ")]
    assert told.status == 200
    assert last["error"]["message"] == "the talker broke"
    assert sum("data" in (piece["choices"][0]["delta"].get("audio") or {}) for piece in pieces) == 2


def test_an_answer_that_takes_too_long_ends_with_the_reason_and_the_server_goes_on() -> None:
    gate = threading.Event()

    def wait(number: int) -> None:
        assert number != 2 or gate.wait(20)

    with serve(talker(wait), limit_s=0.5) as server:
        told = call(server.url + CHAT, chat_body(**PCM))
        assert b"did not answer within 0.5 s" in told.body
        assert b"[DONE]" not in told.body
        gate.set()
        assert b"[DONE]" in call(server.url + CHAT, chat_body(**PCM)).body


def test_a_client_that_leaves_in_the_middle_ends_the_answer() -> None:
    made: list[int] = []
    gone = threading.Event()

    def note(number: int) -> None:
        made.append(number)
        assert number == 0 or gone.wait(20)

    with serve(talker(note)) as server:
        with openai.OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0) as client:
            stream = client.chat.completions.create(**chat_body(**PCM))
            next(iter(stream))
            stream.close()
        time.sleep(1.2)  # the server looks every half second
        gone.set()
        assert call(server.url + CHAT, chat_body(tone(), stream=False)).status == 200
    assert made == [0, 1]


def test_an_answer_that_left_in_pieces_can_be_named_later() -> None:
    pupil = Talker()
    with serve(pupil) as server:
        model = openai_chat.build("pupil", {"base_url": f"{server.url}/v1", "stream": True, "history": "audio_id"})
        first = model.answer(ask(user(tone())))
        model.answer(ask(user(tone()), assistant(first.text, first.audio), user(tone(frequency_hz=600))))
    earlier = pupil.seen[1].messages[1]
    assert earlier.audio is not None
    assert earlier.text == "la la la la "
    assert np.array_equal(earlier.audio.pcm16, tone().pcm16)


@pytest.mark.parametrize("format_", ["wav", "flac"])
def test_files_and_whole_replies_are_asked_for_as_ever(format_: str) -> None:
    pupil = Talker()
    with serve(pupil) as server:
        options = {"base_url": f"{server.url}/v1", "stream": True, "format": format_}
        answer = openai_chat.build("pupil", options).answer(ask(user(tone())))
    assert answer.text == "I say it back."
    assert len(pupil.threads) == 1


def test_the_reference_model_is_heard_before_it_has_finished() -> None:
    model = reference.build("tiny-random", {"max_new_tokens": 120})
    question = ask(user(tone(duration_s=1.0)), seed=2)
    here = model.answer(question)
    with LocalServer(model, ServerSettings(name="r", port=0)) as server:
        served = openai_chat.build("r", {"base_url": f"{server.url}/v1", "stream": True}).answer(question)
    assert here.audio is not None
    assert served.audio is not None
    assert served.audio.content_hash == here.audio.content_hash
    assert served.text == here.text
    assert served.timing.first_audio_s is not None
    assert served.timing.first_audio_s < served.timing.total_s
    assert len(list(model.stream(question))) > 2


def test_sound_in_pieces_is_resampled_without_a_seam() -> None:
    whole = tone(duration_s=1.0, sample_rate_hz=16_000)
    resampler = Resampler(16_000)
    parts = [Audio(samples=part, sample_rate_hz=16_000) for part in np.array_split(whole.samples, 7)]
    samples = np.concatenate([*(resampler.put(part).samples for part in parts), resampler.rest().samples])
    assert len(samples) == 24_000
    assert np.abs(samples - whole.resampled(24_000).samples).max() < 1e-3
    with pytest.raises(ModelError, match="16000 to 8000"):
        resampler.put(tone(sample_rate_hz=8_000))
