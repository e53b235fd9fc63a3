"""Speed and memory of the reference model: decoding beside Llama, the vocoder at full size, a 60 s answer.

Everything is measured in one run, ours and theirs in turn, best of several: compare ratios, not machines.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging as transformers_logging

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.config import FlowConfig, HiftConfig, ModelConfig, Step1Config, bench_150m, tiny
from aqaa_eval.reference_model.generate import Request, generate, greedy_ids
from aqaa_eval.reference_model.layout import parse_layout
from aqaa_eval.reference_model.model import random_backbone
from aqaa_eval.reference_model.sampling import Sampling
from aqaa_eval.reference_model.sentencepiece_file import Piece, read_pieces, replace_pieces
from aqaa_eval.reference_model.vocabulary import Vocabulary
from aqaa_eval.reference_model.vocoder.take import Speaker
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder

N_PROMPT = 64
ROUNDS = 4
# Published code on one of our machines (2 cores), with its harness's extra passes: 3 s of speech, 1.4 s of prompt.
UPSTREAM_FLOW_S, UPSTREAM_HIFT_S = 54.0, 5.0


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Tokens a second of one preset, and how many bytes of weights a token reads."""

    name: str
    full_head: float
    layout: float
    llama: float
    full_bytes: float
    layout_bytes: float


def best_of(runs: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Shortest seconds of each, run in turn so that a busy moment hits all alike."""
    seconds = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def read_limit() -> float:
    """Bytes a second that one product of a vector with large matrices reads, the best this machine does."""
    matrices = [torch.randn(4096, 4096) for _ in range(6)]
    vector = torch.randn(1, 4096)

    def product() -> None:
        for matrix in matrices:
            torch.nn.functional.linear(vector, matrix)

    with torch.inference_mode():
        seconds = best_of({"read": product}, rounds=10)["read"]
    return sum(matrix.nbytes for matrix in matrices) / seconds


def llama_like(config: Step1Config) -> LlamaForCausalLM:
    """Llama of the same width, depth, heads and vocabulary."""
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_attention_heads=config.num_attention_heads,
            num_key_value_heads=config.num_attention_groups,
            num_hidden_layers=config.num_hidden_layers,
            vocab_size=config.vocab_size,
            max_position_embeddings=4096,
            eos_token_id=None,
            pad_token_id=0,
        )
    ).eval()


def vocabulary_for(config: ModelConfig) -> Vocabulary:
    """The bundled vocabulary, stretched by filler pieces to the preset's size."""
    small = Vocabulary.tiny()
    pieces = read_pieces(small.model_bytes)
    n_more = config.first_audio_id - small.first_audio_id
    filler = [Piece(text=f"\u2581filler{i}", score=-99.0, kind=1) for i in range(n_more)]
    n_audio = config.step1.vocab_size - config.first_audio_id
    audio = [Piece(text=f"<audio_{i}>", score=0.0, kind=4) for i in range(n_audio)]
    text = pieces[: small.first_audio_id]
    return Vocabulary(replace_pieces(small.model_bytes, [*text, *filler, *audio]))


def measure_decoding(name: str, config: ModelConfig, n_new: int) -> Decoding:
    """Times greedy decoding over the whole head, an answer as the product makes it, and Llama's generate."""
    torch.manual_seed(0)
    model: Step1ForCausalLM = random_backbone(config, 0)
    model.join_projections()
    llama = llama_like(config.step1)
    ids = torch.randint(64, config.step1.vocab_size, (1, N_PROMPT))
    request = Request(
        prompts=(tuple(ids[0].tolist()),),
        seeds=(0,),
        layout=parse_layout("interleave_10_15"),
        sampling=Sampling(temperature=0.0, max_new_tokens=n_new),
    )
    vocabulary = vocabulary_for(config)
    count = [0]

    def answer() -> None:
        count[0] = len(generate(model, vocabulary, request)[0].ids)

    seconds = best_of(
        {
            "full": lambda: greedy_ids(model, ids, n_new),
            "layout": answer,
            "llama": lambda: llama.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=n_new, do_sample=False
            ),
        }
    )
    body = sum(p.numel() for p in model.model.parameters()) - model.model.embed_tokens.weight.numel()
    width = config.step1.hidden_size
    # Of 25 tokens of the layout 10 read the text rows of the head, 6 the linguistic, 9 the semantic ones.
    rows = (10 * config.first_audio_id + 6 * 1024 + 9 * 4096) / 25
    return Decoding(
        name=name,
        full_head=n_new / seconds["full"],
        layout=count[0] / seconds["layout"],
        llama=n_new / seconds["llama"],
        full_bytes=4.0 * (body + width * config.step1.vocab_size),
        layout_bytes=4.0 * (body + width * rows),
    )


def print_decoding() -> None:
    """The table of tokens a second."""
    limit = read_limit()
    rows = [measure_decoding("tiny", tiny(), 150), measure_decoding("150 M", bench_150m(), 75)]
    print("### Decoding, batch 1, fp32, with the cache\n")
    print(
        f"Reading limit {limit / 1e9:.1f} GB/s, {torch.get_num_threads()} thread(s). `interleave_10_15` is an answer as"
    )
    print("made: the layout spares the head rows it rules out. 'whole head' reads every row, as Llama does.\n")
    print("| preset | tokens | ours, tokens/s | Llama generate, tokens/s | ratio | share of reading limit |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        for kind, speed, n_bytes in (
            ("interleave_10_15", row.layout, row.layout_bytes),
            ("whole head", row.full_head, row.full_bytes),
        ):
            share = speed * n_bytes / limit
            print(f"| {row.name} | {kind} | {speed:.0f} | {row.llama:.0f} | {speed / row.llama:.2f} | {share:.0%} |")


def print_vocoder() -> None:
    """The table of real-time factors at the published size."""
    config = FlowConfig()
    vocoder = Vocoder.random(config, HiftConfig(), seed=0)
    vocoder.fold_weight_norm()
    generator = torch.Generator().manual_seed(0)
    prompt = [1, 2, 1030, 1031, 1032] * 12  # 60 codes, 1.44 s
    speaker = Speaker(
        prompt_codes=tuple(prompt),
        prompt_mel=torch.randn(124, config.n_mels, generator=generator),
        embedding=torch.randn(config.speaker_dim, generator=generator),
    )
    codes = [3, 4, 1040, 1041, 1042] * 25  # 3 s
    start = time.perf_counter()
    wave, rate_hz = vocoder.synthesize(codes, 0, speaker)
    total_s = time.perf_counter() - start
    mel = torch.randn(1, config.n_mels, len(wave) // config.hop, generator=generator)
    source = torch.randn(1, 1, mel.shape[2] * config.hop, generator=generator) * 0.1
    with torch.inference_mode():
        start = time.perf_counter()
        vocoder.hift.f0(mel)
        vocoder.hift.decode(mel, source)
        hift_s = time.perf_counter() - start
    spoken_s = len(wave) / rate_hz
    print("\n### Vocoder at the published size: 3 s of speech after a 1.4 s prompt, 10 steps with guidance\n")
    print("| part | ours, s | real-time factor | upstream's code, s (another run, spec) |")
    print("|---|---|---|---|")
    flow_s = total_s - hift_s
    print(f"| flow | {flow_s:.1f} | {flow_s / spoken_s:.1f} | {UPSTREAM_FLOW_S:.0f} |")
    print(f"| HiFT | {hift_s:.1f} | {hift_s / spoken_s:.1f} | {UPSTREAM_HIFT_S:.0f} |")
    print(f"| both | {total_s:.1f} | {total_s / spoken_s:.1f} | {UPSTREAM_FLOW_S + UPSTREAM_HIFT_S:.0f} |")


def answer_for_a_minute(way: str) -> None:
    """In a process of its own: makes a 60 s answer with the tiny model and prints the growth of its peak memory."""
    from aqaa_eval.reference_model.audio_input import Recording
    from aqaa_eval.reference_model.conversation import Utterance
    from aqaa_eval.reference_model.model import AnswerOptions, random_model

    torch.set_num_threads(1)
    model = random_model(tiny(), seed=0)
    recording = Recording(samples=np.zeros(16_000, np.float32), sample_rate_hz=16_000)
    question = [Utterance(role="human", recording=recording)]
    short = AnswerOptions(layout="audio_only", sampling=Sampling(max_new_tokens=60))
    model.answer(question, short)  # libraries and kernels are loaded now
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew at what is held now
    before_mib = peak_mib()
    options = AnswerOptions(layout="audio_only", sampling=Sampling(max_new_tokens=2503))
    if way == "whole":
        n_samples = len(model.answer(question, options).audio)
    else:
        n_samples = sum(len(chunk.audio) for chunk in model.stream(question, options))
    print(f"{n_samples / 24_000:.1f} {peak_mib() - before_mib:.0f}")


def peak_mib() -> float:
    """Highest resident memory of this process since the peak was reset; Linux only."""
    status = Path("/proc/self/status").read_text()
    return float(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def print_memory() -> None:
    """The table of peak memory."""
    print("\n### Peak memory of a 60 s answer (tiny model, growth over the loaded model)\n")
    print("| way | speech, s | peak, MiB |")
    print("|---|---|---|")
    for way in ("whole", "streamed"):
        command = [sys.executable, "-m", "tests.bench.bench_reference", way]
        spoken_s, grown_mib = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        print(f"| {way} | {spoken_s} | {grown_mib} |")


def main() -> None:
    """Prints all tables as Markdown."""
    transformers_logging.set_verbosity_error()
    print("## Reference model\n")
    print_decoding()
    print_vocoder()
    print_memory()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        answer_for_a_minute(sys.argv[1])
    else:
        main()
