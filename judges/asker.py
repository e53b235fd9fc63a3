"""One verdict, come what may: from the cache, or from the model with retries, a second try and a budget.

What is not a verdict comes out as a `Lost` with its kind of failure; nothing is guessed and nothing vanishes.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import BaseModel, ConfigDict

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.failure import Failure
from aqaa_eval.judges.budget import BudgetSpent, Endpoint, Prices, Purse
from aqaa_eval.judges.cache import Bought, VerdictCache, VerdictKey
from aqaa_eval.judges.endpoint import Call, Provider, Reply, Unreachable
from aqaa_eval.judges.prompt import VERSION, Prompt, reminder
from aqaa_eval.judges.retry import RetryPolicy
from aqaa_eval.judges.sound import TOKENS_PER_S
from aqaa_eval.judges.verdict import InvalidReply, RefusedReply, Verdict, read_verdict

CHARACTERS_PER_TOKEN = 2  # at least, in the languages of the suites: for what a request may cost at the most


class Lost(BaseModel):
    """Why there is no verdict: JUDGE_INVALID, JUDGE_REFUSED or JUDGE_UNREACHABLE, with a sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    failure: Failure
    reason: str


class _Stored(BaseModel):
    """One of both, as it lies in the cache."""

    model_config = ConfigDict(extra="forbid")

    verdict: Verdict | None = None
    lost: Lost | None = None


@dataclass(slots=True, kw_only=True)
class _Errand:
    """One verdict on its way, with what it took so far."""

    key: VerdictKey
    prompt: Prompt
    deadline: asyncio.Timeout
    spent: Bought = field(default_factory=lambda: Bought(body=b""))

    def begin(self, limit_s: float | None) -> None:
        """Start the clock, once."""
        if limit_s is not None and self.deadline.when() is None:
            self.deadline.reschedule(asyncio.get_running_loop().time() + limit_s)

    def book(self, cost: float, reply: Reply | None = None) -> None:
        """Add what a request took."""
        self.spent = replace(
            self.spent,
            cost=self.spent.cost + cost,
            n_prompt_tokens=self.spent.n_prompt_tokens + (reply.n_prompt_tokens if reply else 0),
            n_reply_tokens=self.spent.n_reply_tokens + (reply.n_reply_tokens if reply else 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskerSettings:
    """How one judge is asked.

    Attributes:
        seed: sent to the model; the number of the repeat and of the try is added.
        second_tries: how often a reply that is no verdict is asked for again.
        max_tokens: of a reply, for what it may cost.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    prices: Prices = field(default_factory=Prices)
    seed: int = 0
    second_tries: int = 1
    max_tokens: int = 400


class Asker:
    """Gets verdicts from one provider. Used on one event loop."""

    def __init__(
        self,
        provider: Provider,
        *,
        settings: AskerSettings,
        endpoint: Endpoint,
        purse: Purse,
        cache: VerdictCache | None,
    ) -> None:
        self.provider = provider
        self._settings = settings
        self._endpoint = endpoint
        self._purse = purse
        self._cache = cache
        self._under_way: dict[VerdictKey, asyncio.Future[Verdict | Lost]] = {}
        self.hears: bool = getattr(provider, "hears", False)
        self.name = provider.name
        self.identity = f"{provider.identity}/seed{settings.seed}/tries{1 + settings.second_tries}"

    async def ask(self, prompt: Prompt, *, repeat: int = 0) -> Verdict | Lost:
        """The verdict on a prompt; the same one is bought once, also if it is asked for twice at a time."""
        prompt = prompt.heard if self.hears else prompt.read
        key = VerdictKey(
            judge=self.identity,
            prompt=_sha256(VERSION, prompt.system),
            input=_sha256(prompt.user, *(sound.sha256 for sound in prompt.sounds)),
            repeat=repeat,
        )
        known = self._known(key)
        if known is not None:
            return known
        if key in self._under_way:
            return await asyncio.shield(self._under_way[key])
        task = self._under_way[key] = asyncio.ensure_future(self._buy(key, prompt))
        try:
            return await asyncio.shield(task)
        finally:
            self._under_way.pop(key, None)

    def _known(self, key: VerdictKey) -> Verdict | Lost | None:
        body = self._cache.get(key) if self._cache else None
        if body is None:
            return None
        self._purse.usage.n_cached += 1
        stored = _Stored.model_validate_json(body)
        return stored.verdict or stored.lost

    async def _buy(self, key: VerdictKey, prompt: Prompt) -> Verdict | Lost:
        try:
            async with asyncio.timeout(None) as deadline:
                errand = _Errand(key=key, prompt=prompt, deadline=deadline)
                outcome = await self._converse(errand)
            if self._cache:
                await self._cache.put(key, replace(errand.spent, body=_body_of(outcome)))
        except TimeoutError:
            limit_s = self._settings.retry.item_timeout_s
            return _unreachable(f"{self.name}: no verdict within {limit_s} s, all tries together")
        except (Unreachable, BudgetSpent, DataError) as error:
            return _unreachable(str(error))
        return outcome

    async def _converse(self, errand: _Errand) -> Verdict | Lost:
        """Ask until the reply is a verdict, a refusal, or invalid once too often."""
        prompt, problem = errand.prompt, ""
        messages: list[Mapping[str, str]] = list(prompt.messages)
        for number in range(1 + self._settings.second_tries):
            seed = self._settings.seed + 1000 * errand.key.repeat + number
            self._purse.usage.n_second_tries += number > 0
            call = Call(messages=messages, form=prompt.form, seed=seed, sounds=prompt.sounds)
            reply = await self._reach(call, errand)
            if reply.refusal:
                return Lost(failure=Failure.JUDGE_REFUSED, reason=f"{self.name} declined: {reply.refusal[:200]}")
            try:
                return _read(reply, prompt, n_tries=number + 1)
            except RefusedReply as error:
                return Lost(failure=Failure.JUDGE_REFUSED, reason=f"{self.name}: {error}")
            except InvalidReply as error:
                problem = str(error)
                messages = [*prompt.messages, reminder(problem)]
        n_replies = 1 + self._settings.second_tries
        return Lost(failure=Failure.JUDGE_INVALID, reason=f"{self.name}: no verdict in {n_replies} replies: {problem}")

    async def _reach(self, call: Call, errand: _Errand) -> Reply:
        """One reply, tried again after failures that may pass."""
        policy = self._settings.retry
        draw = f"{errand.key.input}{errand.key.prompt}{call.seed}"
        for attempt in range(policy.n_attempts):
            self._purse.usage.n_retries += attempt > 0
            try:
                async with self._endpoint.slot():
                    errand.begin(policy.item_timeout_s)  # waiting for the first place is not the server's fault
                    return await self._pay_and_ask(call, errand)
            except Unreachable as error:
                if error.is_final or attempt + 1 == policy.n_attempts:
                    raise Unreachable(f"{error} (tried {attempt + 1} times)") from error
                asked_s = error.retry_after_s
            if asked_s is not None:
                self._endpoint.pause(asked_s)
            await asyncio.sleep(policy.pause_s(attempt, key=draw, asked_s=asked_s))
        raise AssertionError("the last attempt returns or raises")

    async def _pay_and_ask(self, call: Call, errand: _Errand) -> Reply:
        prices, usage = self._settings.prices, self._purse.usage
        n_most = sum(len(message["content"]) for message in call.messages) // CHARACTERS_PER_TOKEN
        n_most += int(sum(sound.duration_s for sound in call.sounds) * TOKENS_PER_S)
        worst = prices.cost(n_most, self._settings.max_tokens)
        self._purse.reserve(worst)
        cost = worst  # of a request that was cut off: the server may have answered it
        usage.n_calls += 1
        try:
            async with asyncio.timeout(self._settings.retry.timeout_s):
                reply = await self.provider.complete(call)
            cost = prices.cost(reply.n_prompt_tokens or n_most, reply.n_reply_tokens or self._settings.max_tokens)
            usage.n_prompt_tokens += reply.n_prompt_tokens
            usage.n_reply_tokens += reply.n_reply_tokens
        except TimeoutError as error:
            raise Unreachable(f"{self.name}: no reply within {self._settings.retry.timeout_s} s") from error
        except Unreachable as error:
            cost = worst if error.may_be_billed else 0.0
            raise
        finally:
            self._purse.settle(worst, cost=cost)
            errand.book(cost)
        errand.book(0.0, reply)
        return reply


def _read(reply: Reply, prompt: Prompt, *, n_tries: int) -> Verdict:
    if reply.is_cut:
        raise InvalidReply("it was longer than the limit of tokens")
    return read_verdict(reply.text, prompt.form, n_tries=n_tries, expected=reply.expected)


def _body_of(outcome: Verdict | Lost) -> bytes:
    stored = _Stored(verdict=outcome) if isinstance(outcome, Verdict) else _Stored(lost=outcome)
    return stored.model_dump_json(exclude_none=True).encode()


def _unreachable(reason: str) -> Lost:
    return Lost(failure=Failure.JUDGE_UNREACHABLE, reason=reason)


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
