"""The GitHub Action: its inputs are the gate's options, and its script runs as a runner would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from aqaa_eval.cli.main import app
from tests.cli.gate_runs import make_log, values, write

ACTION = Path(__file__).parents[2] / ".github" / "actions" / "gate" / "action.yml"
OWN_INPUTS = {"inconclusive", "out", "artifact"}
LEFT_TO_THE_ACTION = {"json", "junit", "markdown", "help"}


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


def test_its_inputs_are_the_options_of_the_gate(action: dict[str, Any]) -> None:
    command = typer.main.get_command(app).commands["gate"]  # type: ignore[attr-defined]
    options = {name.lstrip("-") for parameter in command.params for name in parameter.opts}
    assert set(action["inputs"]) - OWN_INPUTS == options - LEFT_TO_THE_ACTION
    required = {name for name, item in action["inputs"].items() if item.get("required")}
    assert required == {"candidate", "baseline"}


def test_the_workflow_of_the_readme_gives_inputs_that_there_are(action: dict[str, Any]) -> None:
    readme = (ACTION.parents[3] / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```yaml\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    [step] = [step for step in yaml.safe_load(block)["jobs"]["gate"]["steps"] if "gate" in step.get("uses", "")]
    assert step["uses"] == f"./{ACTION.parent.relative_to(ACTION.parents[3])}"
    assert set(step["with"]) <= set(action["inputs"])
    assert {"candidate", "baseline"} <= set(step["with"])


def test_no_input_is_pasted_into_the_script(action: dict[str, Any]) -> None:
    step, upload = action["runs"]["steps"]
    assert "${{" not in step["run"]
    used = set(re.findall(r"inputs\.([a-z-]+)", str([step["env"], upload["with"]])))
    assert used == set(action["inputs"])
    assert upload["if"] == "always()"


def run_step(action: dict[str, Any], folder: Path, inputs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The script with the inputs as a runner fills them in."""
    step = action["runs"]["steps"][0]
    given = {name: item.get("default", "") for name, item in action["inputs"].items()} | inputs
    filled = {
        name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: given[match[1]], value)
        for name, value in step["env"].items()
    }
    program = folder / "bin" / "aqaa-eval"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from aqaa_eval.cli.main import main; main()" "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        **filled,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_pass_leaves_its_files_and_outputs(action: dict[str, Any], tmp_path: Path) -> None:
    write(make_log({"gaming": values()}), tmp_path / "base line.json.gz")
    write(make_log({"gaming": values(spread=0.06)}), tmp_path / "$(touch hit).json.gz")
    inputs = {
        "candidate": "$(touch hit).json.gz",
        "baseline": "base line.json.gz",
        "min": "overall=3\ngaming=2",
        "max": "failures=2% ttfa_p90=1.5s",
        "margin": "0.3",
    }
    done = run_step(action, tmp_path, inputs)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "output").read_text() == "exit-code=0\nverdict=passed\n"
    assert "failures at most 0.02" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert {file.name for file in (tmp_path / "aqaa-eval-gate").iterdir()} == {"gate.json", "junit.xml"}
    assert not (tmp_path / "hit").exists()


def test_a_regression_fails_the_step_and_an_open_question_may_pass(action: dict[str, Any], tmp_path: Path) -> None:
    write(make_log({"gaming": values()}), tmp_path / "a.json.gz")
    write(make_log({"gaming": values(shift=-1)}), tmp_path / "b.json.gz")
    assert run_step(action, tmp_path, {"candidate": "b.json.gz", "baseline": "a.json.gz"}).returncode == 1
    write(make_log({"gaming": [3.0, 4.0, 2.0, 3.5]}), tmp_path / "a.json.gz")
    write(make_log({"gaming": [4.0, 3.0, 2.5, 2.5]}), tmp_path / "b.json.gz")
    inputs = {"candidate": "b.json.gz", "baseline": "a.json.gz", "inconclusive": "pass"}
    assert run_step(action, tmp_path, inputs).returncode == 0
    assert (tmp_path / "output").read_text().endswith("exit-code=4\nverdict=inconclusive\n")


def test_a_missing_run_fails_with_the_tools_own_words(action: dict[str, Any], tmp_path: Path) -> None:
    done = run_step(action, tmp_path, {"candidate": "nowhere", "baseline": "nowhere"})
    assert done.returncode == 2
    assert "no run lies here" in done.stderr
    assert (tmp_path / "output").read_text() == "exit-code=2\nverdict=\n"
