"""Codebooks: the arithmetic of use and k-means, and both encoders overfit one batch of real synthesised speech."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.tokenizer.preprocess import preprocess
from aqaa_eval.reference_model.training.speech_rows import PhonemeTable, SpeechRow, collate, speech_batches
from aqaa_eval.reference_model.training.tokenizer_training import (
    LinguisticTask,
    SemanticTask,
    codebook_use,
    k_means,
    linguistic_codebook,
    linguistic_codes,
    measure_cmvn,
)

TEXTS = ("Seven.", "The door is open.", "It is a dog.", "Cold.", "I will be there.")


@cache
def rows() -> tuple[SpeechRow, ...]:
    hibari = pytest.importorskip("hibari", reason="the test voice is hibari-tts, in the offline extra")
    voice = hibari.Hibari()
    return tuple(
        SpeechRow(
            key=text,
            samples=preprocess(voice(text, seed=0), 24_000).numpy(),
            phonemes="".join(voice.phonemize(text)),
        )
        for text in TEXTS
    )


def learn(task: torch.nn.Module, batch, n_steps: int) -> list[float]:
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-3)
    losses = []
    for _ in range(n_steps):
        loss = task(batch)
        (loss.total / loss.count).backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.total.item() / loss.count)
    return losses


def linguistic() -> LinguisticTask:
    torch.manual_seed(0)
    waves = [torch.from_numpy(row.samples) for row in rows()]
    return LinguisticTask(tiny().linguistic, measure_cmvn(waves), PhonemeTable.of([r.phonemes for r in rows()]).size)


def test_the_linguistic_encoder_learns_to_read_one_batch():
    table = PhonemeTable.of([row.phonemes for row in rows()])
    task, batch = linguistic(), collate(rows(), table)
    losses = learn(task, batch, 45)
    assert losses[-1] < 0.15 < 3 < losses[0]
    enc, sizes = task.encode(batch.waves)
    best = task.head(enc).argmax(-1)
    for row, ids, size in zip(rows(), best, sizes, strict=True):
        read = [i for place, i in enumerate(ids[:size].tolist()) if i and (not place or ids[place - 1] != i)]
        assert read == table.ids(row.phonemes)


def test_training_encodes_as_answering_does():
    task = linguistic().eval()
    waves = [torch.from_numpy(row.samples) for row in rows()]
    with torch.no_grad():
        enc, sizes = task.encode(waves)
    for wave, frames, size in zip(waves, enc, sizes, strict=True):
        alone = task.encoder.encode(wave, task.cmvn)[0]
        torch.testing.assert_close(frames[: min(size, len(alone))], alone[:size], atol=1e-5, rtol=1e-4)


def test_the_features_of_the_measured_speech_have_mean_nothing_and_deviation_one():
    task = linguistic()
    from aqaa_eval.reference_model.tokenizer.fbank import frontend

    feats = torch.cat([frontend(torch.from_numpy(row.samples), task.cmvn) for row in rows()])
    assert feats.mean(0).abs().max() < 1e-3
    assert (feats.std(0) - 1).abs().max() < 1e-2


def test_the_semantic_codes_learn_to_carry_the_words():
    table = PhonemeTable.of([row.phonemes for row in rows()])
    torch.manual_seed(0)
    task, batch = SemanticTask(tiny().semantic, table.size), collate(rows(), table)
    free = learn(task, batch, 60)
    task.start_coding([batch])
    coded = learn(task, batch, 30)
    assert coded[-1] < 0.6 * free[0]
    codes = task.tokenizer.codes([task.tokenizer.mel(torch.from_numpy(row.samples)) for row in rows()])
    use = codebook_use([code for row in codes for code in row], 4096)
    assert use.n_used > 25  # behind a bottleneck from the start it was 2
    norms = task.tokenizer.quantizer._codebook.embed.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(4096), atol=1e-4, rtol=0)


def test_commitment_and_the_drift_of_codes_by_hand():
    """Frames at 60 and 120 degrees, codes at 0 and 90: both frames are nearest to the second code, 30 degrees away."""
    task = SemanticTask(tiny().semantic, 5).train()
    width = task.tokenizer.config.n_audio_state
    embed, usage = torch.zeros_like(task.sums), torch.full_like(task.usage, 1.0)
    embed[:, -1] = -1.0  # all other codes point away
    embed[0], embed[1] = on_circle(0, width), on_circle(90, width)
    task.tokenizer.quantizer._codebook.embed.copy_(embed)
    task.sums.copy_(embed)
    task.usage.copy_(usage)
    unit = torch.stack([on_circle(60, width), on_circle(120, width)])[None].requires_grad_()
    coded, commitment = task._quantise(unit, torch.tensor([[True, True]]))
    chord = 2 * math.sin(math.radians(15))
    assert commitment.item() == pytest.approx(chord**2, rel=1e-5)
    torch.testing.assert_close(coded[0], on_circle(90, width).expand(2, -1))
    coded.sum().backward()
    torch.testing.assert_close(unit.grad, torch.ones_like(unit))  # straight through
    decay = 0.97  # two frames at 60 and 120 degrees sum to sqrt(3) at 90
    assert task.usage[1].item() == pytest.approx(decay + (1 - decay) * 2)
    torch.testing.assert_close(task.sums[1], (decay + (1 - decay) * math.sqrt(3)) * on_circle(90, width))
    assert task.usage[0].item() == pytest.approx(decay)
    torch.testing.assert_close(task.tokenizer.quantizer._codebook.embed[:2], embed[:2])  # directions stay


def on_circle(degrees: float, width: int) -> torch.Tensor:
    """A unit vector in the plane of the first two numbers."""
    angle = math.radians(degrees)
    return torch.tensor([math.cos(angle), math.sin(angle), *[0.0] * (width - 2)])


def test_k_means_finds_the_middles_and_serves_every_code():
    generator = torch.Generator().manual_seed(0)
    middles = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = torch.cat([middle + 0.1 * torch.randn(50, 2, generator=generator) for middle in middles])
    found = k_means(points, 3)
    assert torch.cdist(middles, found).min(dim=1).values.max() < 0.1
    with pytest.raises(ValueError, match="cannot give 200 centroids"):
        k_means(points, 200)


def test_a_codebook_of_the_encoders_frames_is_used_evenly():
    table = PhonemeTable.of([row.phonemes for row in rows()])
    task, batch = linguistic(), collate(rows(), table)
    codebook = linguistic_codebook(task, [batch], 16)
    use = codebook_use(linguistic_codes(task, batch, codebook), 16)
    assert use.n_used == 16
    assert use.perplexity > 6


def test_the_perplexity_of_codes_by_hand():
    use = codebook_use([0, 0, 0, 1], 8)
    assert use.perplexity == pytest.approx(math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))), abs=1e-6)
    assert (use.n_used, use.n_codes) == (2, 8)


def test_an_epoch_holds_every_recording_once():
    table = PhonemeTable.of([row.phonemes for row in rows()])
    batches = list(speech_batches(rows(), table, seconds=2.0, seed=0))
    assert len(batches) > 1
    assert sorted(len(wave) for batch in batches for wave in batch.waves) == sorted(len(r.samples) for r in rows())
