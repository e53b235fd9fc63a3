"""No preference optimisation, plain DPO on every token, and DPO with the audio tokens masked out.

The paper's finding: plain DPO makes speech and text drift apart, and leaving the audio out of the sums does not. Three
things are measured: whether the speech says the text (on answers), how often a right answer is preferred to a wrong
one, and how far the policy has moved from the reference policy on text and on audio tokens (both on held-out pairs).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from aqaa_eval.ablations.design import Arm, Design, against_first, with_claims
from aqaa_eval.ablations.held_out import HeldOut
from aqaa_eval.ablations.measures import AGREEMENT, CONTENT, RUN_MEASURES
from aqaa_eval.ablations.published import PAPER
from aqaa_eval.core.errors import ModelError
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.reference_model.layout import parse_layout
from aqaa_eval.reference_model.model import StepAudioAQAA
from aqaa_eval.reference_model.training.losses import learnt_logits
from aqaa_eval.reference_model.training.packing import lay_out
from aqaa_eval.reference_model.training.rows import CodedExample, write_row
from aqaa_eval.reports.ablation import Claim, Measure, Unit

STAGES = ("sft1", "dpo_plain", "dpo")
REFERENCE = "sft1"
LAYOUT = "interleave_10_15"
VERSION = "1"
_TITLES = {"sft1": "no DPO (SFT 1)", "dpo_plain": "plain DPO", "dpo": "masked DPO"}

WIN = Measure(
    key="win",
    title="Win rate",
    note="held-out questions whose right answer the model finds likelier, per text token, than a wrong one",
    unit=Unit.SHARE,
    is_binary=True,
    smallest=0.05,
)
TEXT_DRIFT = Measure(
    key="drift_text",
    title="Drift, text tokens",
    note="Kullback-Leibler divergence from the reference policy, nats per text token of held-out answers",
    unit=Unit.NUMBER,
    higher_is_better=False,
    smallest=0.02,
)
AUDIO_DRIFT = Measure(
    key="drift_audio",
    title="Drift, audio tokens",
    note="the same per audio token",
    unit=Unit.NUMBER,
    higher_is_better=False,
    smallest=0.02,
)
PROBED = (WIN, TEXT_DRIFT, AUDIO_DRIFT)

_CLAIMS = (
    ("Plain DPO lets speech drift from text", AGREEMENT, "sft1", "dpo_plain"),
    ("Masked DPO keeps speech and text together where plain DPO does not", AGREEMENT, "dpo", "dpo_plain"),
    ("Masked DPO moves the audio tokens less than plain DPO", AUDIO_DRIFT, "dpo", "dpo_plain"),
    ("Masked DPO prefers right answers more often than no DPO", WIN, "dpo", "sft1"),
    ("Masked DPO answers better than no DPO", CONTENT, "dpo", "sft1"),
)


def preference_design(runs: Mapping[str, RunSpec], missing: Mapping[str, str]) -> Design:
    """The design.

    Args:
        runs: by stage, of those that are there.
        missing: stages that are not, with reasons.
    """
    claims = tuple(
        Claim(says=says, measure=measure.key, better=better, worse=worse, source=PAPER.partition(":")[0])
        for says, measure, better, worse in _CLAIMS
    )
    return Design(
        name="preference",
        title="Preference optimisation",
        question="what does DPO bring, and what does it break if audio tokens are in its sums?",
        arms=tuple(Arm(name=name, title=_TITLES[name], spec=spec) for name, spec in runs.items()),
        comparisons=with_claims(against_first(list(runs)), claims),
        measures=(*PROBED, *RUN_MEASURES),
        claims=claims,
        missing=missing,
        notes=("The paper reports the finding without figures.",),
    )


class ReferencePolicy:
    """What the reference policy foretells of the held-out answers; kept while all arms ask for one item."""

    def __init__(self, model: StepAudioAQAA, held_out: HeldOut) -> None:
        self.model, self._held_out = model, held_out
        self.identity = model.fingerprint()
        self.log_probs = lru_cache(maxsize=4)(self._log_probs)
        """Log-probabilities of all tokens at the positions of the right answer, [N, V], by item."""

    def _log_probs(self, item: str) -> Tensor:
        return _foretold(self.model, self._held_out.item(item).chosen)[0]


class PreferenceProbe:
    """One arm against the reference policy."""

    def __init__(self, model: StepAudioAQAA, reference: ReferencePolicy, held_out: HeldOut) -> None:
        self._model, self._reference, self._held_out = model, reference, held_out
        self._identity = f"preference@{VERSION}:{model.fingerprint()} from {reference.identity}"

    @property
    def identity(self) -> str:
        """Weights of the policy and of the reference."""
        return self._identity

    def measure(self, item: str) -> Mapping[str, float]:
        """Whether the right answer wins, and the drift by kind of token.

        Raises:
            ModelError: the item cannot be written in the layout.
        """
        found = self._held_out.item(item)
        try:
            policy, wanted = _foretold(self._model, found.chosen)
            rejected = self._text_log_prob(*_foretold(self._model, found.rejected))
            reference = self._reference.log_probs(item)
        except ValueError as error:
            raise ModelError(str(error)) from error
        is_audio = self._is_audio(wanted)
        drift = functional.kl_div(policy, reference, reduction="none", log_target=True).sum(-1)
        values = {WIN.key: float(self._text_log_prob(policy, wanted) > rejected)}
        for measure, kind in ((TEXT_DRIFT, ~is_audio), (AUDIO_DRIFT, is_audio)):
            if bool(kind.any()):
                values[measure.key] = max(0.0, float(drift[kind].mean()))
        return values

    def _is_audio(self, wanted: Tensor) -> Tensor:
        first = self._model.vocabulary.first_audio_id
        return wanted >= first

    def _text_log_prob(self, log_probs: Tensor, wanted: Tensor) -> float:
        chosen = log_probs.gather(-1, wanted[:, None])[:, 0]
        return float(chosen[~self._is_audio(wanted)].mean())


def _foretold(model: StepAudioAQAA, example: CodedExample) -> tuple[Tensor, Tensor]:
    """Log-probabilities at the positions of the answer, [N, V], and its tokens, [N]."""
    row = write_row(
        example, parse_layout(LAYOUT), vocabulary=model.vocabulary, convention=model.config.prompt_convention
    )
    with torch.inference_mode():
        logits, wanted = learnt_logits(model.backbone, lay_out([[row]], len(row)))
        return functional.log_softmax(logits.float(), -1), wanted
