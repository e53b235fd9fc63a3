"""The README's commands and code run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from aqaa_eval.core.weights import OFFLINE, is_present

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKE_TARGETS = ("demo", "test")


def blocks(language: str) -> list[str]:
    """Fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all blocks: a later one may read what an earlier one wrote."""
    return tmp_path_factory.mktemp("readme")


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path}, check=False, capture_output=True, text=True
    )


def test_the_two_set_up_commands_exist() -> None:
    for target in MAKE_TARGETS:
        assert f"make {target}" in README
        assert run(["make", "-n", target], ROOT).returncode == 0


@pytest.mark.skipif(not all(map(is_present, OFFLINE)), reason="offline models are not here: aqaa-eval fetch")
def test_every_command_and_code_block_runs(new_folder: Path) -> None:
    commands = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("aqaa-eval ")]
    assert len(commands) >= 5
    for command in commands:
        done = run(shlex.split(command, comments=True), new_folder)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    sources = blocks("python")
    assert sources
    for source in sources:
        done = run([sys.executable, "-c", source], new_folder)
        assert done.returncode == 0, f"{source}\n{done.stderr}"
        assert done.stdout


def test_every_folder_of_the_tree_exists() -> None:
    [tree] = [block for block in blocks("text") if "reference_model/" in block]
    names = re.findall(r"^ *([\w./]+?/?)  ", tree, flags=re.MULTILINE)
    assert len(names) > 10
    parents: dict[int, str] = {}
    for line in tree.splitlines():
        match = re.match(r"^( *)([\w./-]+)", line)
        if match is None:
            continue
        depth, name = len(match.group(1)), match.group(2)
        parents = {level: folder for level, folder in parents.items() if level < depth}
        path = ROOT.joinpath(*(parents[level] for level in sorted(parents)), name)
        assert path.exists(), path
        if name.endswith("/"):
            parents[depth] = name
