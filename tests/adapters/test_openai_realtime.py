from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from aqaa_eval.adapters.openai_realtime import OpenAIRealtimeModel, build
from aqaa_eval.core.answers import MAX_ANSWER_S
from aqaa_eval.core.attempt import Finish, Query
from aqaa_eval.core.errors import ModelError, ModelTimeout, UsageError
from aqaa_eval.testing.realtime_server import RealtimeServer
from tests.adapters.queries import ask, assistant, tone, user

RATE_HZ = {"openai": 24_000, "vllm-omni": 16_000}


@contextmanager
def asked(server: RealtimeServer, **options: object) -> Iterator[OpenAIRealtimeModel]:
    with server:
        yield build("m", {"base_url": server.base_url, "dialect": server.dialect, **options})


def question(dialect: str = "openai") -> Query:
    return ask(user(tone(duration_s=0.5, sample_rate_hz=RATE_HZ[dialect])))


@pytest.mark.parametrize("dialect", RATE_HZ)
def test_the_answer_comes_bit_for_bit_with_its_words_and_its_times(dialect: str) -> None:
    query = question(dialect)
    with asked(RealtimeServer(dialect=dialect, piece_delay_s=0.1)) as model:
        response = model.answer(query)
    assert response.text == "This is my answer."
    assert response.audio is not None
    assert query.question.audio is not None
    assert response.audio.sample_rate_hz == RATE_HZ[dialect]
    assert np.array_equal(response.audio.pcm16, query.question.audio.pcm16)
    assert response.finish is Finish.STOP
    timing = response.timing
    assert timing.first_audio_s is not None
    assert 0.1 <= timing.first_audio_s <= timing.total_s - 0.25  # three more pieces came after it


def test_a_conversation_is_told_with_settings_and_earlier_answers_as_text() -> None:
    server = RealtimeServer()
    with asked(server, voice="ash", system="Be brief.") as model:
        model.answer(ask(user(tone()), assistant("Hello."), user(tone(frequency_hz=600))))
    first, *items, last = server.events
    assert first["type"] == "session.update"
    assert first["session"]["instructions"] == "Be brief."
    assert first["session"]["audio"]["output"]["voice"] == "ash"
    assert first["session"]["audio"]["input"]["turn_detection"] is None
    assert [item["item"]["role"] for item in items] == ["user", "assistant", "user"]
    assert items[1]["item"]["content"] == [{"type": "output_text", "text": "Hello."}]
    assert last == {"type": "response.create"}


def test_the_dialect_without_history_says_so_and_where_to_go() -> None:
    with asked(RealtimeServer(dialect="vllm-omni")) as model, pytest.raises(ModelError, match="--model openai:MODEL"):
        model.answer(ask(user(tone()), assistant("Hello."), user(tone())))


@pytest.mark.parametrize("dialect", RATE_HZ)
def test_words_without_sound_are_no_audio(dialect: str) -> None:
    with asked(RealtimeServer(dialect=dialect, fault="no_audio")) as model:
        response = model.answer(question(dialect))
    assert (response.audio, response.text) == (None, "This is my answer.")
    assert response.timing.first_audio_s is None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("broken_base64", "broken base64"),
        ("error", "the session is over"),
        ("failed", "no GPU"),
        ("not_json", "no JSON"),
        ("forbidden", "401"),
    ],
)
def test_what_is_no_answer_is_a_model_error_that_says_why(fault: str, reason: str) -> None:
    server = RealtimeServer(fault=fault)
    with asked(server) as model, pytest.raises(ModelError, match=reason):
        model.answer(question())
    assert server.n_sessions == 1


@pytest.mark.parametrize("fault", ["busy", "dies"])
def test_a_busy_or_dying_server_is_asked_again(fault: str) -> None:
    server = RealtimeServer(fault=fault, n_faulty=2)
    with asked(server) as model:
        assert model.answer(question()).audio is not None
    assert server.n_sessions == 3


def test_an_answer_that_ran_into_its_limit_is_marked() -> None:
    with asked(RealtimeServer(fault="incomplete")) as model:
        assert model.answer(question()).finish is Finish.LENGTH


def test_a_server_that_says_nothing_is_a_timeout() -> None:
    with asked(RealtimeServer(fault="hangs"), attempt_timeout_s=0.5, retries=0) as model:
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            model.answer(question())
        assert time.monotonic() - start < 4


@pytest.mark.parametrize("fault", ["endless", "twenty_minutes"])
def test_of_an_endless_answer_so_much_is_kept_as_shows_that_it_is_too_long(fault: str) -> None:
    with asked(RealtimeServer(fault=fault)) as model:
        audio = model.answer(question()).audio
    assert audio is not None
    assert MAX_ANSWER_S < audio.duration_s < MAX_ANSWER_S + 2


def test_a_server_that_is_not_there_is_named_as_that() -> None:
    with RealtimeServer() as server:
        url = server.base_url
    with pytest.raises(ModelError, match="cannot be reached"):
        build("m", {"base_url": url, "retries": 0}).answer(question())


def test_the_key_is_sent_and_stands_in_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-1234")
    server = RealtimeServer()
    with asked(server) as model:
        model.answer(question())
        assert "planted" not in model.identity
    assert server.keys == ["Bearer sk-planted-1234"]


@pytest.mark.parametrize(
    ("argument", "options", "message"),
    [
        ("", {}, "which model"),
        ("m", {"base_url": "http://host", "dialect": "sglang"}, "openai, vllm-omni"),
        ("m", {"base_url": "http://host", "stream": True}, "no setting 'stream'"),
    ],
)
def test_wrong_settings_are_refused_with_the_rule(argument: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(argument, options)
