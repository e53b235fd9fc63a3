"""What is asked: one conversation (sample) of spoken turns, with what is needed to judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aqaa_eval.core.audio import MAX_DURATION_S, MAX_FILE_BYTES, Audio, read_audio
from aqaa_eval.core.container import refuse_mislabelled
from aqaa_eval.core.errors import AudioError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.plain_file import read_plain

CheckValue = str | int | float | bool | tuple[str, ...] | tuple[float, ...]


class Source(Protocol):
    """Where encoded sound comes from: a path, a file in a package, a row of a table, a recording that was changed."""

    @property
    def name(self) -> str:
        """File name, with the suffix of its container."""
        ...

    def read_bytes(self) -> bytes:
        """The encoded bytes; raises `OSError` or `AudioError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFile:
    """A recording that is read when it is needed.

    Attributes:
        path: where it lies: on disk, in a package, in a table.
        sha256: hash of the file's bytes; "" where the manifest gives none (then it is not checked).
        duration_s: stated length; None where the manifest gives none.
    """

    path: Source
    sha256: str = ""
    duration_s: float | None = None

    def read_bytes(self) -> bytes:
        """The encoded bytes, refused if they are not those of the manifest.

        Raises:
            AudioError: missing, unreadable, or of another hash.
        """
        try:
            if isinstance(self.path, Path):
                encoded = read_plain(self.path, max_bytes=MAX_FILE_BYTES)
            else:  # in a package or a table there are no pipes and devices
                encoded = self.path.read_bytes()
        except OSError as error:
            raise AudioError(f"{self.path.name}: cannot be read ({error.strerror}); expected at {self.path}") from error
        if self.sha256 and hashlib.sha256(encoded).hexdigest() != self.sha256:
            raise AudioError(f"{self.path.name}: its bytes are not those of the manifest (sha256 differs)")
        return encoded

    def load(self, *, max_duration_s: float = MAX_DURATION_S) -> Audio:
        """Read and decode it.

        Raises:
            AudioError: missing, malformed, too long, or of another hash.
        """
        return self.decode(self.read_bytes(), max_duration_s=max_duration_s)

    def decode(self, encoded: bytes, *, max_duration_s: float = MAX_DURATION_S) -> Audio:
        """The sound in bytes that `read_bytes` gave.

        Raises:
            AudioError: malformed, mislabelled or too long.
        """
        refuse_mislabelled(self.path.name, encoded)
        return read_audio(encoded, name=self.path.name, max_duration_s=max_duration_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One verifiable demand on an answer, such as `says_number` with `value: 12`.

    Attributes:
        name: a name in `aqaa_eval.tasks.checks`.
        params: its arguments, as in the manifest.
        part: "content" (what is said) or "delivery" (how it is said).
    """

    name: str
    params: Mapping[str, CheckValue] = field(default_factory=dict)
    part: str = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question of a conversation, spoken or, where it has no recording, written.

    Attributes:
        audio: the recording that the model hears; None for a written question, whose text the model reads.
        text: what is said in it (for people, rubrics and reports: of a spoken question never shown to the model); ""
            where nobody wrote it down.
        language: BCP-47 primary tag of the question ("en", "ja", "zh"); "und" if nothing tells.
        answer_language: language that a good answer is in.
        reference: a good answer, where there is one.
        rubric: a note for a judge on what a good answer holds.
        checklist: yes/no questions that a judge answers one by one.
        checks: verifiable demands on the answer.
        performance: how a good answer is voiced, where its words alone do not say it.
        voice: name of the voice that speaks it.
    """

    audio: AudioFile | None
    text: str
    language: str
    answer_language: str
    reference: str | None = None
    rubric: str | None = None
    checklist: tuple[str, ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    performance: tuple[Phrase, ...] = ()
    voice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One conversation.

    Attributes:
        suite: id of its suite.
        id: unique in the suite, stable over versions.
        turns: the questions in order; at least one.
    """

    suite: str
    id: str
    turns: tuple[Turn, ...]

    @property
    def key(self) -> str:
        """Name of the conversation over all suites: "gaming/g03"."""
        return f"{self.suite}/{self.id}"
