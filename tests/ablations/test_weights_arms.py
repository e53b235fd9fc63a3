from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aqaa_eval.ablations.codebooks import (
    LINGUISTIC_PPL,
    RESYNTHESIS_WER,
    SEMANTIC_PPL,
    SIMILARITY,
    CodebookProbe,
    Listening,
    codebooks_design,
)
from aqaa_eval.ablations.findings import find
from aqaa_eval.ablations.held_out import HeldOut
from aqaa_eval.ablations.merge import PAPER_MERGE, merge_design, merged_folders, simplex
from aqaa_eval.ablations.preference import (
    AUDIO_DRIFT,
    STAGES,
    TEXT_DRIFT,
    WIN,
    PreferenceProbe,
    ReferencePolicy,
    preference_design,
)
from aqaa_eval.ablations.probing import Probe, probe_arms
from aqaa_eval.ablations.weights import find_stages, load_stages
from aqaa_eval.core.attempt import Transcript
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError, UsageError
from aqaa_eval.core.protocols import Clip
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.metrics.effects import Verdict
from aqaa_eval.reference_model.training.streams import Streams
from tests.ablations.models import ToneStudio, pairs, save_stages
from tests.engine.builders import Watcher


class Deaf:
    """Hears the first word of every answer."""

    identity = "deaf@1"

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        return [Transcript(text="four", language="en", confidence=1.0, asr=self.identity) for _ in clips]


def one_voice(audio: Audio) -> NDArray[np.float32]:
    return np.array([1.0, 0.0], np.float32)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_stages(tmp_path_factory.mktemp("models"), ("sft1", "dpo_plain", "dpo", "sft2"))


def test_codebooks_are_measured_on_the_same_codes_and_nothing_is_measured_twice(stages: Path, tmp_path: Path) -> None:
    models = load_stages({"dual": stages / "sft1", "linguistic": stages / "dpo", "semantic": stages / "sft2"})
    studio = ToneStudio()
    held_out = HeldOut(pairs(), studio, models["dual"].tokenizer)
    listening = Listening(transcriber=Deaf(), voice_of=one_voice, voice_identity="one@1")
    probes = {name: CodebookProbe(model, Streams(name), held_out, listening) for name, model in models.items()}
    measured = probe_arms(probes, held_out.keys, tmp_path / "probes.sqlite", progress=Watcher())
    assert measured.is_complete
    assert set(measured.values[LINGUISTIC_PPL.key]) == {"dual", "linguistic"}
    assert set(measured.values[SEMANTIC_PPL.key]) == {"dual", "semantic"}
    # Random weights foretell nothing: about as many choices as the vocabulary has.
    n_tokens = models["dual"].vocabulary.size
    assert all(
        0.3 * n_tokens < math.exp(value) < 3 * n_tokens
        for arm in measured.values[LINGUISTIC_PPL.key].values()
        for value in arm.values()
    )
    assert measured.values[RESYNTHESIS_WER.key]["dual"]["q0"] == pytest.approx(0.5)  # "four" of "four apples"
    assert measured.values[SIMILARITY.key]["semantic"]["q1"] == 1.0
    n_spoken = len(studio.spoken)
    again = probe_arms(probes, held_out.keys, tmp_path / "probes.sqlite", progress=Watcher())
    assert again.values == measured.values
    assert len(studio.spoken) == n_spoken
    findings = find(codebooks_design({}), measured)
    assert {result.decision.verdict for result in findings.claims} <= {Verdict.UNDECIDED, Verdict.NOT_REPRODUCED}
    assert any("15.8 %" in note for note in findings.notes)


def test_drift_is_nothing_for_the_reference_and_something_for_the_others(stages: Path, tmp_path: Path) -> None:
    models = load_stages({name: stages / name for name in STAGES})
    held_out = HeldOut(pairs(2), ToneStudio(), models["sft1"].tokenizer)
    reference = ReferencePolicy(models["sft1"], held_out)
    probes = {name: PreferenceProbe(model, reference, held_out) for name, model in models.items()}
    measured = probe_arms(probes, held_out.keys, tmp_path / "probes.sqlite", progress=Watcher())
    for drift in (TEXT_DRIFT, AUDIO_DRIFT):
        assert measured.values[drift.key]["sft1"] == pytest.approx({"q0": 0.0, "q1": 0.0}, abs=1e-6)
        assert all(value > 1e-4 for value in measured.values[drift.key]["dpo_plain"].values())
    assert {value for arm in measured.values[WIN.key].values() for value in arm.values()} <= {0.0, 1.0}
    runs = {name: RunSpec(model=f"reference:{stages / name}") for name in STAGES}
    claims = {result.claim.measure: result for result in find(preference_design(runs, {}), measured).claims}
    assert claims[AUDIO_DRIFT.key].decision.n == 2
    assert claims["agreement"].decision.verdict is Verdict.NOT_MEASURED


def test_drift_by_hand() -> None:
    """KL of (1/2, 1/2) from (3/4, 1/4) as the probe takes it: ln(2/3) / 2 + ln 2 / 2."""
    policy, reference = torch.log(torch.tensor([[0.75, 0.25]])), torch.log(torch.tensor([[0.5, 0.5]]))
    drift = torch.nn.functional.kl_div(policy, reference, reduction="none", log_target=True).sum(-1)
    assert float(drift) == pytest.approx(0.5 * math.log(2 / 3) + 0.5 * math.log(2))


def test_merges_over_the_simplex_are_made_once_and_are_means(stages: Path, tmp_path: Path) -> None:
    folders = {name: stages / name for name in ("sft1", "sft2", "dpo")}
    merged = merged_folders(folders, tmp_path / "weights", steps=2)
    assert list(merged) == [PAPER_MERGE, "merged_1_1_0", "merged_1_0_1", "merged_0_1_1"]
    made = {name: (folder / "model.safetensors").stat().st_mtime_ns for name, folder in merged.items()}
    merged_folders(folders, tmp_path / "weights", steps=2)
    assert made == {name: (folder / "model.safetensors").stat().st_mtime_ns for name, folder in merged.items()}
    models = load_stages(folders | {"half": merged["merged_1_1_0"]})
    weight = {name: model.backbone.state_dict()["model.norm.weight"] for name, model in models.items()}
    embedded = {name: model.backbone.state_dict()["model.embed_tokens.weight"] for name, model in models.items()}
    assert torch.allclose(weight["half"], (weight["sft1"] + weight["sft2"]) / 2)
    assert torch.allclose(embedded["half"], (embedded["sft1"] + embedded["sft2"]) / 2, atol=1e-6)
    runs = {name: RunSpec(model=f"reference:{folder}") for name, folder in (folders | merged).items()}
    design = merge_design(runs)
    assert [arm.name for arm in design.arms][:4] == ["sft1", "sft2", "dpo", PAPER_MERGE]
    held = {(comparison.arm, comparison.against) for comparison in design.comparisons}
    assert held == {(name, PAPER_MERGE) for name in runs if name != PAPER_MERGE} | {("sft2", "sft1"), ("dpo", "sft1")}


def test_all_stages_that_are_there_stand_in_one_table_each_against_what_it_began_from() -> None:
    names = ("sft1", "sft2", "dpo", "before", "dpo_plain", PAPER_MERGE)
    design = merge_design({name: RunSpec(model=f"reference:{name}") for name in names})
    assert [arm.name for arm in design.arms] == ["sft1", "sft2", "dpo", PAPER_MERGE, "before", "dpo_plain"]
    held = {(comparison.arm, comparison.against) for comparison in design.comparisons}
    assert held >= {("sft1", "before"), ("sft2", "sft1"), ("dpo_plain", "sft1"), ("dpo", "sft1")}
    assert held >= {(name, PAPER_MERGE) for name in names if name != PAPER_MERGE}


def test_a_held_out_answer_is_spoken_in_the_sentence_that_models_are_taught(stages: Path) -> None:
    studio = ToneStudio()
    taught = [replace(pair, said=f"You get {pair.answer.lower()}") for pair in pairs(2)]
    item = HeldOut(taught, studio, load_stages({"sft1": stages / "sft1"})["sft1"].tokenizer).item("q0")
    assert item.text == item.chosen.answer[0].text == taught[0].said
    assert item.rejected.answer[0].text == taught[1].said
    assert {taught[0].said, taught[1].said} <= set(studio.spoken)


def test_the_simplex_holds_every_share() -> None:
    assert all(sum(point) == 4 for point in simplex(4))
    assert len(simplex(4)) == 15 - 3


def test_a_folder_without_the_stages_is_refused_with_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="aqaa-eval train all"):
        find_stages(tmp_path, STAGES)


def test_an_item_that_cannot_be_measured_is_counted_and_the_others_go_on(tmp_path: Path) -> None:
    class Picky:
        identity = "picky@1"

        def measure(self, item: str) -> dict[str, float]:
            if item == "bad":
                raise ModelError("too short")
            return {"x": float(len(item))}

    probes: dict[str, Probe] = {"arm": Picky()}
    measured = probe_arms(probes, ["good", "bad", "fine"], tmp_path / "p.sqlite", progress=Watcher())
    assert measured.values["x"]["arm"] == {"good": 4.0, "fine": 4.0}
    assert measured.notes == ("arm: 1 of the items could not be measured: too short",)
    assert measured.is_complete
