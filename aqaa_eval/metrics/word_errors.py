"""Word error rate as counts: sums first, ratio last, so that pooling over turns is right by construction."""

from __future__ import annotations

from dataclasses import dataclass

from aqaa_eval.metrics.normaliser import words


@dataclass(frozen=True, slots=True, kw_only=True)
class WordErrors:
    """Edits that turn a reference into a hypothesis; characters instead of words in Chinese and Japanese.

    Attributes:
        substitutions: reference words heard as others.
        deletions: reference words not heard.
        insertions: words heard that are not in the reference.
        n_reference: words in the reference.
    """

    substitutions: int
    deletions: int
    insertions: int
    n_reference: int

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per reference word, 0 or more (above 1 with many insertions); None without reference words."""
        return self.errors / self.n_reference if self.n_reference else None

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
            n_reference=self.n_reference + other.n_reference,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WordEdit:
    """One edit that turns a reference into a hypothesis.

    Attributes:
        place: index of the reference word; for a word that was added, of the one before which it stands.
        reference: the word; "" for one that was added.
        hypothesis: what stands for it; "" for one that was left out.
    """

    place: int
    reference: str
    hypothesis: str


def word_edits(*, reference: str, hypothesis: str, language: str) -> tuple[WordEdit, ...]:
    """The edits behind `count_word_errors`, one by one, in order.

    Args:
        reference: what was meant.
        hypothesis: what was heard.
        language: BCP-47 tag of both; decides the normaliser and the unit.

    >>> [(e.reference, e.hypothesis) for e in word_edits(reference="a b c", hypothesis="a d", language="fr")]
    [('b', 'd'), ('c', '')]
    """
    meant, heard = words(reference, language=language), words(hypothesis, language=language)
    if not meant:
        return tuple(WordEdit(place=0, reference="", hypothesis=word) for word in heard)
    if not heard:
        return tuple(WordEdit(place=place, reference=word, hypothesis="") for place, word in enumerate(meant))
    import jiwer

    [chunks] = jiwer.process_words(" ".join(meant), " ".join(heard)).alignments
    edits: list[WordEdit] = []
    for chunk in chunks:
        here, there = meant[chunk.ref_start_idx : chunk.ref_end_idx], heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
        if chunk.type == "insert":
            edits += [WordEdit(place=chunk.ref_start_idx, reference="", hypothesis=word) for word in there]
        elif chunk.type != "equal":
            pairs = zip(here, there or [""] * len(here), strict=True)
            edits += [
                WordEdit(place=chunk.ref_start_idx + offset, reference=meant_word, hypothesis=heard_word)
                for offset, (meant_word, heard_word) in enumerate(pairs)
            ]
    return tuple(edits)


def count_word_errors(*, reference: str, hypothesis: str, language: str) -> WordErrors:
    """Count the edits between two normalised texts.

    Args:
        reference: what was meant.
        hypothesis: what was heard.
        language: BCP-47 tag of both; decides the normaliser and the unit.

    >>> count_word_errors(reference="It is twelve o'clock.", hypothesis="it is 12 clock", language="en").errors
    1
    >>> count_word_errors(reference="", hypothesis="you", language="en").insertions
    1
    """
    reference_words = words(reference, language=language)
    hypothesis_words = words(hypothesis, language=language)
    if not reference_words or not hypothesis_words:
        # jiwer refuses an empty reference; both cases need no alignment.
        return WordErrors(
            substitutions=0,
            deletions=len(reference_words),
            insertions=len(hypothesis_words),
            n_reference=len(reference_words),
        )
    import jiwer

    aligned = jiwer.process_words(" ".join(reference_words), " ".join(hypothesis_words))
    return WordErrors(
        substitutions=aligned.substitutions,
        deletions=aligned.deletions,
        insertions=aligned.insertions,
        n_reference=len(reference_words),
    )
