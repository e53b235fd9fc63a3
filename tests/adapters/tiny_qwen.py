"""Tiny random checkpoints of both Qwen-Omni generations: real classes, real files, a few hundred thousand numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = ("system", "user", "assistant", "\n", "You", "hello", "there", "yes", "no", "one", "two", "three")
SPECIALS_25 = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")
SPECIALS_3 = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_pad|>", "<|audio_end|>")
OTHERS = (
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image|>",
    "<|video|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
)
N_MEL = 16
_HEADS = {"num_attention_heads": 2, "num_key_value_heads": 2}


def write_tokenizer(folder: Path, specials: tuple[str, ...]) -> dict[str, int]:
    """A tokenizer of bytes and a few words; returns the ids of all tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = [*specials, *OTHERS]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {name: number for number, name in enumerate([*names, *alphabet])}
    merges = []
    for word in WORDS:
        letters = word.replace("\n", "Ċ")
        for end in range(2, len(letters) + 1):
            left, right = letters[: end - 1], letters[end - 1]
            if (left, right) not in merges:
                merges.append((left, right))
            vocabulary.setdefault(letters[:end], len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=specials[2], pad_token=specials[0], additional_special_tokens=names
    )
    fast.save_pretrained(folder)
    return vocabulary


def write_feature_extractor(folder: Path, *, chunk_length_s: int) -> None:
    """As the published ones, with fewer mel bands."""
    from transformers import WhisperFeatureExtractor

    WhisperFeatureExtractor(
        feature_size=N_MEL, chunk_length=chunk_length_s, return_attention_mask=True
    ).save_pretrained(folder)


def write_qwen25(folder: Path, *, seed: int = 0) -> Path:
    """Thinker, talker, token2wav and one voice."""
    import torch
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    ids = write_tokenizer(folder, SPECIALS_25)
    write_feature_extractor(folder, chunk_length_s=300)
    torch.manual_seed(seed)
    config = Qwen2_5OmniConfig(
        thinker_config=_thinker25(ids),
        talker_config=_talker25(ids),
        token2wav_config={"dit_config": _dit25(), "bigvgan_config": _bigvgan25()},
    )
    model = Qwen2_5OmniForConditionalGeneration(config).eval()
    _fill(model)
    _amplify(model.thinker)
    _be_loud(model.token2wav.code2wav_bigvgan_model.conv_post)
    model.save_pretrained(folder)
    voices = {
        name: {"bos_token": ids["<tts_text_bos>"], "cond": torch.randn(1, 192), "ref_mel": torch.randn(1, 20, 80)}
        for name in ("Chelsie", "Ethan")
    }
    torch.save(voices, folder / "spk_dict.pt")
    return folder


def _thinker25(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "audio_config": {
            "num_mel_bins": N_MEL,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 32,
            "n_window": 50,
            "output_dim": 32,
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
            "fullatt_block_indexes": [0],
        },
        "text_config": {
            "vocab_size": len(ids),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            **_HEADS,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "tie_word_embeddings": False,
        },
        "audio_token_index": ids["<|AUDIO|>"],
        "image_token_index": ids["<|image|>"],
        "video_token_index": ids["<|video|>"],
        "audio_start_token_id": ids["<|audio_bos|>"],
        "audio_end_token_id": ids["<|audio_eos|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "user_token_id": ids["user"],
    }


def _talker25(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "vocab_size": 72,
        "tts_text_start_token_id": ids["<tts_text_bos>"],
        "tts_text_end_token_id": ids["<tts_text_eod>"],
        "tts_text_pad_token_id": ids["<tts_pad>"],
        "tts_codec_start_token_id": 65,
        "tts_codec_end_token_id": 66,
        "tts_codec_pad_token_id": 67,
        "tts_codec_mask_token_id": 68,
        "audio_token_index": ids["<|AUDIO|>"],
        "image_token_index": ids["<|image|>"],
        "video_token_index": ids["<|video|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "audio_start_token_id": ids["<|audio_bos|>"],
        "audio_end_token_id": ids["<|audio_eos|>"],
        "embedding_size": 32,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        **_HEADS,
        "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
    }


def _dit25() -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 16,
        "emb_dim": 16,
        "num_embeds": 72,
        "enc_dim": 16,
        "enc_channels": [16, 16, 16, 16, 48],
        "enc_attention_channels": 8,
        "enc_se_channels": 8,
        "look_ahead_layers": [0],
        "look_backward_layers": [0],
    }


def _bigvgan25() -> dict[str, Any]:
    return {
        "upsample_initial_channel": 64,
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 1, 1]],
    }


def write_qwen3(folder: Path, *, seed: int = 0) -> Path:
    """Mixture-of-experts thinker and talker, code predictor, code2wav."""
    import torch
    from transformers import Qwen3OmniMoeConfig, Qwen3OmniMoeForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    ids = write_tokenizer(folder, SPECIALS_3)
    write_feature_extractor(folder, chunk_length_s=30)
    torch.manual_seed(seed)
    config = Qwen3OmniMoeConfig(
        thinker_config=_thinker3(ids),
        talker_config=_talker3(ids),
        code2wav_config=_code2wav3(),
        im_start_token_id=ids["<|im_start|>"],
        im_end_token_id=ids["<|im_end|>"],
        tts_pad_token_id=ids["<tts_pad>"],
        tts_bos_token_id=ids["<tts_text_bos>"],
        tts_eos_token_id=ids["<tts_text_eod>"],
        system_token_id=ids["system"],
        user_token_id=ids["user"],
        assistant_token_id=ids["assistant"],
    )
    model = Qwen3OmniMoeForConditionalGeneration(config).eval()
    _fill(model)
    _amplify(model.thinker)
    _amplify(model.talker)
    _be_loud(model.code2wav.decoder[-1].conv)
    model.save_pretrained(folder)
    return folder


def _fill(model: Any) -> None:
    """All weights anew: transformers leaves some of the experts' uninitialised, so that they hold anything."""
    import torch

    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.normal_(0.0, 0.02)


def _amplify(part: Any) -> None:
    """Usual initial weights are so small that the answer hardly depends on what is heard."""
    import torch

    with torch.no_grad():
        for weights in part.parameters():
            if weights.ndim > 1:
                weights.mul_(8)


def _be_loud(last_layer: Any) -> None:
    """So that the speech is not rounded to silence when it is stored."""
    import torch

    with torch.no_grad():
        last_layer.weight.mul_(3e6)


_MOE = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
_ROPE3 = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3], "interleaved": True}


def _thinker3(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "audio_config": {
            "num_mel_bins": N_MEL,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 32,
            "output_dim": 32,
            "downsample_hidden_size": 8,
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
            "deepstack_visual_indexes": [0],
        },
        "text_config": {
            "vocab_size": len(ids),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            **_HEADS,
            **_MOE,
            "rope_parameters": _ROPE3,
        },
        "audio_token_id": ids["<|audio_pad|>"],
        "image_token_id": ids["<|image|>"],
        "video_token_id": ids["<|video|>"],
        "audio_start_token_id": ids["<|audio_start|>"],
        "user_token_id": ids["user"],
        "vision_start_token_id": ids["<|vision_start|>"],
    }


def _talker3(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "text_config": {
            "vocab_size": 1100,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            **_HEADS,
            **_MOE,
            "shared_expert_intermediate_size": 16,
            "head_dim": 16,
            "rope_parameters": _ROPE3,
        },
        "code_predictor_config": {
            "vocab_size": 64,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            **_HEADS,
            "head_dim": 16,
            "num_code_groups": 4,
        },
        "num_code_groups": 4,
        "thinker_hidden_size": 32,
        "accept_hidden_layer": 1,
        "codec_eos_token_id": 1090,
        "codec_nothink_id": 1091,
        "codec_think_bos_id": 1092,
        "codec_think_eos_id": 1093,
        "codec_pad_id": 1094,
        "codec_bos_id": 1095,
        "audio_token_id": ids["<|audio_pad|>"],
        "image_token_id": ids["<|image|>"],
        "video_token_id": ids["<|video|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "audio_start_token_id": ids["<|audio_start|>"],
        "speaker_id": {"ethan": 1096, "chelsie": 1097},
        "spatial_merge_size": 2,
    }


def _code2wav3() -> dict[str, Any]:
    return {
        "codebook_size": 76,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_quantizers": 4,
        "decoder_dim": 32,
    }
