"""Audio codes to mel by conditional flow matching (arXiv 2210.02747), as CosyVoice 1 and Step-Audio do.

Codes are embedded, encoded, stretched to the mel rate, and condition an ODE that carries Gaussian noise to a mel
spectrogram in a few Euler steps. A voice is given by a prompt: its codes in front of the answer's, its mel, and a
speaker vector. The published code runs this in bf16; the numbers here are compared in fp32.

Shapes: B batch, T codes, D encoder width, F mel frames, M mel bins, S solver steps, P prompt codes, Q prompt frames,
V speaker vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.config import FlowConfig
from aqaa_eval.reference_model.vocoder.conformer import TokenEncoder
from aqaa_eval.reference_model.vocoder.length_regulator import (
    FrameGrid,
    LengthRegulator,
    read_on_grid,
    stretch,
)
from aqaa_eval.reference_model.vocoder.unet import N_NORM_GROUPS, Estimator


def count_frames(n_codes: int, config: FlowConfig) -> int:
    """Mel frames of `n_codes` codes: their duration in frames, rounded down.

    >>> [count_frames(n, FlowConfig()) for n in (5, 25, 125, 320)]
    [10, 51, 258, 661]
    """
    return int(n_codes / config.input_frame_rate_hz * config.sample_rate_hz / config.hop)


@dataclass(frozen=True, slots=True, kw_only=True)
class EulerStep:
    """One ODE step.

    Attributes:
        time: where the estimator is asked, from 0 (noise) to 1 (mel).
        size: how far to go.
    """

    time: float
    size: float


def euler_steps(n_steps: int) -> list[EulerStep]:
    """The steps of the cosine schedule 1 - cos(pi/2 u), short near the noise; their sizes sum to 1.

    Time accumulates in fp32 step by step as in the published solver, so that the last figures agree too.

    Raises:
        ValueError: if `n_steps` is not positive.

    >>> [(round(step.time, 4), round(step.size, 4)) for step in euler_steps(2)]
    [(0.0, 0.2929), (0.2929, 0.7071)]
    """
    if n_steps < 1:
        raise ValueError(f"n_timesteps ({n_steps}) must be at least 1; the published model uses 10")
    edges = 1 - torch.cos(torch.linspace(0, 1, n_steps + 1, device="cpu") * 0.5 * math.pi)
    now = edges[0]
    steps = []
    for edge in edges[1:]:
        size = edge - now
        steps.append(EulerStep(time=float(now), size=float(size)))
        now = now + size
    return steps


class FlowMatching(nn.Module):
    """The ODE solver around the estimator."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.estimator = Estimator(config)
        self.guidance = config.guidance

    def solve(self, mu_BMF: Tensor, spks_BM: Tensor, cond_BMF: Tensor, z_BMF: Tensor, n_steps: int) -> Tensor:
        """Carry noise to mel with Euler steps and classifier-free guidance.

        The unconditional rows (mu, speaker and prompt zeroed) run in the same batch as the conditional ones.

        Args:
            mu_BMF: encoder output at the mel rate.
            spks_BM: projected speaker vector.
            cond_BMF: prompt mel, zero after it.
            z_BMF: standard normal noise.
            n_steps: Euler steps.

        Returns:
            Log-mel, [B, M, F].
        """
        n_batch, n_mels, n_frames = mu_BMF.shape
        steps = euler_steps(n_steps)
        time_S = torch.tensor([step.time for step in steps], device=mu_BMF.device)
        time_SE = self.estimator.embed_times(time_S)
        speaker_BMF = spks_BM[:, :, None].expand(-1, -1, n_frames)
        input_BCF = mu_BMF.new_zeros(2 * n_batch, 4 * n_mels, n_frames)
        input_BCF[:n_batch, n_mels:] = torch.cat([mu_BMF, speaker_BMF, cond_BMF], dim=1)
        x_BMF = z_BMF.to(mu_BMF.dtype)
        for time_E, step in zip(time_SE, steps, strict=True):
            input_BCF[:n_batch, :n_mels] = x_BMF
            input_BCF[n_batch:, :n_mels] = x_BMF
            velocity = self.estimator.velocity(input_BCF, None, time_E[None])
            conditional, unconditional = velocity.chunk(2)
            x_BMF = x_BMF + step.size * ((1 + self.guidance) * conditional - self.guidance * unconditional)
        return x_BMF


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowQuery:
    """What the flow is asked to speak, and in whose voice.

    Attributes:
        token: codes to speak, int64 [B, T].
        prompt_token: codes of the reference voice, int64 [B, P]; P may be 0.
        prompt_feat: log-mel of the reference voice, [B, Q, M]; Q is 0 exactly if P is.
        embedding: speaker vector, [B, V]; zeros if there is none.
        grid: the window's place in its utterance; None for a whole utterance.
    """

    token: Tensor
    prompt_token: Tensor
    prompt_feat: Tensor
    embedding: Tensor
    grid: FrameGrid | None = None


class Flow(nn.Module):
    """Codes to mel. Its state-dict keys are those of the published `flow.pt`."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        _check_config(config)
        self.config = config
        self.input_embedding = nn.Embedding(config.vocab, config.dim)
        self.spk_embed_affine_layer = nn.Linear(config.speaker_dim, config.n_mels)
        self.encoder = TokenEncoder(config)
        self.encoder_proj = nn.Linear(config.dim, config.n_mels)
        self.decoder = FlowMatching(config)
        self.length_regulator = LengthRegulator(config.n_mels)

    def encode(self, token_BT: Tensor) -> Tensor:
        """Encode codes, prompt first, int64 [B, T] to [B, T, D]."""
        enc_BTD: Tensor = self.encoder(self.input_embedding(token_BT))
        return enc_BTD

    def estimator(self, x: Tensor, mask: Tensor, mu: Tensor, t: Tensor, spks: Tensor, cond: Tensor) -> Tensor:
        """One U-Net call, see `Estimator.forward`."""
        velocity_BMF: Tensor = self.decoder.estimator(x, mask, mu, t, spks, cond)
        return velocity_BMF

    def solve(self, mu: Tensor, spks: Tensor, cond: Tensor, z: Tensor, n_timesteps: int) -> Tensor:
        """Solve the ODE, see `FlowMatching.solve`."""
        return self.decoder.solve(mu, spks, cond, z, n_timesteps)

    def regulate(self, enc_BTD: Tensor, prompt_frames: int, prompt_codes: int, grid: FrameGrid | None) -> Tensor:
        """Bring encoded codes to the mel rate; the prompt and the answer are stretched each on its own.

        Args:
            enc_BTD: `encode` of prompt and answer.
            prompt_frames: frames that the prompt gets.
            prompt_codes: how many of the codes are the prompt's.
            grid: None to stretch the answer to `count_frames`, else where to read it.

        Returns:
            mu, [B, F, M].
        """
        small_BTM = self.encoder_proj(enc_BTD)
        answer_BTM = small_BTM[:, prompt_codes:]
        if grid is None:
            answer_BFM = stretch(answer_BTM, count_frames(answer_BTM.shape[1], self.config))
        else:
            answer_BFM = read_on_grid(answer_BTM, grid)
        prompt_BFM = stretch(small_BTM[:, :prompt_codes], prompt_frames)
        mu_BFM: Tensor = self.length_regulator(torch.cat([prompt_BFM, answer_BFM], dim=1))
        return mu_BFM

    def speak(self, query: FlowQuery, z_BMF: Tensor, n_steps: int | None = None) -> Tensor:
        """The answer's log-mel, without the prompt's.

        Args:
            query: codes and voice.
            z_BMF: standard normal noise for prompt and answer frames, [B, M, Q + F].
            n_steps: Euler steps; None for the model's.

        Returns:
            [B, M, F].

        Raises:
            ValueError: if a shape or a code breaks a rule.
        """
        _check(query, self.config)
        n_prompt = query.prompt_feat.shape[1]
        enc_BTD = self.encode(torch.cat([query.prompt_token, query.token], dim=1))
        mu_BFM = self.regulate(enc_BTD, n_prompt, query.prompt_token.shape[1], query.grid)
        mu_BMF = mu_BFM.transpose(1, 2).contiguous()
        if z_BMF.shape != mu_BMF.shape:
            raise ValueError(
                f"noise z has shape {list(z_BMF.shape)}; it must have that of prompt and answer mel, "
                f"{list(mu_BMF.shape)}"
            )
        speaker_BV = functional.normalize(query.embedding.to(mu_BMF.dtype), dim=1)
        cond_BMF = torch.zeros_like(mu_BMF)
        cond_BMF[:, :, :n_prompt] = query.prompt_feat.transpose(1, 2)
        noise_BMF = self.config.temperature * z_BMF
        speaker_BM = self.spk_embed_affine_layer(speaker_BV)
        n_steps = self.config.n_steps if n_steps is None else n_steps
        mel_BMF = self.solve(mu_BMF, speaker_BM, cond_BMF, noise_BMF, n_steps)
        return mel_BMF[:, :, n_prompt:]

    @torch.inference_mode()
    def inference(
        self,
        token: Tensor,
        prompt_token: Tensor,
        prompt_feat: Tensor,
        embedding: Tensor,
        z: Tensor,
        n_timesteps: int | None = None,
    ) -> Tensor:
        """`speak` a whole utterance, with upstream's arguments."""
        query = FlowQuery(token=token, prompt_token=prompt_token, prompt_feat=prompt_feat, embedding=embedding)
        return self.speak(query, z, n_timesteps)


def _check_config(config: FlowConfig) -> None:
    if config.dim % config.heads or config.dim % 2:
        raise ValueError(f"dim ({config.dim}) must be even and a multiple of heads ({config.heads})")
    if any(width % N_NORM_GROUPS for width in config.channels):
        raise ValueError(f"channels {config.channels} must be multiples of {N_NORM_GROUPS}, the groups of GroupNorm")
    if not config.temperature >= 0:
        raise ValueError(f"temperature ({config.temperature}) must be 0 or more; 1 is the noise of training")
    if config.n_steps < 1:
        raise ValueError(f"n_steps ({config.n_steps}) must be at least 1; the published model's are 10")
    if not 0 <= config.guidance < math.inf:
        raise ValueError(f"guidance ({config.guidance}) must be 0 (none) or more; the published model's is 0.7")
    if not config.input_frame_rate_hz > 0:
        raise ValueError(f"input_frame_rate_hz ({config.input_frame_rate_hz}) must be above 0: codes per second")


def _check(query: FlowQuery, config: FlowConfig) -> None:
    n_batch = query.token.shape[0]
    wanted = {
        "token": (query.token, (n_batch, None)),
        "prompt_token": (query.prompt_token, (n_batch, None)),
        "prompt_feat": (query.prompt_feat, (n_batch, None, config.n_mels)),
        "embedding": (query.embedding, (n_batch, config.speaker_dim)),
    }
    for name, (tensor, shape) in wanted.items():
        fits = tensor.dim() == len(shape) and all(
            want in (None, have) for want, have in zip(shape, tensor.shape, strict=True)
        )
        if not fits:
            rule = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"{name} has shape {list(tensor.shape)}; it must be [{rule}]")
    if query.token.shape[1] == 0:
        raise ValueError("token is empty; there must be at least one code to speak")
    if (query.prompt_token.shape[1] == 0) != (query.prompt_feat.shape[1] == 0):
        raise ValueError(
            f"the prompt has {query.prompt_token.shape[1]} codes and {query.prompt_feat.shape[1]} mel frames; "
            "give both, or neither"
        )
    for name, tensor in (("token", query.token), ("prompt_token", query.prompt_token)):
        low, high = (int(x) for x in tensor.aminmax()) if tensor.numel() else (0, 0)
        if low < 0 or high >= config.vocab:
            bad = low if low < 0 else high
            raise ValueError(f"{name} holds {bad}; audio codes go from 0 to {config.vocab - 1}")
