"""How parts plug in: protocols, matched by shape; nothing registers itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from aqaa_eval.core.attempt import Attempt, Query, Response, Score, Transcript
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.card import Card
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.pieces import ResponsePiece
from aqaa_eval.core.sample import Sample

JobT = TypeVar("JobT")


class SpeechModel(Protocol):
    """A model under test: hears a conversation, answers in speech.

    `answer` raises `ModelError` (or any exception) for one query without ending the run. It is called from one thread
    at a time, unless the model has an attribute `concurrency`: from so many then, each with its own conversation.
    """

    @property
    def identity(self) -> str:
        """Name, weights and settings: equal identity, comparable answers."""
        ...

    def answer(self, query: Query) -> Response:
        """Answer the last message of the query."""
        ...


class BatchSpeechModel(SpeechModel, Protocol):
    """A model that may also be given several conversations at once. No `isinstance` is needed: `batch` tells.

    A model without `batch`, or with 1, is asked by `answer` alone. If `batch` changes what is answered, the identity
    holds it: answers of another batch are then not taken for this one's.
    """

    @property
    def batch(self) -> int:
        """How many conversations it likes to take together."""
        ...

    def answer_many(self, queries: Sequence[Query]) -> list[Response]:
        """One answer per query, in order.

        Args:
            queries: at least one and at most `batch`, each of another conversation; called from the threads from which
                `answer` is.

        Returns:
            As many answers as queries. The `total_s` of each is that of the whole batch; `first_audio_s` is None unless
            it was measured for that answer.

        Raises:
            Exception: one of them cannot be answered, or all together cannot. Nothing is lost by it: each is then put
                to `answer` alone, and only that one fails which fails there.
        """
        ...


@runtime_checkable
class StreamingSpeechModel(SpeechModel, Protocol):
    """A model that gives its answer while it makes it, so that who is served hears the beginning early."""

    def stream(self, query: Query) -> Iterator[ResponsePiece]:
        """The answer in pieces, at least one; joined, they are what `answer` gives.

        Raises:
            Exception: as `answer`, at any piece.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording to be transcribed.

    Attributes:
        audio: the answer's sound.
        language: the language to force; None to detect it.
        languages: those that are likely, such as the suite's; another is detected only if it is clear. None are
            likelier than others if it is empty.
        suite: id of the suite that the answer belongs to, for transcribers that are told a language per suite.
    """

    audio: Audio
    language: str | None = None
    languages: tuple[str, ...] = ()
    suite: str = ""


class Transcriber(Protocol):
    """Speech to text, with silence and hallucinations named."""

    @property
    def identity(self) -> str:
        """Name, weights and settings."""
        ...

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """One transcript per clip, in order."""
        ...


class Judge(Protocol):
    """Scores one attempt. A broken verdict is a `Score` with its reason, never an exception for the run."""

    @property
    def identity(self) -> str:
        """Name, version and prompts by hash."""
        ...

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """All scores of the attempt."""
        ...


class Suite(Protocol):
    """One capability's benchmark: a card and its samples."""

    @property
    def card(self) -> Card:
        """What it measures."""
        ...

    @property
    def data_hash(self) -> str:
        """SHA-256 over card and manifest (which holds the hashes of the recordings)."""
        ...

    @property
    def not_run(self) -> Sequence[NotRun]:
        """What it holds that cannot be asked, with reasons, in the same order."""
        ...

    def samples(self) -> Iterator[Sample]:
        """The conversations in their fixed order."""
        ...


@dataclass(frozen=True, kw_only=True)  # slots would break `Stage[Job](...)` on Python 3.11
class Stage(Generic[JobT]):
    """One step that every job passes.

    Attributes:
        name: "generate", "transcribe" or "judge".
        work: takes up to `batch` jobs and gives the same ones on, in order; it never raises for a bad job.
        width: batches that it may be given at once.
        batch: jobs that it likes to take together.
    """

    name: str
    work: Callable[[Sequence[JobT]], Sequence[JobT]]
    width: int = 1
    batch: int = 1


class Executor(Protocol[JobT]):
    """Runs jobs through stages that overlap."""

    def run(
        self,
        jobs: Iterable[JobT],
        stages: Sequence[Stage[JobT]],
        *,
        done: Callable[[Sequence[tuple[int, JobT]]], None],
        stopping: Callable[[], bool],
        size_of: Callable[[JobT], int],
    ) -> None:
        """Put every job through the stages in order.

        Outcomes go to `done` in the caller's thread as (stage number, job), those of one job in the order of its
        stages; after `stopping` says yes no further job begins. `size_of` tells the bytes that a job holds after the
        first stage.
        """
        ...
