"""Training conversations from JSONL with audio files, or from a Hugging Face dataset.

AQTA rows have a spoken question and a text answer, AQTAA rows a spoken answer too. One row:

    {"key": "g1", "turns": [{"role": "human", "text": "Two plus two?", "audio": "q/g1.wav"}],
     "answer": [{"text": "Four.", "audio": "a/g1.wav"}]}

`audio` is a path beside the file, or {"bytes": ..., "path": ...} as an `Audio` column of `datasets` stores it. The last
turn is a question that is heard. A row that cannot be used is counted and named, and the run goes on; more than one in
twenty stops it.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aqaa_eval.reference_model.audio_input import Recording, read_recording
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.training.rows import CodedExample, CodedSegment, CodedTurn

MAX_SKIPPED_SHARE = 0.05
_PARTS = ("turns", "answer", "chosen", "rejected")


class TrainingDataError(ValueError):
    """Too many rows cannot be used, or there are none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpokenTurn:
    """One utterance before the answer; `recording` is None for a text turn."""

    role: str
    text: str
    recording: Recording | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpokenSegment:
    """One voice state of the answer; `recording` is None for a text answer."""

    text: str
    recording: Recording | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpokenExample:
    """One conversation with the answer that is to be learnt."""

    key: str
    turns: tuple[SpokenTurn, ...]
    answer: tuple[SpokenSegment, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpokenPreference:
    """One conversation with a preferred answer and another."""

    key: str
    turns: tuple[SpokenTurn, ...]
    chosen: tuple[SpokenSegment, ...]
    rejected: tuple[SpokenSegment, ...]


@dataclass(slots=True)
class Skipped:
    """Rows that were not used, with their reasons.

    Attributes:
        n_seen: rows so far.
        reasons: by key; a key that is there already gets a number behind it.
    """

    n_seen: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, reason: object) -> None:
        """Name a row that is not used.

        >>> skipped = Skipped(n_seen=2)
        >>> skipped.add("g1", "no text")
        >>> skipped.add("g1", "no sound")
        >>> skipped.reasons
        {'g1': 'no text', 'g1 (2)': 'no sound'}
        """
        self.reasons[f"{key} ({len(self.reasons) + 1})" if key in self.reasons else key] = str(reason)

    def check(self) -> None:
        """Stop where too much is lost.

        Raises:
            TrainingDataError: more than `MAX_SKIPPED_SHARE` of the rows cannot be used, or there is none.
        """
        if self.n_seen == 0:
            raise TrainingDataError("the data hold no row; give a JSONL file or a dataset with rows")
        if len(self.reasons) > MAX_SKIPPED_SHARE * self.n_seen:
            first = "; ".join(f"{key}: {reason}" for key, reason in list(self.reasons.items())[:5])
            raise TrainingDataError(
                f"{len(self.reasons)} of {self.n_seen} rows cannot be used, at most {MAX_SKIPPED_SHARE:.0%} may be "
                f"lost: {first}"
            )


def open_dataset(source: str, skipped: Skipped, *, split: str = "train") -> Any:
    """A `datasets.Dataset` from a JSONL or parquet file, a folder that `save_to_disk` wrote, or the hub.

    Sound stays encoded: decoding it by `datasets` would need torchcodec. `rows_of` gives the rows.

    Args:
        source: where the data are.
        skipped: takes lines of a JSONL file that are no rows, which would cost `datasets` the whole file.
        split: of a dataset with several.

    Raises:
        TrainingDataError: it cannot be read.
    """
    import datasets

    path = Path(source)
    try:
        if path.is_dir():
            found = datasets.load_from_disk(source)
            return found[split] if isinstance(found, datasets.DatasetDict) else found
        if path.suffix in (".jsonl", ".json"):
            return datasets.Dataset.from_list(list(_lines(path, skipped)))
        if path.suffix == ".parquet":
            return datasets.load_dataset("parquet", data_files=source, split="train")
        return datasets.load_dataset(source, split=split)
    except Exception as error:  # datasets raises many kinds; all mean that there are no data
        raise TrainingDataError(f"{source} cannot be read as training data: {error}") from error


def rows_of(dataset: Any) -> Iterator[Mapping[str, Any]]:
    """The rows of a `datasets.Dataset` as they are stored: an `Audio` column gives bytes and path."""
    for part in dataset.with_format("arrow").iter(batch_size=64):
        yield from part.to_pylist()


def _lines(path: Path, skipped: Skipped) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL file, all of one type, as a table needs them."""
    # A text may hold other ends of lines, and a byte that is no UTF-8 costs its line alone.
    for number, line in enumerate(path.read_bytes().removeprefix(BOM_UTF8).split(b"\n"), start=1):
        if not line.strip():
            continue
        key = f"line {number}"
        try:
            row = json.loads(line.decode("utf-8"))
            if not isinstance(row, dict):
                raise ValueError(f"a row is an object with turns and answer, not {type(row).__name__}")
            key = _key(row, key)
            yield {"key": key, **{name: _plain(row[name], name) if name in row else None for name in _PARTS}}
        except ValueError as error:
            skipped.n_seen += 1
            skipped.add(key, error)


def _plain(values: object, name: str) -> list[dict[str, str]]:
    parts = []
    for value in _objects(values, name):
        audio = value.get("audio") or ""
        audio = audio.get("path") if isinstance(audio, Mapping) else audio
        if not isinstance(audio, str):
            raise _wrong_sound(audio)
        role, text = _text(value, "role"), _text(value, "text")
        parts.append({"role": role, "text": text, "audio": _encodable(audio, "audio")})
    return parts


def read_examples(rows: Iterable[Mapping[str, Any]], root: Path, skipped: Skipped) -> Iterator[SpokenExample]:
    """AQTA and AQTAA rows as conversations.

    Args:
        rows: as the module says.
        root: folder that paths of recordings are relative to.
        skipped: takes what is not used; ask it with `check` when all is read.
    """
    for place, row in enumerate(rows):
        key = _key(row, f"row {place}")
        skipped.n_seen += 1
        try:
            answer = _segments(row.get("answer"), root, "answer")
            yield SpokenExample(key=key, turns=_turns(row.get("turns"), root), answer=answer)
        except ValueError as error:
            skipped.add(key, error)


def read_preferences(rows: Iterable[Mapping[str, Any]], root: Path, skipped: Skipped) -> Iterator[SpokenPreference]:
    """Rows with `chosen` and `rejected` in the place of `answer`."""
    for place, row in enumerate(rows):
        key = _key(row, f"row {place}")
        skipped.n_seen += 1
        try:
            chosen = _segments(row.get("chosen"), root, "chosen")
            rejected = _segments(row.get("rejected"), root, "rejected")
            if [_heard_as(segment) for segment in chosen] == [_heard_as(segment) for segment in rejected]:
                raise ValueError("chosen and rejected are the same: nothing is preferred")
            yield SpokenPreference(key=key, turns=_turns(row.get("turns"), root), chosen=chosen, rejected=rejected)
        except ValueError as error:
            skipped.add(key, error)


def _heard_as(segment: SpokenSegment) -> tuple[object, ...]:
    """Words and sound, wherever the sound came from."""
    recording = segment.recording
    sound = None if recording is None else (recording.sample_rate_hz, recording.samples.tobytes())
    return segment.text.strip(), sound


def _objects(values: object, name: str) -> list[Mapping[str, Any]]:
    """The parts of a row, which are many even where there is one."""
    if not values:
        raise ValueError(f"{name} is empty")
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(f"{name} is {type(values).__name__}; give a list of objects with text and audio")
    for value in values:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} holds {type(value).__name__}; give objects with text and audio")
    return list(values)


def _text(part: Mapping[str, Any], name: str) -> str:
    """A text of a part; "" where there is none."""
    value = part.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {type(value).__name__}, must be a text")
    return _encodable(value, name)


def _encodable(value: str, name: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds half of a character at {error.start}: it was cut within one") from error
    return value


def _key(row: Mapping[str, Any], otherwise: str) -> str:
    """What messages call a row; a key is no reason to skip it."""
    return str(row.get("key") or otherwise).encode("utf-8", "replace").decode("utf-8")


def _turns(values: object, root: Path) -> tuple[SpokenTurn, ...]:
    turns = tuple(
        SpokenTurn(
            role=_text(value, "role") or "human",
            text=_text(value, "text"),
            recording=_recording(value.get("audio"), root),
        )
        for value in _objects(values, "turns")
    )
    if not all(turn.text.strip() for turn in turns):
        raise ValueError("a turn stands without its text, which takes the place of its sound in later turns")
    if turns[-1].recording is None:
        raise ValueError("the last turn has text and no audio: a question is heard here")
    return turns


def _segments(values: object, root: Path, name: str) -> tuple[SpokenSegment, ...]:
    segments = tuple(
        SpokenSegment(text=_text(value, "text"), recording=_recording(value.get("audio"), root))
        for value in _objects(values, name)
    )
    if not all(segment.text.strip() for segment in segments):
        raise ValueError(f"{name} holds a segment without text")
    return segments


def _recording(value: object, root: Path) -> Recording | None:
    """The sound behind a path or an encoded file; None where there is none."""
    if isinstance(value, Mapping):
        if value.get("bytes"):
            return _heard(read_recording(value["bytes"]))
        value = value.get("path")
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong_sound(value)
    place = PurePosixPath(value)
    if place.is_absolute() or ".." in place.parts:
        raise ValueError(f"{value!r} leaves the folder of the data; give a path below it")
    return _heard(read_recording(root.joinpath(*place.parts)))


def _heard(recording: Recording) -> Recording:
    if recording.samples.size and not np.any(recording.samples):
        raise ValueError(f"{recording.name} is silent from end to end: nothing can be learnt from it")
    return recording


def _wrong_sound(value: object) -> ValueError:
    return ValueError(f"audio of type {type(value).__name__} is neither a path nor an encoded file")


SpeakAnswer = Callable[[str], object]
"""Speaks a text: any TTS whose sound `read_recording` reads, such as a path or (samples, rate)."""


def speak_answers(examples: Iterable[SpokenExample], speak: SpeakAnswer, skipped: Skipped) -> Iterator[SpokenExample]:
    """AQTAA from AQTA: segments that have only text get the sound of a TTS.

    Args:
        examples: may be AQTAA already.
        speak: the TTS; an example that it raises on is skipped.
        skipped: takes those.
    """
    for example in examples:
        try:
            answer = tuple(
                segment
                if segment.recording is not None
                else replace(segment, recording=read_recording(speak(segment.text)))
                for segment in example.answer
            )
        except Exception as error:  # whatever a TTS raises, it costs one example
            skipped.add(example.key, f"its answer cannot be spoken: {type(error).__name__}: {error}")
            continue
        yield replace(example, answer=answer)


def code_examples(examples: Sequence[SpokenExample], tokenizer: DualTokenizer) -> list[CodedExample]:
    """All recordings as codes, in one batch."""
    turns = [turn for example in examples for turn in example.turns]
    segments = [segment for example in examples for segment in example.answer]
    parts: list[SpokenTurn | SpokenSegment] = [*turns, *segments]
    recordings = [part.recording for part in parts if part.recording is not None]
    codes = iter(
        tokenizer.encode_batch(
            [recording.samples for recording in recordings],
            [recording.sample_rate_hz for recording in recordings],
            names=[recording.name for recording in recordings],
        )
    )
    coded_turns = iter([_coded(turn.recording, codes) for turn in turns])
    coded_segments = iter([_coded(segment.recording, codes) for segment in segments])
    return [
        CodedExample(
            key=example.key,
            turns=tuple(CodedTurn(role=t.role, text=t.text, codes=next(coded_turns)) for t in example.turns),
            answer=tuple(CodedSegment(text=s.text, codes=next(coded_segments)) for s in example.answer),
        )
        for example in examples
    ]


def _coded(recording: Recording | None, codes: Iterator[list[int]]) -> tuple[int, ...]:
    return () if recording is None else tuple(next(codes))
