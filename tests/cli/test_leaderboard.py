"""`aqaa-eval leaderboard` and the page of `compare`, from the shell's side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.gate_runs import make_log, values, write

PLAIN = ("--asr", "none", "--speech-mos", "none", "--quiet")


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    shifts = {"low": -1.0, "high": 0.5, "middle": 0.0}
    return [
        write(make_log({"gaming": values(shift=shift)}, model=f"fake:{name}"), tmp_path / f"{name}.json.gz")
        for name, shift in shifts.items()
    ]


def test_build_ranks_and_verify_holds(cli: Callable, runs: list[Path], tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = cli("leaderboard", "build", *runs, "--out", site)
    assert done.code == 0, done.err
    assert [line.split()[3] for line in done.out.splitlines()[1:4]] == ["fake:high", "fake:middle", "fake:low"]
    checked = cli("leaderboard", "verify", site, *runs)
    assert (checked.code, checked.out) == (0, "")


def test_verify_leaves_with_1_and_names_what_differs(cli: Callable, runs: list[Path], tmp_path: Path) -> None:
    site = tmp_path / "site"
    cli("leaderboard", "build", *runs, "--out", site)
    data = json.loads((site / "data.json").read_text("utf-8"))
    data["strengths"]["fake:low"] = 3
    (site / "data.json").write_text(json.dumps(data))
    done = cli("leaderboard", "verify", site, *runs)
    assert done.code == 1
    assert done.out.startswith("strengths.fake:low: 3 in the site")


def test_a_run_gets_the_name_that_was_given_to_it(cli: Callable, runs: list[Path], tmp_path: Path) -> None:
    done = cli("leaderboard", "build", f"step 7={runs[0]}", runs[1], "--out", tmp_path / "site")
    assert "step 7" in done.out
    assert cli("leaderboard", "verify", tmp_path / "site", *runs[:2]).code == 0


def test_publish_writes_to_a_folder_and_refuses_what_is_no_site(
    cli: Callable, runs: list[Path], tmp_path: Path
) -> None:
    site = tmp_path / "site"
    cli("leaderboard", "build", *runs, "--out", site)
    done = cli("leaderboard", "publish", site, "--to", tmp_path / "out")
    assert done.out.split() == [str(tmp_path / "out" / "dataset"), str(tmp_path / "out" / "space")]
    assert cli("leaderboard", "publish", tmp_path, "--to", tmp_path / "out").code == 2


def test_stored_runs_become_a_site_with_their_reports(cli: Callable, tmp_path: Path) -> None:
    for name in ("silent", "echo"):
        cli("run", "--model", f"fake:{name}", "--suite", "gaming", "--limit", 2, *PLAIN, "--out", tmp_path / name)
    site = tmp_path / "site"
    done = cli("leaderboard", "build", tmp_path / "silent", tmp_path / "echo", "--out", site)
    assert done.code == 0, done.err
    data = json.loads((site / "data.json").read_text("utf-8"))
    for row in (*data["runs"], *data["apart"]):
        assert "<html" in (site / row["report"]).read_text("utf-8")
    assert cli("leaderboard", "verify", site, tmp_path / "silent", tmp_path / "echo").code == 0


def test_compare_writes_a_page_beside_its_table(cli: Callable, runs: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "pages" / "compare.html"
    done = cli("compare", runs[0], runs[1], "--out", page, "--blind")
    assert done.code == 0, done.err
    assert "+1.50" in done.out
    assert 'class="blind"' in page.read_text("utf-8")
    assert cli("compare", runs[0], runs[1], "--blind").code == 2
