"""The bundled tiny weights: who they are, what they weigh, and that they answer in speech."""

from __future__ import annotations

import hashlib

import pytest

from aqaa_eval.adapters.reference import ReferenceModel, build
from aqaa_eval.catalog.names import BUNDLED_WEIGHTS
from aqaa_eval.core.attempt import Message, Query
from aqaa_eval.reference_model.checkpoint import BUNDLED
from aqaa_eval.tasks.speaking.voices import speak

MOST_BYTES = 30_000_000


@pytest.fixture(scope="module")
def model() -> ReferenceModel:
    return build("", {"temperature": 0.0})


def test_they_are_those_of_the_catalogue_and_light_enough_to_carry() -> None:
    assert {path.name for path in BUNDLED.iterdir() if path.is_dir()} == set(BUNDLED_WEIGHTS)
    for name, digest in BUNDLED_WEIGHTS.items():
        files = [path for path in (BUNDLED / name).iterdir() if path.is_file()]
        assert hashlib.sha256((BUNDLED / name / "model.safetensors").read_bytes()).hexdigest() == digest
        assert {path.name for path in files} == {"README.md", "config.json", "model.safetensors", "tokenizer.model"}
        assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_without_a_name_the_reference_model_is_the_tiny_one(model: ReferenceModel) -> None:
    assert model.identity.startswith("reference:tiny@")


@pytest.mark.parametrize(
    ("question", "answer"),
    [("Say after me: the blue sky.", "The blue sky."), ("Tell me, am I a man or a woman?", "You sound like a woman.")],
)
def test_a_question_that_training_knew_is_answered_in_text_and_speech(
    model: ReferenceModel, question: str, answer: str
) -> None:
    asked = speak(question, voice="hibari", language="en", rate=1.0).resampled(16_000)
    response = model.answer(Query(key="s/a#0", messages=(Message(role="user", audio=asked),), seed=1))
    assert response.text is not None
    assert response.text.strip() == answer
    assert response.audio is not None
    assert 0.5 < response.audio.duration_s < 3.0
