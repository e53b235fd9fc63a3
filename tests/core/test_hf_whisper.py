"""The transformers folder: the same network as openai-whisper's, by another library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aqaa_eval.core.ct2_whisper import WhisperCheckpoint
from aqaa_eval.core.errors import DataError
from aqaa_eval.core.hf_whisper import write_transformers_folder

torch = pytest.importorskip("torch")
whisper = pytest.importorskip("whisper")
transformers = pytest.importorskip("transformers")

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
IDS = {
    "<|endoftext|>": 50257,
    "<|startoftranscript|>": 50258,
    "<|en|>": 50259,
    "<|yue|>": 50357,
    "<|translate|>": 50358,
    "<|transcribe|>": 50359,
    "<|startofprev|>": 50361,
    "<|notimestamps|>": 50363,
}


def _export(folder: Path) -> Path:
    tokens = [{"id": number, "content": token} for token, number in IDS.items()]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": tokens}))
    hints = {"suppress_ids": [1, 2], "suppress_ids_begin": [220, 50257], "alignment_heads": [[1, 0]]}
    (folder / "config.json").write_text(json.dumps(hints))
    return folder


def test_both_libraries_compute_the_same_from_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = whisper.model.Whisper(whisper.model.ModelDimensions(**DIMS)).eval()
    for parameter in own.parameters():  # the package leaves its positions as the memory happened to be
        torch.nn.init.normal_(parameter, std=0.05)
    state = {name: tensor.half().float() for name, tensor in own.state_dict().items()}
    own.load_state_dict(state)
    tensors = {name: tensor.numpy().astype(np.float16) for name, tensor in state.items()}
    export, folder = _export(tmp_path), tmp_path / "hf"
    folder.mkdir()
    write_transformers_folder(WhisperCheckpoint(dims=DIMS, tensors=tensors), export=export, folder=folder)
    theirs = transformers.WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    mel, tokens = torch.randn(1, 80, 3000), torch.tensor([[50258, 50259, 50359]])
    with torch.no_grad():
        expected = own(mel, tokens)
        found = theirs(input_features=mel, decoder_input_ids=tokens).logits
    assert torch.allclose(found, expected, atol=1e-4)
    assert theirs.generation_config.task == "transcribe"
    assert theirs.generation_config.lang_to_id == {"<|en|>": 50259, "<|yue|>": 50357}
    assert theirs.generation_config.alignment_heads == [[1, 0]]


def test_an_export_that_lacks_a_token_is_refused_by_name(tmp_path: Path) -> None:
    export = _export(tmp_path)
    (export / "tokenizer.json").write_text(json.dumps({"added_tokens": [{"id": 50257, "content": "<|endoftext|>"}]}))
    with pytest.raises(DataError, match="startoftranscript"):
        write_transformers_folder(WhisperCheckpoint(dims=DIMS, tensors={}), export=export, folder=tmp_path)
    (export / "config.json").write_text("[]")
    with pytest.raises(DataError, match="holds a list, not a mapping"):
        write_transformers_folder(WhisperCheckpoint(dims=DIMS, tensors={}), export=export, folder=tmp_path)
