"""Turns a script into recordings and a manifest, every file the same each time where the voice is."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

from aqaa_eval.core.audio import Audio, read_audio
from aqaa_eval.core.errors import DataError
from aqaa_eval.core.ogg import encode_opus
from aqaa_eval.tasks.checks import parse_check
from aqaa_eval.tasks.manifest import MANIFEST_NAME
from aqaa_eval.tasks.speaking import sounds
from aqaa_eval.tasks.speaking.script import (
    SCRIPT_NAME,
    Beeps,
    Noise,
    Part,
    Pause,
    SampleScript,
    Spoken,
    Tones,
    TurnScript,
    read_script,
)
from aqaa_eval.tasks.speaking.voices import speak

_JOIN_S = 0.15
_BABBLE = (
    ("flite:slt", "We could meet at the station at half past seven and walk along the river to the old mill."),
    ("flite:rms", "He told me the shop would open again in spring, after they have painted all the walls."),
    ("flite:awb", "There were more people at the market today than I have ever seen on a rainy morning."),
    ("hibari", "My sister plays the cello, and her neighbours say they like it, at least in the daytime."),
)

OPUS_LEVEL = 0.93  # 3 to 4 kB per second of speech


def speak_suite(root: Path, *, keep: bool = False) -> int:
    """Speak a suite's script into its `audio/` and write its manifest.

    Args:
        root: the suite's folder.
        keep: leave recordings whose words and voice are as before (a change of rate or noise is not seen).

    Returns:
        How many recordings there are.

    Raises:
        DataError: the script is wrong.
        UsageError: a voice's program is not installed.
    """
    folder = root / "audio"
    folder.mkdir(exist_ok=True)
    kept = _kept(root) if keep else {}
    rows, written = [], set()
    for sample in read_script(root / SCRIPT_NAME):
        turns = []
        for index, turn in enumerate(sample.turns):
            path = folder / f"{sample.id}_{index + 1}.ogg"
            told = describe(sample, turn)
            if kept.get(path.name) != (told["voice"], told["text"]) or not path.exists():
                audio = record(sample, turn, seed_name=f"{root.name}/{sample.id}/{index}")
                path.write_bytes(encode_opus(audio, level=OPUS_LEVEL))
            written.add(path)
            turns.append({"audio": f"audio/{path.name}"} | measured(path.read_bytes()) | told)
        rows.append({"id": sample.id, "turns": turns})
    for stale in set(folder.glob("*.ogg")) - written:
        stale.unlink()
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (root / MANIFEST_NAME).write_text("".join(lines), encoding="utf-8")
    return len(written)


def measured(encoded: bytes) -> dict[str, object]:
    """Hash and length of a recording, as the manifest states them."""
    duration_s = round(read_audio(encoded).duration_s, 3)
    return {"sha256": hashlib.sha256(encoded).hexdigest(), "duration_s": duration_s}


def _kept(root: Path) -> dict[str, tuple[str, str]]:
    """Voice and words of each recording, by the manifest that is there."""
    path = root / MANIFEST_NAME
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    turns = [turn for line in lines for turn in json.loads(line)["turns"]]
    return {Path(turn["audio"]).name: (turn["voice"], turn["text"]) for turn in turns}


def describe(sample: SampleScript, turn: TurnScript) -> dict[str, object]:
    """What the manifest says of a turn, its recording aside."""
    fields: dict[str, object] = {
        "voice": turn.voice or sample.voice,
        "text": turn.text,
        "language": turn.language,
        "answer_language": turn.answer_language or turn.language,
        "reference": turn.reference,
        "rubric": turn.rubric,
        "checklist": list(turn.checklist) or None,
        "performance": [phrase.model_dump(mode="json", exclude_defaults=True) for phrase in turn.performance] or None,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return given | {"checks": [_check(check) for check in turn.checks]}


def record(sample: SampleScript, turn: TurnScript, *, seed_name: str) -> Audio:
    """Make one recording: its parts in order, at one level, noise below.

    Args:
        sample: the conversation, for its voice, rate and noise.
        turn: the question.
        seed_name: a name from which the noise is drawn.
    """
    parts = []
    for index, part in enumerate(turn.parts):
        if index and not isinstance(part, Pause):
            parts.append(sounds.silence(_JOIN_S))
        parts.append(_sound(part, sample, turn))
    ground = turn.noise or sample.noise
    if ground is None:
        return sounds.finished(parts, None)
    return sounds.finished(parts, _ground(ground, sounds.padded_length(parts), seed_name))


def _sound(part: Part, sample: SampleScript, turn: TurnScript) -> sounds.Samples:
    match part:
        case Beeps():
            return sounds.beeps(part.beeps, part.hz)
        case Tones():
            return sounds.melody(part.tones, part.note_s)
        case Pause():
            return sounds.silence(part.pause_s)
        case str():
            part = Spoken(say=part)
    voice = part.voice or turn.voice or sample.voice
    rate = part.rate or turn.rate or sample.rate
    return sounds.levelled(speak(part.say, voice=voice, language=turn.language, rate=rate), gain_db=part.gain_db)


def _ground(noise: Noise, n_samples: int, seed_name: str) -> sounds.Samples:
    seed = int.from_bytes(hashlib.sha256(seed_name.encode()).digest()[:4], "big")
    level = 10 ** ((sounds.SPEECH_LEVEL_DBFS - noise.snr_db) / 20)
    voices = _babble_voices() if noise.kind == "babble" else ()
    return np.asarray(level * sounds.noise(noise.kind, n_samples, seed, voices), np.float32)


@cache
def _babble_voices() -> tuple[sounds.Samples, ...]:
    spoken = (speak(text, voice=voice, language="en", rate=1.0) for voice, text in _BABBLE)
    return tuple(sounds.levelled(audio, gain_db=0.0) for audio in spoken)


def _check(written: str | dict[str, dict[str, object]]) -> dict[str, object]:
    """A check as the manifest has it, from a script's `name` or `name: {arguments}`; `part` may be among them."""
    if isinstance(written, str):
        written = {written: {}}
    if len(written) != 1:
        raise DataError(f"one check per list item, got {sorted(written)}; put a '-' before each")
    ((name, given),) = written.items()
    params = {key: value for key, value in given.items() if key != "part"}
    row: dict[str, object] = {"name": name, "params": params} if params else {"name": name}
    part = given.get("part", parse_check(row).part)
    parse_check(row | {"part": part})
    return row | {"part": part}
