from __future__ import annotations

import json
import shlex
from pathlib import Path

FAST = ("--model", "fake:echo", "--suite", "gaming", "--asr", "none", "--speech-mos", "none")


def test_the_plan_shares_the_gpus_and_gives_the_command(cli) -> None:
    done = cli("plan", *FAST, "--pilot", 4, "--samples", 1_000_000, "--gpus", 100, "--on-gpu", "generate", "--json")
    told = json.loads(done.out)
    assert done.code == 0
    assert (told["n"], told["workers"]["generate"]) == (1_000_000, 100)
    assert told["wall_s"]["low"] <= told["wall_s"]["value"] <= told["wall_s"]["high"]
    command = shlex.split(told["command"])
    assert command[command.index("--generate") + 1] == "gpus=1,workers=100"
    assert cli(*command[1:], "--dry-run").code == 0


def test_what_is_stored_lies_in_the_interval_that_was_predicted(cli, tmp_path: Path) -> None:
    told = json.loads(cli("plan", *FAST, "--gpus", 0, "--json").out)
    assert cli("run", *FAST, "--quiet", "--out", tmp_path / "run").code == 0
    n_bytes = sum(path.stat().st_size for path in (tmp_path / "run" / "audio").iterdir())
    n_bytes += (tmp_path / "run" / "run.sqlite").stat().st_size
    assert told["n_bytes"]["low"] <= n_bytes <= told["n_bytes"]["high"]


def test_the_table_says_what_was_measured_and_how_sure_it_is(cli) -> None:
    done = cli("plan", *FAST, "--pilot", 4, "--samples", 1000, "--gpus", 2)
    assert "1,000 conversations, from 4 measured here" in done.out
    assert "95 % interval" in done.out


def test_gpus_for_fewer_than_the_stages_are_refused(cli) -> None:
    done = cli("plan", *FAST, "--pilot", 4, "--gpus", 1, "--on-gpu", "generate,judge")
    assert done.code == 2
    assert "1 GPUs are too few for 2 stages" in done.err
