"""A site is checked against its runs: what holds, what was changed in the site, what was changed in the runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.leaderboard import Entry
from aqaa_eval.reports.leaderboard_site import build_site
from aqaa_eval.reports.leaderboard_verify import verify_site
from tests.reports.boards import three, with_asr


@pytest.fixture
def logs() -> list[RunLog]:
    found = three()
    return [*found, with_asr(replace(found[0], n_planned=90), "whisper:tiny")]


@pytest.fixture
def site(tmp_path: Path, logs: list[RunLog]) -> Path:
    names = ["", "second", "", ""]
    build_site([Entry(log=log, name=name) for log, name in zip(logs, names, strict=True)], tmp_path)
    return tmp_path


def edit(site: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads((site / "data.json").read_text("utf-8"))
    change(data)
    (site / "data.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def test_what_was_built_holds_in_any_order(site: Path, logs: list[RunLog]) -> None:
    assert verify_site(site, logs[::-1]) == []


def test_a_number_that_was_changed_is_named_with_both_values(site: Path, logs: list[RunLog]) -> None:
    def flatter(data: dict[str, Any]) -> None:
        data["rankings"][0]["standings"][1]["estimate"]["value"] = 4.9
        data["strengths"]["other"] = 2.0

    edit(site, flatter)
    found = verify_site(site, logs)
    assert len(found) == 2
    assert any(line.startswith("rankings[overall].standings[") and "4.9 in the site" in line for line in found)
    assert any(line.startswith("strengths.other: 2.0 in the site") for line in found)


def test_a_page_that_was_changed_is_named(site: Path, logs: list[RunLog]) -> None:
    page = site / "index.html"
    page.write_text(page.read_text("utf-8").replace("best", "second best"), encoding="utf-8")
    assert verify_site(site, logs) == ["index.html: is not the page that these runs give"]


def test_a_run_that_was_scored_again_is_named_with_its_hash_and_its_numbers(site: Path, logs: list[RunLog]) -> None:
    first = logs[0].attempts[0]
    better = replace(first, scores=(replace(first.scores[0], value=5.0),))
    changed = replace(logs[0], attempts=(better, *logs[0].attempts[1:]))
    found = verify_site(site, [changed, *logs[1:]])
    assert "its records have SHA-256" in found[0]
    assert any("estimate.value" in line for line in found)
    assert any("records_sha256" in line for line in found)


def test_a_run_that_is_missing_and_one_that_is_new_are_named(site: Path, logs: list[RunLog]) -> None:
    assert any("was not given" in line for line in verify_site(site, logs[:-1]))
    stranger = replace(logs[0], manifest=replace(logs[0].manifest, model="stranger"))
    assert any("does not have this run" in line for line in verify_site(site, [*logs, stranger]))


def test_a_folder_without_a_site_and_a_damaged_one_are_refused(tmp_path: Path, site: Path, logs: list[RunLog]) -> None:
    with pytest.raises(DataError, match="no leaderboard lies here"):
        verify_site(tmp_path / "nowhere", logs)
    edit(site, lambda data: data.pop("apart"))
    with pytest.raises(DataError, match="malformed"):
        verify_site(site, logs)
    (site / "data.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        verify_site(site, logs)
