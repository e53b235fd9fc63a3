"""The programs that the README shows are run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import aqaa_eval.adapters
from aqaa_eval.adapters.command import build as build_command
from aqaa_eval.adapters.python_class import build as build_class
from aqaa_eval.catalog import MODELS
from aqaa_eval.cli.config import parse_options
from tests.adapters.queries import ask, tone, user
from tests.adapters.test_command import write_program

README = (Path(aqaa_eval.adapters.__file__).parent / "README.md").read_text()
PROGRAM, CLASS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_every_model_of_the_catalogue_is_in_the_table() -> None:
    table = README.split("## ")[0]
    assert [name for name in MODELS if f"`{name}" not in table] == []


def test_every_model_has_a_section_with_its_command_and_what_it_needs() -> None:
    sections = README.split("\n## ")[1:]
    for name in MODELS:
        pattern = rf"aqaa-eval run --model \"?{re.escape(name)}[\s:]"
        assert any(re.search(pattern, section) for section in sections), name
    for name in ("reference", "cascade", "replay", "qwen2.5-omni", "qwen3-omni", "kimi-audio"):
        [section] = [
            text for text in sections if re.search(rf"\A[^\n]*\n\n```bash\n[^`]*run --model {re.escape(name)}", text)
        ]
        assert "Needs" in section, name
        assert "ardware" in section, name


def test_the_persistent_program_answers(tmp_path: Path) -> None:
    model = build_command(str(write_program(tmp_path, PROGRAM)), {"persistent": True})
    question = tone()
    answers = [model.answer(ask(user(question), key=key)) for key in ("a", "b")]
    assert all(answer.audio and np.array_equal(answer.audio.pcm16, question.pcm16) for answer in answers)
    model.close()  # type: ignore[union-attr]


def test_the_class_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "my_own_models.py"
    path.write_text(CLASS)
    options = parse_options(["gain=0.5"])
    assert options is not None
    audio = build_class(f"{path}:Model", options).answer(ask(user(tone()))).audio
    assert audio is not None
    assert np.allclose(audio.samples, 0.5 * tone().samples)
