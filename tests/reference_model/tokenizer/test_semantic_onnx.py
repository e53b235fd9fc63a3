"""An ONNX graph written by hand with the published one's names is run and converted: both give the same codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save
from torch import Tensor

from aqaa_eval.reference_model.config import SemanticConfig
from aqaa_eval.reference_model.tokenizer import DualTokenizer, WeightsError
from aqaa_eval.reference_model.tokenizer.semantic import SemanticTokenizer
from aqaa_eval.reference_model.tokenizer.semantic_onnx import OnnxSemantic, load_semantic_onnx, read_onnx_weights
from aqaa_eval.reference_model.tokenizer.whisper_mel import log_mel

Babble = Callable[..., Tensor]


@dataclass
class Graph:
    """Collects nodes and numbered initialisers, as an exporter does."""

    state: dict[str, Tensor]
    nodes: list[object] = field(default_factory=list)
    weights: list[object] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def op(self, name: str, op_type: str, *inputs: str, **attributes: object) -> str:
        name = name if name not in self.names else f"{name}_{len(self.names)}"
        self.names.add(name)
        out = f"{name}_output"
        self.nodes.append(helper.make_node(op_type, list(inputs), [out], name=name, **attributes))
        return out

    def value(self, array: np.ndarray, name: str = "") -> str:
        name = name or f"onnx::{len(self.weights) + 1500}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, key: str, *, transposed: bool = False, name: str = "") -> str:
        array = self.state[key].numpy()
        return self.value(array.T if transposed else array, name)

    def number(self, value: float) -> str:
        return self.value(np.array(value, dtype=np.float32))

    def linear(self, module: str, x: str, *, bias: bool = True) -> str:
        path = "/" + module.removeprefix("encoder.").replace("mlp.", "mlp/mlp.").replace(".attn.", "/attn/")
        out = self.op(f"{path}/MatMul", "MatMul", x, self.weight(f"{module}.weight", transposed=True))
        return self.op(f"{path}/Add", "Add", self.weight(f"{module}.bias"), out) if bias else out

    def norm(self, module: str, x: str, *, fused: bool) -> str:
        path = "/" + module.removeprefix("encoder.").replace(".attn_ln", "/attn_ln").replace(".mlp_ln", "/mlp_ln")
        weight, bias = (self.weight(f"{module}.{part}") for part in ("weight", "bias"))
        if fused:
            return self.op(f"{path}/LayerNormalization", "LayerNormalization", x, weight, bias, axis=-1, epsilon=1e-5)
        mean = self.op(f"{path}/ReduceMean", "ReduceMean", x, axes=[-1])
        centred = self.op(f"{path}/Sub", "Sub", x, mean)
        square = self.op(f"{path}/Pow", "Pow", centred, self.number(2.0))
        variance = self.op(f"{path}/ReduceMean_1", "ReduceMean", square, axes=[-1])
        deviation = self.op(f"{path}/Sqrt", "Sqrt", self.op(f"{path}/Add", "Add", variance, self.number(1e-5)))
        unit = self.op(f"{path}/Div", "Div", centred, deviation)
        return self.op(f"{path}/Add_1", "Add", self.op(f"{path}/Mul", "Mul", unit, weight), bias)

    def gelu(self, path: str, x: str) -> str:
        erf = self.op(f"{path}/Erf", "Erf", self.op(f"{path}/Div", "Div", x, self.number(2**0.5)))
        gate = self.op(f"{path}/Mul", "Mul", x, self.op(f"{path}/Add", "Add", erf, self.number(1.0)))
        return self.op(f"{path}/Mul_1", "Mul", gate, self.number(0.5))

    def heads(self, path: str, x: str, config: SemanticConfig, perm: list[int]) -> str:
        shape = self.value(np.array([1, -1, config.n_audio_head, config.n_audio_state // config.n_audio_head]))
        return self.op(f"{path}/Transpose", "Transpose", self.op(f"{path}/Reshape", "Reshape", x, shape), perm=perm)

    def attention(self, module: str, x: str, config: SemanticConfig) -> str:
        path = "/" + module.removeprefix("encoder.").replace(".attn", "/attn")
        q = self.heads(path, self.linear(f"{module}.query", x), config, [0, 2, 1, 3])
        k = self.heads(path, self.linear(f"{module}.key", x, bias=False), config, [0, 2, 3, 1])
        v = self.heads(path, self.linear(f"{module}.value", x), config, [0, 2, 1, 3])
        scale = self.number((config.n_audio_state // config.n_audio_head) ** -0.5)
        scores = self.op(f"{path}/Mul", "Mul", self.op(f"{path}/MatMul", "MatMul", q, k), scale)
        mixed = self.op(f"{path}/MatMul_1", "MatMul", self.op(f"{path}/Softmax", "Softmax", scores, axis=-1), v)
        rows = self.op(f"{path}/Transpose_3", "Transpose", mixed, perm=[0, 2, 1, 3])
        flat = self.op(f"{path}/Reshape_3", "Reshape", rows, self.value(np.array([1, -1, config.n_audio_state])))
        return self.linear(f"{module}.out", flat)


def write_graph(path: Path, tokenizer: SemanticTokenizer, *, conv1_stride: int = 2) -> None:
    config, graph = tokenizer.config, Graph(state=tokenizer.state_dict())
    x = "feats"
    for name, stride in (("conv1", conv1_stride), ("conv2", 2)):
        parts = [graph.weight(f"encoder.{name}.{part}") for part in ("weight", "bias")]
        x = graph.op(f"/{name}/Conv", "Conv", x, *parts, kernel_shape=[3], pads=[1, 1], strides=[stride])
        x = graph.gelu(f"/{name}_gelu", x)
    x = graph.op("/Transpose", "Transpose", x, perm=[0, 2, 1])
    table = graph.weight("encoder.positional_embedding", name="encoders.positional_embedding")
    length = graph.op(
        "/Slice_of", "Slice", graph.op("/Shape", "Shape", x), *(graph.value(np.array([i])) for i in (1, 2))
    )
    rows = graph.op("/Slice", "Slice", table, graph.value(np.array([0])), length, graph.value(np.array([0])))
    x = graph.op("/Add", "Add", x, rows)
    for i in range(config.n_audio_layer):
        block = f"encoder.blocks.{i}"
        normed = graph.norm(f"{block}.attn_ln", x, fused=i % 2 == 0)
        x = graph.op(f"/blocks.{i}/Add", "Add", x, graph.attention(f"{block}.attn", normed, config))
        hidden = graph.linear(f"{block}.mlp.0", graph.norm(f"{block}.mlp_ln", x, fused=i % 2 == 1))
        x = graph.op(
            f"/blocks.{i}/Add_1", "Add", x, graph.linear(f"{block}.mlp.2", graph.gelu(f"/blocks.{i}/mlp/mlp.1", hidden))
        )
    write_quantizer(graph, x)
    feats = helper.make_tensor_value_info("feats", TensorProto.FLOAT, [1, config.n_mels, "T"])
    feats_length = helper.make_tensor_value_info("feats_length", TensorProto.INT32, [1])
    indices = helper.make_tensor_value_info("indices", TensorProto.INT64, None)
    body = helper.make_graph(graph.nodes, "tokenizer", [feats, feats_length], [indices], graph.weights)
    save(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def write_quantizer(graph: Graph, x: str) -> None:
    path = "/quantizer/rq/model/layers.0/_codebook"
    norm = graph.op("/quantizer/ReduceL2", "ReduceL2", x, axes=[-1])
    unit = graph.op("/quantizer/Div", "Div", x, norm)
    book = graph.weight("quantizer._codebook.embed", transposed=True)
    square = graph.op(f"{path}/Pow_1", "Pow", book, graph.number(2.0))
    total = graph.op(f"{path}/ReduceSum_1", "ReduceSum", square, graph.value(np.array([0])), keepdims=1)
    twice = graph.op(f"{path}/Mul", "Mul", graph.op(f"{path}/MatMul", "MatMul", unit, book), graph.number(2.0))
    distance = graph.op(f"{path}/Sub", "Sub", total, twice)
    graph.nodes.append(helper.make_node("ArgMin", [distance], ["indices"], name=f"{path}/ArgMin", axis=-1, keepdims=0))


@pytest.fixture
def semantic(tokenizer: DualTokenizer) -> SemanticTokenizer:
    """The tiny tokenizer with every bias and norm moved off its trivial value."""
    assert isinstance(tokenizer.semantic, SemanticTokenizer)
    copy = SemanticTokenizer(tokenizer.semantic.config)
    generator = torch.Generator().manual_seed(1)
    state = tokenizer.semantic.state_dict()
    copy.load_state_dict({k: v + 0.05 * torch.randn(v.shape, generator=generator) for k, v in state.items()})
    return copy


def test_the_converted_file_has_the_weights_under_our_names(semantic: SemanticTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "speech_tokenizer_v1.onnx"
    write_graph(path, semantic)
    converted = load_semantic_onnx(path, semantic.config).state_dict()
    assert converted.keys() == semantic.state_dict().keys()
    for key, value in semantic.state_dict().items():
        assert torch.equal(converted[key], value), key


def test_onnxruntime_and_the_conversion_give_the_same_codes(
    semantic: SemanticTokenizer, babble: Babble, tmp_path: Path
) -> None:
    path = tmp_path / "speech_tokenizer_v1.onnx"
    write_graph(path, semantic)
    mels = [log_mel(babble(n, seed=n)) for n in (16_000, 5_123, 480)]
    ran = OnnxSemantic(path).codes(mels)
    assert ran == load_semantic_onnx(path, semantic.config).codes(mels)
    assert [len(codes) for codes in ran] == [25, 8, 1]


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_the_published_folder_is_read_whole(
    sizes: Any, tokenizer: DualTokenizer, babble: Babble, tmp_path: Path, runtime: Any
) -> None:
    assert isinstance(tokenizer.semantic, SemanticTokenizer)
    write_graph(tmp_path / "speech_tokenizer_v1.onnx", tokenizer.semantic)
    np.save(tmp_path / "linguistic_tokenizer.npy", tokenizer.codebook.numpy())
    paraformer = tmp_path / "somebody" / "paraformer-online"
    paraformer.mkdir(parents=True)
    state = tokenizer.linguistic.state_dict()
    torch.save({f"encoder.{key}": value for key, value in state.items()}, paraformer / "model.pt")
    rows = [" ".join(str(float(value)) for value in row) for row in tokenizer.cmvn]
    row = "<{}> 560 560\n<LearnRateCoef> 0 [ {} ]\n"
    text = row.format("AddShift", rows[0]) + row.format("Rescale", rows[1])
    (paraformer / "am.mvn").write_text(text, encoding="utf-8")
    wav = babble(32_000)
    loaded = DualTokenizer.from_published(tmp_path, config=sizes, semantic=runtime)
    assert loaded.encode(wav, 16_000) == tokenizer.encode(wav, 16_000)


def test_a_file_of_other_sizes_is_refused_with_every_misfit(semantic: SemanticTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "speech_tokenizer_v1.onnx"
    write_graph(path, semantic)
    config = SemanticConfig(n_audio_state=64, n_audio_head=4, n_audio_layer=3, n_codebook_size=256)
    with pytest.raises(WeightsError) as caught:
        load_semantic_onnx(path, config)
    message = str(caught.value)
    assert "missing encoder.blocks.2.attn.query.weight (64, 64)" in message
    assert "quantizer._codebook.embed has shape (4096, 64), must be (256, 64)" in message


def test_a_tokenizer_of_another_frame_rate_is_refused(
    semantic: SemanticTokenizer, babble: Babble, tmp_path: Path
) -> None:
    path = tmp_path / "50hz.onnx"
    write_graph(path, semantic, conv1_stride=1)
    with pytest.raises(WeightsError, match=r"gave 50 codes for 1\.00 s; .* 25 a second"):
        OnnxSemantic(path).codes([log_mel(babble(16_000))])


def test_constants_in_the_graph_are_not_taken_for_weights(semantic: SemanticTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "speech_tokenizer_v1.onnx"
    write_graph(path, semantic)
    assert len(read_onnx_weights(path)) == len(semantic.state_dict())
