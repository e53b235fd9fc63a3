"""The spoken tiny domain on disk: parquet shards of questions and answers, made once and read by every later step.

Who speaks is given from outside: any TTS that says its phonemes and, for answers, its pitch.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from aqaa_eval.reference_model.training.domain.kinds import ANY_THROAT, Manner
from aqaa_eval.reference_model.training.domain.pairs import TRAIN, DomainPair
from aqaa_eval.reference_model.training.side_by_side import in_processes

SHARD_SIZE = 250
DIGEST_NAME = "pairs.sha256"
QUESTION, ANSWER, READING = "question", "answer", "reading"
READ_EVERY = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Take:
    """One recording as a studio gives it.

    Attributes:
        samples: float32 mono, full scale 1.
        sample_rate_hz: its sample rate.
        phonemes: what is said, one character per phoneme.
        f0_hz: pitch every 256 samples at 22,050 Hz, 0 where there is none; None of a question.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    phonemes: str
    f0_hz: NDArray[np.float32] | None = None


class Studio(Protocol):
    """Speaks questions in many voices and answers in one."""

    def ask(self, pair: DomainPair) -> Take:
        """The pair's question: its voice, rate, pitch and noise."""
        ...

    def answer(self, text: str, manner: Manner) -> Take:
        """An answer in the model's voice, with its pitch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredTake:
    """One recording as it lies on disk.

    Attributes:
        key: of the pair, or the name of the answer.
        kind: "question", "answer", or "reading": a question's text in the voice of the answers.
        text: its words.
        phonemes: see `Take`.
        sample_rate_hz: of the encoded sound.
        flac: the sound.
        f0_hz: see `Take`; empty of a question.
    """

    key: str
    kind: str
    text: str
    phonemes: str
    sample_rate_hz: int
    flac: bytes
    f0_hz: tuple[float, ...]

    @property
    def samples(self) -> NDArray[np.float32]:
        """The sound, decoded."""
        samples, _ = soundfile.read(io.BytesIO(self.flac), dtype="float32")
        return np.asarray(samples, np.float32)


def answer_key(pair: DomainPair) -> str:
    """Name of an answer: pairs with the same words in the same manner share one recording."""
    manner = pair.manner
    notes = "-".join(map(str, manner.notes))
    return f"{pair.said}|{manner.rate:g}|{manner.semitones:g}|{int(manner.whisper)}|{notes}"


def speak_domain(
    pairs: Sequence[DomainPair],
    studio: Studio,
    folder: Path,
    *,
    n_workers: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> None:
    """Speak every question, and every answer once; shards that are there already are left as they are.

    The voice of the answers reads every fourth English question, too: a few hundred short answers are too little speech
    to learn a voice from.

    Args:
        pairs: of the domain.
        studio: who speaks.
        folder: takes `speech-00000.parquet` and so on.
        n_workers: processes that speak, a shard at a time each; what comes out does not depend on it.
        watch: told how many takes of how many are done.

    Raises:
        ValueError: the folder holds recordings of other pairs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _keep_digest(pairs, folder / DIGEST_NAME)
    answered = [pair for pair in pairs if pair.is_answered]
    answers = {answer_key(pair): pair for pair in answered}
    readings = {pair.question: pair for pair in answered if pair.language == "en" and pair.split == TRAIN}
    jobs: list[_Job] = [
        *((ANSWER, key, pair) for key, pair in answers.items()),
        *((READING, text, pair) for text, pair in islice(readings.items(), 0, None, READ_EVERY)),
        *((QUESTION, pair.key, pair) for pair in pairs),
    ]
    parts = [jobs[start : start + SHARD_SIZE] for start in range(0, len(jobs), SHARD_SIZE)]
    n_done = 0
    for n_spoken in in_processes(n_workers, partial(_speak_shard, studio, folder), parts):
        n_done += n_spoken
        if watch:
            watch(n_done, len(jobs))


_Job = tuple[str, str, DomainPair]
"""Kind of the recording, its key, and the pair that it belongs to."""


def _speak_shard(studio: Studio, folder: Path, number: int, part: Sequence[_Job]) -> int:
    """Write one shard unless it is there; the number of its recordings."""
    path = folder / f"speech-{number:05d}.parquet"
    if not path.is_file():
        save_rows([_spoken(kind, key, pair, studio) for kind, key, pair in part], path)
    return len(part)


def save_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Write a parquet file whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    temporary = path.with_suffix(".part")
    pq.write_table(pa.Table.from_pylist(rows), temporary)
    os.replace(temporary, path)


def _keep_digest(pairs: Sequence[DomainPair], path: Path) -> None:
    spoken = tuple(replace(pair, take_semitones=ANY_THROAT) for pair in pairs)  # further takes are not recorded
    digest = hashlib.sha256(repr(spoken).encode()).hexdigest()
    if path.is_file() and path.read_text("utf-8") != digest:
        raise ValueError(f"{path.parent} holds recordings of other pairs: give another folder, or empty it")
    path.write_text(digest, "utf-8")


def _spoken(kind: str, key: str, pair: DomainPair, studio: Studio) -> dict[str, Any]:
    take = _take(kind, pair, studio)
    buffer = io.BytesIO()
    soundfile.write(buffer, take.samples, take.sample_rate_hz, format="FLAC", subtype="PCM_16")
    return {
        "key": key,
        "kind": kind,
        "text": pair.said if kind == ANSWER else pair.question,
        "phonemes": take.phonemes,
        "sample_rate_hz": take.sample_rate_hz,
        "flac": buffer.getvalue(),
        "f0_hz": [] if take.f0_hz is None else take.f0_hz.astype(float).tolist(),
    }


def _take(kind: str, pair: DomainPair, studio: Studio) -> Take:
    if kind == QUESTION:
        return studio.ask(pair)
    return studio.answer(pair.said, pair.manner) if kind == ANSWER else studio.answer(pair.question, Manner())


def count_takes(folder: Path) -> int:
    """How many recordings the folder holds."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in folder.glob("speech-*.parquet"))


def stored_takes(folder: Path, *, kinds: Iterable[str] = (QUESTION, ANSWER, READING)) -> Iterator[StoredTake]:
    """All recordings of the folder, in order.

    Raises:
        ValueError: there are none.
    """
    for path in shards(folder):
        yield from takes_of(path, kinds=kinds)


def shards(folder: Path) -> list[Path]:
    """The files of the folder, in order.

    Raises:
        ValueError: there are none.
    """
    paths = sorted(folder.glob("speech-*.parquet"))
    if not paths:
        raise ValueError(f"{folder} holds no speech-*.parquet: speak the domain first")
    return paths


def takes_of(shard: Path, *, kinds: Iterable[str] = (QUESTION, ANSWER, READING)) -> Iterator[StoredTake]:
    """All recordings of one file, in order."""
    import pyarrow.parquet as pq

    for row in pq.read_table(shard, filters=[("kind", "in", set(kinds))]).to_pylist():
        yield StoredTake(**(row | {"f0_hz": tuple(row["f0_hz"])}))
