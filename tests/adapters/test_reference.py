from __future__ import annotations

import numpy as np
import pytest

from aqaa_eval.adapters.reference import ReferenceModel, build
from aqaa_eval.core.attempt import Message, Query
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError, UsageError


@pytest.fixture(scope="module")
def model() -> ReferenceModel:
    return build("tiny-random", {"max_new_tokens": 120})


def question(*, duration_s: float = 1.0) -> Audio:
    t_s = np.arange(int(16_000 * duration_s)) / 16_000
    return Audio(samples=(0.3 * np.sin(2 * np.pi * 180 * t_s)).astype(np.float32), sample_rate_hz=16_000)


def query(*earlier: Message, audio: Audio | None = None, seed: int = 1) -> Query:
    return Query(key="s/a#0", messages=(*earlier, Message(role="user", audio=audio or question())), seed=seed)


def test_a_spoken_question_passes_through_the_whole_model(model: ReferenceModel) -> None:
    response = model.answer(query())
    assert response.audio is not None
    assert response.audio.sample_rate_hz == 24_000
    assert response.audio.duration_s > 0.3
    assert response.text
    assert response.timing.first_audio_s is not None
    assert 0 < response.timing.first_audio_s <= response.timing.total_s


def test_the_seed_decides_the_answer(model: ReferenceModel) -> None:
    first, again, other = (model.answer(query(seed=seed)) for seed in (1, 1, 2))
    assert first.audio is not None
    assert again.audio is not None
    assert other.audio is not None
    assert (first.text, first.audio.content_hash) == (again.text, again.audio.content_hash)
    assert other.audio.content_hash != first.audio.content_hash


def test_earlier_turns_are_part_of_the_prompt(model: ReferenceModel) -> None:
    earlier = (Message(role="user", audio=question()), Message(role="assistant", audio=question(), text="Yes."))
    assert model.answer(query(*earlier)).text != model.answer(query()).text


def test_the_identity_names_the_weights_and_the_settings(model: ReferenceModel) -> None:
    assert model.identity.startswith("reference:tiny-random@")
    assert model.identity.endswith(",max_new_tokens=120")


@pytest.mark.parametrize(
    ("argument", "options", "message"),
    [
        ("tiny-random", {"layuot": "3:5"}, "did you mean layout?"),
        ("/no/such/checkpoint", {}, "/no/such/checkpoint"),
    ],
)
def test_what_cannot_be_loaded_is_told(argument: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        build(argument, options)


def test_a_question_of_three_milliseconds_is_one_clear_model_error(model: ReferenceModel) -> None:
    with pytest.raises(ModelError, match="question"):
        model.answer(query(audio=question(duration_s=0.003)))


@pytest.mark.parametrize("layout", ["audio_only", "text_to_audio", "3:5"])
def test_the_layout_is_a_setting(layout: str) -> None:
    response = build("tiny-random", {"max_new_tokens": 60, "layout": layout}).answer(query())
    assert response.audio is not None
    assert bool(response.text) is (layout != "audio_only")
