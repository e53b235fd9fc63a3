"""Linear layers in 8 bit: near to float32, also where a few inputs are much larger than the rest."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("outlier", [1.0, 300.0])
@pytest.mark.parametrize("shape", [(1, 1, 256), (2, 30, 256)])
def test_the_result_is_near_to_float32(outlier: float, shape: tuple[int, int, int]) -> None:
    from aqaa_eval.judges.int8 import Int8Linear

    generator = torch.Generator().manual_seed(0)
    linear = torch.nn.Linear(256, 128)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(128, 256, generator=generator) / 16)
    x = torch.randn(*shape, generator=generator)
    x[..., 7] *= outlier
    with torch.inference_mode():
        wanted, found = linear(x), Int8Linear(linear)(x)
    assert found.shape == wanted.shape
    assert float((found - wanted).norm() / wanted.norm()) < 0.02


def test_a_single_token_loses_no_more_than_the_rounding_of_the_weights() -> None:
    from aqaa_eval.judges.int8 import Int8Linear

    generator = torch.Generator().manual_seed(1)
    linear = torch.nn.Linear(512, 64)
    layer = Int8Linear(linear)
    x = torch.randn(1, 512, generator=generator).exp()
    with torch.inference_mode():
        rounded = layer.weight_OI.float() * layer.scale_O[:, None]
        wanted = x @ rounded.t() + linear.bias
        found = layer(x)
        among_others = layer(torch.cat((x, 2 * x)))[:1]
    assert float((found - wanted).norm() / wanted.norm()) < 2e-4
    assert float((among_others - wanted).norm() / wanted.norm()) < 0.02


def test_all_linear_layers_of_a_model_but_its_head_are_replaced() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    from aqaa_eval.judges.int8 import Int8Linear, to_int8

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes)).eval()
    ids = torch.arange(12)[None]
    with torch.inference_mode():
        wanted = model(input_ids=ids).logits
        to_int8(model)
        found = model(input_ids=ids).logits
    assert sum(isinstance(part, Int8Linear) for part in model.modules()) == 2 * 7
    assert isinstance(model.lm_head, torch.nn.Linear)
    assert float((found - wanted).norm() / wanted.norm()) < 0.05
