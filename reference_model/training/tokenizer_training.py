"""How the two codebooks are learnt.

Linguistic: the streaming encoder reads phonemes by CTC (Graves et al., ICML 2006), then k-means over its outputs gives
1,024 centroids, as Step-Audio does on top of Paraformer. Semantic: the window encoder reads phonemes through a
bottleneck of 4,096 codes, the supervised objective of CosyVoice 1 (arXiv 2407.05407, section 3.1); beside them a small
head draws the frame's log-mel from its code, so that level and pitch are not lost, which a model of this size cannot
make up from the words.

Letters: B recordings, L frames of 60 ms, S frames of 40 ms, T mel frames of 10 ms, D width, V codes, P phonemes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import LinguisticConfig, SemanticConfig
from aqaa_eval.reference_model.tokenizer.fbank import N_FEATURES, frontend
from aqaa_eval.reference_model.tokenizer.linguistic import LinguisticEncoder, quantize
from aqaa_eval.reference_model.tokenizer.semantic import SemanticTokenizer, sinusoids
from aqaa_eval.reference_model.training.loop import StepLoss
from aqaa_eval.reference_model.training.speech_rows import SpeechBatch

EMA_DECAY = 0.97
COMMITMENT = 0.25
REVIVE_BELOW = 0.03
"""A code that is used less often than this (in frames per step, averaged) is moved onto a frame of the batch."""
MEL_WEIGHT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CodebookUse:
    """How evenly a codebook is used.

    Attributes:
        n_used: codes that came at least once.
        n_codes: all.
        perplexity: of the codes' distribution: `n_codes` if all came alike, 1 if only one did.
    """

    n_used: int
    n_codes: int
    perplexity: float


def codebook_use(codes: Iterable[int], n_codes: int) -> CodebookUse:
    """Count codes.

    >>> codebook_use([0, 1, 0, 1], 4)
    CodebookUse(n_used=2, n_codes=4, perplexity=2.0)
    """
    counts = torch.bincount(torch.tensor(list(codes), dtype=torch.long), minlength=n_codes).double()
    share = counts[counts > 0] / counts.sum()
    perplexity = float(torch.exp(-(share * share.log()).sum()))
    return CodebookUse(n_used=len(share), n_codes=n_codes, perplexity=round(perplexity, 6))


def measure_cmvn(waves: Sequence[Tensor]) -> Tensor:
    """Shift and scale that bring the stacked features of these recordings to mean 0 and deviation 1: [2, 560]."""
    identity = torch.stack([torch.zeros(N_FEATURES), torch.ones(N_FEATURES)])
    feats_NF = torch.cat([frontend(wave, identity) for wave in waves])
    return torch.stack([-feats_NF.mean(0), 1 / feats_NF.std(0).clamp_min(1e-3)])


class LinguisticTask(nn.Module):
    """The streaming encoder with a CTC head."""

    cmvn: Tensor

    def __init__(self, config: LinguisticConfig, cmvn: Tensor, n_phonemes: int) -> None:
        super().__init__()
        self.encoder = LinguisticEncoder(config)
        self.head = nn.Linear(config.dim, n_phonemes)
        self.register_buffer("cmvn", cmvn)

    def forward(self, batch: SpeechBatch) -> StepLoss:
        """CTC over the phonemes, summed over recordings."""
        enc_BLD, sizes = self.encode(batch.waves)
        return ctc_loss(self.head(enc_BLD), torch.tensor(sizes), batch)

    def encode(self, waves: Sequence[Tensor]) -> tuple[Tensor, list[int]]:
        """Encoder outputs [B, L, D] and how many frames of each recording are real."""
        feats = [frontend(wave, self.cmvn) for wave in waves]
        sizes = [len(row) for row in feats]
        per_piece = self.encoder.config.chunk[1]
        length = math.ceil(max(sizes) / per_piece) * per_piece
        padded_BLF = torch.stack([functional.pad(row, (0, 0, 0, length - len(row))) for row in feats])
        return self.encoder(padded_BLF, sizes), sizes


def ctc_loss(logits_BLP: Tensor, sizes_B: Tensor, batch: SpeechBatch) -> StepLoss:
    """CTC, summed over recordings; those too short for their phonemes add nothing."""
    total = functional.ctc_loss(
        logits_BLP.float().log_softmax(-1).transpose(0, 1),
        batch.phonemes_BP,
        sizes_B,
        batch.n_phonemes_B,
        reduction="sum",
        zero_infinity=True,
    )
    return StepLoss(total=total, count=int(batch.n_phonemes_B.sum()))


def k_means(points_ND: Tensor, n_codes: int, *, n_rounds: int = 30, seed: int = 0) -> Tensor:
    """Lloyd's k-means from the seeds of k-means++ (Arthur and Vassilvitskii, SODA 2007).

    A centroid that loses all its points moves to the point that is served worst.

    Args:
        points_ND: at least `n_codes` points.
        n_codes: V.
        n_rounds: passes over the points.
        seed: of the first centroids.

    Returns:
        centroids_VD.

    Raises:
        ValueError: fewer points than codes.

    >>> points = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    >>> [round(c, 2) for c in sorted(k_means(points, 2)[:, 0].tolist())]
    [0.05, 5.05]
    """
    if len(points_ND) < n_codes:
        raise ValueError(f"{len(points_ND)} frames cannot give {n_codes} centroids: give more speech")
    generator = torch.Generator().manual_seed(seed)
    centroids_VD = _spread_seeds(points_ND, n_codes, generator)
    for _ in range(n_rounds):
        distances, codes = _nearest(points_ND, centroids_VD)
        sums_VD = torch.zeros_like(centroids_VD).index_add_(0, codes, points_ND)
        counts_V = torch.bincount(codes, minlength=n_codes)
        is_used = counts_V > 0
        centroids_VD[is_used] = sums_VD[is_used] / counts_V[is_used, None]
        n_empty = int((~is_used).sum())
        if n_empty:
            centroids_VD[~is_used] = points_ND[distances.topk(n_empty).indices]
    return centroids_VD


def _spread_seeds(points_ND: Tensor, n_codes: int, generator: torch.Generator) -> Tensor:
    """Each seed is drawn with a chance that grows with the square of its distance to those before."""
    first = int(torch.randint(len(points_ND), (1,), generator=generator))
    chosen = [first]
    square_N = (points_ND - points_ND[first]).square().sum(1)
    for _ in range(n_codes - 1):
        # Where all points are taken already, any will do.
        share_N = square_N if bool(square_N.sum() > 0) else torch.ones_like(square_N)
        place = int(torch.multinomial(share_N, 1, generator=generator))
        chosen.append(place)
        square_N = torch.minimum(square_N, (points_ND - points_ND[place]).square().sum(1))
    return points_ND[chosen].clone()


def _nearest(points_ND: Tensor, centroids_VD: Tensor, n_rows: int = 8192) -> tuple[Tensor, Tensor]:
    found = [torch.cdist(part, centroids_VD).min(dim=1) for part in torch.split(points_ND, n_rows)]
    return torch.cat([each.values for each in found]), torch.cat([each.indices for each in found])


class SemanticTask(nn.Module):
    """The window encoder, a vector-quantised bottleneck, and what is read from the codes.

    At first the frames themselves are read: an encoder that starts behind a bottleneck settles on a few codes.
    `start_coding` then lays the codes among the frames and closes the bottleneck: commitment and codes that follow a
    moving mean, as in VQ-VAE (arXiv 1711.00937, equation 3 and appendix A).
    """

    usage: Tensor
    sums: Tensor
    is_coding: Tensor

    def __init__(self, config: SemanticConfig, n_phonemes: int) -> None:
        super().__init__()
        self.tokenizer = SemanticTokenizer(config)
        width = config.n_audio_state
        embed = functional.normalize(torch.randn(config.n_codebook_size, width), dim=1)
        self.tokenizer.quantizer._codebook.embed.copy_(embed)
        self.tokenizer.encoder.positional_embedding.copy_(sinusoids(config.n_audio_ctx, width))
        self.reader = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.phoneme_head = nn.Linear(2 * width, n_phonemes)
        self.mel_head = nn.Linear(2 * width, 4 * config.n_mels)
        self.register_buffer("usage", torch.ones(config.n_codebook_size))
        self.register_buffer("sums", embed.clone())
        self.register_buffer("is_coding", torch.tensor(False))

    def forward(self, batch: SpeechBatch) -> StepLoss:
        """CTC through the codes, drawing the mel from them, and commitment to the nearest code."""
        mel_BMT, unit_BSD, sizes_B = self._encode(batch.waves)
        is_real_BS = torch.arange(unit_BSD.shape[1]) < sizes_B[:, None]
        coded_BSD, commitment = unit_BSD, unit_BSD.new_zeros(())
        if self.is_coding:
            coded_BSD, commitment = self._quantise(unit_BSD, is_real_BS)
        read_BSE = self.reader(coded_BSD)[0]
        ctc = ctc_loss(self.phoneme_head(read_BSE), sizes_B, batch)
        wanted_BSE = mel_BMT.transpose(1, 2).reshape(*unit_BSD.shape[:2], -1)
        drawn = functional.mse_loss(self.mel_head(read_BSE)[is_real_BS], wanted_BSE[is_real_BS])
        total = ctc.total + ctc.count * (MEL_WEIGHT * drawn + COMMITMENT * commitment)
        return StepLoss(
            total=total,
            count=ctc.count,
            shown={"ctc": ctc.total.item() / max(1, ctc.count), "mel": drawn.item(), "commitment": commitment.item()},
        )

    def _encode(self, waves: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Mel [B, M, T], the frames' directions [B, S, D], and how many of these are real."""
        mels = [self.tokenizer.mel(wave) for wave in waves]
        n_frames_B = torch.tensor([mel.shape[1] for mel in mels])
        longest = math.ceil(int(n_frames_B.max()) / 4) * 4
        mel_BMT = torch.stack([functional.pad(mel, (0, longest - mel.shape[1])) for mel in mels])
        unit_BSD = functional.normalize(self.tokenizer.encoder(mel_BMT, n_frames_B), dim=-1)
        return mel_BMT, unit_BSD, (n_frames_B + 3) // 4

    @torch.no_grad()
    def start_coding(self, batches: Iterable[SpeechBatch], *, seed: int = 0) -> None:
        """Lay the codes among the frames of these recordings; from now on frames are read through them.

        Fewer frames than codes are taken several times, each with a little noise.
        """
        frames = []
        for batch in batches:
            _, unit_BSD, sizes_B = self._encode(batch.waves)
            frames += [row[:size] for row, size in zip(unit_BSD, sizes_B.tolist(), strict=True)]
        points_ND = torch.cat(frames)
        generator = torch.Generator().manual_seed(seed)
        n_codes = len(self.usage)
        if len(points_ND) < n_codes:
            points_ND = points_ND.repeat(math.ceil(n_codes / len(points_ND)), 1)
        points_ND = points_ND + 0.01 * torch.randn(points_ND.shape, generator=generator)
        embed_VD = functional.normalize(k_means(points_ND, n_codes, n_rounds=5, seed=seed), dim=1)
        self.tokenizer.quantizer._codebook.embed.copy_(embed_VD)
        self.sums.copy_(embed_VD)
        self.usage.fill_(1.0)
        self.is_coding.fill_(True)

    def _quantise(self, unit_BSD: Tensor, is_real_BS: Tensor) -> tuple[Tensor, Tensor]:
        """The code of every frame, the gradient passed straight through, and how far frames lie from them."""
        codes_BS = self.tokenizer.quantizer(unit_BSD)
        embed_VD = self.tokenizer.quantizer._codebook.embed
        near_BSD = embed_VD[codes_BS]
        commitment = (unit_BSD - near_BSD.detach())[is_real_BS].square().sum(-1).mean()
        if self.training:
            self._move_codes(unit_BSD[is_real_BS].detach(), codes_BS[is_real_BS])
        return unit_BSD + (near_BSD - unit_BSD).detach(), commitment

    @torch.no_grad()
    def _move_codes(self, unit_ND: Tensor, codes_N: Tensor) -> None:
        """Each code drifts to the mean of its frames; codes that are hardly used start anew on frames of the batch."""
        n_codes = len(self.usage)
        counts_V = torch.bincount(codes_N, minlength=n_codes).to(self.usage)
        self.usage.mul_(EMA_DECAY).add_(counts_V, alpha=1 - EMA_DECAY)
        self.sums.mul_(EMA_DECAY)
        self.sums.index_add_(0, codes_N, unit_ND.float(), alpha=1 - EMA_DECAY)
        is_dead_V = self.usage < REVIVE_BELOW
        n_dead = min(int(is_dead_V.sum()), len(unit_ND))
        if n_dead:
            dead = is_dead_V.nonzero()[:, 0][torch.randperm(int(is_dead_V.sum()))[:n_dead]]
            self.sums[dead] = unit_ND[torch.randperm(len(unit_ND))[:n_dead]].float()
            self.usage[dead] = 1.0
        embed_VD = self.sums / self.usage.clamp_min(1e-6)[:, None]
        self.tokenizer.quantizer._codebook.embed.copy_(functional.normalize(embed_VD, dim=1))


@torch.no_grad()
def linguistic_codebook(task: LinguisticTask, batches: Iterable[SpeechBatch], n_codes: int, *, seed: int = 0) -> Tensor:
    """Centroids over the encoder's outputs for these recordings: [V, D]."""
    task.eval()
    frames = []
    for batch in batches:
        enc_BLD, sizes = task.encode(batch.waves)
        frames += [row[:size] for row, size in zip(enc_BLD, sizes, strict=True)]
    return k_means(torch.cat(frames), n_codes, seed=seed)


@torch.no_grad()
def linguistic_codes(task: LinguisticTask, batch: SpeechBatch, codebook_VD: Tensor) -> list[int]:
    """Codes of a batch, end to end."""
    enc_BLD, sizes = task.encode(batch.waves)
    frames = torch.cat([row[:size] for row, size in zip(enc_BLD, sizes, strict=True)])
    return [int(code) for code in quantize(frames, codebook_VD)]
