"""The ways in which one judge is asked about the same items; what it said is kept and not asked again."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.judges.asker import Asker, AskerSettings
from aqaa_eval.judges.budget import Endpoint, Purse
from aqaa_eval.judges.cache import VerdictCache
from aqaa_eval.judges.endpoint import Call, Reply, Unreachable
from aqaa_eval.judges.local import LocalModel, LocalProvider
from aqaa_eval.judges.prompt import Prompt, build_prompt
from aqaa_eval.judges.retry import RetryPolicy
from aqaa_eval.judges.rubric import load_rubric
from aqaa_eval.judges.verdict import Verdict
from tests.bench.agreement_items import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way of asking.

    Attributes:
        reference: whether the judge sees the reference.
        acoustics: whether it sees what was measured.
        reason_tokens: of the reason that it gives before the level; 0 for none.
    """

    name: str
    reference: bool = True
    acoustics: bool = True
    reason_tokens: int = 0


ARMS = (
    Arm(name="levels"),
    Arm(name="levels, no reference", reference=False),
    Arm(name="levels, no measurements", acoustics=False),
    Arm(name="schema", reason_tokens=40),
)
BLOCK = 27
"""One question of each suite: three answers to nine questions."""
FIRST_BLOCKS = 2

Said = dict[int, Verdict]
"""Verdicts by the item's place in the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Which judge is asked, and how long.

    Attributes:
        source: what stands after hf:.
        out: folder of the verdicts.
        minutes: after which nothing more is asked.
        dtype: that the model computes in.
    """

    source: str
    out: Path
    minutes: float
    dtype: str


class UntilProvider:
    """A local judge that is asked nothing more after a moment of the monotonic clock."""

    is_local = True

    def __init__(self, inner: LocalProvider, *, until_s: float) -> None:
        self._inner = inner
        self._until_s = until_s
        self.name, self.identity, self.address = inner.name, inner.identity, inner.address

    async def complete(self, call: Call) -> Reply:
        if time.monotonic() > self._until_s:
            raise Unreachable("the time for this measurement is up", is_final=True)
        return await self._inner.complete(call)

    async def close(self) -> None:
        await self._inner.close()


def in_order(n_items: int) -> Iterator[tuple[Arm, range]]:
    """What is asked first: the first arm, then some whole blocks of every other one, then the rest.

    >>> [(arm.name, len(places)) for arm, places in in_order(216)][:3]
    [('levels', 216), ('levels, no reference', 54), ('levels, no measurements', 54)]
    """
    few = min(n_items, FIRST_BLOCKS * BLOCK)
    yield ARMS[0], range(n_items)
    for places in (range(few), range(few, n_items)):
        for arm in ARMS[1:]:
            yield arm, places


def ask_all(items: Sequence[Item], order: Iterable[tuple[Arm, range]], *, how: Measurement) -> dict[Arm, Said]:
    """What is in order, as far as the time goes; what lies in the cache is not asked again."""
    how.out.mkdir(parents=True, exist_ok=True)
    cache = VerdictCache(how.out / "verdicts.sqlite")
    until_s = time.monotonic() + 60 * how.minutes
    model = LocalModel(how.source, dtype=how.dtype)
    found: dict[Arm, Said] = {arm: {} for arm in ARMS}

    async def run() -> None:
        askers = {arm: _asker(arm, model, cache=cache, until_s=until_s) for arm in ARMS}
        for arm, places in order:
            for place in places:
                outcome = await askers[arm].ask(_prompt(items[place], arm))
                if isinstance(outcome, Verdict):
                    found[arm][place] = outcome
                if place % 9 == 8:
                    print(f"{arm.name}: {len(found[arm])} of {place + 1}", file=sys.stderr, flush=True)

    try:
        asyncio.run(run())
    finally:
        cache.close()
    return found


def _asker(arm: Arm, model: LocalModel, *, cache: VerdictCache, until_s: float) -> Asker:
    provider = UntilProvider(LocalProvider(model, max_reason_tokens=arm.reason_tokens), until_s=until_s)
    settings = AskerSettings(retry=RetryPolicy().without_limits())
    return Asker(provider, settings=settings, endpoint=Endpoint(concurrency=1), purse=Purse(), cache=cache)


def _prompt(item: Item, arm: Arm) -> Prompt:
    rubric = load_rubric(item.suite)
    scales = tuple(scale for scale in rubric.scales if scale.name == item.scale)
    return build_prompt(item.case(acoustics=arm.acoustics), rubric, scales, shows_reference=arm.reference)
