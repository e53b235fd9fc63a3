"""The ways in which one judge is asked about the same items; what it said is kept and not asked again."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.judges.asker import Asker, AskerSettings
from aqaa_eval.judges.budget import Endpoint, Purse
from aqaa_eval.judges.cache import VerdictCache
from aqaa_eval.judges.endpoint import Call, Provider, Reply, Unreachable
from aqaa_eval.judges.local import LocalProvider
from aqaa_eval.judges.prompt import build_prompt
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
"""The cheap ones first."""

Said = dict[int, Verdict]
"""Verdicts by the item's place in the list."""


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


async def ask(items: Sequence[Item], arm: Arm, *, provider: Provider, cache: VerdictCache) -> Said:
    """The verdicts of one arm, as far as the provider gives them; what lies in the cache is not asked again."""
    asker = Asker(
        provider,
        settings=AskerSettings(retry=RetryPolicy().without_limits()),
        endpoint=Endpoint(concurrency=1),
        purse=Purse(),
        cache=cache,
    )
    said: Said = {}
    for place, item in enumerate(items):
        rubric = load_rubric(item.suite)
        scales = tuple(scale for scale in rubric.scales if scale.name == item.scale)
        case = item.case(acoustics=arm.acoustics)
        outcome = await asker.ask(build_prompt(case, rubric, scales, shows_reference=arm.reference))
        if isinstance(outcome, Verdict):
            said[place] = outcome
        if place % 12 == 11:
            print(f"{arm.name}: {len(said)} of {place + 1}", file=sys.stderr, flush=True)
    return said


def ask_all(items: Sequence[Item], *, source: str, out: Path, minutes: float, dtype: str = "int8") -> dict[Arm, Said]:
    """All arms in order, as far as the time goes."""
    out.mkdir(parents=True, exist_ok=True)
    cache = VerdictCache(out / "verdicts.sqlite")
    until_s = time.monotonic() + 60 * minutes
    found: dict[Arm, Said] = {}

    async def run() -> None:
        for n_tokens in dict.fromkeys(arm.reason_tokens for arm in ARMS):
            # One model in memory at a time; it is loaded only if something is left to ask.
            local = LocalProvider(source, dtype=dtype, max_reason_tokens=n_tokens)
            provider = UntilProvider(local, until_s=until_s)
            for arm in ARMS:
                if arm.reason_tokens == n_tokens:
                    found[arm] = await ask(items, arm, provider=provider, cache=cache)

    try:
        asyncio.run(run())
    finally:
        cache.close()
    return found
