"""What judging may take: replies under way at once per server, and money per command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class BudgetSpent(Exception):
    """The next reply could cost more than what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a judge's tokens cost, in the currency of the limit.

    Attributes:
        prompt: per million tokens read.
        reply: per million tokens written.
    """

    prompt: float = 0.0
    reply: float = 0.0

    def cost(self, n_prompt_tokens: int, n_reply_tokens: int) -> float:
        """Cost of one reply.

        >>> Prices(prompt=2.0, reply=10.0).cost(1_000_000, 100_000)
        3.0
        """
        return (self.prompt * n_prompt_tokens + self.reply * n_reply_tokens) / 1e6


@dataclass(slots=True, kw_only=True)
class Usage:
    """What judging took so far, of this command.

    Attributes:
        n_calls: requests sent.
        n_retries: of them, those after a failed one.
        n_second_tries: of them, those after a reply that was no verdict.
        n_cached: verdicts that had been bought before.
        cost: in the currency of the prices, requests that were cut off counted in full.
    """

    n_calls: int = 0
    n_retries: int = 0
    n_second_tries: int = 0
    n_cached: int = 0
    n_prompt_tokens: int = 0
    n_reply_tokens: int = 0
    cost: float = 0.0

    def describe(self) -> str:
        """One line for people.

        >>> Usage(n_calls=3, n_cached=1, n_prompt_tokens=900, n_reply_tokens=90).describe()
        'judge: 3 requests (0 again after a failure, 0 after an invalid reply), 1 verdict from before, 900 + 90 tokens'
        """
        told = (
            f"judge: {self.n_calls} request{'s' * (self.n_calls != 1)} ({self.n_retries} again after a failure, "
            f"{self.n_second_tries} after an invalid reply), {self.n_cached} verdict{'s' * (self.n_cached != 1)} from "
            f"before, {self.n_prompt_tokens} + {self.n_reply_tokens} tokens"
        )
        return f"{told}, cost {self.cost:.4g}" if self.cost else told

    def brief(self) -> str:
        """A few words: the cost where prices are known, else the tokens; "" of nothing.

        >>> Usage(n_prompt_tokens=900, n_reply_tokens=90).brief(), Usage(cost=0.0123).brief(), Usage().brief()
        ('990 tokens', 'cost 0.0123', '')
        """
        if self.cost:
            return f"cost {self.cost:.3g}"
        n_tokens = self.n_prompt_tokens + self.n_reply_tokens
        return f"{n_tokens:,} tokens" if n_tokens else ""


class Purse:
    """Money for one command, shared by all judges. Used on one event loop only."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self.usage = Usage()
        self._reserved = 0.0

    def reserve(self, worst_cost: float) -> None:
        """Set aside what a reply may cost at the most.

        Raises:
            BudgetSpent: there is not that much left.
        """
        if self.limit is not None and self.usage.cost + self._reserved + worst_cost > self.limit:
            raise BudgetSpent(
                f"judge budget spent: {self.usage.cost:.4g} of {self.limit:g} (cost_limit), and the next reply may "
                f"cost {worst_cost:.2g}; the same command goes on with a new budget"
            )
        self._reserved += worst_cost

    def settle(self, worst_cost: float, *, cost: float) -> None:
        """Book what a reply cost, and free what was set aside for it."""
        self._reserved -= worst_cost
        self.usage.cost += cost


class Endpoint:
    """One server, shared by all judges that ask it: replies under way at once, and pauses that it asks for."""

    def __init__(self, *, concurrency: int) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._closed_until_s = 0.0
        self.concurrency = concurrency

    def pause(self, seconds: float) -> None:
        """Send nothing more for a while: the server asked for it, whoever's request it answered."""
        self._closed_until_s = max(self._closed_until_s, time.monotonic() + seconds)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a place among the replies under way."""
        async with self._slots:
            while (wait_s := self._closed_until_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            yield
