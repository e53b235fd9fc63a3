"""A stage on data of one's own: bad rows are named and skipped, the model changes, many processes can do it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from accelerate.commands.config.config_args import load_config_from_file

from aqaa_eval.reference_model import load
from aqaa_eval.reference_model.backbone import block
from aqaa_eval.reference_model.checkpoint import save_model
from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.model import random_model
from aqaa_eval.reference_model.training import own_data
from aqaa_eval.reference_model.training.data import TrainingDataError
from aqaa_eval.reference_model.training.loop import TrainingPlan
from aqaa_eval.reference_model.training.own_data import OwnData, Preference, fine_tune, prefer
from aqaa_eval.reference_model.training.stages import BatchShape

KEY = "model.layers.0.mlp.down_proj.weight"
CONFIGS = Path(own_data.__file__).parent / "accelerate"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_model(random_model(tiny(), seed=0), folder)
    return folder


def buzz(path: Path, seconds: float, hz: float) -> str:
    times = np.arange(round(seconds * 16_000)) / 16_000
    soundfile.write(path, (0.3 * np.sign(np.sin(2 * np.pi * hz * times))).astype(np.float32), 16_000)
    return path.name


def rows(folder: Path, n: int, answers: tuple[str, ...]) -> list[dict]:
    made = []
    for place in range(n):
        asked = {"role": "human", "text": "Two?", "audio": buzz(folder / f"q{place}.wav", 0.4, 120 + place)}
        said = {
            name: [{"text": f"Four {number}.", "audio": buzz(folder / f"a{place}{name}.wav", 0.3, 200 + 50 * number)}]
            for number, name in enumerate(answers)
        }
        made.append({"key": f"r{place}", "turns": [asked], **said})
    return made


def write(folder: Path, values: list[dict]) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in values))
    return str(path)


def job(model: Path, source: str, out: Path) -> OwnData:
    plan = TrainingPlan(n_steps=2, learning_rate=1e-3)
    return OwnData(model=model, source=source, out=out, plan=plan, shape=BatchShape(length=256, batch_size=2))


def weights(folder: Path) -> torch.Tensor:
    return load(str(folder)).backbone.state_dict()[KEY]


def test_fine_tuning_changes_the_decoder_and_nothing_else(tmp_path, model):
    trained = fine_tune(job(model, write(tmp_path, rows(tmp_path, 3, ("answer",))), tmp_path / "out"))
    assert not torch.equal(weights(trained), weights(model))
    before, after = load(str(model)), load(str(trained))
    torch.testing.assert_close(after.tokenizer.codebook, before.tokenizer.codebook)
    assert json.loads((tmp_path / "out" / "skipped.json").read_text()) == {"rows": 3, "skipped": {}}


def test_preference_optimisation_masked_and_plain_go_apart(tmp_path, model):
    source = write(tmp_path, rows(tmp_path, 3, ("chosen", "rejected")))
    masked = prefer(job(model, source, tmp_path / "masked"), Preference())
    plain = prefer(job(model, source, tmp_path / "plain"), Preference(mask_audio=False))
    assert not torch.equal(weights(masked), weights(model))
    assert not torch.equal(weights(masked), weights(plain))


def test_a_folder_goes_on_with_the_same_data_model_and_way_only(tmp_path, model):
    """Or plain DPO after masked DPO would give back the masked model, and call it the plain one."""
    source = write(tmp_path, rows(tmp_path, 3, ("chosen", "rejected")))
    first = job(model, source, tmp_path / "out")
    begun = weights(prefer(first, Preference()))
    assert torch.equal(weights(prefer(first, Preference())), begun)
    save_model(random_model(tiny(), seed=1), tmp_path / "other")
    (tmp_path / "more").mkdir()
    more = write(tmp_path / "more", rows(tmp_path / "more", 4, ("chosen", "rejected")))
    for other, how, what in (
        (first, Preference(mask_audio=False), "data, mask_audio"),
        (first, Preference(beta=5.0), "beta"),
        (replace(first, source=more), Preference(), "data"),
        (replace(first, layout="text_to_audio"), Preference(), "data, layout"),
        (replace(first, model=tmp_path / "other"), Preference(), "data, model"),  # its tokenizer hears other codes
        (replace(first, shape=BatchShape(length=256, batch_size=3)), Preference(), "batch"),
    ):
        with pytest.raises(ValueError, match=rf"holds a training run of another plan \({what}\): give another folder"):
            prefer(other, how)
    assert torch.equal(weights(tmp_path / "out" / "model"), begun)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
def test_weights_stored_in_half_precision_are_trained_in_whole(tmp_path, model, stored):
    """A step of 1e-5 is less than a half-precision weight can be moved by."""
    half = load(str(model))
    half.backbone.to(stored)
    save_model(half, tmp_path / "half")
    assert weights(tmp_path / "half").dtype == stored
    source = write(tmp_path, rows(tmp_path, 3, ("answer",)))
    small = replace(job(tmp_path / "half", source, tmp_path / "out"), plan=TrainingPlan(n_steps=2, learning_rate=1e-5))
    after = weights(fine_tune(small))
    assert after.dtype == torch.float32
    moved = (after - weights(tmp_path / "half").float()).abs()
    assert (moved > 0).float().mean() > 0.99
    assert moved.max() < 4e-5


def test_a_start_that_is_not_numbers_is_refused_by_name(tmp_path, model):
    broken = load(str(model))
    with torch.no_grad():
        next(broken.vocoder.flow.parameters()).view(-1)[0] = torch.nan
    save_model(broken, tmp_path / "broken")
    source = write(tmp_path, rows(tmp_path, 2, ("answer",)))
    with pytest.raises(ValueError, match=r"flow\..* holds NaN or infinite numbers in .*broken"):
        fine_tune(job(tmp_path / "broken", source, tmp_path / "out"))


def test_masked_dpo_of_answers_without_words_is_refused(tmp_path, model):
    wordless = replace(job(model, "nowhere.jsonl", tmp_path / "out"), layout="audio_only")
    with pytest.raises(ValueError, match="answers in the layout audio_only have none"):
        prefer(wordless, Preference())


def test_one_bad_row_of_many_is_named_and_skipped(tmp_path, model):
    good = rows(tmp_path, 21, ("answer",))
    short = {**good[3], "key": "too short"}
    short["turns"] = [{"role": "human", "text": "Two?", "audio": buzz(tmp_path / "short.wav", 0.01, 100)}]
    out = tmp_path / "out"
    fine_tune(job(model, write(tmp_path, [*good, short]), out))
    skipped = json.loads((out / "skipped.json").read_text())["skipped"]
    assert list(skipped) == ["too short"]
    assert "one group of codes needs at least" in skipped["too short"]


def test_too_many_bad_rows_stop_it_before_anything_is_learnt(tmp_path, model):
    values = rows(tmp_path, 4, ("answer",))
    values[0]["turns"][0]["audio"] = "missing.wav"
    with pytest.raises(TrainingDataError, match="1 of 4 rows cannot be used"):
        fine_tune(job(model, write(tmp_path, values), tmp_path / "out"))
    long = replace(job(model, write(tmp_path, rows(tmp_path, 2, ("answer",))), tmp_path / "out2"))
    with pytest.raises(TrainingDataError, match="tokens, a block has 32"):
        fine_tune(replace(long, shape=BatchShape(length=32, batch_size=2)))


def test_a_layout_that_is_none_is_no_fault_of_the_rows(tmp_path, model):
    wrong = replace(job(model, write(tmp_path, rows(tmp_path, 2, ("answer",))), tmp_path / "out"), layout="sideways")
    with pytest.raises(ValueError, match="sideways"):
        fine_tune(wrong)
    assert not (tmp_path / "out").exists()


def test_accelerate_reads_the_configuration():
    config = load_config_from_file(str(CONFIGS / "fsdp.yaml"))
    assert config.num_processes > 1
    wrapped = config.fsdp_config.get("fsdp_transformer_layer_cls_to_wrap", "StepLayer")
    assert hasattr(block, wrapped)
