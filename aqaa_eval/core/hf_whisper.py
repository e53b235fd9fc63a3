"""From a CTranslate2 Whisper export to the folder that transformers reads as `WhisperForConditionalGeneration`.

Two details decide whether it works. The generation config must name the task, or language detection runs into a loop;
the tokenizer must know every special token up to `<|notimestamps|>`, or times are read 2.12 s off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aqaa_eval.core.ct2_whisper import WhisperCheckpoint
from aqaa_eval.core.errors import DataError

_RENAMES = (
    ("blocks.", "layers."),
    (".mlp.0.", ".fc1."),
    (".mlp.2.", ".fc2."),
    (".mlp_ln.", ".final_layer_norm."),
    (".cross_attn_ln.", ".encoder_attn_layer_norm."),
    (".attn_ln.", ".self_attn_layer_norm."),
    (".cross_attn.", ".encoder_attn."),
    (".attn.", ".self_attn."),
    (".query.", ".q_proj."),
    (".key.", ".k_proj."),
    (".value.", ".v_proj."),
    (".out.", ".out_proj."),
    ("token_embedding.weight", "embed_tokens.weight"),
    ("positional_embedding", "embed_positions.weight"),
    ("decoder.ln.", "decoder.layer_norm."),
    ("encoder.ln_post.", "encoder.layer_norm."),
)
_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")


def transformers_name(name: str) -> str:
    """The name that transformers gives a tensor of openai-whisper.

    >>> transformers_name("decoder.blocks.3.cross_attn.key.weight")
    'model.decoder.layers.3.encoder_attn.k_proj.weight'
    >>> transformers_name("encoder.blocks.0.attn_ln.bias"), transformers_name("encoder.positional_embedding")
    ('model.encoder.layers.0.self_attn_layer_norm.bias', 'model.encoder.embed_positions.weight')
    """
    for old, new in _RENAMES:
        name = name.replace(old, new)
    return f"model.{name}"


def write_transformers_folder(checkpoint: WhisperCheckpoint, *, export: Path, folder: Path) -> None:
    """Write weights, configs and tokenizer.

    Args:
        checkpoint: what `read_checkpoint` gave.
        export: folder of the export, with its `config.json` and `tokenizer.json`.
        folder: where to write; it may be the same one.

    Raises:
        DataError: the export's files do not fit together.
    """
    import numpy as np
    import torch
    from safetensors.torch import save_file
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor

    hints, tokenizer = _read_json(export / "config.json"), _read_json(export / "tokenizer.json")
    ids = {token["content"]: int(token["id"]) for token in tokenizer["added_tokens"]}
    try:
        config = WhisperConfig(**_config_fields(checkpoint.dims, ids))
        generation = GenerationConfig(**_generation_fields(hints, ids))
        listed = _special_tokens(ids)
    except KeyError as error:
        raise DataError(f"{export}: {error} is missing in config.json or tokenizer.json") from error
    config.architectures = ["WhisperForConditionalGeneration"]
    state = {
        transformers_name(name): torch.from_numpy(np.array(array, np.float16))
        for name, array in checkpoint.tensors.items()
    }
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)
    generation.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=checkpoint.dims["n_mels"]).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(listed, ensure_ascii=False), encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: holds a {type(value).__name__}, not a mapping")
    return value


def _config_fields(dims: Mapping[str, int], ids: Mapping[str, int]) -> dict[str, Any]:
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    return {
        "vocab_size": dims["n_vocab"],
        "num_mel_bins": dims["n_mels"],
        "d_model": dims["n_audio_state"],
        "encoder_layers": dims["n_audio_layer"],
        "encoder_attention_heads": dims["n_audio_head"],
        "decoder_layers": dims["n_text_layer"],
        "decoder_attention_heads": dims["n_text_head"],
        "encoder_ffn_dim": 4 * dims["n_audio_state"],
        "decoder_ffn_dim": 4 * dims["n_text_state"],
        "max_source_positions": dims["n_audio_ctx"],
        "max_target_positions": dims["n_text_ctx"],
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "decoder_start_token_id": start,
    }


def _generation_fields(hints: Mapping[str, Any], ids: Mapping[str, int]) -> dict[str, Any]:
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    is_multilingual = end == 50257  # the English vocabulary is one token shorter
    fields: dict[str, Any] = {
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "decoder_start_token_id": start,
        "max_length": 448,
        "suppress_tokens": hints["suppress_ids"],
        "begin_suppress_tokens": hints["suppress_ids_begin"],
        "alignment_heads": hints["alignment_heads"],
        "is_multilingual": is_multilingual,
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "prev_sot_token_id": ids["<|startofprev|>"],
        "max_initial_timestamp_index": 50,
        "return_timestamps": False,
    }
    if is_multilingual:
        fields |= {
            "lang_to_id": {token: number for token, number in ids.items() if _LANGUAGE.fullmatch(token)},
            "task_to_id": {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
            "task": "transcribe",
        }
    return fields


def _special_tokens(ids: Mapping[str, int]) -> dict[str, Any]:
    first, last = ids["<|endoftext|>"], ids["<|notimestamps|>"]
    between = sorted((number, token) for token, number in ids.items() if first < number <= last)
    end = "<|endoftext|>"
    return {
        "additional_special_tokens": [token for _, token in between],
        "tokenizer_class": "WhisperTokenizer",
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "pad_token": end,
        "model_max_length": 1024,
        "errors": "replace",
    }
