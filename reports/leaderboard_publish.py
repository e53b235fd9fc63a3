"""A leaderboard for others: a Hugging Face data set with every number, and a static Space that shows the site.

Written to a folder (`dataset/` and `space/`), or from there to the hub. Everything comes from the site's data.json.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.reports.leaderboard_site import DATA, INDEX
from aqaa_eval.reports.leaderboard_verify import read_data

HUB = "hf:"
PARTS = ("dataset", "space")
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


class Hub(Protocol):
    """What is needed of `huggingface_hub.HfApi`."""

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool, space_sdk: str | None) -> Any:
        """Make a repository unless it is there; its address."""

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: Path, commit_message: str) -> Any:
        """Commit all files of a folder."""


def publish_site(site: Path, to: str, *, private: bool = False, hub: Hub | None = None) -> list[str]:
    """Publish a site that was built.

    Args:
        site: folder of the site.
        to: "hf:ORG/NAME" or a folder.
        private: whether new repositories are private.
        hub: the hub's client; None for the real one, with the token of the environment.

    Returns:
        Where the data set and the Space are.

    Raises:
        DataError: no site lies there.
        UsageError: the target cannot be written, or the hub refuses.
    """
    data = read_data(site)
    if not (site / INDEX).is_file():
        raise DataError(f"{site / INDEX}: is missing; build the site again")
    if not to.startswith(HUB):
        return _to_folder(site, data, Path(to))
    repository = to.removeprefix(HUB)
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"--to {to}: write it as hf:ORG/NAME, with letters, digits, -, _ and . in both")
    with tempfile.TemporaryDirectory() as name:
        _to_folder(site, data, Path(name))
        return _to_hub(Path(name), repository, hub or _real_hub(), private=private)


def _to_folder(site: Path, data: Mapping[str, Any], target: Path) -> list[str]:
    if target.resolve() == site.resolve() or site.resolve() in target.resolve().parents:
        raise UsageError(f"--to {target}: lies within the site; give a folder beside it")
    try:
        _write_dataset(data, site, target / "dataset")
        _write_space(site, target / "space")
    except OSError as error:
        raise UsageError(f"--to {target}: cannot be written ({error.strerror}); give another folder") from error
    return [str(target / part) for part in PARTS]


def _write_dataset(data: Mapping[str, Any], site: Path, folder: Path) -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name, rows in (("standings", _standings(data)), ("runs", _runs(data)), ("duels", data["duels"])):
        _parquet(rows, COLUMNS[name], folder / "data" / f"{name}.parquet")
    shutil.copyfile(site / DATA, folder / DATA)
    (folder / "README.md").write_text(_DATASET_CARD, encoding="utf-8", newline="\n")


def _write_space(site: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (INDEX, DATA):
        shutil.copyfile(site / name, folder / name)
    if (site / "reports").is_dir():
        shutil.copytree(site / "reports", folder / "reports", dirs_exist_ok=True)
    (folder / "README.md").write_text(_SPACE_CARD, encoding="utf-8", newline="\n")


COLUMNS: Mapping[str, Mapping[str, str]] = {
    "standings": {
        "suite": "string",
        "name": "string",
        "rank": "Int64",
        "rank_low": "Int64",
        "rank_high": "Int64",
        "group": "string",
        "value": "Float64",
        "low": "Float64",
        "high": "Float64",
        "n_conversations": "Int64",
    },
    "runs": {
        "name": "string",
        "model": "string",
        "ranked": "boolean",
        "reason": "string",
        "records_sha256": "string",
        "coverage": "Float64",
        "n_scored": "Int64",
        "n_turns": "Int64",
        "n_failures": "Int64",
        "strength": "Float64",
        "first_audio_p50_s": "Float64",
        "total_p50_s": "Float64",
        "real_time_factor_p50": "Float64",
        "machine_s_per_turn": "Float64",
        "speech_s_per_turn": "Float64",
    },
    "duels": {"first": "string", "second": "string", "share": "Float64", "n": "Int64", "p": "Float64"},
}
"""Columns of the data set's tables with their pandas types."""


def _standings(data: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for ranking in data["rankings"]:
        for place in ranking["standings"]:
            estimate = place["estimate"]
            yield {
                "suite": ranking["suite"],
                "name": place["name"],
                "rank": place["rank"],
                "rank_low": place["low"],
                "rank_high": place["high"],
                "group": place["group"],
                "value": estimate["value"],
                "low": estimate["low"],
                "high": estimate["high"],
                "n_conversations": estimate["n_clusters"],
            }


def _runs(data: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for row in (*data["runs"], *data["apart"]):
        latency = {name: (found or {}).get("p50") for name, found in row["latency"].items()}
        yield {
            **row,
            "ranked": not row["reason"],
            "strength": data["strengths"].get(row["name"]),
            "first_audio_p50_s": latency["first_audio_s"],
            "total_p50_s": latency["total_s"],
            "real_time_factor_p50": latency["real_time_factor"],
        }


def _parquet(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Any], path: Path) -> None:
    import pandas as pd

    found = list(rows)
    series = {name: pd.array([row[name] for row in found], dtype=kind) for name, kind in columns.items()}
    pd.DataFrame(series).to_parquet(path, index=False)


def _real_hub() -> Hub:
    from huggingface_hub import HfApi

    hub: Hub = HfApi()
    return hub


def _to_hub(folder: Path, repository: str, hub: Hub, *, private: bool) -> list[str]:
    from huggingface_hub.errors import HfHubHTTPError

    # Its bases are OSError and the error of the hub's HTTP client, which is another package in every major version.
    refusals = cast(tuple[type[Exception], ...], (HfHubHTTPError, *HfHubHTTPError.__bases__))
    places = []
    try:
        for part in PARTS:
            sdk = "static" if part == "space" else None
            address = hub.create_repo(repository, repo_type=part, private=private, exist_ok=True, space_sdk=sdk)
            hub.upload_folder(
                repo_id=repository,
                repo_type=part,
                folder_path=folder / part,
                commit_message="Publish the leaderboard",
            )
            places.append(str(address))
    except refusals as error:
        raise UsageError(
            f"hf:{repository}: the hub refuses or cannot be reached ({error}); log in with `hf auth login` or set "
            "HF_TOKEN to a token that may write there, or publish to a folder"
        ) from error
    return places


_DATASET_CARD = """---
pretty_name: aqaa-eval leaderboard
tags:
- aqaa-eval
- leaderboard
- audio-question-answering
configs:
- config_name: standings
  default: true
  data_files: data/standings.parquet
- config_name: runs
  data_files: data/runs.parquet
- config_name: duels
  data_files: data/duels.parquet
---
# Leaderboard of voice models

`standings` has one row per model and suite ("overall" is the mean over suites): value with its 95 % interval, rank,
the ranks that are open, and the letters of the groups whose members are not told apart. `runs` has one row per run
with coverage, latency, the SHA-256 of its records, and the reason if it is not ranked. `duels` has the share of
conversations that one model won against another. `data.json` holds all numbers;
`aqaa-eval leaderboard verify` computes them again.
"""

_SPACE_CARD = """---
title: aqaa-eval leaderboard
emoji: 🎧
colorFrom: blue
colorTo: indigo
sdk: static
app_file: index.html
pinned: false
---
Ranking of voice models with intervals, made by `aqaa-eval leaderboard build`.
"""
