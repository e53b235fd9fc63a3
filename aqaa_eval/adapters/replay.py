"""Answers recorded elsewhere: a folder of recordings named by turn, or the folder of an earlier run.

In a folder of recordings the turn "gaming/g03#0" is `gaming/g03/turn0.wav` (or .flac, .ogg, .mp3), turns counted from
0, with the model's own text beside it in `gaming/g03/turn0.txt` where there is one. Answers to a repeated question are
`gaming/g03@1/turn0.wav` and so on; a repeat without its own recording gets that of the first time. A text without a
recording is an answer without sound. No recording and no text is an error of that turn. Times that were measured can
stand in `turn0.json` as `{"first_audio_s": 0.4, "total_s": 2.1}`; without it the total is 0, which means not known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.adapters.options import refuse_unknown
from aqaa_eval.core.answers import MAX_TEXT_CHARACTERS
from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.audio import MAX_FILE_BYTES, read_audio
from aqaa_eval.core.errors import AudioError, DataError, ModelError
from aqaa_eval.core.inside import below
from aqaa_eval.core.plain_file import read_plain_text

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

Lookup = Callable[[str], Response | None]
"""From the key of a turn to its answer; None if there is none."""

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


def build(argument: str, options: Mapping[str, OptionValue], *, lookup: Lookup | None = None) -> ReplayModel:
    """Make it from a path.

    Args:
        argument: a folder of recordings, or the folder of a run.
        options: there are none.
        lookup: the answers of a run, where the path is one; None for a folder of recordings.

    Raises:
        DataError: no such folder, or no answer in it.
    """
    refuse_unknown("replay", options, {})
    path = Path(argument)
    if not argument or not path.is_dir():
        raise DataError(f"replay:{argument}: no such folder; give a run, or recordings as SUITE/SAMPLE/turn0.wav")
    if lookup is not None:
        return ReplayModel(identity=f"replay:{path.name}@{_hash_of_run(path)}", lookup=lookup)
    files = _answer_files(path)
    if not files:
        raise DataError(f"{path}: neither a run nor recordings; those are named SUITE/SAMPLE/turn0.wav ({_kinds()})")
    return ReplayModel(identity=f"replay:{path.name}@{_hash_of_files(path, files)}", lookup=_FolderLookup(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayModel:
    """A model that gives stored answers, with the times that were stored with them."""

    identity: str
    lookup: Lookup

    def answer(self, query: Query) -> Response:
        """Find the answer of the query's turn; the history plays no part.

        Raises:
            ModelError: there is none, or it cannot be read.
        """
        try:
            response = self.lookup(query.key) or self.lookup(first_repeat(query.key))
        except (AudioError, DataError) as error:
            raise ModelError(f"{self.identity}: the answer to {query.key} cannot be read: {error}") from error
        if response is None:
            raise ModelError(f"{self.identity} holds no answer to {query.key}")
        return response


def first_repeat(key: str) -> str:
    """The key of the same turn in the first repeat.

    >>> first_repeat("gaming/g03@2#1"), first_repeat("gaming/g03#1")
    ('gaming/g03#1', 'gaming/g03#1')
    """
    sample, _, turn = key.rpartition("#")
    head, at, repeat = sample.rpartition("@")
    return f"{head}#{turn}" if at and repeat.isdecimal() else key


@dataclass(frozen=True, slots=True)
class _FolderLookup:
    folder: Path

    def __call__(self, key: str) -> Response | None:
        sample, _, turn = key.rpartition("#")
        stem = f"{sample}/turn{turn}"
        sound = next((path for suffix in SUFFIXES if (path := self._find(stem + suffix))), None)
        words = self._find(f"{stem}.txt")
        if sound is None and words is None:
            return None
        text = _read_text(words).strip() if words else None
        audio = read_audio(sound) if sound else None
        return Response(audio=audio, text=text, timing=_read_timing(self._find(f"{stem}.json")))

    def _find(self, name: str) -> Path | None:
        """The file of that name if there is one; raises `DataError` if it lies outside."""
        path = below(self.folder, name)
        return path if path.is_file() else None


def _read_text(path: Path) -> str:
    try:
        return read_plain_text(path, max_bytes=4 * MAX_TEXT_CHARACTERS)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _read_timing(path: Path | None) -> Timing:
    if path is None:
        return Timing(first_audio_s=None, total_s=0.0)
    try:
        times = json.loads(_read_text(path))
        first = times.get("first_audio_s")
        return Timing(first_audio_s=None if first is None else float(first), total_s=float(times["total_s"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ModelError(f'{path}: must be {{"first_audio_s": 0.4, "total_s": 2.1}} ({error})') from error


def _kinds() -> str:
    return ", ".join(SUFFIXES)


def _answer_files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.glob("*/*/turn*") if path.suffix in (*SUFFIXES, ".txt", ".json") and path.is_file()
    )


def _hash_of_files(folder: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}:{_hash_of_file(path)};".encode())
    return digest.hexdigest()[:8]


def _hash_of_file(path: Path) -> str:
    n_bytes = path.stat().st_size
    if n_bytes > MAX_FILE_BYTES:  # it is refused when it is asked for
        return f"{n_bytes} bytes"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_of_run(folder: Path) -> str:
    """By the recordings, which are named by content: settings and database change whenever the run is scored again."""
    digest = hashlib.sha256()
    for path in sorted((folder / "audio").glob("*")):
        digest.update(path.name.encode())
    return digest.hexdigest()[:8]
