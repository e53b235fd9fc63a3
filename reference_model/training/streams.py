"""Rows with the codes of both codebooks or of one alone: what the ablation of the codebooks trains and measures."""

from __future__ import annotations

from enum import StrEnum

from aqaa_eval.reference_model.training.rows import TrainingRow
from aqaa_eval.reference_model.vocabulary import Vocabulary


class Streams(StrEnum):
    """Which codes a model is trained on; the values are names of arms and folders."""

    DUAL = "dual"
    LINGUISTIC = "linguistic"
    SEMANTIC = "semantic"


def kept_streams(row: TrainingRow, streams: Streams, vocabulary: Vocabulary) -> TrainingRow:
    """The row with the codes of one stream only, in question and answer.

    >>> vocabulary = Vocabulary.tiny()
    >>> ids = tuple(vocabulary.audio_ids([3, 1024 + 7]))
    >>> row = TrainingRow(ids=(9, *ids), loss=(False, True, True))
    >>> kept_streams(row, Streams.LINGUISTIC, vocabulary) == TrainingRow(ids=(9, ids[0]), loss=(False, True))
    True
    """
    if streams is Streams.DUAL:
        return row

    def is_kept(token: int) -> bool:
        if not vocabulary.is_audio(token):
            return True
        return (token < vocabulary.first_semantic_id) is (streams is Streams.LINGUISTIC)

    kept = [(token, loss) for token, loss in zip(row.ids, row.loss, strict=True) if is_kept(token)]
    return TrainingRow(ids=tuple(token for token, _ in kept), loss=tuple(loss for _, loss in kept))
