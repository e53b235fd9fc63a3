"""A site is published to a folder, and to a hub: a fake client, and the real one against a server of our own."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.reports.leaderboard import Entry
from aqaa_eval.reports.leaderboard_publish import publish_site
from aqaa_eval.reports.leaderboard_site import build_site
from tests.reports.boards import three


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaderboard") / "site"
    logs = three()
    build_site([Entry(log=log) for log in [*logs, replace(logs[0], n_planned=99)]], folder)
    (folder / "reports").mkdir()
    (folder / "reports" / "best.html").write_text("a report")
    return folder


def front_matter(card: Path) -> dict[str, Any]:
    found = yaml.safe_load(card.read_text("utf-8").split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_a_folder_gets_a_data_set_and_a_space(site: Path, tmp_path: Path) -> None:
    places = publish_site(site, str(tmp_path / "out"))
    assert places == [str(tmp_path / "out" / "dataset"), str(tmp_path / "out" / "space")]
    assert front_matter(tmp_path / "out" / "space" / "README.md")["sdk"] == "static"
    assert (tmp_path / "out" / "space" / "index.html").read_bytes() == (site / "index.html").read_bytes()
    assert (tmp_path / "out" / "space" / "reports" / "best.html").is_file()


def test_the_tables_hold_the_numbers_of_the_site(site: Path, tmp_path: Path) -> None:
    publish_site(site, str(tmp_path))
    data = json.loads((site / "data.json").read_text("utf-8"))
    standings = pd.read_parquet(tmp_path / "dataset" / "data" / "standings.parquet")
    runs = pd.read_parquet(tmp_path / "dataset" / "data" / "runs.parquet")
    first = data["rankings"][0]["standings"][0]
    assert len(standings) == sum(len(ranking["standings"]) for ranking in data["rankings"]) == 15
    assert standings.loc[0, ["name", "rank_low", "value"]].tolist() == [first["name"], 1, first["estimate"]["value"]]
    assert runs["ranked"].tolist() == [True, True, True, False]
    assert runs["strength"].isna().tolist() == [False, False, False, True]
    assert len(pd.read_parquet(tmp_path / "dataset" / "data" / "duels.parquet")) == 6


def test_the_data_set_is_found_by_datasets(site: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    publish_site(site, str(tmp_path / "out"))
    found = load_dataset(str(tmp_path / "out" / "dataset"), "runs", split="train", cache_dir=str(tmp_path / "cache"))
    assert found["name"][0].startswith("best")


class FakeHub:
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, bool, str | None]] = []
        self.uploaded: dict[str, list[str]] = {}

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool, space_sdk: str | None) -> str:
        assert exist_ok
        self.made.append((repo_id, repo_type, private, space_sdk))
        return f"https://hub.test/{repo_type}s/{repo_id}"

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: Path, commit_message: str) -> None:
        files = (path.relative_to(folder_path).as_posix() for path in folder_path.rglob("*") if path.is_file())
        self.uploaded[f"{repo_type} {repo_id}"] = sorted(files)


def test_the_hub_gets_both_repositories(site: Path) -> None:
    hub = FakeHub()
    places = publish_site(site, "hf:org/board", private=True, hub=hub)
    assert places == ["https://hub.test/datasets/org/board", "https://hub.test/spaces/org/board"]
    assert hub.made == [("org/board", "dataset", True, None), ("org/board", "space", True, "static")]
    assert hub.uploaded["space org/board"] == ["README.md", "data.json", "index.html", "reports/best.html"]
    assert "data/standings.parquet" in hub.uploaded["dataset org/board"]


class Handler(BaseHTTPRequestHandler):
    """As much of the hub's protocol as an upload of small files takes."""

    commits: dict[str, dict[str, bytes]]
    refuses = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.refuses:
            self._answer({"error": "you may not write here"}, status=403)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            kind = asked.get("type", "model")
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self._answer({"url": f"http://{self.headers['Host']}/{kind}s/{name}", "name": name})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(body)["files"]]
            self._answer({"files": [file | {"shouldIgnore": False, "oid": None} for file in files]})
        elif "/commit/" in self.path:
            repository = re.sub(r"^/api/(.+)/commit/.*$", r"\1", self.path)
            lines = [json.loads(line) for line in body.splitlines()]
            self.commits[repository] = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            self._answer({"commitUrl": f"http://{self.headers['Host']}/{repository}/commit/1", "commitOid": "1" * 40})
        else:
            self._answer({"error": f"no such place: {self.path}"}, status=404)

    def do_GET(self) -> None:
        self._answer({"error": "no such repository"}, status=404)

    def _answer(self, value: dict[str, Any], *, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[tuple[str, type[Handler]]]:
    handler = type("OwnHandler", (Handler,), {"commits": {}})
    running = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", handler
    running.shutdown()
    running.server_close()
    thread.join()


def test_the_real_client_uploads_every_file_as_it_is(site: Path, server: tuple[str, type[Handler]]) -> None:
    from huggingface_hub import HfApi

    address, handler = server
    publish_site(site, "hf:org/board", hub=HfApi(endpoint=address, token="hf_test"))
    assert set(handler.commits) == {"datasets/org/board", "spaces/org/board"}
    space = handler.commits["spaces/org/board"]
    assert space["index.html"] == (site / "index.html").read_bytes()
    assert b"sdk: static" in space["README.md"]
    assert handler.commits["datasets/org/board"]["data/runs.parquet"][:4] == b"PAR1"


def test_a_refusal_says_what_to_do_and_no_secret(site: Path, server: tuple[str, type[Handler]]) -> None:
    from huggingface_hub import HfApi

    address, handler = server
    handler.refuses = True
    with pytest.raises(UsageError, match="hf auth login") as refused:
        publish_site(site, "hf:org/board", hub=HfApi(endpoint=address, token="hf_secret"))
    assert "hf_secret" not in str(refused.value)


def test_a_name_that_is_none_a_folder_within_the_site_and_no_site_are_refused(site: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hf:ORG/NAME"):
        publish_site(site, "hf:org/../etc", hub=FakeHub())
    with pytest.raises(UsageError, match="within the site"):
        publish_site(site, str(site / "published"))
    with pytest.raises(DataError, match="no leaderboard lies here"):
        publish_site(tmp_path, str(tmp_path / "out"))
