"""From a table to a suite: drafts go through the manifest's own reader, so one rule holds for every format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from aqaa_eval.core.card import Card
from aqaa_eval.core.errors import DataError
from aqaa_eval.core.sample import AudioFile, Sample
from aqaa_eval.tasks.fault import Fault
from aqaa_eval.tasks.manifest import Manifest, Reader
from aqaa_eval.tasks.outside.assemble import Assembly, Draft
from aqaa_eval.tasks.outside.columns import Layout, describe, find_layout
from aqaa_eval.tasks.outside.embedded import Embedded
from aqaa_eval.tasks.outside.options import SourceOptions
from aqaa_eval.tasks.outside.table import Table
from aqaa_eval.tasks.suite import FolderSuite, refuse_findings


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a suite made elsewhere says of itself.

    Attributes:
        id: of the suite; made fit if it is not.
        licence: as its source states it.
    """

    id: str
    title: str
    source: str
    measures: str = "what its makers say; see the source"
    scoring: str = "content: the items' checks, or a judge with the reference"
    licence: str = "not stated"
    version: str = "1"


def find_assembly(table: Table, options: SourceOptions, *, may_be_written: bool = True) -> Assembly:
    """Tell how the table is laid out.

    Raises:
        DataError: nothing in it is sound; the message lists the columns.
    """
    outer, inner = _apart(options.columns, table)
    layout = find_layout(table.columns, outer)
    has_sound = "audio" in layout or "turns" in layout
    is_written = may_be_written and not has_sound and {"text", "reference"} <= layout.keys()
    if not has_sound and not is_written:
        raise DataError(f"{table.name}: no column holds recordings or names them; {describe(table.columns)}")
    resolve = _Below(options.root or table.root)
    return Assembly(layout=layout, inner=inner, resolve=resolve, language=options.language, is_written=is_written)


def _apart(given: Layout, table: Table) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Names given by hand: of the table's columns, and of fields in its lists of objects ("messages.wav")."""
    names = {column.name for column in table.columns}
    outer: dict[str, tuple[str, ...]] = {}
    inner: dict[str, tuple[str, ...]] = {}
    for field, listed in given.items():
        heads = {name.partition(".")[0] for name in listed if name not in names and "." in name}
        if len(heads) == 1 and heads <= names:
            inner[field] = tuple(name.partition(".")[2] for name in listed)
            outer.setdefault("turns", tuple(heads))
        else:
            outer[field] = listed
    return outer, inner


def suite_of(table: Table, assembly: Assembly, about: About, *, root: Path | None, strict: bool = False) -> FolderSuite:
    """All conversations of a table as one suite.

    Raises:
        DataError: none can be asked, or, if `strict`, one cannot.
    """
    return suite_of_drafts(assembly.drafts(table), about, table=table.name, root=root, strict=strict)


def suite_of_drafts(
    drafts: Iterable[Draft], about: About, *, table: str, root: Path | None, strict: bool = False
) -> FolderSuite:
    """Some conversations of a table as one suite."""
    suite_id = suite_name(about.id)
    reader = Reader(Manifest(suite=suite_id, root=root or Path(), name=table, is_outside=True))
    for draft in drafts:
        if draft.fault is not None:
            reader.refuse(draft.line, draft.fault, sample=draft.id)
        else:
            reader.read(draft.line, draft.values)
    samples, findings = reader.result()
    refuse_findings(samples, findings, strict=strict, hint="aqaa-eval validate suite")
    tags = {tag: None for sample in samples for turn in sample.turns for tag in (turn.language, turn.answer_language)}
    card = Card(
        id=suite_id,
        title=about.title,
        measures=about.measures,
        languages=tuple(tags),
        weights={"content": 1.0},
        scoring=about.scoring,
        licence=about.licence,
        source=about.source,
        version=about.version,
    )
    return FolderSuite(
        card=card,
        data_hash=_data_hash(card, samples),
        conversations=samples,
        not_run=tuple(finding.as_not_run(suite_id) for finding in findings),
    )


def suite_name(name: str) -> str:
    """The id of a suite, from the name of a file or a data set.

    >>> suite_name("My Questions-v2"), suite_name("2024"), suite_name("问题")
    ('my_questions_v2', 's_2024', 's_')
    """
    ascii_only = "".join(char if char.isascii() and char.isalnum() else "_" for char in name.lower()).strip("_")
    return ascii_only if ascii_only[:1].isalpha() else f"s_{ascii_only}"


class _Below:
    """Names of recordings as a manifest has them; an absolute one is taken if it lies below the root."""

    def __init__(self, root: Path | None) -> None:
        self._root = root

    def __call__(self, name: str) -> str:
        """The name below the root; raises `Fault` for an absolute one elsewhere."""
        if self._root is not None and PurePosixPath(name).is_absolute():
            try:
                return str(PurePosixPath(name).relative_to(self._root.resolve().as_posix()))
            except ValueError as error:
                raise Fault(
                    "audio", f"{name!r} leaves the folder {self._root}; give --suite-set root=FOLDER of the recordings"
                ) from error
        return name


def _data_hash(card: Card, samples: Sequence[Sample]) -> str:
    """SHA-256 over all that is asked. Of recordings name and size stand in: hashing a hub's gigabytes takes minutes."""
    digest = hashlib.sha256(card.model_dump_json(exclude={"source"}).encode())
    for sample in samples:
        turns = [
            [turn.text, turn.language, turn.answer_language, turn.reference, turn.rubric, *_sound(turn.audio)]
            + [[check.name, check.part, sorted(check.params.items())] for check in turn.checks]
            for turn in sample.turns
        ]
        digest.update(json.dumps([sample.id, turns], ensure_ascii=True).encode())
    return digest.hexdigest()


def _sound(audio: AudioFile | None) -> list[Any]:
    if audio is None:
        return []
    if isinstance(audio.path, Embedded):
        return [audio.path.name, audio.path.n_bytes]
    n_bytes = audio.path.stat().st_size if isinstance(audio.path, Path) and audio.path.is_file() else None
    return [audio.path.name, n_bytes, audio.sha256]
