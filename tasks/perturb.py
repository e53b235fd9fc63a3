"""`--perturb noise:10dB`: the same questions under worse conditions, changed when they are read, the same every time.

What is drawn (the noise, the room, the lost packets) comes from the run's seed, the conversation and the turn, so every
repeat and every model hears the same. What the model heard is what the run stores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import numpy as np

from aqaa_eval.core.audio import Audio, encode_audio
from aqaa_eval.core.card import Card
from aqaa_eval.core.errors import AudioError, UnknownName, UsageError
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.protocols import Suite
from aqaa_eval.core.sample import AudioFile, Sample, Source, Turn

NOISES = ("white", "pink", "babble")
N_TALKERS = 6
MAX_FLAC_HZ = 192_000
MIN_DURATION_S = 0.02
Talkers = Callable[[int], list[np.ndarray]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to change a question.

    Attributes:
        unit: of its amount, as it may be written behind the number.
        low: smallest amount.
        high: largest amount.
        default: amount where none is given; None if it must be.
        example: how it is written.
    """

    unit: str
    low: float
    high: float
    default: float | None
    example: str


KINDS: Mapping[str, Kind] = {
    "noise": Kind(unit="dB", low=-20, high=60, default=None, example="noise:10dB, noise:10dB:pink, noise:5dB:babble"),
    "reverb": Kind(unit="s", low=0.1, high=3, default=0.6, example="reverb, reverb:0.8s"),
    "telephone": Kind(unit="", low=0, high=0, default=0, example="telephone"),
    "packet-loss": Kind(unit="%", low=0, high=90, default=None, example="packet-loss:10%"),
    "clipping": Kind(unit="%", low=0, high=50, default=None, example="clipping:5%"),
    "gain": Kind(unit="dB", low=-60, high=40, default=None, example="gain:-20dB"),
    "speed": Kind(unit="x", low=0.5, high=2, default=None, example="speed:1.2x"),
}
_AMOUNT = re.compile(r"([-+]?\d+(?:\.\d+)?)\s*(\D*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """One change of the sound.

    Attributes:
        name: in `KINDS`.
        amount: in the kind's unit.
        variety: which noise; "" of other kinds.
    """

    name: str
    amount: float
    variety: str = ""


def parse_perturbations(texts: Sequence[str]) -> tuple[Perturbation, ...]:
    """Read what `--perturb` was given, in the order in which it is done.

    Raises:
        UnknownName, UsageError: there is no such change, or its amount is missing, malformed or out of range.

    >>> parse_perturbations(["noise:10dB"])
    (Perturbation(name='noise', amount=10.0, variety='white'),)
    """
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Perturbation:
    name, *rest = (part.strip() for part in text.split(":"))
    if name not in KINDS:
        raise UnknownName("perturbation", name, KINDS)
    kind = KINDS[name]
    n_parts = 2 if name == "noise" else 1 if kind.unit else 0
    if len(rest) > n_parts:
        raise UsageError(f"--perturb {text}: {rest[n_parts]!r} is too much; write it as {kind.example}")
    variety = (rest[1] if len(rest) > 1 else NOISES[0]) if name == "noise" else ""
    if variety and variety not in NOISES:
        raise UsageError(f"--perturb {text}: no noise named {variety!r}; there is {', '.join(NOISES)}")
    return Perturbation(name=name, amount=_amount(text, rest[0] if rest else "", kind), variety=variety)


def _amount(text: str, given: str, kind: Kind) -> float:
    if not given:
        if kind.default is None:
            raise UsageError(f"--perturb {text}: say how much, such as {kind.example}")
        return kind.default
    found = _AMOUNT.fullmatch(given)
    if found is None or found.group(2).strip().lower() not in ("", kind.unit.lower()):
        raise UsageError(f"--perturb {text}: {given!r} is no number of {kind.unit}; write it as {kind.example}")
    amount = float(found.group(1))
    if not kind.low <= amount <= kind.high:
        raise UsageError(
            f"--perturb {text}: {amount:g} {kind.unit} is outside {kind.low:g} to {kind.high:g} {kind.unit}"
        )
    return amount


def perturb(audio: Audio, changes: Sequence[Perturbation], *, seed: int, talkers: Talkers | None = None) -> Audio:
    """The sound after all changes, one after the other.

    Args:
        audio: the question.
        changes: in order.
        seed: of all that is drawn.
        talkers: gives other people's speech at a sample rate, for babble.

    Raises:
        AudioError: the question is shorter than 20 ms, or silent where noise is asked for, or there are no talkers for
            babble.
    """
    for place, change in enumerate(changes):
        if audio.duration_s < MIN_DURATION_S:
            raise AudioError(f"{1000 * audio.duration_s:.1f} ms are too short to be changed; a question has 20 or more")
        rng = np.random.default_rng([seed, place])
        audio = replace(audio, samples=_changed(audio, change, rng, talkers))
    return audio


def _changed(audio: Audio, change: Perturbation, rng: np.random.Generator, talkers: Talkers | None) -> np.ndarray:
    from aqaa_eval.tasks import degrade  # scipy takes a while to load: only for runs that change something

    samples, rate_hz = audio.samples, audio.sample_rate_hz
    match change.name:
        case "noise":
            noise = _noise(change.variety, audio, rng, talkers)
            return degrade.add_noise(samples, noise, snr_db=change.amount, sample_rate_hz=rate_hz)
        case "reverb":
            return degrade.reverberate(samples, degrade.room_response(change.amount, rate_hz, rng), rate_hz)
        case "telephone":
            return degrade.telephone(samples, rate_hz)
        case "packet-loss":
            return degrade.lose_packets(samples, share=change.amount / 100, sample_rate_hz=rate_hz, rng=rng)
        case "clipping":
            return degrade.clip(samples, share=change.amount / 100)
        case "gain":
            return degrade.change_gain(samples, gain_db=change.amount)
        case _:
            return degrade.change_speed(samples, factor=change.amount, sample_rate_hz=rate_hz)


def _noise(variety: str, audio: Audio, rng: np.random.Generator, talkers: Talkers | None) -> np.ndarray:
    from aqaa_eval.tasks import degrade

    n = len(audio.samples)
    if variety == "white":
        return degrade.white_noise(n, rng)
    if variety == "pink":
        return degrade.pink_noise(n, rng)
    found = talkers(audio.sample_rate_hz) if talkers else []
    if not found:
        raise AudioError("babble is made of the suite's other questions, and there is none to be read; take pink noise")
    return degrade.babble(n, found, audio.sample_rate_hz, rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbed:
    """A recording that is changed when it is read; matches `aqaa_eval.core.sample.Source`."""

    original: AudioFile
    changes: tuple[Perturbation, ...]
    seed: int
    others: tuple[AudioFile, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The original's name, as FLAC."""
        return f"{PurePosixPath(self.original.path.name).stem}.flac"

    def read_bytes(self) -> bytes:
        """The changed sound, encoded.

        Raises:
            AudioError: the original cannot be used, or cannot be changed so.
        """
        changed = perturb(self.original.load(), self.changes, seed=self.seed, talkers=self._talkers)
        if changed.sample_rate_hz > MAX_FLAC_HZ:
            changed = changed.resampled(MAX_FLAC_HZ)
        return encode_audio(changed)

    def _talkers(self, sample_rate_hz: int) -> list[np.ndarray]:
        """Six other questions, or as many as can be read."""
        found: list[np.ndarray] = []
        for other in self.others:
            try:
                samples = other.load().resampled(sample_rate_hz).samples
            except AudioError:
                continue  # told where it is asked itself; here another talker stands in
            if samples.any():
                found.append(samples)
            if len(found) == N_TALKERS:
                break
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbedSuite:
    """A suite whose questions are changed; card, ids and data are those of the clean one.

    Attributes:
        seed_of: a seed for one named thing, from the run's own.
    """

    suite: Suite
    changes: tuple[Perturbation, ...]
    seed_of: Callable[..., int]

    @property
    def card(self) -> Card:
        """Of the clean suite."""
        return self.suite.card

    @property
    def data_hash(self) -> str:
        """Of the clean suite: what is done to it stands in the run's spec."""
        return self.suite.data_hash

    @property
    def not_run(self) -> Sequence[NotRun]:
        """Of the clean suite."""
        return self.suite.not_run

    def samples(self) -> Iterator[Sample]:
        """The conversations, their recordings to be changed when they are read."""
        clean = list(self.suite.samples())
        sounds = [turn.audio for sample in clean for turn in sample.turns[:1] if turn.audio is not None]
        needs_talkers = any(change.variety == "babble" for change in self.changes)
        for sample in clean:
            own = {id(turn.audio) for turn in sample.turns}
            others = [sound for sound in sounds if id(sound) not in own] if needs_talkers else []
            turns = tuple(self._turn(sample, index, others) for index in range(len(sample.turns)))
            yield replace(sample, turns=turns)

    def _turn(self, sample: Sample, index: int, others: list[AudioFile]) -> Turn:
        turn = sample.turns[index]
        if turn.audio is None:
            return turn
        seed = self.seed_of("perturb", sample.suite, sample.id, index)
        order = np.random.default_rng(seed).permutation(len(others))[: 2 * N_TALKERS]
        source: Source = Perturbed(
            original=turn.audio, changes=self.changes, seed=seed, others=tuple(others[place] for place in order)
        )
        return replace(turn, audio=AudioFile(path=source))
