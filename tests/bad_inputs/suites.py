"""Suites to be spoiled: a folder with a card, one good recording, and rows that a test writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.bad_inputs.sounds import encoded

CARD = """\
id: spoiled
title: Spoiled
measures: what a reader does
languages: [en]
weights: {content: 1.0}
scoring: none
licence: CC0-1.0
source: made by code
version: "1"
"""


def make_suite(root: Path, lines: Iterable[bytes], *, card: str = CARD) -> Path:
    """A suite's folder, beside which there is something to be reached."""
    (root / "audio").mkdir(parents=True)
    (root / "card.yaml").write_text(card, encoding="utf-8")
    (root / "samples.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    good = encoded("WAV", "PCM_16")
    (root / "audio" / "good.wav").write_bytes(good)
    outside = root.with_name("outside")
    outside.mkdir(exist_ok=True)
    (outside / "a.wav").write_bytes(good)
    (root / "audio" / "link.wav").symlink_to(outside / "a.wav")
    (root / "out").symlink_to(outside)
    return root
