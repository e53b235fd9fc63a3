from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from aqaa_eval.cli import main


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command line in this process."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["aqaa-eval", *map(str, arguments)])
        monkeypatch.delenv("AQAA_EVAL_DEBUG", raising=False)
        code = 0
        try:
            main.main()
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        written = capsys.readouterr()
        return Done(code=code, out=written.out, err=written.err)

    return call
