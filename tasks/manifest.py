"""The one way in for conversations: a row of values, checked field by field, becomes a `Sample`.

A suite's `samples.jsonl` holds such rows as they are, one per line; other formats are brought into this form first (see
`outside/`). A row is read by hand and not by a schema library: nine suites load in a few milliseconds, and every
message can name the line and the field in the words of the manifest. The first fault of a row is told, it costs that
row alone, and every row is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeGuard

from pydantic import ValidationError

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.sample import AudioFile, CheckSpec, Sample, Source, Turn
from aqaa_eval.core.visible import is_blank
from aqaa_eval.tasks.checks import parse_check
from aqaa_eval.tasks.fault import Fault, refuse_controls, refuse_markup, shown
from aqaa_eval.tasks.finding import Finding
from aqaa_eval.tasks.location import Locator
from aqaa_eval.tasks.params import is_number

MANIFEST_NAME = "samples.jsonl"
MAX_ROW_BYTES = 1 << 20
MAX_ID_CHARACTERS = 100
MAX_DEPTH = 32
TURN_FIELDS = frozenset(
    {"audio", "sha256", "duration_s", "voice", "text", "language", "answer_language", "reference", "rubric", "checks"}
    | {"checklist", "performance"}
)
_SAMPLE_FIELDS = frozenset({"id", "turns"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Where a manifest comes from.

    Attributes:
        suite: id of the suite that its conversations belong to.
        root: the suite's folder; recordings lie below it.
        name: what messages call the file.
        is_outside: made elsewhere: nobody may have written down what is said, and a question may be written only.
    """

    suite: str
    root: Traversable | Path
    name: str
    is_outside: bool = False


def parse_manifest(encoded: bytes, manifest: Manifest) -> tuple[tuple[Sample, ...], list[Finding]]:
    """Read all lines. A faulty one gives a finding and no sample, so that the faults of all lines are told at once."""
    reader = Reader(manifest)
    for line, text in enumerate(encoded.split(b"\n"), 1):
        if text.strip():
            reader.read_line(line, text)
    return reader.result()


def parse_json(text: bytes) -> dict[str, object]:
    """One line of JSON.

    Raises:
        Fault: too long, not UTF-8, not JSON, too deep, or not an object.
    """
    if len(text) > MAX_ROW_BYTES:
        raise Fault("", f"{len(text)} bytes; a line holds at most {MAX_ROW_BYTES}")
    try:
        values = json.loads(text.decode("utf-8-sig"))  # left to itself, json guesses UTF-16 and UTF-32
    except UnicodeDecodeError as error:
        raise Fault("", f"not UTF-8 (byte {error.start} of the line); save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise Fault("", f"not JSON: {error}; write one conversation per line") from error
    if is_deep(values):
        raise Fault("", f"lists and objects lie more than {MAX_DEPTH} deep; write a turn as a flat object")
    if not isinstance(values, dict):
        raise Fault("", f"a line is an object with id and turns, this is a {type(values).__name__}")
    return values


def is_deep(value: object) -> bool:
    """Whether lists and objects lie in each other deeper than anybody writes; what walks them later may be recursive.

    >>> is_deep({"a": [1]}), is_deep([[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]])
    (False, True)
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


class Reader:
    """Collects the conversations of one manifest, and what is wrong with the rest."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._locator = Locator(manifest.root)
        self._samples: dict[str, Sample] = {}
        self._lines: dict[str, int] = {}
        self._findings: list[Finding] = []

    def read_line(self, line: int, text: bytes) -> None:
        """Take a line of JSON."""
        try:
            values = parse_json(text)
        except Fault as fault:
            self.refuse(line, fault)
            return
        self.read(line, values)

    def read(self, line: int, values: Mapping[str, object]) -> None:
        """Take a row of values."""
        given = values.get("id")
        try:
            sample = _Row(self._manifest, self._locator).sample(values)
            if sample.id in self._samples:
                raise Fault("id", f"{sample.id!r} is already the id of line {self._lines[sample.id]}; give it another")
        except Fault as fault:
            self.refuse(line, fault, sample=given if isinstance(given, str) else "")
            return
        self._samples[sample.id], self._lines[sample.id] = sample, line

    def refuse(self, line: int, fault: Fault, *, sample: str = "") -> None:
        """Note a row that gives no conversation."""
        self._findings.append(
            Finding(
                file=self._manifest.name,
                line=line,
                field=fault.field,
                message=str(fault),
                sample=sample,
                n_before=len(self._samples),
            )
        )

    def result(self) -> tuple[tuple[Sample, ...], list[Finding]]:
        """The conversations in order, and the findings in order."""
        if not self._samples and not self._findings:
            self._findings.append(Finding(file=self._manifest.name, line=1, message="holds no conversation"))
        return tuple(self._samples.values()), self._findings


@dataclass(frozen=True, slots=True)
class _Row:
    """Reads one row."""

    manifest: Manifest
    locator: Locator

    def sample(self, values: Mapping[str, object]) -> Sample:
        _refuse_unknown(values, _SAMPLE_FIELDS, "")
        sample_id = _text(values, "id", "")
        if not all(char.isalnum() or char in "_-." for char in sample_id):
            raise Fault("id", f"{sample_id!r} may hold letters, digits, '_', '-' and '.' only: it names files of a run")
        if not sample_id.strip(".") or len(sample_id) > MAX_ID_CHARACTERS:
            raise Fault("id", f"{shown(sample_id)} must be more than dots, of at most {MAX_ID_CHARACTERS} characters")
        turns = values.get("turns")
        if not isinstance(turns, list) or not turns:
            raise Fault("turns", "must be a list of at least one turn")
        return Sample(
            suite=self.manifest.suite,
            id=sample_id,
            turns=tuple(self._turn(turn, f"turns[{index}]") for index, turn in enumerate(turns)),
        )

    def _turn(self, values: object, path: str) -> Turn:
        if not isinstance(values, dict):
            raise Fault(path, f"a turn is an object, this is a {type(values).__name__}")
        prefix = f"{path}."
        _refuse_unknown(values, TURN_FIELDS, prefix)
        language = _text(values, "language", prefix)
        audio = self._audio(values, prefix)
        text = _text(values, "text", prefix, default="" if self.manifest.is_outside and audio else None)
        refuse_markup(text, f"{prefix}text")
        return Turn(
            audio=audio,
            text=text,
            language=language,
            answer_language=_text(values, "answer_language", prefix, default=language),
            reference=_text(values, "reference", prefix, default="") or None,
            rubric=_text(values, "rubric", prefix, default="") or None,
            voice=_text(values, "voice", prefix, default=""),
            checklist=_parse_texts(values.get("checklist", []), f"{prefix}checklist"),
            checks=_parse_checks(values.get("checks", []), f"{prefix}checks"),
            performance=_parse_performance(values.get("performance", []), f"{prefix}performance"),
        )

    def _audio(self, values: Mapping[str, object], prefix: str) -> AudioFile | None:
        given = values.get("audio")
        if given is None and "audio" in values and self.manifest.is_outside:
            return None
        duration_s = values.get("duration_s")
        if duration_s is not None and not (is_number(duration_s) and duration_s > 0):
            raise Fault(f"{prefix}duration_s", f"must be a number of seconds above 0, got {shown(duration_s)}")
        return AudioFile(
            path=given if _is_source(given) else self._path(values, prefix),
            sha256=_text(values, "sha256", prefix, default=""),
            duration_s=None if duration_s is None else float(duration_s),
        )

    def _path(self, values: Mapping[str, object], prefix: str) -> Source:
        return self.locator.locate(_text(values, "audio", prefix), f"{prefix}audio")


def _is_source(value: object) -> TypeGuard[Source]:
    return hasattr(value, "read_bytes")


def _parse_checks(values: object, path: str) -> tuple[CheckSpec, ...]:
    if not isinstance(values, list):
        raise Fault(path, f"must be a list of checks, got {shown(values)}")
    specs = []
    for index, value in enumerate(values):
        try:
            specs.append(parse_check(value))
        except DataError as error:
            raise Fault(f"{path}[{index}]", str(error)) from error
    return tuple(specs)


def _parse_texts(values: object, path: str) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise Fault(path, f"must be a list of texts, got {shown(values)}")
    return tuple(_text({str(index): value}, str(index), f"{path}.") for index, value in enumerate(values))


def _parse_performance(values: object, path: str) -> tuple[Phrase, ...]:
    if not isinstance(values, list):
        raise Fault(path, f"must be a list of phrases, got {shown(values)}")
    phrases = []
    for index, value in enumerate(values):
        try:
            phrases.append(Phrase.model_validate(value))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join([f"{path}[{index}]", *map(str, first["loc"])])
            raise Fault(field, f"{first['msg']} (got {shown(first['input'])})") from error
    return tuple(phrases)


def _text(values: Mapping[str, object], name: str, prefix: str, *, default: str | None = None) -> str:
    """A field's text, without control characters; the default where it is not given and there is one."""
    value = values.get(name, default)
    if value is None:
        raise Fault(prefix + name, "is missing")
    if not isinstance(value, str) or (default is None and is_blank(value)):
        raise Fault(prefix + name, f"must be a text, got {shown(value)}")
    refuse_controls(value, prefix + name)
    return value


def _refuse_unknown(values: Mapping[str, object], known: frozenset[str], prefix: str) -> None:
    for name in values:
        if name not in known:
            raise Fault(f"{prefix}{name}", f"is no field here; fields are {', '.join(sorted(known))}")
