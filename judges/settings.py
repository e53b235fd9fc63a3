"""Settings of language-model judges: `--judge-set name=value` for all, `openai:MODEL.name=value` for one of them.

Never a secret: keys come from the environment, by the name in `api_key_env`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runspec import OptionValue, describe_validation
from aqaa_eval.judges.budget import Prices
from aqaa_eval.judges.endpoint import KEY_VARIABLE
from aqaa_eval.judges.panel import PanelRule, Rule
from aqaa_eval.judges.retry import RetryPolicy


class JudgeSettings(BaseModel):
    """All settings, with their defaults.

    Attributes:
        base_url: server of an `openai:` judge (`--judge-url`); OpenAI's own without it.
        api_key_env: environment variable that holds its key.
        temperature: of the judge's model; above 0 with `repeats`.
        seed: sent along; each repeat and second try has another one.
        max_tokens: of one reply.
        timeout_s: for one try of an `openai:` judge.
        item_timeout_s: for one verdict, all tries and pauses together.
        attempts: tries for one reply, the first included.
        backoff_s: longest pause after the first failure; doubles from try to try.
        second_tries: how often an invalid reply is asked for again.
        concurrency: replies under way at once per server.
        price_in: per million tokens read, in any currency.
        price_out: per million tokens written.
        cost_limit: of one command, in that currency; none without it.
        repeats: verdicts per judge; their mean counts.
        panel: how several judges become one score: mean, median or vote.
        quorum: judges that must give a verdict; more than half without it.
        acoustics: whether the judge reads what was measured in the sound.
        reference: whether it sees references, notes and checklists.
        conversation: whether Factuality, Relevance and Chat are asked for too (a second verdict per conversation).
        logprobs: whether to ask for log-probabilities, for levels between the levels.
        schema_: whether to send the JSON schema (`schema=false` for servers that choke on it).
        anchors: whether 20 answers of known worth are graded along with every batch of an `openai:` judge.
        calibration: file of `aqaa-eval calibrate --write`: scores are laid onto people's scale.
        device: of an `hf:` judge.
        dtype: that an `hf:` judge computes in; auto is float32 on a CPU and bfloat16 elsewhere, int8 is the quickest on
            a CPU.
        reason_tokens: of an `hf:` judge's reason; with 0 it grades at once, several times as fast.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)

    base_url: str | None = None
    api_key_env: str = KEY_VARIABLE
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0
    max_tokens: Annotated[int, Field(ge=16)] = 400
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    item_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    attempts: Annotated[int, Field(ge=1)] = 6
    backoff_s: Annotated[float, Field(gt=0)] = 1.0
    second_tries: Annotated[int, Field(ge=0, le=5)] = 1
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    price_in: Annotated[float, Field(ge=0)] = 0.0
    price_out: Annotated[float, Field(ge=0)] = 0.0
    cost_limit: Annotated[float, Field(gt=0)] | None = None
    repeats: Annotated[int, Field(ge=1)] = 1
    panel: Rule = Rule.MEAN
    quorum: Annotated[int, Field(ge=1)] | None = None
    acoustics: bool = True
    reference: bool = True
    conversation: bool = True
    logprobs: bool = True
    schema_: Annotated[bool, Field(alias="schema")] = True
    anchors: bool = True
    calibration: str | None = None
    device: str = "cpu"
    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    reason_tokens: Annotated[int, Field(ge=0, le=400)] = 80

    @property
    def retry(self) -> RetryPolicy:
        """Patience with a server."""
        return RetryPolicy(
            n_attempts=self.attempts,
            first_pause_s=self.backoff_s,
            timeout_s=self.timeout_s,
            item_timeout_s=self.item_timeout_s,
        )

    @property
    def prices(self) -> Prices:
        """What tokens cost."""
        return Prices(prompt=self.price_in, reply=self.price_out)

    @property
    def panel_rule(self) -> PanelRule:
        """How several judges decide."""
        return PanelRule(rule=self.panel, quorum=self.quorum)


def settings_of(name: str, options: Mapping[str, OptionValue], *, names: Sequence[str] = ()) -> JudgeSettings:
    """The settings of one judge: those for all, overruled by those with its name before the dot.

    Args:
        name: the judge, "openai:gpt-4o"; "" for what concerns all of them.
        options: as given.
        names: all judges of the run, so that a misspelt one is told.

    Raises:
        UsageError: a setting is unknown or out of range, or names another judge.

    >>> settings_of("openai:a", {"seed": 1, "openai:a.seed": 2}, names=["openai:a"]).seed
    2
    """
    common: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, value in options.items():
        judge, dot, setting = key.rpartition(".")
        if dot and judge not in names:
            raise UsageError(f"--judge-set {key}: no judge named {judge!r} in this run; judges: {', '.join(names)}")
        if not dot:
            common[key] = value
        elif judge == name:
            own[setting] = value
    try:
        settings = JudgeSettings.model_validate({**common, **own})
    except ValidationError as error:
        known = [field.alias or key for key, field in JudgeSettings.model_fields.items()]
        told = describe_validation(error, name="--judge-set")
        raise UsageError(f"{told}\nsettings of a judge: {', '.join(known)}") from error
    if settings.cost_limit is not None and not (settings.price_in or settings.price_out):
        raise UsageError(
            "cost_limit needs prices: --judge-set price_in=... --judge-set price_out=... (per million tokens)"
        )
    return settings
