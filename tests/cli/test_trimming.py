"""The program without the options of verbs that were not asked for looks like the whole one."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from aqaa_eval.cli.main import app
from aqaa_eval.cli.trimming import trimmed


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["--debug", "score", "--help"], ["validate", "suite", "--help"], ["rum"]],
)
def test_every_command_line_says_what_the_whole_program_says(arguments: list[str]) -> None:
    whole = CliRunner().invoke(app, arguments)
    light = CliRunner().invoke(trimmed(app, arguments), arguments)
    assert (light.exit_code, light.output) == (whole.exit_code, whole.output)


def test_the_program_itself_keeps_all_its_options() -> None:
    trimmed(app, ["list"])
    assert "--model" in CliRunner().invoke(app, ["run", "--help"]).output
