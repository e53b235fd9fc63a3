"""Whether a suite can be run as it stands: schema, hashes, recordings, and demands that can be met.

Loading a suite checks its text; this also opens every recording, and looks for what no single field tells.
"""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from aqaa_eval.core.card import Card
from aqaa_eval.core.errors import AudioError, DataError
from aqaa_eval.core.sample import CheckSpec, Sample, Turn
from aqaa_eval.tasks.checks import CHECKS
from aqaa_eval.tasks.finding import Finding
from aqaa_eval.tasks.manifest import MANIFEST_NAME, Manifest, parse_manifest
from aqaa_eval.tasks.suite import CARD_NAME, parse_card, read_part

MIN_PEAK = 0.003  # -50 dBFS: below it lies the noise of a room, not a question
DURATION_TOLERANCE_S = 0.05  # manifests round, and Opus works in frames of 20 ms


def validate_suite(root: Traversable | Path) -> list[Finding]:
    """All that is wrong with a suite; empty if it can be run.

    Args:
        root: the folder, in a package or on disk.
    """
    if not root.is_dir():
        return [Finding(file=str(root), line=0, message="no such folder; a suite is a folder with card.yaml")]
    findings: list[Finding] = []
    card_name, name = f"{root.name}/{CARD_NAME}", f"{root.name}/{MANIFEST_NAME}"
    card = _parsed_card(root, card_name)
    if isinstance(card, Finding):
        findings.append(card)
    manifest = _read(root, MANIFEST_NAME, name)
    if isinstance(manifest, Finding):
        return [*findings, manifest]
    suite_id = root.name if isinstance(card, Finding) else card.id
    samples, faults = parse_manifest(manifest, Manifest(suite=suite_id, root=root, name=name))
    findings += faults
    lines = _lines_by_id(manifest, samples)
    for sample in samples:
        findings += _sample_findings(sample, name, lines[sample.id])
    if isinstance(card, Card):
        findings += _card_findings(card, samples, card_name)
    return findings


def _sample_findings(sample: Sample, name: str, line: int) -> list[Finding]:
    findings = []
    for index, turn in enumerate(sample.turns):
        path = f"turns[{index}]"
        message = _audio_fault(turn)
        if message:
            findings.append(Finding(file=name, line=line, field=f"{path}.audio", message=message))
        for place, check in enumerate(turn.checks):
            message = _check_fault(check, index)
            if message:
                findings.append(Finding(file=name, line=line, field=f"{path}.checks[{place}]", message=message))
    if not any(turn.checks or turn.rubric or turn.reference for turn in sample.turns):
        findings.append(Finding(file=name, line=line, field="turns", message="no turn has checks, rubric or reference"))
    return findings


def _audio_fault(turn: Turn) -> str:
    """What is wrong with a turn's recording; "" if nothing is."""
    if turn.audio is None:
        return ""
    try:
        audio = turn.audio.load()
    except AudioError as error:
        return str(error)
    stated_s = turn.audio.duration_s
    if stated_s is not None and abs(audio.duration_s - stated_s) > DURATION_TOLERANCE_S:
        name, length_s = turn.audio.path.name, audio.duration_s
        return f"{name} is {length_s:.2f} s long and {stated_s:.2f} s is stated; correct duration_s"
    peak = float(np.abs(audio.samples).max())
    if peak < MIN_PEAK:
        return f"{turn.audio.path.name} is silent (peak {peak:.5f}, at least {MIN_PEAK} needed); record it again"
    return ""


def _check_fault(check: CheckSpec, turn_index: int) -> str:
    """Why a demand cannot be met; "" if it can."""
    if CHECKS[check.name].compares and turn_index == 0:
        return f"{check.name} compares with the turn before, and this is the first turn; move it to a later one"
    words, n = check.params.get("words"), check.params.get("n")
    if isinstance(words, tuple) and isinstance(n, int) and n > len(words):
        return f"{check.name} asks for {n} of a set of {len(words)}; give more words or a smaller n"
    wrong = check.params.get("but_not")
    both = set(words) & set(wrong) if isinstance(words, tuple) and isinstance(wrong, tuple) else set()
    if both:
        return f"{check.name} asks for {sorted(map(str, both))[0]!r} and forbids it; take it out of one list"
    return ""


def _card_findings(card: Card, samples: tuple[Sample, ...], name: str) -> list[Finding]:
    """Weights and languages that the conversations do not bear out."""
    turns = [turn for sample in samples for turn in sample.turns]
    parts = {check.part for turn in turns for check in turn.checks}
    spoken = {tag for turn in turns for tag in (turn.language, turn.answer_language)}
    findings = []
    if turns and card.weights.get("delivery") and "delivery" not in parts:
        message = "delivery has a weight and no conversation a check of delivery; add one or take the weight out"
        findings.append(Finding(file=name, line=1, field="weights", message=message))
    for tag in sorted(spoken - set(card.languages)):
        message = f"{tag!r} is spoken in {MANIFEST_NAME} and not listed; add it"
        findings.append(Finding(file=name, line=1, field="languages", message=message))
    return findings


def _parsed_card(root: Traversable | Path, name: str) -> Card | Finding:
    encoded = _read(root, CARD_NAME, name)
    return encoded if isinstance(encoded, Finding) else parse_card(encoded, name=name)


def _read(root: Traversable | Path, file: str, name: str) -> bytes | Finding:
    try:
        return read_part(root, file)
    except DataError as error:
        return Finding(file=name, line=0, message=str(error).removeprefix(f"{name}: "))


def _lines_by_id(manifest: bytes, samples: tuple[Sample, ...]) -> dict[str, int]:
    """Line of each conversation, from its id; 0 if it cannot be told."""
    lines = manifest.split(b"\n")
    return {
        sample.id: next((n for n, text in enumerate(lines, 1) if f'"{sample.id}"'.encode() in text), 0)
        for sample in samples
    }
