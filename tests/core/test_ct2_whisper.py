import struct
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.ct2_whisper import read_checkpoint, write_checkpoint
from aqaa_eval.core.errors import DataError, MissingWeights
from aqaa_eval.core.whisper_model import load_whisper

torch = pytest.importorskip("torch")
whisper = pytest.importorskip("whisper")

DIMS = {
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 16,
    "n_audio_head": 2,
    "n_audio_layer": 1,
    "n_vocab": 51865,
    "n_text_ctx": 8,
    "n_text_state": 16,
    "n_text_head": 4,
    "n_text_layer": 2,
}


@pytest.fixture(scope="module")
def tiny() -> dict[str, np.ndarray]:
    """The weights of a tiny Whisper with random values, in half precision, by openai-whisper's names."""
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**DIMS))
    draw = np.random.default_rng(0)
    return {name: draw.normal(size=tuple(t.shape)).astype(np.float16) for name, t in model.state_dict().items()}


def exported(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same weights as CTranslate2 names and joins them; written here from the format, not from the reader."""
    get = tensors.__getitem__

    def projections(block: str, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        zeros = np.zeros(16, np.float16)
        weights = np.concatenate([get(f"{block}.{name}.weight") for name in names])
        return weights, np.concatenate([tensors.get(f"{block}.{name}.bias", zeros) for name in names])

    out: dict[str, np.ndarray] = {
        "encoder/num_heads": np.array(2, np.int16),
        "decoder/num_heads": np.array(4, np.int16),
        "encoder/position_encodings/encodings": get("encoder.positional_embedding"),
        "decoder/position_encodings/encodings": get("decoder.positional_embedding"),
        "decoder/embeddings/weight": get("decoder.token_embedding.weight"),
    }
    pairs = {"encoder/conv1": "encoder.conv1", "encoder/conv2": "encoder.conv2"}
    norms = {"encoder/layer_norm": "encoder.ln_post", "decoder/layer_norm": "decoder.ln"}
    for side, n_layers in (("encoder", 1), ("decoder", 2)):
        for index in range(n_layers):
            layer, block = f"{side}/layer_{index}", f"{side}.blocks.{index}"
            norms |= {
                f"{layer}/self_attention/layer_norm": f"{block}.attn_ln",
                f"{layer}/ffn/layer_norm": f"{block}.mlp_ln",
            }
            pairs |= {f"{layer}/self_attention/linear_1": f"{block}.attn.out"}
            pairs |= {f"{layer}/ffn/linear_0": f"{block}.mlp.0", f"{layer}/ffn/linear_1": f"{block}.mlp.2"}
            joined = {f"{layer}/self_attention/linear_0": (f"{block}.attn", ("query", "key", "value"))}
            if side == "decoder":
                norms |= {f"{layer}/attention/layer_norm": f"{block}.cross_attn_ln"}
                pairs |= {f"{layer}/attention/linear_2": f"{block}.cross_attn.out"}
                joined[f"{layer}/attention/linear_0"] = (f"{block}.cross_attn", ("query",))
                joined[f"{layer}/attention/linear_1"] = (f"{block}.cross_attn", ("key", "value"))
            for name, (source, parts) in joined.items():
                out[f"{name}/weight"], out[f"{name}/bias"] = projections(source, parts)
    for name, source in pairs.items():
        out[f"{name}/weight"], out[f"{name}/bias"] = get(f"{source}.weight"), get(f"{source}.bias")
    for name, source in norms.items():
        out[f"{name}/gamma"], out[f"{name}/beta"] = get(f"{source}.weight"), get(f"{source}.bias")
    return out


def ct2_bytes(variables: dict[str, np.ndarray], *, aliases: dict[str, str] | None = None) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    dtypes = {np.dtype(np.int8): 1, np.dtype(np.int16): 2, np.dtype(np.float16): 4}
    out = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        out += text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        out += struct.pack("<BI", dtypes[array.dtype], array.nbytes) + array.tobytes()
    out += struct.pack("<I", len(aliases or {}))
    return out + b"".join(text(alias) + text(name) for alias, name in (aliases or {}).items())


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_an_export_comes_back_with_the_same_sizes_and_values(tiny, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write(tmp_path / "model.bin", ct2_bytes(exported(tiny))))
    assert dict(checkpoint.dims) == DIMS
    assert checkpoint.tensors.keys() == tiny.keys()
    for name, array in tiny.items():
        assert np.array_equal(checkpoint.tensors[name], array), name


def test_whisper_opens_the_checkpoint_and_computes_what_the_original_does(tiny, tmp_path: Path) -> None:
    original = whisper.model.Whisper(whisper.model.ModelDimensions(**DIMS)).eval()
    original.load_state_dict({name: torch.from_numpy(array) for name, array in tiny.items()})
    checkpoint = read_checkpoint(write(tmp_path / "model.bin", ct2_bytes(exported(tiny))))
    write_checkpoint(checkpoint, tmp_path / "tiny.pt")
    converted = load_whisper(tmp_path / "tiny.pt")
    mel = torch.randn(1, 80, 3000, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[50258, 50259, 50359]])
    with torch.inference_mode():
        assert torch.equal(converted(mel, tokens), original(mel, tokens))


def test_the_same_tensors_have_one_hash_whatever_else_the_file_holds(tiny, tmp_path: Path) -> None:
    plain = exported(tiny)
    noted = dict(reversed(plain.items())) | {"note": np.array(1, np.int8)}
    first = read_checkpoint(write(tmp_path / "a.bin", ct2_bytes(plain)))
    second = read_checkpoint(write(tmp_path / "b.bin", ct2_bytes(noted, aliases={"other/name": "note"})))
    assert first.sha256 == second.sha256
    changed = plain | {"encoder/conv1/bias": plain["encoder/conv1/bias"] + np.float16(1)}
    assert read_checkpoint(write(tmp_path / "c.bin", ct2_bytes(changed))).sha256 != first.sha256


def test_writing_twice_gives_the_same_bytes(tiny, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write(tmp_path / "model.bin", ct2_bytes(exported(tiny))))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_checkpoint(checkpoint, tmp_path / folder / "tiny.pt")
    assert (tmp_path / "one/tiny.pt").read_bytes() == (tmp_path / "two/tiny.pt").read_bytes()


def test_a_bias_of_the_key_is_refused_because_whisper_has_none(tiny, tmp_path: Path) -> None:
    variables = exported(tiny)
    bias = variables["encoder/layer_0/self_attention/linear_0/bias"].copy()
    bias[16] = 1  # the first value of the key's third
    variables["encoder/layer_0/self_attention/linear_0/bias"] = bias
    with pytest.raises(DataError, match="the key has a bias"):
        read_checkpoint(write(tmp_path / "model.bin", ct2_bytes(variables)))


def test_cut_foreign_and_quantised_files_are_refused_by_reason(tiny, tmp_path: Path) -> None:
    good = ct2_bytes(exported(tiny))
    quantised = exported(tiny) | {"encoder/conv1/weight": np.zeros((16, 80, 3), np.int8)}
    foreign = {name: array for name, array in exported(tiny).items() if not name.startswith("decoder/layer")}
    cases = {
        "cut, ": good[:-40],
        "bytes after the end": good + b"xx",
        "format version": b"\x01\x00\x00\x00" + good[4:],
        "a quantised export": ct2_bytes(quantised),
        "not a Whisper export": ct2_bytes(foreign),
    }
    for message, content in cases.items():
        with pytest.raises(DataError, match=message):
            read_checkpoint(write(tmp_path / "model.bin", content))


def test_load_whisper_names_what_is_missing_or_wrong(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"no such file; .*aqaa-eval fetch whisper:base"):
        load_whisper(tmp_path / "none.pt")
    for content in (b"", b"not a checkpoint", b"PK\x03\x04 cut"):
        with pytest.raises(DataError, match="not an openai-whisper checkpoint"):
            load_whisper(write(tmp_path / "bad.pt", content))
    torch.save({"weights": 1}, tmp_path / "other.pt")
    with pytest.raises(DataError, match="not an openai-whisper checkpoint"):
        load_whisper(tmp_path / "other.pt")
