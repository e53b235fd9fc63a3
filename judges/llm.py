"""The language-model judge: reads a conversation with its rubric, its reference and what was measured in the sound.

Two verdicts per conversation: the suite's rubric (content, delivery and speech, apart, 1 to 5) and the conversation's
(Factuality and Relevance, yes or no, and Chat, 1 to 5). Several models make a panel. What it costs, how it fails and
what is never guessed stands in README.md.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from aqaa_eval.core.attempt import Attempt, Evidence, Score, Status
from aqaa_eval.core.failure import Failure
from aqaa_eval.judges.anchors import AnchorWatch
from aqaa_eval.judges.answers import State, find_answers
from aqaa_eval.judges.asker import Asker, Lost
from aqaa_eval.judges.background import BackgroundLoop
from aqaa_eval.judges.budget import Purse, Usage
from aqaa_eval.judges.cache import VerdictCache
from aqaa_eval.judges.case import Case, Channel, NothingToRead, make_case
from aqaa_eval.judges.endpoint import Provider
from aqaa_eval.judges.panel import PanelRule, Rule, combine, disagreement
from aqaa_eval.judges.prompt import VERSION, Prompt, build_prompt
from aqaa_eval.judges.rubric import CONVERSATION, load_rubric, rubrics_hash
from aqaa_eval.judges.sound import Sound, answer_sounds
from aqaa_eval.judges.verdict import Scale, Verdict

METRICS = {
    "content": "content",
    "delivery": "delivery",
    "speech": "judge_speech",  # `speech` is what a MOS predictor hears in the sound
    "factuality": "factuality",
    "relevance": "relevance",
    "chat": "chat",
}
DISAGREEMENT = "disagreement"
FAILURE_ORDER = (Failure.JUDGE_UNREACHABLE, Failure.JUDGE_REFUSED, Failure.JUDGE_INVALID)
"""Of several reasons for a missing verdict the first is told: an unreachable judge is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """What is judged and how verdicts become scores.

    Attributes:
        channel: which text is read: the transcript of the speech, or what the model wrote.
        acoustics: whether the sound's measurements are shown; without them delivery is not judged.
        reference: whether references, notes and checklists are shown.
        conversation: whether Factuality, Relevance and Chat are judged.
        repeats: verdicts per model.
        concurrency: conversations that may be judged at once.
    """

    channel: Channel = "audio"
    acoustics: bool = True
    reference: bool = True
    conversation: bool = True
    repeats: int = 1
    panel: PanelRule = field(default_factory=PanelRule)
    concurrency: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opinion:
    """What one model says on one prompt: a verdict or its loss per repeat."""

    judge: str
    outcomes: tuple[Verdict | Lost, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, Verdict)]

    @property
    def losses(self) -> list[Lost]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, Lost)]

    def value(self, scale: Scale) -> float | None:
        """Mean over the repeats, of which more than half must be there; a yes or no by vote."""
        values = [verdict.value(scale) for verdict in self.verdicts]
        if len(values) <= len(self.outcomes) // 2:
            return None
        return combine(values, Rule.VOTE if scale.is_binary else Rule.MEAN)


class LlmJudge:
    """One model, or a panel of them. `judge` may be called from several threads at once."""

    is_slow = True  # worth a thread of its own beside the other judges

    def __init__(
        self,
        askers: Sequence[Asker],
        *,
        settings: LlmSettings,
        purse: Purse,
        cache: VerdictCache | None = None,
        watch: AnchorWatch | None = None,
    ) -> None:
        """Make the judge.

        Args:
            askers: one per model, over one purse and one cache.
            settings: see there.
            purse: for the account of what it took.
            cache: closed with the judge.
            watch: has anchors graded beside what is judged.
        """
        self._askers = tuple(askers)
        self._settings = settings
        self._purse = purse
        self._cache = cache
        self._watch = watch
        self._loop = BackgroundLoop()
        self._providers: list[Provider] = [asker.provider for asker in askers]

    @property
    def identity(self) -> str:
        """Prompts and rubrics by version and hash, settings, and every model."""
        s = self._settings
        shown = "".join(f"+{name}" for name in ("acoustics", "reference", "conversation") if getattr(s, name))
        models = " ".join(asker.identity for asker in self._askers)
        repeats = f"/x{s.repeats}" if s.repeats > 1 else ""
        panel = f"/{s.panel.rule} of quorum {s.panel.needed(len(self._askers))}" if len(self._askers) > 1 else ""
        return f"llm@{VERSION}/{s.channel}/rubrics-{rubrics_hash()}{shown}{repeats}{panel}[{models}]"

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it scores."""
        names = tuple(METRICS[scale.name] for scale in self._scales())
        return (*names, DISAGREEMENT) if len(self._askers) > 1 else names

    @property
    def concurrency(self) -> int:
        """How many conversations it takes at once."""
        return self._settings.concurrency

    @property
    def usage(self) -> Usage:
        """What it took so far."""
        return self._purse.usage

    @property
    def usages(self) -> tuple[Usage, ...]:
        """The same, as chains of judges give it."""
        return (self._purse.usage,)

    @property
    def spent(self) -> str:
        """The cost so far, in a few words; at once."""
        return self._purse.usage.brief()

    @property
    def account(self) -> str:
        """What it took, and what became of the anchors, for people; waits for these."""
        told = self._loop.run(self._watch.finish()) if self._watch is not None else []
        return "\n".join([self.usage.describe(), *told])

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """All scores of a conversation; a verdict that is not there is a score with its reason."""
        broken = next((answer for answer in find_answers(attempt) if answer.state is State.BROKEN), None)
        if broken is not None:
            reason = f"turn {broken.turn + 1}: {str(broken.failure).replace('_', ' ')}: {broken.reason}"
            return self._all(Status.FAILED, reason, broken.failure)
        try:
            case = make_case(attempt, channel=self._settings.channel, measures_sound=self._settings.acoustics)
        except NothingToRead as error:
            return self._all(Status.UNSCORED, str(error), None)
        if case.is_empty:
            return self._floor(case)
        sounds = answer_sounds(attempt) if any(asker.hears for asker in self._askers) else ()
        prompts = self._prompts(case, sounds)
        opinions = self._loop.run(self._ask(prompts))
        by_scale = {
            scale.name: (scale, prompt, found)
            for prompt, found in zip(prompts, opinions, strict=True)
            for scale in prompt.form.scales
        }
        scores = [
            self._score(*by_scale[scale.name], case) if scale.name in by_scale else self._not_judged(scale)
            for scale in self._scales()
        ]
        return tuple(scores) if len(self._askers) == 1 else (*scores, self._disagreement(prompts[0], opinions[0]))

    def close(self) -> None:
        """Release connections and the cache."""
        if self._watch is not None:
            self._loop.run(self._watch.finish())
        self._loop.run(_close_all(self._providers))
        self._loop.close()
        if self._cache is not None:
            self._cache.close()

    def _scales(self) -> tuple[Scale, ...]:
        conversation = load_rubric(CONVERSATION).scales if self._settings.conversation else ()
        return (*load_rubric("common").scales, *conversation)

    def _prompts(self, case: Case, sounds: tuple[Sound, ...]) -> list[Prompt]:
        rubric = load_rubric(case.suite)
        all_hear = bool(sounds) and all(asker.hears for asker in self._askers)
        can_judge = {
            "delivery": case.has_sound or all_hear,
            "speech": self._settings.channel == "audio" or all_hear,
        }
        scales = tuple(scale for scale in rubric.scales if can_judge.get(scale.name, True))
        shows_reference = self._settings.reference
        prompts = [build_prompt(case, rubric, scales, shows_reference=shows_reference)]
        if self._settings.conversation:
            whole = load_rubric(CONVERSATION)
            prompts.append(build_prompt(case, whole, whole.scales, shows_reference=shows_reference))
        return [replace(prompt, sounds=sounds) for prompt in prompts]

    async def _ask(self, prompts: Sequence[Prompt]) -> list[list[_Opinion]]:
        """All models on all prompts, by prompt."""
        repeats = range(self._settings.repeats)
        errands = [asker.ask(prompt, repeat=n) for prompt in prompts for asker in self._askers for n in repeats]
        outcomes = iter(await asyncio.gather(*errands))
        if self._watch is not None and self.usage.n_calls:  # nothing was asked: there is nothing to watch
            self._watch.start()
        return [
            [_Opinion(judge=asker.name, outcomes=tuple(next(outcomes) for _ in repeats)) for asker in self._askers]
            for _ in prompts
        ]

    def _score(self, scale: Scale, prompt: Prompt, opinions: Sequence[_Opinion], case: Case) -> Score:
        values = {index: value for index, found in enumerate(opinions) if (value := found.value(scale)) is not None}
        needed = self._settings.panel.needed(len(opinions))
        if len(values) < needed:
            return self._lost(scale, opinions, f"{len(values)} of {len(opinions)} verdicts, {needed} needed")
        value = combine(list(values.values()), Rule.VOTE if scale.is_binary else self._settings.panel.rule)
        told = [f"{opinions[index].judge}: {opinions[index].verdicts[0].reason}" for index in values]
        missing = [f"{found.judge}: {found.losses[0].reason}" for found in opinions if found.losses]
        notes = [f"the answer speaks of grades ({words!r}), which had no say" for words in prompt.self_grades]
        return Score(
            metric=METRICS[scale.name],
            value=round(value, 6),
            reason=" | ".join([*told, *missing, *notes]),
            judge=self.identity,
            evidence=(
                *self._ticks(scale, opinions, case, prompt),
                *self._members(scale, values, opinions, value, case),
            ),
        )

    def _ticks(self, scale: Scale, opinions: Sequence[_Opinion], case: Case, prompt: Prompt) -> tuple[Evidence, ...]:
        if scale.name != "content" or not prompt.form.n_ticks:
            return ()
        verdicts = [verdict for opinion in opinions for verdict in opinion.verdicts]
        evidence = []
        for number, (turn, question) in enumerate(case.checklist):
            n_yes = sum(verdict.ticks[number] for verdict in verdicts)
            measured = f"{n_yes} of {len(verdicts)} verdicts say yes"
            evidence.append(Evidence(turn=turn, name=question, passed=2 * n_yes > len(verdicts), measured=measured))
        return tuple(evidence)

    def _members(
        self, scale: Scale, values: dict[int, float], opinions: Sequence[_Opinion], value: float, case: Case
    ) -> tuple[Evidence, ...]:
        """What each judge of a panel said; it passes if it is within one level of the panel."""
        if len(opinions) == 1:
            return ()
        last = len(case.turns) - 1
        reach = 0.5 if scale.is_binary else 1.0
        return tuple(
            Evidence(
                turn=last,
                name=f"{opinions[index].judge} agrees on {scale.name}",
                passed=abs(own - value) <= reach,
                measured=f"{own:.2f}, the panel {value:.2f}",
                part=scale.name,
            )
            for index, own in values.items()
        )

    def _disagreement(self, prompt: Prompt, opinions: Sequence[_Opinion]) -> Score:
        """Over the scales of the suite's rubric, in levels."""
        distances = []
        for scale in prompt.form.scales:
            distance = disagreement([value for found in opinions if (value := found.value(scale)) is not None])
            if distance is not None:
                distances.append(distance)
        if not distances:
            return self._missing(DISAGREEMENT, Status.UNSCORED, "fewer than two judges gave a verdict", None)
        reason = f"mean distance of {len(opinions)} judges over {len(distances)} scales, in levels"
        value = round(statistics.fmean(distances), 6)
        return Score(metric=DISAGREEMENT, value=value, reason=reason, judge=self.identity)

    def _lost(self, scale: Scale, opinions: Sequence[_Opinion], told: str) -> Score:
        losses = [loss for opinion in opinions for loss in opinion.losses]
        kinds = {loss.failure for loss in losses}
        failure = next(kind for kind in FAILURE_ORDER if kind in kinds)
        reasons = " | ".join(dict.fromkeys(loss.reason for loss in losses))
        reason = reasons if len(opinions) == 1 else f"{told}: {reasons}"
        return self._missing(METRICS[scale.name], Status.FAILED, reason, failure)

    def _not_judged(self, scale: Scale) -> Score:
        if scale.name == "delivery" and not self._settings.acoustics:
            reason = "the judge was given no measurements of the sound (acoustics=false)"
        elif scale.name == "delivery":
            reason = "there is no sound to measure the delivery by"
        else:
            reason = "the speech shows in transcripts only; judge the channel audio"
        return self._missing(METRICS[scale.name], Status.UNSCORED, reason, None)

    def _floor(self, case: Case) -> tuple[Score, ...]:
        """Nothing was answered: the lowest grade, with the kind; no model has to be asked for that."""
        failure, reason = case.turns[0].failure, f"no answer in any turn: {case.turns[0].missing}"
        scores = []
        for scale in self._scales():
            if scale.name == "speech":
                scores.append(self._missing(METRICS[scale.name], Status.UNSCORED, reason, failure))
                continue
            low = float(scale.low)
            scores.append(
                Score(metric=METRICS[scale.name], value=low, reason=reason, judge=self.identity, failure=failure)
            )
        if len(self._askers) > 1:
            scores.append(self._missing(DISAGREEMENT, Status.UNSCORED, reason, failure))
        return tuple(scores)

    def _all(self, status: Status, reason: str, failure: Failure | None) -> tuple[Score, ...]:
        return tuple(self._missing(metric, status, reason, failure) for metric in self.metrics)

    def _missing(self, metric: str, status: Status, reason: str, failure: Failure | None) -> Score:
        return Score(metric=metric, value=None, status=status, reason=reason, judge=self.identity, failure=failure)


async def _close_all(providers: Sequence[Provider]) -> None:
    for provider in providers:
        await provider.close()
