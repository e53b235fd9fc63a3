from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import openai
import pytest

from aqaa_eval.adapters import fake, openai_chat
from aqaa_eval.core.attempt import Finish
from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.core.errors import ModelError, ModelTimeout, UsageError
from aqaa_eval.serving.server import LocalServer, ServerSettings
from tests.adapters.queries import ask, assistant, tone, user
from tests.serving.builders import Pupil, call, chat_body, serve

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def echo() -> Iterator[LocalServer]:
    with LocalServer(fake.build("echo", {}), ServerSettings(name="fake:echo", port=0)) as server:
        yield server


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"audio_in": "audio_url"},
        {"audio_in": "audios"},
        {"format": "flac"},
        {"stream": True, "format": "wav"},
        {"stream": True},
    ],
)
def test_our_own_adapter_gets_the_same_answer_as_from_the_model_itself(echo: LocalServer, options: dict) -> None:
    query = ask(user(tone(sample_rate_hz=24_000)), seed=3)
    direct = fake.build("echo", {}).answer(query)
    served = openai_chat.build("fake:echo", {"base_url": f"{echo.url}/v1", **options}).answer(query)
    assert direct.audio is not None
    assert served.audio is not None
    assert served.audio.content_hash == direct.audio.content_hash
    assert served.text == direct.text
    assert served.finish is Finish.STOP


def test_a_question_at_another_rate_comes_back_at_that_rate_unless_bare_samples_are_streamed(
    echo: LocalServer,
) -> None:
    query = ask(user(tone(sample_rate_hz=16_000)))
    for options, rate_hz in (({}, 16_000), ({"stream": True, "format": "wav"}, 16_000), ({"stream": True}, 24_000)):
        served = openai_chat.build("fake:echo", {"base_url": f"{echo.url}/v1", **options}).answer(query)
        assert served.audio is not None
        assert served.audio.sample_rate_hz == rate_hz
        assert served.audio.duration_s == pytest.approx(0.2, abs=0.01)


def test_the_official_client_gets_an_answer_with_sound() -> None:
    with serve() as server, openai.OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["pupil"]
        assert client.models.retrieve("pupil").id == "pupil"
        whole = client.chat.completions.create(**chat_body(tone(), seed=5))
    message = whole.choices[0].message
    assert message.audio is not None
    assert message.audio.transcript == "I say it back."
    assert message.audio.expires_at > time.time()
    sound = read_audio(base64.b64decode(message.audio.data))
    assert sound.content_hash == tone().content_hash


def test_the_official_client_gets_a_stream() -> None:
    with serve() as server, openai.OpenAI(api_key="none", base_url=f"{server.url}/v1", max_retries=0) as client:
        body = chat_body(tone(duration_s=2.0, sample_rate_hz=24_000), audio={"voice": "any", "format": "pcm16"})
        with client.chat.completions.create(**body, stream=True) as stream:
            chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    sounds = [delta.audio.data for delta in deltas if delta.audio and delta.audio.data]
    samples = np.frombuffer(b"".join(map(base64.b64decode, sounds)), "<i2")
    assert len(sounds) == 4
    assert np.array_equal(samples, tone(duration_s=2.0, sample_rate_hz=24_000).pcm16)
    assert "".join(delta.audio.transcript or "" for delta in deltas if delta.audio) == "I say it back."
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_without_the_audio_modality_the_text_alone_comes() -> None:
    with serve() as server:
        message = call(server.url + CHAT, chat_body(modalities=["text"])).json()["choices"][0]["message"]
    assert (message["content"], "audio" in message) == ("I say it back.", False)


def test_a_conversation_arrives_with_the_models_own_answers_by_id_or_as_text() -> None:
    pupil = Pupil()
    with serve(pupil) as server:
        options = {"base_url": f"{server.url}/v1"}
        by_id = openai_chat.build("pupil", {**options, "history": "audio_id"})
        as_text = openai_chat.build("pupil", options)
        first = by_id.answer(ask(user(tone())))
        second = ask(user(tone()), assistant(first.text, first.audio), user(tone(frequency_hz=600)), seed=9)
        by_id.answer(second)
        as_text.answer(second)
    _, with_sound, with_words = pupil.seen
    assert [message.role for message in with_sound.messages] == ["user", "assistant", "user"]
    assert with_sound.messages[1].audio is not None
    assert with_sound.messages[1].text == with_words.messages[1].text == "I say it back."
    assert with_words.messages[1].audio is None
    assert with_sound.seed == 9
    assert with_sound.key.endswith("#1")


def test_all_questions_are_put_by_one_thread_and_the_server_stays_awake_meanwhile() -> None:
    pupil = Pupil(gate=threading.Event())
    with serve(pupil) as server:
        model = openai_chat.build("pupil", {"base_url": f"{server.url}/v1", "concurrency": 3})
        answers: list[object] = []
        askers = [
            threading.Thread(target=lambda: answers.append(model.answer(ask(user(tone()))).text)) for _ in range(3)
        ]
        for asker in askers:
            asker.start()
        _until(lambda: pupil.seen)
        assert call(server.url + "/v1/models", limit_s=5).status == 200
        assert call(server.url + "/health", limit_s=5).json() == {"status": "ok"}
        assert answers == []
        pupil.gate.set()
        for asker in askers:
            asker.join(20)
    assert answers == ["I say it back."] * 3
    assert len(pupil.threads) == 1


def test_a_full_line_is_told_at_once_and_our_adapter_waits_for_its_turn() -> None:
    pupil = Pupil(gate=threading.Event())
    with serve(pupil, n_waiting=1) as server:
        model = openai_chat.build("pupil", {"base_url": f"{server.url}/v1", "concurrency": 3, "retries": 8})
        answers: list[object] = []
        askers = [
            threading.Thread(target=lambda: answers.append(model.answer(ask(user(tone()))).text)) for _ in range(2)
        ]
        askers[0].start()
        _until(lambda: pupil.seen)
        askers[1].start()
        _until(server._worker._line.full)
        refused = call(server.url + CHAT, chat_body())
        late = threading.Thread(target=lambda: answers.append(model.answer(ask(user(tone()))).text))
        late.start()
        time.sleep(0.2)
        pupil.gate.set()
        for asker in (*askers, late):
            asker.join(20)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert refused.error["code"] == "rate_limit_exceeded"
    assert answers == ["I say it back."] * 3


def test_a_client_that_left_while_waiting_is_not_answered() -> None:
    pupil = Pupil(gate=threading.Event())
    with serve(pupil) as server:
        threading.Thread(target=call, args=(server.url + CHAT, chat_body()), daemon=True).start()
        _until(lambda: pupil.seen)
        with pytest.raises(TimeoutError):
            call(server.url + CHAT, chat_body(seed=77), limit_s=0.3)
        time.sleep(1.2)  # the server looks every half second
        pupil.gate.set()
        assert call(server.url + CHAT, chat_body(seed=78)).status == 200
    assert [query.seed for query in pupil.seen] == [0, 78]


def test_a_model_that_takes_too_long_is_a_timeout_and_the_server_goes_on() -> None:
    pupil = Pupil(gate=threading.Event())
    with serve(pupil, limit_s=0.3) as server:
        late = call(server.url + CHAT, chat_body())
        assert (late.status, late.error["code"]) == (504, "timeout")
        pupil.gate.set()
        assert call(server.url + CHAT, chat_body()).status == 200


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ModelError("the talker broke"), 500, "the talker broke"),
        (ModelTimeout("too slow"), 504, "too slow"),
        (ZeroDivisionError("division by zero"), 500, "ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_model_raises_is_told_once_and_not_asked_again(error: Exception, status: int, reason: str) -> None:
    pupil = Pupil(error=error)
    with serve(pupil) as server:
        told = call(server.url + CHAT, chat_body())
        assert (told.status, told.error["type"]) == (status, "server_error")
        assert reason in told.error["message"]
        with pytest.raises(ModelError, match=reason):
            openai_chat.build("pupil", {"base_url": f"{server.url}/v1"}).answer(ask(user(tone())))
    assert len(pupil.seen) == 2


def test_a_silent_answer_and_an_answer_without_sound_stay_apart() -> None:
    with LocalServer(fake.build("silent", {}), ServerSettings(name="m", port=0)) as server:
        silent = openai_chat.build("m", {"base_url": f"{server.url}/v1"}).answer(ask(user(tone())))
    assert silent.audio is not None
    assert silent.audio.duration_s == 1.0


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"model": "other"}, 404, "not served here"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": [{"role": "system", "content": "Be brief."}]}, 400, "only user and assistant"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, 400, "last message must be the user's"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "empty"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "'image_url' is not taken"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "%%"}}]}]},
            400,
            "broken base64",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA"}}]}]},
            400,
            "not a readable audio file",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "audio_url", "audio_url": {"url": "file:///etc/x"}}]}]},
            400,
            "nothing is fetched",
        ),
        (
            {"messages": [{"role": "assistant", "audio": {"id": "gone"}}, {"role": "user", "content": "Hi"}]},
            404,
            "send its text instead",
        ),
        ({"audio": {"format": "aac"}}, 400, "wav, flac, mp3, pcm16"),
        ({"modalities": ["image"]}, 400, "modalities"),
        ({"seed": -1}, 400, "seed"),
        ({"n": 2}, 400, "n must be 1"),
        ({"audios": ["http://host/a.wav"], "messages": [{"role": "user", "content": "Hi"}]}, 400, "nothing is fetched"),
    ],
)
def test_a_wrong_request_is_refused_with_the_field(changes: dict, status: int, reason: str) -> None:
    pupil = Pupil()
    with serve(pupil) as server:
        told = call(server.url + CHAT, chat_body(**changes))
    assert told.status == status
    assert reason in told.error["message"]
    assert set(told.error) == {"message", "type", "param", "code"}
    assert pupil.seen == []


def test_what_is_no_json_no_post_no_place_or_too_large_is_an_error_object_too() -> None:
    with serve(max_body_bytes=10_000) as server:
        assert call(server.url + CHAT, b"{").status == 400
        assert call(server.url + CHAT, b"[" * 9_000).status == 400
        assert call(server.url + CHAT, chat_body(tone(duration_s=3))).error["code"] == "request_too_large"
        assert call(server.url + CHAT, chat_body(), headers={"Content-Type": "text/plain"}).status == 415
        assert call(server.url + CHAT).status == 405
        assert call(server.url + "/v1/nothing").error["code"] == "not_found"
        assert call(server.url + "/v1/models/other").status == 404


def test_a_page_of_another_site_and_a_rebound_name_are_turned_away() -> None:
    pupil = Pupil()
    with serve(pupil, allow_hosts=("box.lan",)) as server:
        port = server.url.rsplit(":", 1)[1]
        assert call(server.url + CHAT, chat_body(), headers={"Origin": "http://evil.example"}).status == 403
        assert call(server.url + CHAT, chat_body(), headers={"Origin": "null"}).status == 403
        assert call(server.url + CHAT, chat_body(), headers={"Host": f"evil.example:{port}"}).status == 403
        assert pupil.seen == []
        assert call(server.url + CHAT, chat_body(), headers={"Origin": server.url}).status == 200
        assert call(server.url + "/v1/models", headers={"Host": f"box.lan:{port}"}).status == 200
        assert call(server.url + "/v1/models", headers={"Host": f"localhost:{port}"}).status == 200


def test_a_token_is_wanted_where_others_can_reach_the_server() -> None:
    with pytest.raises(UsageError, match="AQAA_EVAL_TOKEN"):
        ServerSettings(name="m", host="0.0.0.0")
    with pytest.raises(UsageError, match="16 or more"):
        ServerSettings(name="m", host="0.0.0.0", token="short")
    with serve(host="0.0.0.0", token="a-long-enough-token") as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "a-long-enough-token"}):
            refused = call(url + CHAT, chat_body(), headers=headers)
            assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
        assert call(url + "/v1/models", headers={"Authorization": "Bearer a-long-enough-token"}).status == 200
        assert call(url + "/").status == 200
    assert "long-enough" not in repr(server.settings)


def test_an_address_in_use_is_told_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="choose another --port"):
            LocalServer(Pupil(), ServerSettings(name="m", port=port))


def test_every_reply_forbids_what_the_page_does_not_need() -> None:
    with serve() as server:
        page = call(server.url + "/")
        assert page.headers["content-type"].startswith("text/html")
        for reply in (page, call(server.url + "/talk.js"), call(server.url + "/v1/models")):
            assert "default-src 'none'" in reply.headers["content-security-policy"]
            assert reply.headers["x-content-type-options"] == "nosniff"
    assert b"pupil" in page.body


def test_a_hostile_name_is_shown_as_text() -> None:
    name = '"><script>alert(1)</script>'
    with LocalServer(Pupil(), ServerSettings(name=name, port=0)) as server:
        assert b"<script>alert" not in call(server.url + "/").body


def test_an_audio_answer_of_zero_samples_is_an_answer_without_sound() -> None:
    class Empty(Pupil):
        def answer(self, query):
            response = super().answer(query)
            nothing = Audio(samples=np.zeros(0, np.float32), sample_rate_hz=24_000)
            return type(response)(audio=nothing, text=response.text, timing=response.timing)

    with serve(Empty()) as server:
        message = call(server.url + CHAT, chat_body()).json()["choices"][0]["message"]
    assert (message["content"], "audio" in message) == ("I say it back.", False)


def _until(condition, limit_s: float = 10.0) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)
