"""Training conversations from JSONL with audio files, or from a Hugging Face dataset.

AQTA rows have a spoken question and a text answer, AQTAA rows a spoken answer too. One row:

    {"key": "g1", "turns": [{"role": "human", "text": "Two plus two?", "audio": "q/g1.wav"}],
     "answer": [{"text": "Four.", "audio": "a/g1.wav"}]}

`audio` is a path beside the file, or {"bytes": ..., "path": ...} as `datasets.Audio(decode=False)` gives it. A row that
cannot be used is counted and named, and the run goes on; more than one in twenty stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from aqaa_eval.reference_model.audio_input import Recording, read_recording
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.training.rows import CodedExample, CodedSegment, CodedTurn

MAX_SKIPPED_SHARE = 0.05


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
        reasons: by key.
    """

    n_seen: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

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


def open_dataset(source: str, *, split: str = "train") -> Any:
    """A `datasets.Dataset` from a JSONL or parquet file, a folder that `save_to_disk` wrote, or the hub.

    Sound stays encoded: decoding it by `datasets` would need torchcodec.

    Raises:
        TrainingDataError: it cannot be read.
    """
    import datasets

    path = Path(source)
    try:
        if path.is_dir():
            found = datasets.load_from_disk(source)
            return found[split] if isinstance(found, datasets.DatasetDict) else found
        if path.suffix in (".jsonl", ".json", ".parquet"):
            kind = "parquet" if path.suffix == ".parquet" else "json"
            return datasets.load_dataset(kind, data_files=source, split="train")
        return datasets.load_dataset(source, split=split)
    except Exception as error:  # datasets raises many kinds; all mean that there are no data
        raise TrainingDataError(f"{source} cannot be read as training data: {error}") from error


def read_examples(rows: Iterable[Mapping[str, Any]], root: Path, skipped: Skipped) -> Iterator[SpokenExample]:
    """AQTA and AQTAA rows as conversations.

    Args:
        rows: as the module says.
        root: folder that paths of recordings are relative to.
        skipped: takes what is not used; ask it with `check` when all is read.
    """
    for place, row in enumerate(rows):
        key = str(row.get("key") or f"row {place}")
        skipped.n_seen += 1
        try:
            answer = _segments(row.get("answer"), root, "answer")
            yield SpokenExample(key=key, turns=_turns(row.get("turns"), root), answer=answer)
        except ValueError as error:
            skipped.reasons[key] = str(error)


def read_preferences(rows: Iterable[Mapping[str, Any]], root: Path, skipped: Skipped) -> Iterator[SpokenPreference]:
    """Rows with `chosen` and `rejected` in the place of `answer`."""
    for place, row in enumerate(rows):
        key = str(row.get("key") or f"row {place}")
        skipped.n_seen += 1
        try:
            chosen = _segments(row.get("chosen"), root, "chosen")
            rejected = _segments(row.get("rejected"), root, "rejected")
            if row.get("chosen") == row.get("rejected"):
                raise ValueError("chosen and rejected are the same: nothing is preferred")
            yield SpokenPreference(key=key, turns=_turns(row.get("turns"), root), chosen=chosen, rejected=rejected)
        except ValueError as error:
            skipped.reasons[key] = str(error)


def _turns(values: object, root: Path) -> tuple[SpokenTurn, ...]:
    if not isinstance(values, Sequence) or not values:
        raise ValueError("there are no turns; the last must be a question")
    turns = tuple(
        SpokenTurn(
            role=str(value.get("role") or "human"),
            text=str(value.get("text") or ""),
            recording=_recording(value.get("audio"), root),
        )
        for value in values
    )
    for turn in turns:
        if turn.recording is not None and not turn.text.strip():
            raise ValueError("a recording stands without its text, which takes its place in later turns")
        if turn.recording is None and not turn.text.strip():
            raise ValueError("a turn has neither text nor sound")
    return turns


def _segments(values: object, root: Path, name: str) -> tuple[SpokenSegment, ...]:
    if not isinstance(values, Sequence) or not values:
        raise ValueError(f"{name} is empty")
    segments = tuple(
        SpokenSegment(text=str(value.get("text") or ""), recording=_recording(value.get("audio"), root))
        for value in values
    )
    if not all(segment.text.strip() for segment in segments):
        raise ValueError(f"{name} holds a segment without text")
    return segments


def _recording(value: object, root: Path) -> Recording | None:
    """The sound behind a path or an encoded file; None where there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, Mapping):
        if value.get("bytes"):
            return read_recording(value["bytes"])
        value = value.get("path")
    if not isinstance(value, str):
        raise ValueError(f"audio of type {type(value).__name__} is neither a path nor an encoded file")
    place = PurePosixPath(value)
    if place.is_absolute() or ".." in place.parts:
        raise ValueError(f"{value!r} leaves the folder of the data; give a path below it")
    return read_recording(root.joinpath(*place.parts))


SpeakAnswer = Callable[[str], Recording]
"""Speaks a text: any TTS."""


def speak_answers(examples: Iterable[SpokenExample], speak: SpeakAnswer) -> Iterator[SpokenExample]:
    """AQTAA from AQTA: segments that have only text get the sound of a TTS."""
    for example in examples:
        answer = tuple(
            segment if segment.recording is not None else replace(segment, recording=speak(segment.text))
            for segment in example.answer
        )
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
