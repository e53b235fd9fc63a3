"""Recordings with their phonemes, and batches of them: what tokenizer and vocoder are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from aqaa_eval.reference_model.training.variation import varied


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeechRow:
    """One recording.

    Attributes:
        key: its name.
        samples: float32 mono at 16 kHz, peak-normalised as `tokenizer.preprocess` does.
        phonemes: what is said, one character per phoneme; "" if it is not known.
    """

    key: str
    samples: NDArray[np.float32]
    phonemes: str

    @property
    def duration_s(self) -> float:
        """Its length."""
        return len(self.samples) / 16_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeechBatch:
    """Recordings of like length.

    Attributes:
        waves: 16 kHz, one tensor each.
        phonemes_BP: ids from 1, 0 is padding (and the blank of CTC).
        n_phonemes_B: how many of each row count.
    """

    waves: tuple[Tensor, ...]
    phonemes_BP: Tensor
    n_phonemes_B: Tensor


class PhonemeTable:
    """Characters of a phoneme notation as ids from 1; 0 is CTC's blank.

    >>> table = PhonemeTable.of(["ab", "bc"])
    >>> table.size, table.ids("cab")
    (4, [3, 1, 2])
    """

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._ids = {character: place for place, character in enumerate(characters, 1)}

    @classmethod
    def of(cls, texts: Sequence[str]) -> PhonemeTable:
        """The table of all characters of these texts."""
        return cls("".join(sorted({character for text in texts for character in text})))

    @property
    def size(self) -> int:
        """Ids, the blank included."""
        return len(self.characters) + 1

    def ids(self, phonemes: str) -> list[int]:
        """Ids of a text; characters that the table lacks are passed over."""
        return [self._ids[character] for character in phonemes if character in self._ids]


def speech_batches(
    rows: Sequence[SpeechRow], table: PhonemeTable, *, seconds: float, seed: int, vary: bool = False
) -> Iterator[SpeechBatch]:
    """One epoch: recordings of like length together, about `seconds` of sound in each batch, in a seeded order.

    Args:
        rows: the recordings.
        table: of their phonemes.
        seconds: of sound in a batch.
        seed: of order and variation.
        vary: give another take of every recording in each epoch, see `varied`.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(len(rows), generator=generator)
    # Lengths are jittered by a tenth, so that the batches differ from epoch to epoch.
    order = sorted(range(len(rows)), key=lambda i: rows[i].duration_s * (1 + 0.1 * float(noise[i])))
    batches: list[list[int]] = []
    filled = 0.0
    for index in order:
        duration_s = rows[index].duration_s
        if not batches or filled + duration_s > seconds:
            batches.append([])
            filled = 0.0
        batches[-1].append(index)
        filled += duration_s
    for place in torch.randperm(len(batches), generator=generator).tolist():
        chosen = [rows[i] for i in batches[place]]
        yield collate([replace(row, samples=varied(row.samples, rng)) for row in chosen] if vary else chosen, table)


def collate(rows: Sequence[SpeechRow], table: PhonemeTable) -> SpeechBatch:
    """Rows as a batch."""
    ids = [torch.tensor(table.ids(row.phonemes)) for row in rows]
    return SpeechBatch(
        waves=tuple(torch.from_numpy(row.samples) for row in rows),
        phonemes_BP=pad_sequence(ids, batch_first=True).long(),
        n_phonemes_B=torch.tensor([len(row) for row in ids]),
    )
