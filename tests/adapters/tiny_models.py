"""A chat model of one layer with random weights, as a GGUF file: small enough to be made in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WIDTH, INNER, N_HEADS = 32, 64, 4
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_letters() -> list[str]:
    """One printable letter for each byte, as byte-level BPE writes them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]


def write_gguf(path: Path) -> None:
    """Write the model."""
    import gguf

    tokens = ["<|im_start|>", "<|im_end|>", *byte_letters(), "he", "ll"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(N_HEADS)
    writer.add_head_count_kv(N_HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(WIDTH // N_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(tokens) - 2))
    writer.add_token_merges(["h e", "l l"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    for name, shape in _shapes(len(tokens)).items():
        writer.add_tensor(f"{name}.weight", _weights(name, shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shapes(n_tokens: int) -> dict[str, tuple[int, ...]]:
    square, widening, narrowing = (WIDTH, WIDTH), (INNER, WIDTH), (WIDTH, INNER)
    block = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "ffn_gate": widening, "ffn_up": widening}
    block |= {"ffn_down": narrowing, "attn_q": square, "attn_k": square, "attn_v": square, "attn_output": square}
    outer = {"token_embd": (n_tokens, WIDTH), "output": (n_tokens, WIDTH), "output_norm": (WIDTH,)}
    return outer | {f"blk.0.{name}": shape for name, shape in block.items()}


def _weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("norm"):
        return np.ones(shape, np.float32)
    generator = np.random.default_rng(sum(name.encode()))
    return generator.normal(scale=0.2, size=shape).astype(np.float32)
