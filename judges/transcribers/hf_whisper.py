"""Whisper by transformers: for checkpoints that are published as its folders, fine-tuned ones among them; batched.

The network is transformers'; the greedy way through it is ours, because `generate` keeps neither the probabilities
that tell a guess nor a seed of its own. Tokens, features and the alignment in time are openai-whisper's functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aqaa_eval.core.attempt import Word
from aqaa_eval.core.errors import DataError
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.judges.transcribers.guarded import GuardedTranscriber
from aqaa_eval.judges.transcribers.language_choice import pick_language
from aqaa_eval.judges.transcribers.recogniser import Decoding, Recording, SecondTry
from aqaa_eval.judges.transcribers.sources import find_source, read_settings
from aqaa_eval.judges.transcribers.weight_names import weights_hash
from aqaa_eval.judges.transcribers.windows import BATCH_WINDOWS, SAMPLE_RATE_HZ, Window, recognise_windows

TOKENS_PER_S = 50
MEDIAN_WIDTH = 7
MULTILINGUAL_VOCABULARY = 51865
NO_WORDS: tuple[Word, ...] = ()


def build(argument: str, options: Mapping[str, OptionValue]) -> GuardedTranscriber:
    """`--asr hf-whisper:ARGUMENT` behind the guards: a folder, a name of the catalogue, or a Hub repository.

    Raises:
        UsageError, UnknownName, MissingWeights: it cannot be had; the message says what to do.
    """
    settings = read_settings("hf-whisper", options)
    is_repository = (
        argument.count("/") == 1 and not argument.startswith((".", "/", "~")) and not Path(argument).exists()
    )
    if is_repository:
        recogniser = HfWhisperRecogniser(argument, name=argument, device=settings.device)
    else:
        source = find_source("hf-whisper", argument, wants_folder=True)
        recogniser = HfWhisperRecogniser(source.path, name=source.name, device=settings.device)
    return GuardedTranscriber(recogniser, language=settings.language)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What greedy decoding gives of one window.

    Attributes:
        tokens: of the text, without specials.
        log_probabilities: of them, by the network, not by what was sampled.
        no_speech: probability at the first step.
    """

    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    no_speech: float


class HfWhisperRecogniser:
    """One `WhisperForConditionalGeneration`; it is opened when the first clip with speech comes."""

    def __init__(self, source: Path | str, *, name: str, device: str = "cpu") -> None:
        """Take note of a checkpoint.

        Args:
            source: a folder, or the name of a repository on the Hugging Face Hub.
            name: what the identity calls it.
            device: a torch device; half precision is used where it is not the CPU.
        """
        self._source = source
        self._name = name
        self._device = device

    @cached_property
    def identity(self) -> str:
        """Such as "hf-whisper:base@3083be5f": name, hash of the weights (or the revision, of a Hub repository)."""
        if isinstance(self._source, Path):
            return f"hf-whisper:{self._name}@{weights_hash(self._source)}"
        return f"hf-whisper:{self._name}@{str(self._model.config._commit_hash or 'unknown')[:8]}"

    @property
    def batch(self) -> int:
        """Conversations that it hears together: on a CPU one, so that a transcript depends on nothing else."""
        return 1 if self._device == "cpu" else BATCH_WINDOWS

    @property
    def languages(self) -> tuple[str, ...]:
        """English for a checkpoint named ".en", else any."""
        return ("en",) if self._name.endswith(".en") else ()

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import WhisperForConditionalGeneration
        from transformers.utils import logging

        dtype = torch.float32 if self._device == "cpu" else torch.float16
        verbosity, shows_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            # Only the eager attention hands out its weights, by which words are placed in time.
            model = WhisperForConditionalGeneration.from_pretrained(
                self._source, dtype=dtype, attn_implementation="eager"
            )
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(f"{self._source}: not a Whisper folder of transformers ({reason})") from error
        finally:
            logging.set_verbosity(verbosity)
            if shows_bar:
                logging.enable_progress_bar()
        with warnings.catch_warnings():
            # whisper leaves its vocabulary's file to the garbage collector; it reads it once, here.
            warnings.simplefilter("ignore", ResourceWarning)
            _tokenizer_of(model.config, "en")
        return model.to(self._device).eval()

    @property
    def _is_multilingual(self) -> bool:
        return bool(self._model.config.vocab_size >= MULTILINGUAL_VOCABULARY)

    def _tokenizer(self, language: str) -> Any:
        return _tokenizer_of(self._model.config, language)

    def recognise(self, recordings: Sequence[Recording]) -> list[Decoding]:
        """Greedy, in batches of windows.

        Raises:
            DataError: the checkpoint cannot be opened.
        """
        return recognise_windows(recordings, lambda windows: self._decode(windows, None))

    def recognise_again(self, recording: Recording, *, trial: SecondTry) -> Decoding:
        """Sampled with a generator of its own."""
        [decoding] = recognise_windows([recording], lambda windows: self._decode(windows, trial))
        return decoding

    def _decode(self, windows: Sequence[Window], trial: SecondTry | None) -> list[Decoding]:
        import torch

        with torch.inference_mode():
            encoded = self._encode(windows)
            picked = self._languages(windows, encoded, is_second_try=trial is not None)
            tokenizers = [self._tokenizer(language) for language, _ in picked]
            prompts = [[*tokenizer.sot_sequence, tokenizer.no_timestamps] for tokenizer in tokenizers]
            n_most = max(window.max_tokens for window in windows)
            steps = self._search(encoded, prompts, n_most=n_most, trial=trial)
            decodings = []
            for index, (window, step) in enumerate(zip(windows, steps, strict=True)):
                language, probability = picked[index]
                tokenizer = tokenizers[index]
                heard = self._words(tokenizer, step, encoded[index : index + 1], n_samples=len(window.samples))
                decodings.append(
                    Decoding(
                        text=tokenizer.decode(list(step.tokens)).strip(),
                        language=language,
                        language_probability=probability,
                        words=heard,
                        log_probability=float(np.mean(step.log_probabilities)) if step.tokens else None,
                        confidence=float(np.mean([word.confidence for word in heard])) if heard else 0.0,
                        no_speech=step.no_speech,
                    )
                )
        return decodings

    def _encode(self, windows: Sequence[Window]) -> Any:
        """Features of the windows through the encoder, shape (n_windows, 1500, d_model)."""
        import torch
        import whisper

        n_mels = self._model.config.num_mel_bins
        mels = [
            whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(window.samples)), n_mels)
            for window in windows
        ]
        stacked = torch.stack(mels).to(self._model.device, self._model.dtype)
        return self._model.get_encoder()(stacked).last_hidden_state

    def _languages(
        self, windows: Sequence[Window], encoded: Any, *, is_second_try: bool
    ) -> list[tuple[str, float | None]]:
        """Language and its probability per window; what is forced, or unknown to the network, is not probable."""
        if not self._is_multilingual:
            return [("en", None)] * len(windows)
        import torch

        tokenizer = self._tokenizer("en")
        known = list(tokenizer.all_language_codes)
        forced = [window.language if window.language in known else None for window in windows]
        if all(forced):
            return [(language or "", None) for language in forced]
        start = torch.full((len(windows), 1), tokenizer.sot, device=encoded.device)
        logits = self._forward(encoded, start).logits[:, -1].float()
        shares = logits[:, list(tokenizer.all_language_tokens)].softmax(-1).cpu().numpy()
        return [
            (language, None)
            if language
            else pick_language(
                dict(zip(known, row.tolist(), strict=True)), window.languages, is_second_try=is_second_try
            )
            for window, language, row in zip(windows, forced, shares, strict=True)
        ]

    def _forward(self, encoded: Any, tokens: Any, **settings: Any) -> Any:
        return self._model(encoder_outputs=(encoded,), decoder_input_ids=tokens, **settings)

    def _search(
        self, encoded: Any, prompts: Sequence[Sequence[int]], *, n_most: int, trial: SecondTry | None
    ) -> list[_Step]:
        """Greedy decoding of all windows at once; with a trial, sampling by seeded Gumbel noise on the logits."""
        import torch

        tokenizer, device = self._tokenizer("en"), encoded.device
        blocked = self._blocked(tokenizer)
        generator = torch.Generator().manual_seed(trial.seed) if trial else None
        tokens, cache = torch.tensor(prompts, device=device), None
        is_done = torch.zeros(len(prompts), dtype=torch.bool, device=device)
        no_speech = [0.0] * len(prompts)
        chosen: list[Any] = []
        gained: list[Any] = []
        for number in range(n_most):
            output = self._forward(encoded, tokens, past_key_values=cache, use_cache=True)
            cache, logits = output.past_key_values, output.logits[:, -1].float()
            if number == 0:
                at_start = output.logits[:, 0].float().softmax(-1)
                no_speech = at_start[:, tokenizer.no_speech].tolist()
                logits[:, self._blocked_first(tokenizer)] = -torch.inf
            logits[:, blocked] = -torch.inf
            own = logits.log_softmax(-1)
            if trial is not None and generator is not None:
                noise = torch.rand(logits.shape, generator=generator).clamp_min(1e-20)
                logits = logits - trial.temperature * torch.log(-torch.log(noise)).to(logits)
            picked = logits.argmax(-1).masked_fill(is_done, tokenizer.eot)
            chosen.append(picked)
            gained.append(own.gather(1, picked[:, None])[:, 0])
            is_done |= picked == tokenizer.eot
            if bool(is_done.all()):
                break
            tokens = picked[:, None]
        return _steps(torch.stack(chosen, 1).tolist(), torch.stack(gained, 1).tolist(), no_speech, end=tokenizer.eot)

    def _blocked(self, tokenizer: Any) -> list[int]:
        """Tokens that are no speech: what openai-whisper suppresses, and all specials but the end."""
        n_vocabulary = self._model.config.vocab_size
        specials = range(tokenizer.eot + 1, n_vocabulary)
        return sorted({*tokenizer.non_speech_tokens, *specials})

    def _blocked_first(self, tokenizer: Any) -> list[int]:
        return [*tokenizer.encode(" "), tokenizer.eot]

    def _words(self, tokenizer: Any, step: _Step, encoded: Any, *, n_samples: int) -> tuple[Word, ...]:
        """Words in time, by the attention of the heads that follow the sound; no words where none is known."""
        heads = getattr(self._model.generation_config, "alignment_heads", None)
        if not step.tokens or not heads:
            return NO_WORDS
        import torch
        from whisper.timing import dtw, median_filter

        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        line = torch.tensor([[*prompt, *step.tokens, tokenizer.eot]], device=encoded.device)
        attention = self._forward(encoded, line, output_attentions=True).cross_attentions
        n_places = max(1, round(n_samples / SAMPLE_RATE_HZ * TOKENS_PER_S))
        weights = torch.stack([attention[layer][0, head] for layer, head in heads])[:, :, :n_places].float()
        std, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
        matrix = median_filter(((weights - mean) / std.clamp_min(1e-9)), MEDIAN_WIDTH).mean(0)
        rows, places = dtw(-matrix[len(prompt) - 1 : -1].cpu())
        jumps = np.pad(np.diff(rows), (1, 0), constant_values=1).astype(bool)
        moments = places[jumps] / TOKENS_PER_S
        return tuple(_spoken(tokenizer, step, moments, duration_s=n_samples / SAMPLE_RATE_HZ))


def _tokenizer_of(config: Any, language: str) -> Any:
    from whisper.tokenizer import get_tokenizer

    is_multilingual = config.vocab_size >= MULTILINGUAL_VOCABULARY
    # 99 languages, or the 100 of large-v3: that shifts every special token after them.
    n_languages = config.vocab_size - 51765 - int(is_multilingual)
    return get_tokenizer(is_multilingual, num_languages=max(n_languages, 1), language=language, task="transcribe")


def _steps(
    chosen: Sequence[Sequence[int]], gained: Sequence[Sequence[float]], no_speech: Sequence[float], *, end: int
) -> list[_Step]:
    steps = []
    for tokens, values, silent in zip(chosen, gained, no_speech, strict=True):
        n = tokens.index(end) if end in tokens else len(tokens)
        steps.append(_Step(tokens=tuple(tokens[:n]), log_probabilities=tuple(values[:n]), no_speech=silent))
    return steps


def _spoken(tokenizer: Any, step: _Step, moments: Any, *, duration_s: float) -> list[Word]:
    """Tokens joined to words, punctuation to the word before it."""
    found: list[Word] = []
    texts, groups = tokenizer.split_to_word_tokens([*step.tokens, tokenizer.eot])
    start = 0
    for text, group in zip(texts[:-1], groups[:-1], strict=True):
        end = start + len(group)
        word = Word(
            text=text.strip(),
            start_s=float(min(moments[start], duration_s)),
            end_s=float(min(moments[end] if end < len(moments) else duration_s, duration_s)),
            confidence=float(np.exp(np.mean(step.log_probabilities[start:end]))),
        )
        if found and not any(char.isalnum() for char in text):
            found[-1] = Word(
                text=found[-1].text + text.rstrip(),
                start_s=found[-1].start_s,
                end_s=found[-1].end_s,
                confidence=found[-1].confidence,
            )
        elif word.text:
            found.append(word)
        start = end
    return found
