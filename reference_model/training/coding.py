"""The codes of all recordings, made once, a file of them at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.training.lessons import take_key
from aqaa_eval.reference_model.training.side_by_side import in_processes
from aqaa_eval.reference_model.training.speech_store import (
    QUESTION,
    StoredTake,
    Take,
    count_takes,
    save_rows,
    shards,
    stored_takes,
    takes_of,
)
from aqaa_eval.reference_model.training.start import same_places
from aqaa_eval.reference_model.training.tokenizer_training import CodebookUse, codebook_use
from aqaa_eval.reference_model.training.variation import varied
from aqaa_eval.reference_model.training.workshop import Workshop, save_whole

Codes = dict[tuple[str, str], tuple[int, ...]]
_CODED_AT_ONCE = 64
_PLACES_TAKES = 2500


def make_codes(shop: Workshop, tokenizer: DualTokenizer, *, n_jobs: int = 1) -> Codes:
    """Codes of every recording, held-out ones included, and of further takes of the questions.

    Args:
        shop: where; what is coded already is read.
        tokenizer: gives the codes.
        n_jobs: processes that code, a file of recordings at a time each.
    """
    import pyarrow.parquet as pq

    folder = shop.folder / "codes"
    folder.mkdir(exist_ok=True)
    recipe = shop.recipe
    semitones = {pair.key: pair.take_semitones for pair in shop.pairs if pair.key not in shop.held_out_keys}
    coder = _Coder(tokenizer=tokenizer, semitones=semitones, n_takes=recipe.n_question_takes, seed=recipe.seed)
    paths = shards(shop.speech)
    for number, _ in enumerate(in_processes(n_jobs, partial(_code_shard, coder, folder), paths), start=1):
        if shop.watch:
            shop.watch("codes", number, len(paths), {})
    rows = (row for path in paths for row in pq.read_table(_coded_file(folder, path)).to_pylist())
    return {(row["kind"], row["key"]): tuple(row["codes"]) for row in rows}


@dataclass(frozen=True, kw_only=True)
class _Coder:
    """What makes codes of recordings.

    Attributes:
        tokenizer: gives the codes.
        semitones: how far another take of a question may move its pitch; those not named have one take.
        n_takes: of each question.
        seed: of the takes.
    """

    tokenizer: DualTokenizer
    semitones: Mapping[str, tuple[float, float]]
    n_takes: int
    seed: int

    def takes(self, shard: Path) -> Iterator[tuple[str, str, Take]]:
        """Kind, key and sound of every recording of a file, and of the further takes of its questions."""
        for take in takes_of(shard):
            plain = Take(samples=take.samples, sample_rate_hz=take.sample_rate_hz, phonemes=take.phonemes)
            yield take.kind, take.key, plain
            if take.kind != QUESTION or take.key not in self.semitones:
                continue
            for number in range(1, self.n_takes):
                rng = np.random.default_rng([self.seed, number, zlib.crc32(take.key.encode())])
                samples = varied(plain.samples, rng, semitones=self.semitones[take.key])
                yield take.kind, take_key(take.key, number), replace(plain, samples=samples)


def _coded_file(folder: Path, shard: Path) -> Path:
    return folder / shard.name.replace("speech-", "codes-")


def _code_shard(coder: _Coder, folder: Path, _: int, shard: Path) -> None:
    """Write the codes of one file of recordings unless they are there."""
    path = _coded_file(folder, shard)
    if path.is_file():
        return
    found = coded(coder.tokenizer, coder.takes(shard))
    save_rows([{"kind": kind, "key": key, "codes": codes} for kind, key, codes in found], path)


def coded(
    tokenizer: DualTokenizer, takes: Iterator[tuple[str, str, Take | StoredTake]]
) -> Iterator[tuple[str, str, list[int]]]:
    """Kind, key and codes of every take."""
    while part := list(islice(takes, _CODED_AT_ONCE)):
        with torch.inference_mode():
            found = tokenizer.encode_batch(
                [take.samples for _, _, take in part],
                [take.sample_rate_hz for _, _, take in part],
                names=[key for _, key, _ in part],
            )
        yield from ((kind, key, codes) for (kind, key, _), codes in zip(part, found, strict=True))


def code_places(shop: Workshop, codes: Codes) -> tuple[Tensor, Tensor] | None:
    """What the start's tokenizer and the new one wrote at the same places of some recordings; made once.

    None where they are the same tokenizer.
    """
    assert shop.start is not None  # asked for only where there is one
    if shop.keeps_tokenizer:
        return None
    made = shop.folder / "places.safetensors"
    if not made.is_file():
        every = max(1, count_takes(shop.speech) // _PLACES_TAKES)
        some = ((take.kind, take.key, take) for take in islice(stored_takes(shop.speech), 0, None, every))
        by_start = list(coded(shop.start.tokenizer, some))
        was, now = same_places([old for _, _, old in by_start], [codes[kind, key] for kind, key, _ in by_start])
        save_whole({"was": was, "now": now}, made)
    places = load_file(made)
    return places["was"], places["now"]


def uses_of_codebooks(shop: Workshop, codes: Codes) -> dict[str, CodebookUse]:
    """How evenly the two codebooks are used over all recordings."""
    config = shop.recipe.config
    n_linguistic, n_semantic = config.linguistic.n_codes, config.semantic.n_codebook_size
    flat = [code for row in codes.values() for code in row]
    return {
        "linguistic": codebook_use([code for code in flat if code < n_linguistic], n_linguistic),
        "semantic": codebook_use([code - n_linguistic for code in flat if code >= n_linguistic], n_semantic),
    }
