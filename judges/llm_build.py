"""From `--judge openai:A,hf:B` and its settings to a judge: one model, or a panel over shared budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.judges.anchors import AnchorWatch
from aqaa_eval.judges.asker import Asker, AskerSettings
from aqaa_eval.judges.budget import Endpoint, Purse
from aqaa_eval.judges.cache import VerdictCache
from aqaa_eval.judges.calibrated import Calibrated, calibrated
from aqaa_eval.judges.case import Channel
from aqaa_eval.judges.endpoint import ChatEndpoint, ChatSettings, Provider
from aqaa_eval.judges.llm import LlmJudge, LlmSettings
from aqaa_eval.judges.settings import JudgeSettings, settings_of


def build(
    names: Sequence[str],
    options: Mapping[str, OptionValue],
    *,
    channel: Channel = "audio",
    verdicts: Path | None = None,
    anchors: Path | None = None,
) -> LlmJudge | Calibrated:
    """Make the judge of one or several models.

    Args:
        names: "openai:MODEL", "openai-audio:MODEL" or "hf:PATH_OR_NAME", each once.
        options: see `JudgeSettings`.
        channel: which text is judged.
        verdicts: where verdicts are kept; None keeps none.
        anchors: where the grades of the anchors are kept; None asks for none.

    Raises:
        UsageError: a setting is wrong, a key or a model is missing, a judge is named twice.
        MissingWeights: a local model is not on this machine.
        DataError: the file of verdicts cannot be used.
    """
    common = _common_settings(names, options)
    settings = [settings_of(name, options, names=names) for name in names]
    providers = [_provider(name, own) for name, own in zip(names, settings, strict=True)]
    purse = Purse(common.cost_limit)
    cache = VerdictCache(verdicts) if verdicts is not None else None
    endpoints: dict[str, Endpoint] = {}
    askers, watched = [], []
    for provider, own in zip(providers, settings, strict=True):
        most = 1 if provider.is_local else own.concurrency
        endpoint = endpoints.setdefault(provider.address, Endpoint(concurrency=most))
        asker_settings = _asker_settings(own, is_local=provider.is_local)
        askers.append(Asker(provider, settings=asker_settings, endpoint=endpoint, purse=purse, cache=cache))
        if not provider.is_local:
            watched.append(Asker(provider, settings=asker_settings, endpoint=endpoint, purse=purse, cache=None))
    llm = LlmSettings(
        channel=channel,
        acoustics=common.acoustics,
        reference=common.reference,
        conversation=common.conversation,
        repeats=common.repeats,
        panel=common.panel_rule,
        concurrency=max(endpoint.concurrency for endpoint in endpoints.values()),
    )
    watch = AnchorWatch(watched, anchors) if anchors is not None and common.anchors else None
    judge = LlmJudge(askers, settings=llm, purse=purse, cache=cache, watch=watch)
    if common.calibration is None:
        return judge
    try:
        return calibrated(judge, Path(common.calibration))
    except UsageError:
        judge.close()
        raise


def build_asker(name: str, options: Mapping[str, OptionValue], *, verdicts: Path | None = None) -> OneAsker:
    """One judge for questions of one's own, such as which of two answers is better.

    Raises:
        UsageError, MissingWeights, DataError: as `build`.
    """
    settings = settings_of(name, options, names=[name])
    provider = _provider(name, settings)
    purse = Purse(settings.cost_limit)
    cache = VerdictCache(verdicts) if verdicts is not None else None
    endpoint = Endpoint(concurrency=1 if provider.is_local else settings.concurrency)
    asker_settings = _asker_settings(settings, is_local=provider.is_local)
    asker = Asker(provider, settings=asker_settings, endpoint=endpoint, purse=purse, cache=cache)
    return OneAsker(asker=asker, cache=cache, purse=purse)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneAsker:
    """A judge that is asked on the caller's event loop, and closed there."""

    asker: Asker
    cache: VerdictCache | None
    purse: Purse

    async def close(self) -> None:
        """Release connections and the cache."""
        await self.asker.provider.close()
        if self.cache is not None:
            self.cache.close()


def _common_settings(names: Sequence[str], options: Mapping[str, OptionValue]) -> JudgeSettings:
    doubles = sorted({name for name in names if list(names).count(name) > 1})
    if doubles:
        raise UsageError(f"--judge names {doubles[0]} twice; several verdicts of one model: --judge-set repeats=3")
    common = settings_of("", options, names=names)
    if common.quorum is not None and common.quorum > len(names):
        raise UsageError(f"quorum {common.quorum} of {len(names)} judges can never be met; give at most {len(names)}")
    return common


def _provider(name: str, settings: JudgeSettings) -> Provider:
    head, _, model = name.partition(":")
    if head == "hf":
        from aqaa_eval.judges.local import LocalModel, LocalProvider

        n_reason = min(settings.reason_tokens, settings.max_tokens)
        local = LocalModel(model, device=settings.device, dtype=settings.dtype)
        return LocalProvider(local, max_reason_tokens=n_reason)
    chat = ChatSettings(
        model=model,
        base_url=settings.base_url,
        api_key_env=settings.api_key_env,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        logprobs=settings.logprobs,
        sends_schema=settings.schema_,
        hears=head == "openai-audio",
    )
    return ChatEndpoint(chat)


def _asker_settings(settings: JudgeSettings, *, is_local: bool) -> AskerSettings:
    retry = settings.retry
    if is_local:  # a model on this machine takes the time that it takes
        retry = retry.without_limits()
    return AskerSettings(
        retry=retry,
        prices=settings.prices,
        seed=settings.seed,
        second_tries=settings.second_tries,
        max_tokens=settings.max_tokens,
    )
