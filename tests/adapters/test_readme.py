"""Every model has a page that tells its settings, and the programs that the pages show are run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import aqaa_eval.adapters
from aqaa_eval.adapters import cascade, command, kimi_audio, openai_chat, openai_realtime, qwen_omni, reference
from aqaa_eval.adapters.command import build as build_command
from aqaa_eval.adapters.python_class import build as build_class
from aqaa_eval.catalog import MODELS
from aqaa_eval.cli.config import parse_options
from tests.adapters.queries import ask, tone, user
from tests.adapters.test_command import write_program

FOLDER = Path(aqaa_eval.adapters.__file__).parent
README = (FOLDER / "README.md").read_text()
PAGES = {name: (FOLDER / "docs" / f"{name}.md").read_text() for name in MODELS}
SETTINGS = {
    "reference": reference._SETTINGS,
    "qwen2.5-omni": qwen_omni._SETTINGS,
    "qwen3-omni": qwen_omni._SETTINGS,
    "kimi-audio": kimi_audio._SETTINGS,
    "openai": openai_chat._SETTINGS,
    "openai-realtime": openai_realtime._SETTINGS,
    "cascade": cascade._SETTINGS,
    "command": command._SETTINGS,
}


def code_of(name: str) -> str:
    [code] = re.findall(r"```python\n(.*?)```", PAGES[name], re.DOTALL)
    return code


def test_every_model_of_the_catalogue_is_in_the_table_with_its_page() -> None:
    table = README.split("## ")[0]
    assert [name for name in MODELS if f"`{name}" not in table or f"(docs/{name}.md)" not in table] == []
    assert {path.stem for path in (FOLDER / "docs").iterdir()} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_every_page_has_the_command_and_what_it_needs(name: str) -> None:
    assert re.search(rf"```bash\n[^`]*aqaa-eval run --model \"?{re.escape(name)}[\s:]", PAGES[name])
    assert "**Needs**" in PAGES[name]
    assert "**Hardware**" in PAGES[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_stands_on_the_page(name: str) -> None:
    assert [setting for setting in SETTINGS[name] if f"`{setting}`" not in PAGES[name]] == []


def test_links_lead_somewhere() -> None:
    for path in (FOLDER / "README.md", *(FOLDER / "docs").iterdir()):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_persistent_program_answers(tmp_path: Path) -> None:
    model = build_command(str(write_program(tmp_path, code_of("command"))), {"persistent": True})
    question = tone()
    answers = [model.answer(ask(user(question), key=key)) for key in ("a", "b")]
    assert all(answer.audio and np.array_equal(answer.audio.pcm16, question.pcm16) for answer in answers)
    model.close()  # type: ignore[union-attr]


def test_the_class_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "my_own_models.py"
    path.write_text(code_of("python"))
    options = parse_options(["gain=0.5"])
    assert options is not None
    audio = build_class(f"{path}:Model", options).answer(ask(user(tone()))).audio
    assert audio is not None
    assert np.allclose(audio.samples, 0.5 * tone().samples)
