"""A training that goes on from a model: its parts begin with the model's weights, its code rows follow the codes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.model import StepAudioAQAA, random_backbone, random_model
from aqaa_eval.reference_model.training.start import same_places, start_backbone, start_flow
from aqaa_eval.reference_model.vocoder.flow import Flow


@pytest.fixture(scope="module")
def model() -> StepAudioAQAA:
    return random_model(tiny(), 1)


@pytest.fixture(scope="module")
def swapped() -> tuple[torch.Tensor, torch.Tensor]:
    """Codes 0 and 1 changed places, 2 was split in two, 4000 stayed; the rest was not seen."""
    return same_places([[0, 1, 2], [2, 4000]], [[1, 0, 2], [3, 4000]])


def test_a_code_keeps_its_meaning_under_its_new_number(model, swapped):
    backbone = random_backbone(tiny(), 2)
    own = backbone.model.embed_tokens.weight.clone()
    assert start_backbone(backbone, model, swapped)
    first = model.vocabulary.first_audio_id
    was, now = model.backbone.state_dict(), backbone.state_dict()
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        before, after = was[name][first:], now[name][first:]
        assert torch.equal(after[[1, 0, 2, 3, 4000]], before[[0, 1, 2, 2, 4000]])
        assert torch.equal(now[name][:first], was[name][:first])
        assert torch.equal(after[5], before[5])
    assert not torch.equal(now["model.embed_tokens.weight"], own)
    assert torch.equal(now["model.layers.0.mlp.down_proj.weight"], was["model.layers.0.mlp.down_proj.weight"])


def test_the_flow_knows_the_codes_again(model, swapped):
    flow = Flow(tiny().flow)
    assert start_flow(flow, model, swapped)
    before, after = model.vocoder.flow.input_embedding.weight, flow.input_embedding.weight
    assert torch.equal(after[[1, 0, 2, 3, 4000]], before[[0, 1, 2, 2, 4000]])


def test_with_the_same_tokenizer_every_row_stays(model):
    backbone, flow = random_backbone(tiny(), 2), Flow(tiny().flow)
    assert start_backbone(backbone, model, None)
    assert start_flow(flow, model, None)
    assert torch.equal(backbone.model.embed_tokens.weight, model.backbone.model.embed_tokens.weight)
    assert torch.equal(flow.input_embedding.weight, model.vocoder.flow.input_embedding.weight)


def test_a_wider_part_begins_from_nothing(model, swapped):
    config = tiny()
    wider = replace(config, step1=replace(config.step1, intermediate_size=2 * config.step1.intermediate_size))
    backbone = random_backbone(wider, 2)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    assert not start_backbone(backbone, model, swapped)
    assert all(torch.equal(before[name], tensor) for name, tensor in backbone.state_dict().items())


def test_a_deeper_part_begins_with_the_layers_that_are_there(model):
    config = tiny()
    n_layers = config.step1.num_hidden_layers
    backbone = random_backbone(replace(config, step1=replace(config.step1, num_hidden_layers=n_layers + 1)), 2)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    assert start_backbone(backbone, model, None)
    begun, there = backbone.state_dict(), model.backbone.state_dict()
    assert all(torch.equal(begun[name], tensor) for name, tensor in there.items())
    added = [name for name in begun if name not in there]
    assert added
    assert all(torch.equal(begun[name], before[name]) for name in added)


def test_tokenizers_of_other_rates_are_refused():
    with pytest.raises(ValueError, match="2 codes by the start and 1"):
        same_places([[1, 2]], [[1]])
