"""Start-up: typer reads the options of every verb before any of them runs, which takes longer than most verbs."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import typer
from typer.models import CommandInfo


def trimmed(app: typer.Typer, arguments: Sequence[str]) -> typer.Typer:
    """The same program for one command line: of all verbs but its own only name and help are left.

    Args:
        app: with all its verbs; it is left as it is.
        arguments: of the command line, without the program's name.
    """
    verb = next((argument for argument in arguments if not argument.startswith("-")), "")
    light = copy(app)
    commands, groups = app.registered_commands, app.registered_groups
    light.registered_groups = [group for group in groups if group.name == verb]
    light.registered_commands = [
        *(
            info if info.name == verb else _name_and_help(info.name, info.callback.__doc__ if info.callback else None)
            for info in commands
        ),
        *(
            _name_and_help(group.name, group.typer_instance.info.help if group.typer_instance else None)
            for group in groups
            if group.name != verb
        ),
    ]
    return light


def _name_and_help(name: str | None, text: str | None) -> CommandInfo:
    def stub() -> None:
        pass

    stub.__doc__ = text
    return CommandInfo(name=name, callback=stub)
