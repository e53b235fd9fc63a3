"""Two ways to keep Whisper's decoding in hand, both passed to `whisper.transcribe` in place of the model.

Both encode a window once. `whisper.transcribe` does it three times, to tell the language, to decode and to place the
words; encoding is most of the cost of a short answer.

Bounded: on sounds that it cannot follow, such as laughter, Whisper goes back to a moment shortly after the last and
decodes the same sound again, a dozen times over; here that ends.

Seeded: Whisper samples from torch's global generator, which other threads draw from too, so the same clip would not
give the same transcript twice. Adding seeded Gumbel noise, times the temperature, to the logits and taking the largest
is the same as sampling at that temperature, and touches no global state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aqaa_eval.judges.transcribers.language_choice import pick_language
from aqaa_eval.judges.transcribers.recogniser import SecondTry

SPARE_WINDOWS = 2
MIN_WINDOW_S = 10.0  # Whisper's windows hold 30 s; speech seldom makes it advance by less than 20


class RunawayDecoding(Exception):
    """More windows were decoded than the sound holds; the message says how many."""


class BoundedDecoding:
    """A Whisper model that encodes each window once and gives up when asked for more windows than a clip can need.

    It tells the language by `pick_language`, which knows what is likely; `language_probability` keeps how sure that is.
    """

    is_second_try = False

    def __init__(self, model: Any, *, duration_s: float, languages: Sequence[str] = ()) -> None:
        """Wrap it for one clip of that length, with the languages that are likely."""
        self._model = model
        self._languages = tuple(languages)
        self.language_probability: float | None = None
        self._max_windows = SPARE_WINDOWS + int(-(-duration_s // MIN_WINDOW_S))
        self._n_windows = 0
        self._encoded: tuple[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, mel: Any, tokens: Any) -> Any:
        """The forward pass, for word times.

        Args:
            mel: shape (1, n_mels, n_frames).
            tokens: shape (1, n_tokens).
        """
        return self._model.decoder(tokens, self._features(mel[0]).unsqueeze(0))

    def detect_language(self, mel: Any, tokenizer: Any = None) -> Any:
        """Tell the language of one window; `mel` of shape (n_mels, n_frames). The one picked gets all the weight."""
        tokens, shares = self._model.detect_language(self._features(mel), tokenizer)
        picked, self.language_probability = pick_language(shares, self._languages, is_second_try=self.is_second_try)
        return tokens, {picked: 1.0}

    def decode(self, mel: Any, options: Any) -> Any:
        """Decode one window.

        Args:
            mel: shape (n_mels, n_frames).
            options: Whisper's `DecodingOptions`.

        Raises:
            RunawayDecoding: it is one window too many.
        """
        self._n_windows += 1
        if self._n_windows > self._max_windows:
            raise RunawayDecoding(f"decoding went on after {self._max_windows} windows")
        return self._decode(self._features(mel), options)

    def _features(self, mel: Any) -> Any:
        """The encoded window, shape (n_audio_ctx, n_audio_state); Whisper takes it in place of `mel`."""
        import torch

        if self._encoded is None or not torch.equal(self._encoded[0], mel):
            with torch.no_grad():
                self._encoded = mel.clone(), self._model.encoder(mel.unsqueeze(0))[0]
        return self._encoded[1]

    def _decode(self, features: Any, options: Any) -> Any:
        return self._model.decode(features, options)


class SeededSampling(BoundedDecoding):
    """The same, sampling at a temperature with a generator of its own.

    The `avg_logprob` of its results is of the noisy logits and means nothing.
    """

    is_second_try = True

    def __init__(self, model: Any, *, duration_s: float, trial: SecondTry, languages: Sequence[str] = ()) -> None:
        """Wrap the model for one clip; equal seeds give equal decodings."""
        import torch

        super().__init__(model, duration_s=duration_s, languages=languages)
        self._temperature = trial.temperature
        self._generator = torch.Generator().manual_seed(trial.seed)

    def _decode(self, features: Any, options: Any) -> Any:
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
            return task.run(features.unsqueeze(0))[0]
