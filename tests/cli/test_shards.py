from __future__ import annotations

import json
from pathlib import Path

import pytest

FAST = ("--model", "fake:echo", "--suite", "gaming", "--limit", 3, "--asr", "none", "--speech-mos", "none", "--quiet")


@pytest.fixture
def shards(cli, tmp_path: Path) -> list[Path]:
    folders = [tmp_path / f"part{number}" for number in (1, 2)]
    for number, folder in enumerate(folders, start=1):
        assert cli("run", *FAST, "--shard", f"{number}/2", "--out", folder).code == 0
    return folders


def test_two_shards_merged_give_the_report_of_the_whole_run_to_the_byte(cli, tmp_path: Path, shards) -> None:
    assert cli("run", *FAST, "--out", tmp_path / "whole").code == 0
    assert cli("merge-runs", tmp_path / "merged", *shards).code == 0
    assert (tmp_path / "merged/report.html").read_bytes() == (tmp_path / "whole/report.html").read_bytes()
    again = cli("run", *FAST, "--out", tmp_path / "merged")
    assert again.code == 0


def test_a_missing_shard_is_named_with_exit_code_3(cli, tmp_path: Path, shards) -> None:
    done = cli("merge-runs", tmp_path / "merged", shards[1])
    assert done.code == 3
    assert "no folder of shard 1/2" in done.err


def test_a_shard_is_scored_again_as_a_shard_and_says_so(cli, shards) -> None:
    done = cli("score", shards[0], "--channel", "text", "--quiet")
    head = json.loads((shards[0] / "run.json").read_text())
    assert head["manifest"]["shard"] == {"number": 1, "of": 2, "n_whole": 3}
    assert "note: this is shard 1/2 of a run: 2 of 3 conversations" in done.err


def test_shards_scored_by_different_chains_are_not_merged(cli, tmp_path: Path, shards) -> None:
    assert cli("score", shards[0], "--channel", "text", "--quiet").code == 0
    done = cli("merge-runs", tmp_path / "merged", *shards)
    assert done.code == 5
    assert "channel: text against audio" in done.err


def test_the_dry_run_shows_the_plan_of_the_shard(cli) -> None:
    done = cli("run", *FAST, "--shard", "3/3", "--dry-run", "--json")
    assert json.loads(done.out)["n_conversations"] == 1
    assert json.loads(done.out)["shard"] == "3/3"
