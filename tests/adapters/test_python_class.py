from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.adapters.python_class import build
from aqaa_eval.catalog import make_model
from aqaa_eval.core.errors import ModelError, UsageError
from aqaa_eval.core.runspec import RunSpec
from tests.adapters.queries import ask, tone, user

SOURCE = """
from dataclasses import dataclass
import helper_of_my_models
from aqaa_eval.core.attempt import Response, Timing

class Model:
    identity = "mine@1"

    def __init__(self, text="hi", returns=None):
        self.text, self.returns = text, returns

    def answer(self, query):
        if self.returns is not None:
            return self.returns
        timing = Timing(first_audio_s=None, total_s=1.0)
        return Response(audio=query.question.audio, text=self.text, timing=timing)

@dataclass
class WithoutAnswer:
    identity: str = "x"

class WithoutIdentity:
    def answer(self, query): ...

class Together(Model):
    batch = 4

    def answer_many(self, queries):
        return [self.answer(query) for query in queries]

class WithoutMany(Model):
    batch = 4

class Wide(Model):
    concurrency = "many"

class NumberedIdentity:
    identity = 3
    def answer(self): ...

class Breaking:
    def __init__(self):
        raise RuntimeError("no GPU")

def make(**settings):
    return Model(**settings)

NUMBER = 3
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "my_models.py"
    path.write_text(SOURCE)
    (tmp_path / "helper_of_my_models.py").write_text("")
    monkeypatch.chdir(tmp_path)
    for name in ("my_models", "helper_of_my_models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return path


@pytest.mark.parametrize("by_path", [True, False])
def test_a_class_of_a_file_or_of_a_module_answers(source: Path, by_path: bool) -> None:
    model = build(f"{source if by_path else 'my_models'}:Model", {"text": "ja"})
    question = tone()
    response = model.answer(ask(user(question)))
    assert response.audio is not None
    assert np.array_equal(response.audio.samples, question.samples)
    assert response.text == "ja"


def test_a_function_that_makes_a_model_does_too(source: Path) -> None:
    assert build(f"{source}:make", {}).answer(ask(user(tone()))).text == "hi"


def test_the_identity_holds_the_source_the_models_own_and_the_settings(source: Path) -> None:
    first = build(f"{source}:Model", {"text": "ja"}).identity
    assert first.startswith("python:my_models.py:Model@")
    assert first.endswith("(mine@1),text=ja")
    source.write_text(SOURCE + "\n# changed")
    assert build(f"{source}:Model", {"text": "ja"}).identity != first


def test_it_is_given_several_conversations_where_it_says_that_it_takes_them(source: Path) -> None:
    alone, together = build(f"{source}:Model", {}), build(f"{source}:Together", {})
    assert (alone.batch, together.batch) == (1, 4)
    questions = [tone(frequency_hz=frequency_hz) for frequency_hz in (300.0, 500.0)]
    answers = together.answer_many([ask(user(question)) for question in questions])
    assert [answer.audio for answer in answers] == questions


def test_what_it_returns_is_checked(source: Path) -> None:
    with pytest.raises(ModelError, match="returned a str, not a Response"):
        build(f"{source}:Model", {"returns": "hello"}).answer(ask(user(tone())))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("my_models", "write python:my_models:Model"),
        ("", "write python:my_models:Model"),
        ("/no/such.py:Model", "no such file"),
        ("no_such_module_here:Model", "cannot be imported: ModuleNotFoundError"),
        ("my_models:Modell", r"has no Modell; it has .*Model, WithoutAnswer"),
        ("my_models:NUMBER", "is a int, not a class"),
        ("my_models:Breaking", "cannot be made from nothing: RuntimeError: no GPU"),
        ("my_models:WithoutAnswer", r"WithoutAnswer is no model: `answer` is missing; it needs"),
        ("my_models:WithoutIdentity", r"`identity` is missing; it needs"),
        ("my_models:WithoutMany", "it has a `batch`, but `answer_many` is missing; it needs"),
        ("my_models:Wide", "`concurrency` is a str; it needs"),
        ("my_models:NumberedIdentity", r"`identity` is a int, `answer` takes \(\); it needs"),
    ],
)
def test_what_is_no_model_is_told_before_the_run(source: Path, argument: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(argument, {})


def test_a_file_that_breaks_is_told(source: Path) -> None:
    source.write_text("import torchaudio_that_is_not_there")
    with pytest.raises(UsageError, match="cannot be imported: ModuleNotFoundError"):
        build(f"{source}:Model", {})


def test_settings_that_it_does_not_take_are_told(source: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be made from voice='b': TypeError.*voice"):
        build(f"{source}:Model", {"voice": "b"})


def test_it_runs_in_another_interpreter_as_here(source: Path) -> None:
    spec = RunSpec(model=f"python:{source}:Model")
    here, other = make_model(spec), make_model(spec.model_copy(update={"python": sys.executable}))
    assert here.identity == other.identity
    query = ask(user(tone()))
    one, two = here.answer(query).audio, other.answer(query).audio
    assert one is not None
    assert two is not None
    assert one.content_hash == two.content_hash
    other.close()  # type: ignore[attr-defined]
