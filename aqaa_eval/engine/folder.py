"""A run folder: `run.json` (spec and measuring chain), `run.sqlite`, `audio/`, `report.html`; one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from aqaa_eval.core.card import Card
from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.plain_file import read_plain_text
from aqaa_eval.core.runlog import Manifest
from aqaa_eval.core.runspec import RunSpec, describe_validation
from aqaa_eval.core.shard import Shard

FORMAT = 1
MAX_HEAD_BYTES = 1 << 28
ANSWER_FIELDS = ("model", "answer_options", "suites", "suite_options", "limit", "repeats", "seed", "perturb")
"""Fields of the spec that decide what is asked. The others can change on a stored run: it is then scored again."""


class RunFolder:
    """Paths and head of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "run.sqlite"

    @property
    def audio(self) -> Path:
        """The folder of recordings."""
        return self.path / "audio"

    @property
    def head(self) -> Path:
        """Spec, manifest and cards."""
        return self.path / "run.json"

    def create(self) -> None:
        """Make the folders.

        Raises:
            UsageError: the place cannot be written.
        """
        try:
            self.audio.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".write-test.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UsageError(f"{self.path}: cannot write there ({error.strerror}); give another --out") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder against a second process.

        Raises:
            UsageError: another process holds it; the message names it.
        """
        with (self.path / "run.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                raise UsageError(
                    f"{self.path} is in use by process {holder}; wait for it or give another --out"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def write_head(
        self,
        *,
        spec: RunSpec,
        manifest: Manifest,
        cards: dict[str, Card],
        n_planned: int,
        not_run: Sequence[NotRun] = (),
    ) -> None:
        """Write `run.json` whole or not at all, durably.

        Raises:
            DataError: the disk does not take it.
        """
        head = {
            "format": FORMAT,
            "spec": spec.model_dump(mode="json"),
            "manifest": TypeAdapter(Manifest).dump_python(manifest, mode="json"),
            "cards": [card.model_dump(mode="json") for card in cards.values()],
            "n_planned": n_planned,
            "not_run": TypeAdapter(tuple[NotRun, ...]).dump_python(tuple(not_run), mode="json"),
        }
        part = self.head.with_suffix(".json.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(json.dumps(head, indent=1, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.head)
        except OSError as error:
            raise DataError(f"{self.head}: cannot write ({error.strerror}); free the disk, then try again") from error

    def read_head(self) -> tuple[RunSpec, Manifest, dict[str, Card], int]:
        """Spec, manifest, cards by id, and the number of planned attempts.

        Raises:
            DataError: no run lies here, or its head is damaged or of another format.
        """
        head = self._head()
        try:
            cards = [Card.model_validate(card) for card in head["cards"]]
            spec, manifest = (
                RunSpec.model_validate(head["spec"]),
                TypeAdapter(Manifest).validate_python(head["manifest"]),
            )
            return spec, manifest, {card.id: card for card in cards}, int(head["n_planned"])
        except ValidationError as error:
            raise DataError(describe_validation(error, name=str(self.head))) from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.head}: field {error} is missing or malformed") from error

    def read_not_run(self) -> tuple[NotRun, ...]:
        """What the suites held and could not be asked.

        Raises:
            DataError: as `read_head`.
        """
        try:
            return TypeAdapter(tuple[NotRun, ...]).validate_python(self._head().get("not_run", ()))
        except ValidationError as error:
            raise DataError(describe_validation(error, name=f"{self.head}: not_run")) from error

    def read_notes(self) -> tuple[str, ...]:
        """Alarms of the judges' anchors (`anchors.jsonl`): of each judge those of the last command that used it.

        Raises:
            DataError: the file is damaged.
        """
        file = self.path / "anchors.jsonl"
        if not file.exists():
            return ()
        notes: dict[str, list[str]] = {}
        try:
            for line in read_plain_text(file, max_bytes=MAX_HEAD_BYTES).splitlines():
                graded = json.loads(line)
                notes[str(graded["judge"])] = [str(note) for note in graded["notes"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{file}: cannot be read ({error}); move it away") from error
        return tuple(note for told in notes.values() for note in told)

    def _head(self) -> dict[str, Any]:
        try:
            head: dict[str, Any] = json.loads(read_plain_text(self.head, max_bytes=MAX_HEAD_BYTES))
        except FileNotFoundError as error:
            raise DataError(f"{self.path}: no run lies here (run.json is missing)") from error
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{self.head}: cannot be read as JSON ({error})") from error
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            found = repr(head.get("format") if isinstance(head, dict) else head)[:80]
            raise DataError(f"{self.head}: format {found} is not {FORMAT}; score it with the version that made it")
        return head

    def refuse_other_spec(self, spec: RunSpec) -> None:
        """Refuse to continue a run that asked for something else.

        Raises:
            UsageError: names each field that differs.
        """
        if not self.head.exists():
            return
        stored = self.read_head()[0]
        differing = [name for name in ANSWER_FIELDS if getattr(stored, name) != getattr(spec, name)]
        if differing:
            told = "; ".join(f"{name} {getattr(stored, name)!r}, now {getattr(spec, name)!r}" for name in differing)
            raise UsageError(f"{self.path} holds a run of another spec: {told}. Give another --out, or the same values")

    def refuse_other_shard(self, shard: Shard | None) -> None:
        """Refuse to continue another part of a run.

        Raises:
            UsageError: the folder holds the whole, or another shard.
        """
        if not self.head.exists():
            return
        stored = self.read_head()[1].shard
        if (stored and (stored.number, stored.of)) != (shard and (shard.number, shard.of)):
            told = [f"shard {part}" if part else "the whole run" for part in (stored, shard)]
            raise UsageError(f"{self.path} holds {told[0]}, now {told[1]} is asked for; give another --out")

    def refuse_other_audio_store(self, url: str) -> None:
        """Refuse to go on with the sound in another place: the answers so far would not be found.

        Raises:
            UsageError: names both places.
        """
        if not self.head.exists():
            return
        stored = self.read_head()[1].audio_store
        if stored != url:
            asked = url or "its own folder"
            raise UsageError(
                f"{self.path} has its sound in {stored or 'its own folder'}, and {asked} is asked for; "
                "give the same --audio-store, or another --out"
            )

    def refuse_other_data(self, hashes: Mapping[str, str]) -> None:
        """Refuse to go on with suites that changed: old answers would stand beside new questions.

        Args:
            hashes: data hash by suite id, as the suites are now.

        Raises:
            UsageError: names each suite that differs.
        """
        if not self.head.exists():
            return
        stored = self.read_head()[1].suites
        changed = [suite for suite, value in hashes.items() if stored.get(suite, value) != value]
        if changed:
            raise UsageError(
                f"{self.path} holds answers to another version of {', '.join(changed)}; give another --out, or judge "
                "what is stored with `aqaa-eval score`"
            )
