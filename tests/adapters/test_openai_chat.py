from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

from aqaa_eval.adapters import openai_endpoint
from aqaa_eval.adapters.openai_chat import OpenAIChatModel, build
from aqaa_eval.core.answers import MAX_ANSWER_S
from aqaa_eval.core.attempt import Finish, Query
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError, ModelTimeout, UsageError
from aqaa_eval.testing.audio_server import DIALECTS, AudioChat
from aqaa_eval.testing.server import Reply, Request, ScriptedServer, json_reply
from tests.adapters.queries import ask, assistant, tone, user

Asked = Callable[..., AbstractContextManager[OpenAIChatModel]]


@contextmanager
def asked(handler: Callable[[Request], Reply], **options: object) -> Iterator[OpenAIChatModel]:
    with ScriptedServer(handler, prefix="/v1") as server:
        yield build("m", {"base_url": server.base_url, **options})
        assert server.errors == []


def question(*, sample_rate_hz: int = 24_000) -> Query:
    return ask(user(tone(duration_s=0.5, sample_rate_hz=sample_rate_hz)), seed=7)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_dialect_gives_the_same_sound_and_words(dialect: str, stream: bool) -> None:
    query = question()
    with asked(AudioChat(dialect=dialect), stream=stream) as model:
        response = model.answer(query)
    assert response.text is not None
    assert response.text.strip() == "This is my answer."
    assert response.audio is not None
    assert response.audio.sample_rate_hz == 24_000
    assert query.question.audio is not None
    assert np.array_equal(response.audio.pcm16, query.question.audio.pcm16)
    assert response.finish is Finish.STOP
    assert (response.timing.first_audio_s is not None) is stream


@pytest.mark.parametrize("audio_in", ["input_audio", "audio_url", "audios"])
def test_the_question_arrives_bit_for_bit_in_every_style(audio_in: str) -> None:
    chat = AudioChat(dialect="sglang-omni")
    query = question(sample_rate_hz=16_000)
    with asked(chat, audio_in=audio_in) as model:
        model.answer(query)
    [heard] = chat.questions
    assert query.question.audio is not None
    assert heard.content_hash == query.question.audio.content_hash
    [body] = chat.bodies
    assert body["modalities"] == ["text", "audio"]
    assert body["audio"] == {"voice": "alloy", "format": "wav"}
    assert body["seed"] == 7


def test_time_to_first_audio_is_that_of_the_first_sound_not_of_the_first_word() -> None:
    with asked(AudioChat(piece_delay_s=0.05), stream=True) as model:
        timing = model.answer(question()).timing
    # Six events carry no sound, then come four with sound, an end, and [DONE].
    assert timing.first_audio_s is not None
    assert 0.3 < timing.first_audio_s < timing.total_s - 0.2


def test_earlier_answers_go_back_as_their_text_or_by_the_servers_own_id() -> None:
    for history, expected in (
        ("text", {"role": "assistant", "content": "This is my answer."}),
        ("audio_id", {"role": "assistant", "audio": {"id": "audio-1"}}),
    ):
        chat = AudioChat()
        with asked(chat, history=history, system="Be brief.") as model:
            first = model.answer(question())
            model.answer(ask(user(tone()), assistant(first.text, first.audio), user(tone(frequency_hz=600))))
        messages = chat.bodies[1]["messages"]
        assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
        assert messages[2] == expected


def test_an_answer_of_an_earlier_run_goes_back_as_text_because_the_server_has_forgotten_it() -> None:
    chat = AudioChat()
    with asked(chat, history="audio_id") as model:
        model.answer(ask(user(tone()), assistant("Hello.", tone(frequency_hz=300)), user(tone())))
        model.answer(ask(user(tone()), assistant(None, tone(frequency_hz=300)), user(tone())))
    assert chat.bodies[0]["messages"][1]["content"] == "Hello."
    assert chat.bodies[1]["messages"][1]["content"] == "(a spoken answer)"


def test_settings_reach_the_server() -> None:
    chat = AudioChat()
    extra = '{"top_k": 20, "sampling_params_list": [{}]}'
    with asked(chat, voice="ash", temperature=0.5, max_tokens=64, send_seed=False, extra=extra, prompt="Hi") as model:
        model.answer(question())
    [body] = chat.bodies
    assert (body["temperature"], body["max_tokens"], body["top_k"]) == (0.5, 64, 20)
    assert (body["audio"]["voice"], "seed" in body) == ("ash", False)
    assert body["messages"][0]["content"][0] == {"type": "text", "text": "Hi"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["openai", "vllm-omni"])
@pytest.mark.parametrize("fault", ["mp3", "pcm_8k"])
def test_what_was_announced_is_not_believed_where_the_bytes_say_otherwise(
    dialect: str, fault: str, stream: bool
) -> None:
    states_no_rate = fault == "pcm_8k" and stream and dialect == "openai"
    options = {"pcm_rate_hz": 8_000} if states_no_rate else {}
    with asked(AudioChat(dialect=dialect, fault=fault), stream=stream, **options) as model:
        audio = model.answer(question()).audio
    assert audio is not None
    assert audio.sample_rate_hz == (8_000 if fault == "pcm_8k" else 24_000)
    assert audio.duration_s == pytest.approx(0.5, abs=0.1)
    spectrum = np.abs(np.fft.rfft(audio.samples))
    assert np.argmax(spectrum) / audio.duration_s == pytest.approx(440, abs=10)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("broken_base64", "broken base64"),
        ("odd_bytes", "odd number"),
        ("forbidden", "401"),
        ("no_choices", "no choices"),
        ("not_json", "no JSON"),
    ],
)
def test_what_is_no_answer_is_a_model_error_that_says_why(fault: str, reason: str, stream: bool) -> None:
    chat = AudioChat(fault=fault)
    with asked(chat, stream=stream) as model, pytest.raises(ModelError, match=reason) as caught:
        model.answer(question())
    assert not isinstance(caught.value, ModelTimeout)
    assert len(chat.bodies) == 1  # asking again would bring the same


@pytest.mark.parametrize("fault", ["dies", "cut_stream", "error_in_stream"])
def test_a_stream_that_breaks_off_is_no_answer(fault: str) -> None:
    chat = AudioChat(fault=fault)
    with asked(chat, stream=True, retries=1) as model, pytest.raises(ModelError):
        model.answer(question())
    assert len(chat.bodies) == (1 if fault == "error_in_stream" else 2)


@pytest.mark.parametrize("fault", ["busy", "broken", "dies"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_busy_or_broken_server_is_asked_again(fault: str, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_endpoint, "_wait_s", lambda _number, _asked_s: 0.3)
    chat = AudioChat(fault=lambda number: fault if number < 2 else "")
    start_s = time.perf_counter()
    with asked(chat, stream=stream) as model:
        response = model.answer(question())
    elapsed_s = time.perf_counter() - start_s
    assert response.audio is not None
    assert len(chat.bodies) == 3
    assert response.timing.total_s < elapsed_s - 2 * 0.3  # of the attempt that succeeded, without the waiting


def test_retry_after_is_obeyed() -> None:
    def reply(request: Request) -> Reply:
        if request.number == 0:
            return json_reply({"error": {"message": "busy"}}, status=429, headers={"retry-after": "0.4"})
        return AudioChat()(request)

    with asked(reply) as model:
        start = time.monotonic()
        model.answer(question())
        assert time.monotonic() - start > 0.4


def test_a_wait_beyond_the_limit_is_not_begun() -> None:
    def reply(_request: Request) -> Reply:
        return json_reply({"error": {"message": "busy until tomorrow"}}, status=429, headers={"retry-after": "86400"})

    with asked(reply) as model, pytest.raises(ModelError, match="busy until tomorrow"):
        model.answer(question())


def test_an_empty_purse_is_not_asked_again() -> None:
    error = {"error": {"message": "no credit", "code": "insufficient_quota"}}
    with ScriptedServer(lambda _request: json_reply(error, status=429), prefix="/v1") as server:
        with pytest.raises(ModelError, match="no credit"):
            build("m", {"base_url": server.base_url}).answer(question())
        assert server.n_requests == 1


@pytest.mark.parametrize("fault", ["hangs", "trickles"])
def test_a_server_that_never_ends_its_answer_is_a_timeout(fault: str) -> None:
    with asked(AudioChat(fault=fault), attempt_timeout_s=0.5, timeout_s=0.6, retries=0) as model:
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            model.answer(question())
        assert time.monotonic() - start < 3


def test_a_head_that_trickles_in_is_a_timeout_too() -> None:
    import socket

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                for _ in range(100):
                    connection.sendall(b"x-more: 1\r\n")
                    time.sleep(0.05)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=trickle, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        model = build("m", {"base_url": url, "attempt_timeout_s": 0.4, "timeout_s": 0.5, "retries": 0})
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            model.answer(question())
        assert time.monotonic() - start < 3


def test_of_sound_without_end_so_much_is_kept_as_shows_that_it_is_too_long() -> None:
    with asked(AudioChat(fault="endless", audio=tone(duration_s=240, sample_rate_hz=24_000)), stream=True) as model:
        audio = model.answer(question()).audio
    assert audio is not None
    assert audio.duration_s > MAX_ANSWER_S


def test_a_body_without_end_is_broken_off() -> None:
    options = {"attempt_timeout_s": 0.5, "timeout_s": 0.6}
    with asked(AudioChat(fault="endless"), **options) as model, pytest.raises(ModelTimeout):
        model.answer(question())


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_of_twenty_minutes_is_cut_where_it_is_too_long(stream: bool) -> None:
    with asked(AudioChat(fault="twenty_minutes"), stream=stream) as model:
        audio = model.answer(question()).audio
    assert audio is not None
    assert MAX_ANSWER_S < audio.duration_s < MAX_ANSWER_S + 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_words_without_sound_are_no_audio(dialect: str, stream: bool) -> None:
    with asked(AudioChat(dialect=dialect, fault="text_only"), stream=stream) as model:
        response = model.answer(question())
    assert (response.audio, response.text) == (None, "This is my answer.")


def test_a_server_that_died_costs_its_retries_once() -> None:
    with ScriptedServer(AudioChat(), prefix="/v1") as server:
        url = server.base_url
    model = build("m", {"base_url": url, "retries": 1})
    with pytest.raises(ModelError, match="cannot be reached") as first:
        model.answer(question())
    with pytest.raises(ModelError, match="cannot be reached") as second:
        model.answer(question())
    assert "attempt 2 of 2" in str(first.value)
    assert "attempt 1 of 1" in str(second.value)


def test_two_models_of_one_server_share_what_may_be_asked_at_once() -> None:
    def slow(request: Request) -> Reply:
        return json_reply({"choices": []}, delay_s=0.5)

    with ScriptedServer(slow, prefix="/v1") as server:
        models = [build(name, {"base_url": server.base_url, "concurrency": 2}) for name in ("a", "b", "a", "b")]

        def put(model: OpenAIChatModel) -> None:
            with pytest.raises(ModelError):
                model.answer(question())

        threads = [threading.Thread(target=put, args=(model,)) for model in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.n_most_at_once == 2


def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted-1234")
    chat = AudioChat(fault="forbidden")
    with asked(chat, api_key_env="MY_KEY") as model, pytest.raises(ModelError) as caught:
        model.answer(question())
    assert chat.keys == ["Bearer sk-planted-1234"]
    assert "planted" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert "planted" not in model.identity


def test_the_identity_names_what_changes_answers_and_nothing_else() -> None:
    url = "http://localhost:1/v1"
    plain = build("m", {"base_url": url}).identity
    assert plain == "openai:m(http://localhost:1/v1)"
    assert build("m", {"base_url": url, "retries": 0, "timeout_s": 5.0, "concurrency": 3}).identity == plain
    assert build("m", {"base_url": url, "temperature": 0.5}).identity != plain


@pytest.mark.parametrize(
    ("argument", "options", "message"),
    [
        ("", {}, "which model"),
        ("m", {"base_url": "http://me:secret@host/v1"}, "password"),
        ("m", {"base_url": "http://host/v1?key=secret"}, "query"),
        ("m", {"base_url": "host:8000"}, "http://"),
        ("m", {"base_url": "http://host", "audio_in": "mp3"}, "input_audio, audio_url, audios"),
        ("m", {"base_url": "http://host", "api_key": "sk-1"}, "did you mean api_key_env"),
        ("m", {"base_url": "http://host", "extra": "[1]"}, "JSON object"),
        ("m", {"base_url": "http://host", "retries": -1}, "0 or more"),
        ("m", {"base_url": "http://host", "pcm_rate_hz": 100}, "between 8000"),
    ],
)
def test_wrong_settings_are_refused_with_the_rule(argument: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build(argument, options)
    assert "secret" not in str(caught.value)
    assert "sk-1" not in str(caught.value)


def test_openai_itself_wants_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="no key in OPENAI_API_KEY"):
        build("gpt-audio", {})


def test_silence_is_an_answer_with_sound() -> None:
    with asked(AudioChat(audio=Audio.silence(duration_s=1.0))) as model:
        audio = model.answer(question()).audio
    assert audio is not None
    assert not audio.samples.any()
