"""A suite is a folder: `card.yaml` says what is measured, `samples.jsonl` what is asked, `audio/` holds the questions.

Loading reads the card and the manifest only, in a few milliseconds; a recording is read when its turn comes. One
broken line or file costs one conversation and not the run: the suite carries what it could not take, with reasons.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from aqaa_eval.core.card import Card
from aqaa_eval.core.errors import DataError, UnknownName
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.plain_file import read_plain
from aqaa_eval.core.plain_yaml import YamlError, load_yaml
from aqaa_eval.core.sample import Sample
from aqaa_eval.tasks.finding import Finding
from aqaa_eval.tasks.manifest import MANIFEST_NAME, Manifest, parse_manifest

CARD_NAME = "card.yaml"
MAX_MANIFEST_BYTES = 1 << 29
"""A million conversations and more."""
BUNDLED = (
    "voice_control",
    "creativity",
    "language_ability",
    "gaming",
    "role_play",
    "logical_reasoning",
    "voice_understanding",
    "singing",
    "instruction_following",
)
"""The nine suites, in the order of the published tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSuite:
    """One suite read from its folder; matches `aqaa_eval.core.protocols.Suite`.

    Attributes:
        card: what it measures and by which rule.
        data_hash: SHA-256 over card and manifest, which holds the hashes of the recordings.
        conversations: all that can be asked, in the manifest's order.
        not_run: what it holds beside them and cannot be asked, with reasons.
    """

    card: Card
    data_hash: str
    conversations: tuple[Sample, ...]
    not_run: tuple[NotRun, ...] = ()

    def samples(self) -> Iterator[Sample]:
        """The conversations in their fixed order."""
        return iter(self.conversations)


def load_suite(root: Traversable | Path, *, strict: bool = False) -> FolderSuite:
    """Read a suite's card and manifest.

    Args:
        root: the folder, in a package or on disk.
        strict: refuse the whole suite for one faulty line.

    Raises:
        DataError: a file is missing, the card is malformed, or no line can be asked (any line cannot, if `strict`): the
            message names file, line and field.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; a suite is a folder with {CARD_NAME}, {MANIFEST_NAME} and audio/")
    card_bytes, manifest_bytes = read_part(root, CARD_NAME), read_part(root, MANIFEST_NAME)
    card = _unwrap(parse_card(card_bytes, name=_label(root, CARD_NAME)))
    samples, findings = parse_manifest(
        manifest_bytes, Manifest(suite=card.id, root=root, name=_label(root, MANIFEST_NAME))
    )
    refuse_findings(samples, findings, strict=strict, hint=f"aqaa-eval validate suite {root}")
    digest = hashlib.sha256(card_bytes)
    digest.update(b"\0" + manifest_bytes)
    return FolderSuite(
        card=card,
        data_hash=digest.hexdigest(),
        conversations=samples,
        not_run=tuple(finding.as_not_run(card.id) for finding in findings),
    )


def suite_folders(root: Path) -> list[Path]:
    """The folder itself, or the suites that lie in it if it is none."""
    within = [] if (root / CARD_NAME).exists() else sorted(path.parent for path in root.glob(f"*/{CARD_NAME}"))
    return within or [root]


def refuse_findings(samples: Sequence[Sample], findings: Sequence[Finding], *, strict: bool, hint: str) -> None:
    """Refuse a suite of which nothing is left, or, if `strict`, any that lost a conversation.

    Raises:
        DataError: the first finding, and the command that lists all.
    """
    if findings and (strict or not samples):
        more = f"\n({len(findings) - 1} more; {hint} lists all)" if len(findings) > 1 else ""
        raise DataError(f"{findings[0]}{more}")


def bundled_suite(suite_id: str) -> FolderSuite:
    """One of the nine suites that come with the package.

    Raises:
        UnknownName: there is none of that id.

    >>> bundled_suite("gaming").card.id
    'gaming'
    """
    if suite_id not in BUNDLED:
        raise UnknownName("suite", suite_id, BUNDLED)
    return load_suite(files("aqaa_eval.tasks") / suite_id)


def parse_card(encoded: bytes, *, name: str) -> Card | Finding:
    """Check the text of a card; a `Finding` says what is wrong with it."""
    try:
        values = load_yaml(encoded.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Finding(file=name, line=1, message=f"not UTF-8 (byte {error.start}); save it as UTF-8")
    except YamlError as error:
        return Finding(file=name, line=error.line, message=str(error))
    if not isinstance(values, dict):
        return Finding(file=name, line=1, message=f"a card is a mapping of fields, this is a {type(values).__name__}")
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        # A rule over the whole card has no place of its own; its message begins with the field.
        field = ".".join(str(part) for part in first["loc"]) or message.split(maxsplit=1)[0].rstrip(":")
        return Finding(file=name, line=_line_of(encoded, field), field=field, message=message)


def _line_of(encoded: bytes, field: str) -> int:
    """Line of a top-level field, 1 if it is not there."""
    key = field.split(".", 1)[0].encode() + b":"
    lines = encoded.splitlines()
    return next((index for index, line in enumerate(lines, 1) if line.startswith(key)), 1) if field else 1


def read_part(root: Traversable | Path, name: str) -> bytes:
    """The card or the manifest of a suite.

    Raises:
        DataError: missing, a link, no regular file, or too large.
    """
    file = root / name
    try:
        if not isinstance(file, Path):  # in a package
            return file.read_bytes()
        if file.is_symlink():
            raise DataError(f"{_label(root, name)}: is a link; put the file itself into the folder")
        return read_plain(file, max_bytes=MAX_MANIFEST_BYTES)
    except OSError as error:
        raise DataError(f"{_label(root, name)}: cannot be read ({error.strerror}); every suite has one") from error


def _label(root: Traversable | Path, name: str) -> str:
    return f"{root.name}/{name}"


def _unwrap(card: Card | Finding) -> Card:
    if isinstance(card, Finding):
        raise DataError(str(card))
    return card
