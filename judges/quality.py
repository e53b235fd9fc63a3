"""How the speech sounds, by two predictors of the mean opinion score that listeners would give.

`speech` is Distill-MOS (arXiv 2502.05356): it ranks synthetic voices as people do, and does not care about the level.
`noise` is DNSMOS P.835, overall (arXiv 2110.01763): it hears noise, and rates a robotic voice above a human reader, so
it is not called naturalness; it punishes a low level, so the speech is brought to one level first.

Neither gives silence a 1, and neither is meaningful on noise or tones: such answers are unscored, with the reason.
Both were checked on English; Distill-MOS also rated clear Japanese (4.7) and Mandarin (3.4 to 4.5) voices as clear.
DNSMOS listens to noise, which has no language, and is accepted for the same three. Compare within a language.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Attempt, Score, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import MissingWeights
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.sample import Turn
from aqaa_eval.judges.answers import Answer, State, find_answers
from aqaa_eval.judges.guards import answer_failure, describe_failure, speech_failure
from aqaa_eval.metrics.normaliser import primary_tag
from aqaa_eval.metrics.voice_activity import speech_segments

SAMPLE_RATE_HZ = 16_000
LANGUAGES = ("en", "ja", "zh")
SPEECH_LEVEL_DBFS = -25.0
PEAK_LIMIT = 0.99
MAX_WINDOWS = 32  # evenly spread; up to 40 s every window is heard, as upstream does it
BATCH_WINDOWS = 8


class MosPredictor(Protocol):
    """Predicts a mean opinion score of a recording with speech in it."""

    @property
    def metric(self) -> str:
        """Name of the score: "speech" or "noise"."""
        ...

    @property
    def identity(self) -> str:
        """Name and version or hash of the weights."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """Primary tags of the languages that it is valid for."""
        ...

    def predict(self, audios: Sequence[Audio]) -> list[float]:
        """Mean opinion scores, 1 to 5, of recordings in order; a predictor that can hears them in one batch."""
        ...


class QualityJudge:
    """One score per turn and predictor."""

    is_slow = True  # worth a thread of its own beside the other judges

    def __init__(self, predictors: Sequence[MosPredictor]) -> None:
        self._predictors = tuple(predictors)

    @property
    def identity(self) -> str:
        """The predictors' identities."""
        return " + ".join(predictor.identity for predictor in self._predictors)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it scores."""
        return tuple(predictor.metric for predictor in self._predictors)

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """Scores in the order of turns, then predictors."""
        turns = {turn.index: turn for turn in attempt.turns}
        asked = [
            _Asked(answer=answer, language=_language(turns.get(answer.turn), turn))
            for answer, turn in zip(find_answers(attempt), attempt.sample.turns, strict=True)
        ]
        by_predictor = [_predictor_scores(predictor, asked) for predictor in self._predictors]
        return tuple(scores[index] for index in range(len(asked)) for scores in by_predictor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One answer, with the language that it is in."""

    answer: Answer
    language: str


def _language(turn: TurnAttempt | None, asked: Turn) -> str:
    """Of the answer as it was heard; where nothing tells it, the one that was asked for."""
    heard = turn.transcript.language if turn is not None and turn.transcript else ""
    return primary_tag(heard or asked.answer_language)


def _predictor_scores(predictor: MosPredictor, asked: Sequence[_Asked]) -> list[Score]:
    """One score per answer; those that pass the gates are predicted in one batch."""
    refused = {index: _refusal(predictor, item) for index, item in enumerate(asked)}
    audios = {
        index: item.answer.audio
        for index, item in enumerate(asked)
        if refused[index] is None and item.answer.audio is not None
    }
    values = dict(zip(audios, _predicted(predictor, list(audios.values())), strict=True))
    return [
        refused[index] or _predicted_score(predictor, item.answer, values[index]) for index, item in enumerate(asked)
    ]


def _predicted(predictor: MosPredictor, audios: Sequence[Audio]) -> list[float | Exception]:
    """Values, or why there is none: what breaks on a batch is tried one by one, so that one loses its own only."""
    if not audios:
        return []
    try:
        return list(predictor.predict(audios))
    except Exception as error:  # the predictor broke, the answer did not: this score is lost and counted
        if len(audios) == 1:
            return [error]
    return [value for audio in audios for value in _predicted(predictor, [audio])]


def _refusal(predictor: MosPredictor, asked: _Asked) -> Score | None:
    """A score without a value, if the answer is none, is no speech, or is in a language that was not checked."""
    answer = asked.answer
    if answer.state is not State.ANSWERED or answer.audio is None:
        return _without_value(predictor, answer, answer.status, answer.reason, answer.failure)
    failure = speech_failure(answer.audio)
    if failure is not None and failure.is_no_answer:
        return _without_value(predictor, answer, Status.UNSCORED, describe_failure(failure, answer.audio), failure)
    if asked.language not in predictor.languages:
        reason = f"{predictor.identity} is not checked for {asked.language or 'an unknown language'}, only for "
        return _without_value(predictor, answer, Status.UNSCORED, reason + ", ".join(predictor.languages), None)
    return None


def _predicted_score(predictor: MosPredictor, answer: Answer, value: float | Exception) -> Score:
    if isinstance(value, Exception):
        reason = f"{predictor.identity} broke: {type(value).__name__}: {value}"
        return _without_value(predictor, answer, Status.FAILED, reason, None)
    assert answer.audio is not None
    flag = answer_failure(answer.audio)
    note = f"; {describe_failure(flag, answer.audio)}" if flag else ""
    if answer.audio.sample_rate_hz < SAMPLE_RATE_HZ:
        note += f"; recorded at {answer.audio.sample_rate_hz} Hz, which a predictor hears as dull"
    return Score(
        metric=predictor.metric,
        value=value,
        reason=f"predicted from {answer.audio.duration_s:.1f} s of sound{note}",
        judge=predictor.identity,
        turn=answer.turn,
        failure=flag,
    )


def _without_value(
    predictor: MosPredictor, answer: Answer, status: Status, reason: str, failure: Failure | None
) -> Score:
    return Score(
        metric=predictor.metric,
        value=None,
        status=status,
        reason=reason,
        judge=predictor.identity,
        turn=answer.turn,
        failure=failure,
    )


class DistillMos:
    """Distill-MOS, naturalness: the `distillmos` package, which carries its weights."""

    metric = "speech"
    languages = LANGUAGES

    WINDOW_SAMPLES = 122_880
    HOP_SAMPLES = 16_000

    @cached_property
    def identity(self) -> str:
        """Such as "distillmos@0.9.1"."""
        return f"distillmos@{importlib.metadata.version('distillmos')}"

    @cached_property
    def _model(self) -> Any:
        import torch

        module = _import_distillmos()
        model = module.ConvTransformerSQAModel(load_weights=False, segmenting_in_forward=False)
        # Loaded here, because the package prints a line to stdout, which is for data.
        weights = torch.load(module.DEFAULT_WEIGHTS_CHKPT, map_location="cpu", weights_only=True)
        model.load_state_dict(weights["model"])
        return model.eval()

    def predict(self, audios: Sequence[Audio]) -> list[float]:
        """Means over windows of 7.7 s; shorter answers are filled up with silence, as the predictor was trained.

        The windows of all recordings go through the network in batches of eight.
        """
        import torch

        windows = [self._windows(audio.resampled(SAMPLE_RATE_HZ).samples) for audio in audios]
        stacked = np.concatenate(windows)
        values = []
        with torch.inference_mode():
            for start in range(0, len(stacked), BATCH_WINDOWS):
                values.append(self._model(torch.from_numpy(stacked[start : start + BATCH_WINDOWS])).reshape(-1))
        means = np.split(torch.cat(values).numpy(), np.cumsum([len(part) for part in windows])[:-1])
        return [round(float(part.mean()), 4) for part in means]

    def _windows(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Evenly spread windows, at most a second apart in short answers, shape (n_windows, 122880)."""
        n_over = max(0, len(samples) - self.WINDOW_SAMPLES)
        n_windows = min(-(-n_over // self.HOP_SAMPLES) + 1, MAX_WINDOWS)
        padded = np.pad(samples, (0, max(0, self.WINDOW_SAMPLES - len(samples))))
        starts = [int(share * n_over) for share in np.linspace(0, 1, n_windows)]
        return np.stack([padded[start : start + self.WINDOW_SAMPLES] for start in starts])


class DnsMos:
    """DNSMOS P.835, overall: freedom from noise, by Microsoft's network."""

    metric = "noise"
    languages = LANGUAGES

    MODEL_FILE = "sig_bak_ovr.onnx"
    WINDOW_S = 9.01
    # The network's raw overall score to the scale of its listening test, as published with it: highest power first.
    OVERALL_POLYNOMIAL = (-0.06766283, 1.11546468, 0.04602535)

    def __init__(self, folder: Path) -> None:
        """Take note of the weights.

        Args:
            folder: holds `sig_bak_ovr.onnx`, as DNS-Challenge and the speechmos package have it.

        Raises:
            MissingWeights: it does not.
        """
        self._path = folder / self.MODEL_FILE
        if not self._path.is_file():
            raise MissingWeights(f"no {self.MODEL_FILE} in {folder}; it comes with: aqaa-eval fetch dnsmos")

    @cached_property
    def identity(self) -> str:
        """Such as "dnsmos@269fbebd-25dBFS": hash of the weights, and the level that speech is brought to."""
        digest = hashlib.sha256(self._path.read_bytes()).hexdigest()
        return f"dnsmos@{digest[:8]}{SPEECH_LEVEL_DBFS:.0f}dBFS"

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the same sums in the same order on every machine
        return onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])

    def predict(self, audios: Sequence[Audio]) -> list[float]:
        """The overall scores of the answers at a level of -25 dBFS of their speech."""
        return [round(self.overall(at_speech_level(audio).resampled(SAMPLE_RATE_HZ).samples), 4) for audio in audios]

    def overall(self, samples: NDArray[np.float32]) -> float:
        """The score of samples as they are, as speechmos computes it for up to 40 s.

        Args:
            samples: 16 kHz, shape (n_samples,), at least one.
        """
        n_window = int(self.WINDOW_S * SAMPLE_RATE_HZ)
        while len(samples) < n_window:
            samples = np.concatenate([samples, samples])
        starts = self._starts(len(samples))
        raw = [
            self._session.run(None, {"input_1": samples[None, start : start + n_window]})[0][0][2] for start in starts
        ]
        return float(np.mean(np.polyval(self.OVERALL_POLYNOMIAL, np.asarray(raw, np.float64))))

    def _starts(self, n_samples: int) -> list[int]:
        """First samples of the windows, a second apart.

        Upstream cuts windows by seconds in floating point; some come out a sample short, and it leaves those out. So
        do we, to give its numbers.
        """
        n_window = int(self.WINDOW_S * SAMPLE_RATE_HZ)
        n_hops = int(n_samples // SAMPLE_RATE_HZ - self.WINDOW_S) + 1
        starts = [
            hop * SAMPLE_RATE_HZ
            for hop in range(n_hops)
            if int((hop + self.WINDOW_S) * SAMPLE_RATE_HZ) - hop * SAMPLE_RATE_HZ >= n_window
        ]
        picked = np.linspace(0, len(starts) - 1, min(len(starts), MAX_WINDOWS)).round().astype(int)
        return [starts[index] for index in picked]


def at_speech_level(audio: Audio) -> Audio:
    """Bring the speech in a recording to -25 dBFS (root mean square), or as near as its peak allows."""
    rate_hz = audio.sample_rate_hz
    parts = [audio.samples[int(s.start_s * rate_hz) : int(s.end_s * rate_hz)] for s in speech_segments(audio)]
    spoken = np.concatenate(parts) if parts else audio.samples
    level = float(np.sqrt(np.mean(np.square(spoken, dtype=np.float64))))
    peak = float(np.abs(audio.samples).max())
    if level == 0.0:
        return audio
    gain = min(10 ** (SPEECH_LEVEL_DBFS / 20) / level, PEAK_LIMIT / peak)
    return Audio(samples=audio.samples * np.float32(gain), sample_rate_hz=rate_hz)


def _import_distillmos() -> Any:
    """The package's network. Its module imports torchaudio for its command line only; ours must not have it at all."""
    name = "torchaudio"
    if name in sys.modules:
        return importlib.import_module("distillmos.sqa")
    sys.modules[name] = types.ModuleType(name)
    try:
        return importlib.import_module("distillmos.sqa")
    finally:
        del sys.modules[name]  # left there, it would break the import of transformers
