"""Saving and loading: our folder, published folders, and every fault in one message."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.checkpoint import (
    LoadOptions,
    load_model,
    load_step1,
    save_model,
    state_dict_of,
)
from aqaa_eval.reference_model.config import FlowConfig, HiftConfig, ModelConfig, Step1Config, tiny
from aqaa_eval.reference_model.cosyvoice import load_vocoder, read_plain_yaml, read_vocoder_config
from aqaa_eval.reference_model.model import StepAudioAQAA, random_backbone, random_model
from aqaa_eval.reference_model.tokenizer.errors import WeightsError
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder
from aqaa_eval.reference_model.weight_files import load_torch_file

IDS = torch.tensor([[1, 4, 70, 800, 5000]])


@pytest.fixture(scope="module")
def model() -> StepAudioAQAA:
    return random_model(tiny(), seed=0)


@pytest.fixture
def folder(model: StepAudioAQAA, tmp_path: Path) -> Path:
    save_model(model, tmp_path / "ours")
    return tmp_path / "ours"


def write_step1(folder: Path, model: Step1ForCausalLM, **changes: Any) -> dict[str, Tensor]:
    """A folder as the family publishes its decoder: config.json and two shards with their index."""
    folder.mkdir(exist_ok=True)
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "num_attention_groups", "num_hidden_layers")
    config = {name: getattr(model.config, name) for name in (*names, "vocab_size", "max_seq_len", "rms_norm_eps")}
    (folder / "config.json").write_text(json.dumps({"model_type": "step1", "bos_token_id": 1, **config, **changes}))
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    write_shards(folder, state)
    return state


def write_shards(folder: Path, state: dict[str, Tensor]) -> None:
    keys = sorted(state)
    shards = {"model-00001.safetensors": keys[::2], "model-00002.safetensors": keys[1::2]}
    for name, held in shards.items():
        save_file({key: state[key] for key in held}, folder / name)
    weight_map = {key: name for name, held in shards.items() for key in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("shard_size", ["5GB", "3MB"])
def test_a_saved_model_comes_back_with_every_number(model: StepAudioAQAA, tmp_path: Path, shard_size: str) -> None:
    save_model(model, tmp_path, max_shard_size=shard_size)
    assert (len(list(tmp_path.glob("*.safetensors"))) > 1) == (shard_size == "3MB")
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1, "whoever reads one file reads them all"
    loaded = load_model(tmp_path)
    assert loaded.config == model.config
    assert loaded.vocabulary.model_bytes == model.vocabulary.model_bytes
    before, after = state_dict_of(model), state_dict_of(loaded)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_saving_again_replaces_what_was_there(model: StepAudioAQAA, tmp_path: Path) -> None:
    save_model(model, tmp_path, max_shard_size="3MB")
    save_model(model, tmp_path)
    assert [path.name for path in tmp_path.glob("model*")] == ["model.safetensors"]
    load_model(tmp_path)


def test_random_weights_follow_their_seed() -> None:
    one, again, other = (random_backbone(tiny(), seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["lm_head.weight"], other["lm_head.weight"])


def test_every_fault_is_listed_at_once(folder: Path) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    del state["flow.encoder_proj.bias"], state["model.norm.weight"]
    state["model.extra.weight"] = torch.zeros(2)
    state["lm_head.weight"] = torch.zeros(3, 4)
    state["hift.conv_post.bias"] = state["hift.conv_post.bias"].to(torch.int32)
    save_file(state, path)
    with pytest.raises(WeightsError, match="does not fit in 5 places") as caught:
        load_model(folder)
    for line in (
        "missing flow.encoder_proj.bias (80,)",
        "missing model.norm.weight (192,)",
        "unexpected model.extra.weight (2,)",
        "lm_head.weight has shape (3, 4), must be (5888, 192)",
        "hift.conv_post.bias holds I32, must be one of F32, BF16, F16",
    ):
        assert line in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "config.json").write_text("{"), "config.json is no JSON"),
        (lambda f: (f / "config.json").write_text('{"model_type": "llama"}'), "model_type 'llama', must be"),
        (lambda f: (f / "model.safetensors").unlink(), "holds no"),
        (lambda f: (f / "model.safetensors").write_bytes(b"abc"), "model.safetensors cannot be read"),
        (
            lambda f: (f / "config.json").write_text(
                '{"model_type": "step_audio_aqaa", "aqaa": {"step1": {"hidden_size": 7}}}'
            ),
            "missing 5 required",
        ),
    ],
)
def test_a_damaged_folder_says_what_is_wrong(folder: Path, damage: Any, message: str) -> None:
    damage(folder)
    with pytest.raises(WeightsError, match=message):
        load_model(folder)


def test_a_preset_without_weights_points_to_the_way_out() -> None:
    with pytest.raises(WeightsError, match="bench_150m is a preset, which has sizes but no weights: use tiny, tiny-ra"):
        load_model("bench_150m")


def test_an_index_cannot_reach_outside_its_folder(folder: Path, tmp_path: Path) -> None:
    index = {"weight_map": {"model.norm.weight": "../elsewhere.safetensors"}}
    save_file({"model.norm.weight": torch.zeros(192)}, tmp_path / "elsewhere.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="outside the folder"):
        load_model(folder)


def test_a_published_decoder_loads_shard_by_shard(model: StepAudioAQAA, tmp_path: Path) -> None:
    state = write_step1(tmp_path, model.backbone)
    loaded = load_step1(tmp_path)
    assert loaded.model.config == model.config.step1
    assert loaded.n_parameters == sum(tensor.numel() for tensor in state.values())
    assert loaded.skipped == ()
    with torch.inference_mode():
        assert torch.equal(loaded.model(IDS), model.backbone(IDS))


@pytest.mark.parametrize("device_map", ["auto", "cpu", {"": "cpu"}, {"model": "cpu", "lm_head": "cpu"}])
def test_a_device_map_places_the_decoder(model: StepAudioAQAA, tmp_path: Path, device_map: Any) -> None:
    write_step1(tmp_path, model.backbone)
    options = LoadOptions(device_map=device_map, dtype=torch.bfloat16)
    loaded = load_step1(tmp_path, options=options).model
    assert {p.device.type for p in loaded.parameters()} == {"cpu"}
    assert {p.dtype for p in loaded.parameters()} == {torch.bfloat16}
    with torch.inference_mode():
        torch.testing.assert_close(loaded(IDS).float(), model.backbone(IDS), atol=0.05, rtol=0.05)


def test_the_text_part_of_a_multimodal_checkpoint_is_taken_and_the_rest_reported(
    model: StepAudioAQAA, tmp_path: Path
) -> None:
    state = write_step1(tmp_path, model.backbone, model_type="mmgpt_step1_v2", eos_token_id=[2, 3])
    towers = {
        "vision_model.embed.weight": torch.zeros(10, 3),
        "vision_model.norm.weight": torch.zeros(3),
        "vit_large_projector.weight": torch.zeros(4, 4),
    }
    write_shards(tmp_path, {**state, **towers})
    loaded = load_step1(tmp_path)
    assert [(part.prefix, part.n_tensors, part.n_parameters) for part in loaded.skipped] == [
        ("vision_model.", 2, 33),
        ("vit_large_projector.", 1, 16),
    ]
    assert "skipped vision_model.* (2 tensors, 33 parameters)" in loaded.summary()
    # A text-only checkpoint must not hold them.
    write_step1(tmp_path, model.backbone)
    write_shards(tmp_path, {**state, **towers})
    with pytest.raises(WeightsError, match=r"unexpected vision_model.embed.weight"):
        load_step1(tmp_path)


@pytest.mark.parametrize("asks", [True, False, None])
def test_the_head_is_its_own_whenever_the_file_holds_one(
    model: StepAudioAQAA, tmp_path: Path, asks: bool | None
) -> None:
    changes = {} if asks is None else {"tie_word_embeddings": asks}
    write_step1(tmp_path, model.backbone, **changes)
    loaded = load_step1(tmp_path).model
    assert not loaded.config.tie_word_embeddings
    assert torch.equal(loaded.lm_head.weight, model.backbone.lm_head.weight)


def test_a_missing_head_is_tied_only_if_the_configuration_asks(model: StepAudioAQAA, tmp_path: Path) -> None:
    state = write_step1(tmp_path, model.backbone)
    state.pop("lm_head.weight")
    write_shards(tmp_path, state)
    with pytest.raises(WeightsError, match=r"lacks lm_head.weight and its config.json does not ask"):
        load_step1(tmp_path)
    write_step1(tmp_path, model.backbone, tie_word_embeddings=True)
    write_shards(tmp_path, state)
    loaded = load_step1(tmp_path).model
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    with torch.inference_mode():
        assert bool(loaded(IDS).isfinite().all())


def test_a_tied_model_survives_saving(tmp_path: Path) -> None:
    config = replace(tiny(), step1=replace(tiny().step1, tie_word_embeddings=True))
    tied = random_model(config, seed=0)
    save_model(tied, tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path).backbone
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    with torch.inference_mode():
        assert torch.equal(loaded(IDS), tied.backbone(IDS))


def test_a_shard_that_the_index_names_but_is_not_there_is_reported(model: StepAudioAQAA, tmp_path: Path) -> None:
    write_step1(tmp_path, model.backbone)
    (tmp_path / "model-00002.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model-00002.safetensors cannot be read"):
        load_step1(tmp_path)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"weight": Bomb()}, tmp_path / "flow.pt")
    with pytest.raises(WeightsError, match="no plain state dict of tensors"):
        load_torch_file(tmp_path / "flow.pt")
    assert not (tmp_path / "ran").exists()
    (tmp_path / "hift.pt").write_bytes(b"not a file")
    with pytest.raises(WeightsError, match="no plain state dict of tensors"):
        load_torch_file(tmp_path / "hift.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="holds list, must be a dict"):
        load_torch_file(tmp_path / "list.pt")


YAML = """
__set_seed1: !apply:random.seed [1986]
__set_seed2: !apply:os.system ["touch RAN"]
sample_rate: 22050
text_encoder_input_size: 512
flow: !new:cosyvoice.flow.flow.MaskedDiffWithXvec
    output_size: 80
    spk_embed_dim: 192
    vocab_size: 5120
    input_frame_rate: 41.67
    encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        output_size: 64
        attention_heads: 4
        linear_units: 128
        num_blocks: 2
    decoder: !new:cosyvoice.flow.flow_matching.ConditionalCFM
        estimator: !new:cosyvoice.flow.decoder.ConditionalDecoder
            channels: [64, 64]
            attention_head_dim: 16
            n_blocks: 1
            num_mid_blocks: 2
            num_heads: 2
            act_fn: gelu
hift: !new:cosyvoice.hifigan.generator.HiFTGenerator
    in_channels: 80
    base_channels: 32
    nb_harmonics: 8
    sampling_rate: !ref <sample_rate>
    upsample_rates: [8, 8]
    istft_params: {n_fft: 16, hop_len: 4}
    f0_predictor: !new:cosyvoice.hifigan.f0_predictor.ConvRNNF0Predictor
        cond_channels: 32
parquet_opener: !name:cosyvoice.dataset.processor.parquet_opener
"""


def test_the_yaml_gives_sizes_and_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cosyvoice.yaml"
    path.write_text(YAML)
    flow, hift = read_vocoder_config(path)
    assert flow == replace(tiny().flow, input_frame_rate_hz=41.67)
    assert hift == tiny().hift
    assert not (tmp_path / "RAN").exists()
    assert read_plain_yaml(YAML)["hift"]["sampling_rate"] == 22050
    path.write_text(YAML.replace("    input_frame_rate: 41.67\n", ""))
    with pytest.raises(WeightsError, match=r"no flow.input_frame_rate"):
        read_vocoder_config(path)
    path.write_text("- a\n- b")
    with pytest.raises(WeightsError, match="top level is list"):
        read_vocoder_config(path)
    path.write_text("a: [")
    with pytest.raises(WeightsError, match="not yaml"):
        read_vocoder_config(path)


@pytest.mark.parametrize("prefix", ["", "generator."])
def test_a_published_vocoder_folder_loads(tmp_path: Path, prefix: str) -> None:
    config = tiny()
    vocoder = Vocoder.random(replace(config.flow, input_frame_rate_hz=41.67), config.hift, seed=3)
    (tmp_path / "cosyvoice.yaml").write_text(YAML)
    torch.save(vocoder.flow.state_dict(), tmp_path / "flow.pt")
    torch.save({prefix + k: t for k, t in vocoder.hift.state_dict().items()}, tmp_path / "hift.pt")
    codes = [1, 2, 1030, 1031, 1032] * 4
    assert torch.equal(load_vocoder(tmp_path).synthesize(codes, 0)[0], vocoder.synthesize(codes, 0)[0])
    (tmp_path / "flow.pt").unlink()
    with pytest.raises(WeightsError, match=r"lacks flow.pt"):
        load_vocoder(tmp_path)


def test_presets_of_the_published_vocoder_have_the_published_counts() -> None:
    from aqaa_eval.reference_model.vocoder.flow import Flow
    from aqaa_eval.reference_model.vocoder.hift import Hift

    with torch.device("meta"):
        flow, hift = Flow(FlowConfig()), Hift(HiftConfig())
    assert (sum(p.numel() for p in flow.parameters()), len(flow.state_dict())) == (105_399_040, 1185)
    assert (sum(p.numel() for p in hift.parameters()), len(hift.state_dict())) == (20_460_591, 227)


def test_the_tiny_model_is_tiny() -> None:
    state = state_dict_of(random_model(tiny(), 0))
    assert 4e6 < sum(tensor.numel() for tensor in state.values()) < 15e6


def test_a_vocabulary_that_does_not_fit_is_refused(model: StepAudioAQAA) -> None:
    step1 = Step1Config(
        hidden_size=12,
        intermediate_size=8,
        num_attention_heads=2,
        num_attention_groups=1,
        num_hidden_layers=1,
        vocab_size=1000 + 5120,
    )
    config = ModelConfig(step1=step1, first_audio_id=1000, n_reserved_audio_ids=0)
    with pytest.raises(ValueError, match="the bundled vocabulary fits"):
        random_model(config, 0)
    with pytest.raises(ValueError, match="5888 ids with audio from 768, the configuration 6120 from 1000"):
        StepAudioAQAA(
            config,
            backbone=Step1ForCausalLM(step1),
            tokenizer=model.tokenizer,
            vocoder=model.vocoder,
            vocabulary=model.vocabulary,
        )
