"""The manifest of a suite, `samples.jsonl`: one conversation per line, checked field by field.

A line is read by hand and not by a schema library: nine suites load in a few milliseconds, and every message can
name the line and the field in the words of the manifest. The first fault of a line is told, and every line is read.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.sample import AudioFile, CheckSpec, Sample, Turn
from aqaa_eval.tasks.checks import parse_check
from aqaa_eval.tasks.finding import Finding

MANIFEST_NAME = "samples.jsonl"
_SAMPLE_FIELDS = frozenset({"id", "turns"})
_TURN_FIELDS = frozenset(
    {"audio", "sha256", "duration_s", "voice", "text", "language", "answer_language", "reference", "rubric", "checks"}
    | {"checklist", "performance"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Where a manifest comes from.

    Attributes:
        suite: id of the suite that its conversations belong to.
        root: the suite's folder; recordings lie below it.
        name: what messages call the file.
    """

    suite: str
    root: Traversable | Path
    name: str


class _Fault(Exception):
    """What is wrong with one line."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def parse_manifest(encoded: bytes, manifest: Manifest) -> tuple[tuple[Sample, ...], list[Finding]]:
    """Read all lines. A faulty one gives a finding and no sample, so that the faults of all lines are told at once."""
    samples: dict[str, Sample] = {}
    lines: dict[str, int] = {}
    findings: list[Finding] = []
    for line, text in enumerate(encoded.split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            sample = _parse_row(text, manifest)
            if sample.id in samples:
                raise _Fault("id", f"{sample.id!r} is already the id of line {lines[sample.id]}; give it another")
            samples[sample.id], lines[sample.id] = sample, line
        except _Fault as fault:
            findings.append(Finding(file=manifest.name, line=line, field=fault.field, message=str(fault)))
    if not samples and not findings:
        findings.append(Finding(file=manifest.name, line=1, message="holds no conversation"))
    return tuple(samples.values()), findings


def _parse_row(text: bytes, manifest: Manifest) -> Sample:
    try:
        values = json.loads(text)
    except UnicodeDecodeError as error:
        raise _Fault("", f"not UTF-8 (byte {error.start} of the line); save it as UTF-8") from error
    except ValueError as error:
        raise _Fault("", f"not JSON: {error}; write one conversation per line") from error
    if not isinstance(values, dict):
        raise _Fault("", f"a line is an object with id and turns, this is a {type(values).__name__}")
    _refuse_unknown(values, _SAMPLE_FIELDS, "")
    sample_id = _text(values, "id", "")
    if not all(char.isalnum() or char in "_-." for char in sample_id):
        raise _Fault("id", f"{sample_id!r} may hold letters, digits, '_', '-' and '.' only: it names files of a run")
    turns = values.get("turns")
    if not isinstance(turns, list) or not turns:
        raise _Fault("turns", "must be a list of at least one turn")
    return Sample(
        suite=manifest.suite,
        id=sample_id,
        turns=tuple(_parse_turn(turn, f"turns[{index}]", manifest.root) for index, turn in enumerate(turns)),
    )


def _parse_turn(values: object, path: str, root: Traversable | Path) -> Turn:
    if not isinstance(values, dict):
        raise _Fault(path, f"a turn is an object, this is a {type(values).__name__}")
    prefix = f"{path}."
    _refuse_unknown(values, _TURN_FIELDS, prefix)
    language = _text(values, "language", prefix)
    return Turn(
        audio=_parse_audio(values, prefix, root),
        text=_text(values, "text", prefix),
        language=language,
        answer_language=_text(values, "answer_language", prefix, default=language),
        reference=_text(values, "reference", prefix, default="") or None,
        rubric=_text(values, "rubric", prefix, default="") or None,
        voice=_text(values, "voice", prefix, default=""),
        checklist=_parse_texts(values.get("checklist", []), f"{prefix}checklist"),
        checks=_parse_checks(values.get("checks", []), f"{prefix}checks"),
        performance=_parse_performance(values.get("performance", []), f"{prefix}performance"),
    )


def _parse_audio(values: Mapping[str, object], prefix: str, root: Traversable | Path) -> AudioFile:
    name = _text(values, "audio", prefix)
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\\" in name or ":" in name:
        raise _Fault(f"{prefix}audio", f"{name!r} leaves the suite's folder; give a path below it, with '/'")
    location = root.joinpath(*place.parts)
    if isinstance(location, Path) and location.is_symlink():
        raise _Fault(f"{prefix}audio", f"{name!r} is a link; put the recording itself into the folder")
    duration_s = values.get("duration_s")
    if duration_s is not None and (isinstance(duration_s, bool) or not isinstance(duration_s, int | float)):
        raise _Fault(f"{prefix}duration_s", f"must be a number of seconds, got {duration_s!r}")
    return AudioFile(
        path=location,
        sha256=_text(values, "sha256", prefix, default=""),
        duration_s=None if duration_s is None else float(duration_s),
    )


def _parse_checks(values: object, path: str) -> tuple[CheckSpec, ...]:
    if not isinstance(values, list):
        raise _Fault(path, f"must be a list of checks, got {values!r}")
    specs = []
    for index, value in enumerate(values):
        try:
            specs.append(parse_check(value))
        except DataError as error:
            raise _Fault(f"{path}[{index}]", str(error)) from error
    return tuple(specs)


def _parse_texts(values: object, path: str) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise _Fault(path, f"must be a list of texts, got {values!r}")
    return tuple(_text({str(index): value}, str(index), f"{path}.") for index, value in enumerate(values))


def _parse_performance(values: object, path: str) -> tuple[Phrase, ...]:
    if not isinstance(values, list):
        raise _Fault(path, f"must be a list of phrases, got {values!r}")
    phrases = []
    for index, value in enumerate(values):
        try:
            phrases.append(Phrase.model_validate(value))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join([f"{path}[{index}]", *map(str, first["loc"])])
            raise _Fault(field, f"{first['msg']} (got {first['input']!r})") from error
    return tuple(phrases)


def _text(values: Mapping[str, object], name: str, prefix: str, *, default: str | None = None) -> str:
    """A field's text, without control characters; the default where it is not given and there is one."""
    value = values.get(name, default)
    if value is None:
        raise _Fault(prefix + name, "is missing")
    if not isinstance(value, str) or (not value.strip() and default is None):
        raise _Fault(prefix + name, f"must be a text, got {value!r}")
    if any(unicodedata.category(char) == "Cc" for char in value):
        raise _Fault(prefix + name, f"{value!r} holds control characters; take them out")
    return value


def _refuse_unknown(values: Mapping[str, object], known: frozenset[str], prefix: str) -> None:
    for name in values:
        if name not in known:
            raise _Fault(f"{prefix}{name}", f"is no field here; fields are {', '.join(sorted(known))}")
