"""Held-out questions of the tiny domain as suites, one per capability, to measure what training has taught."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from aqaa_eval.cli.training_checks import checks_of
from aqaa_eval.cli.training_studio import ASKERS, OfflineStudio, bundled_questions, phrase_of
from aqaa_eval.core.audio import from_samples
from aqaa_eval.core.card import Card
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.ogg import encode_opus
from aqaa_eval.reference_model.training.domain.pairs import HELD_OUT, TRAIN, DomainPair, draw, normal_form
from aqaa_eval.reference_model.training.speech_store import Studio, Take
from aqaa_eval.tasks.manifest import MANIFEST_NAME
from aqaa_eval.tasks.speaking.studio import OPUS_LEVEL, measured
from aqaa_eval.tasks.suite import BUNDLED, CARD_NAME, bundled_suite, load_suite

VOICES_PER_CASE = 2
_DELIVERY = {"voice_control": 0.5, "singing": 1.0}
"""Share of the manner in a suite's score; elsewhere the words alone count."""


def write_items(
    folder: Path,
    *,
    per_suite: int,
    seed: int,
    studio: Studio | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Speak held-out questions into nine suites, `folder/gaming` and so on, which `--suite FOLDER` runs.

    Args:
        folder: is made; suites that are there are written anew.
        per_suite: questions of each capability.
        seed: of the choice, and of the questions' voices, rates, pitches and noise.
        studio: who asks; the offline voices if not given.
        watch: told how many questions of how many are spoken.

    Returns:
        The suites' folders.

    Raises:
        UsageError: a capability has fewer held-out questions, or a voice is not installed.
    """
    asks = studio or OfflineStudio()
    chosen = choose(held_out_pairs(seed), per_suite=per_suite, seed=seed)
    by_capability = {name: [pair for pair in chosen if pair.capability == name] for name in BUNDLED}
    roots, n_done = [], 0
    for capability, pairs in by_capability.items():
        root = folder / capability
        rows = []
        for row in _rows(root, pairs, asks):
            rows.append(row)
            n_done += 1
            if watch:
                watch(n_done, len(chosen))
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (root / MANIFEST_NAME).write_text("".join(lines), encoding="utf-8")
        card = yaml.safe_dump(_card(capability, seed).model_dump(mode="json"), allow_unicode=True, sort_keys=False)
        (root / CARD_NAME).write_text(card, encoding="utf-8")
        load_suite(root, strict=True)
        roots.append(root)
    return roots


def held_out_pairs(seed: int) -> list[DomainPair]:
    """Pairs whose question training never hears: another wording, another voice, and none of a bundled suite."""
    askers = [replace(asker, weight=1) for asker in ASKERS]
    drawn = list(draw(askers, voices_per_case=VOICES_PER_CASE, forbidden=bundled_questions(), seed=seed))
    trained = {normal_form(pair.question) for pair in drawn if pair.split == TRAIN}
    return [pair for pair in drawn if pair.split == HELD_OUT and normal_form(pair.question) not in trained]


def choose(pairs: Sequence[DomainPair], *, per_suite: int, seed: int) -> list[DomainPair]:
    """As many pairs of each capability, evenly over templates and manners; one question again only if all are in.

    Raises:
        UsageError: a capability has fewer.
    """
    if per_suite < 1:
        raise UsageError(f"--per-suite {per_suite}: at least one question per suite")
    rng = np.random.default_rng(seed)
    chosen: list[DomainPair] = []
    for capability in BUNDLED:
        kinds: dict[object, list[DomainPair]] = defaultdict(list)
        for pair in pairs:
            if pair.capability == capability:
                kinds[pair.template, pair.manner].append(pair)
        n_there = sum(map(len, kinds.values()))
        if n_there < per_suite:
            raise UsageError(
                f"--per-suite {per_suite}: {capability} has {n_there} held-out questions; give at most that"
            )
        dealt = _dealt([_new_ones_first([kind[i] for i in rng.permutation(len(kind))]) for kind in kinds.values()])
        chosen += dealt[:per_suite]
    return chosen


def _new_ones_first(pairs: Iterable[DomainPair]) -> list[DomainPair]:
    """First one of every question and answer, then those that another voice asks again."""
    seen: Counter[tuple[str, str]] = Counter()
    rounds = []
    for pair in pairs:
        rounds.append((seen[pair.question, pair.answer], pair))
        seen[pair.question, pair.answer] += 1
    return [pair for _, pair in sorted(rounds, key=lambda entry: entry[0])]


def _dealt(piles: Sequence[Sequence[DomainPair]]) -> list[DomainPair]:
    """One from each pile in turn, until all are empty."""
    longest = max(map(len, piles))
    return [pile[place] for place in range(longest) for pile in piles if place < len(pile)]


def _rows(root: Path, pairs: Sequence[DomainPair], studio: Studio) -> Iterable[dict[str, object]]:
    folder = root / "audio"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.ogg"):
        stale.unlink()
    for number, pair in enumerate(pairs):
        name = f"{pair.template}_{number:03d}"
        encoded = clip(studio.ask(pair))
        (folder / f"{name}.ogg").write_bytes(encoded)
        yield {"id": name, "turns": [{"audio": f"audio/{name}.ogg"} | measured(encoded) | _told(pair)]}


def clip(take: Take) -> bytes:
    """A recording as a suite stores it: the same bytes for the same sound."""
    return encode_opus(from_samples(take.samples, sample_rate_hz=take.sample_rate_hz), level=OPUS_LEVEL)


def _told(pair: DomainPair) -> dict[str, object]:
    phrase = phrase_of(pair.answer, pair.manner)
    performance = {} if phrase.is_plain else {"performance": [phrase.model_dump(mode="json", exclude_defaults=True)]}
    return {
        "voice": pair.asker,
        "text": pair.question,
        "language": pair.language,
        "answer_language": "en",
        "reference": pair.answer,
        **performance,
        "checks": [{"name": check.name, "params": dict(check.params), "part": check.part} for check in checks_of(pair)],
    }


def _card(capability: str, seed: int) -> Card:
    bundled = bundled_suite(capability).card
    share = _DELIVERY.get(capability, 0.0)
    weights = {"content": 1.0 - share, "delivery": share}
    return Card(
        id=f"tiny_{capability}",
        title=f"{bundled.title} (tiny domain)",
        measures="Short spoken questions of the kinds that the tiny reference model is trained on, in wordings and by "
        "voices that its training never hears.",
        languages=("en", "ja") if capability == "language_ability" else ("en",),
        weights={part: weight for part, weight in weights.items() if weight},
        scoring="MOS = 1 + 4 x the share of checks passed, per conversation and part; the parts are averaged by the "
        "weights. Rate and pitch are held against a plain reading by the voice that the answers are taught in, a "
        "woman's of about 230 Hz.",
        licence=bundled.licence,
        source=f"the tiny domain of this project, seed {seed}; {bundled.source.rpartition('; ')[2]}",
        version="1",
    )
