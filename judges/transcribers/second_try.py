"""Whisper at a temperature, with a seed of its own.

Whisper samples from torch's global generator, which other threads draw from too: the same clip would not give the same
transcript twice. Adding seeded Gumbel noise, times the temperature, to the logits and taking the largest is the same
as sampling at that temperature, and touches no global state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any


class SeededSampling:
    """A Whisper model to `whisper.transcribe`, which decodes at a temperature with its own generator."""

    def __init__(self, model: Any, *, temperature: float, seed: int) -> None:
        import torch

        self._model = model
        self._temperature = temperature
        self._generator = torch.Generator().manual_seed(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The forward pass, for word times."""
        return self._model(*args, **kwargs)

    def decode(self, mel: Any, options: Any) -> Any:
        """Decode one window of 30 s; its `avg_logprob` is of the noisy logits and means nothing.

        Args:
            mel: shape (n_mels, n_frames).
            options: Whisper's `DecodingOptions`; their temperature is ours.
        """
        import torch
        from whisper.decoding import DecodingTask, GreedyDecoder

        temperature, generator = self._temperature, self._generator

        class Sampler(GreedyDecoder):  # type: ignore[misc]
            def update(self, tokens: Any, logits: Any, sum_logprobs: Any) -> Any:
                noise = torch.rand(logits.shape, generator=generator).clamp_min(1e-20)
                gumbel = -torch.log(-torch.log(noise)).to(logits)
                return super().update(tokens, logits + temperature * gumbel, sum_logprobs)

        task = DecodingTask(self._model, replace(options, temperature=0.0))
        task.decoder = Sampler(0.0, task.tokenizer.eot)
        with torch.no_grad():
            return task.run(mel.unsqueeze(0))[0]
