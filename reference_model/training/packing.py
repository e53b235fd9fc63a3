"""Rows of many lengths laid end to end into blocks of one length; no sample sees another.

Square-root ALiBi knows distances only, so a sample in the middle of a block is computed as if it stood alone: packing
changes nothing but the time it takes. Within a block the samples are numbered 1, 2, ...; padding is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aqaa_eval.reference_model.training.rows import TrainingRow
from aqaa_eval.reference_model.vocabulary import PAD


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PackedBatch:
    """Blocks of equal length.

    Attributes:
        ids_BT: token ids.
        sample_BT: number of the sample within its block, 0 on padding: the mask that the decoder takes.
        loss_BT: True where the token is learnt.
        heard: sound whose words are known: places in the batch laid flat, and text ids.
    """

    ids_BT: Tensor
    sample_BT: Tensor
    loss_BT: Tensor
    heard: tuple[tuple[Tensor, Tensor], ...] = ()

    @property
    def n_learnt(self) -> int:
        """Tokens that count in the loss."""
        return int(self.loss_BT.sum())

    def to(self, device: torch.device | str) -> PackedBatch:
        """The same on a device."""
        return PackedBatch(
            ids_BT=self.ids_BT.to(device),
            sample_BT=self.sample_BT.to(device),
            loss_BT=self.loss_BT.to(device),
            heard=tuple((places.to(device), words.to(device)) for places, words in self.heard),
        )


def pack(rows: Sequence[TrainingRow], length: int) -> list[list[int]]:
    """Places rows into blocks, the longest first, each where the least room is left over (best fit).

    Args:
        rows: what is to be placed.
        length: of a block.

    Returns:
        Indexes of the rows of each block.

    Raises:
        ValueError: a row is longer than a block.

    >>> row = lambda n: TrainingRow(ids=(1,) * n, loss=(True,) * n)
    >>> pack([row(4), row(6), row(3)], 10)
    [[1, 0], [2]]
    """
    blocks: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: -len(rows[i])):
        n = len(rows[index])
        if n > length:
            raise ValueError(f"row {index} has {n} tokens and a block {length}: raise the length or drop the row")
        fitting = [place for place, left in enumerate(room) if left >= n]
        if fitting:
            place = min(fitting, key=room.__getitem__)
            blocks[place].append(index)
            room[place] -= n
        else:
            blocks.append([index])
            room.append(length - n)
    return blocks


def packed_batches(
    rows: Sequence[TrainingRow], *, length: int, batch_size: int, seed: int, window: int = 512
) -> Iterator[PackedBatch]:
    """One epoch of batches in a seeded order.

    Args:
        rows: the data.
        length: of a block.
        batch_size: blocks per batch; the last batch may be smaller.
        seed: of the order.
        window: rows that are packed together, so that one epoch does not pack as the next one does.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=generator).tolist()
    blocks: list[list[TrainingRow]] = []
    for start in range(0, len(order), window):
        chosen = [rows[i] for i in order[start : start + window]]
        blocks += [[chosen[i] for i in block] for block in pack(chosen, length)]
    shuffled = [blocks[i] for i in torch.randperm(len(blocks), generator=generator).tolist()]
    for start in range(0, len(shuffled), batch_size):
        yield lay_out(shuffled[start : start + batch_size], length)


def lay_out(blocks: Sequence[Sequence[TrainingRow]], length: int) -> PackedBatch:
    """Write blocks of rows as tensors.

    >>> batch = lay_out([[TrainingRow(ids=(7, 8), loss=(False, True)), TrainingRow(ids=(9,), loss=(True,))]], 4)
    >>> batch.ids_BT.tolist(), batch.sample_BT.tolist(), batch.n_learnt
    ([[7, 8, 9, 0]], [[1, 1, 2, 0]], 2)
    """
    ids_BT = torch.full((len(blocks), length), PAD)
    sample_BT = torch.zeros((len(blocks), length), dtype=torch.long)
    loss_BT = torch.zeros((len(blocks), length), dtype=torch.bool)
    heard = []
    for place, block in enumerate(blocks):
        start = 0
        for number, row in enumerate(block, 1):
            end = start + len(row)
            ids_BT[place, start:end] = torch.tensor(row.ids)
            sample_BT[place, start:end] = number
            loss_BT[place, start:end] = torch.tensor(row.loss)
            for part in row.heard:
                heard.append((torch.tensor(part.places) + place * length + start, torch.tensor(part.words)))
            start = end
    return PackedBatch(ids_BT=ids_BT, sample_BT=sample_BT, loss_BT=loss_BT, heard=tuple(heard))
