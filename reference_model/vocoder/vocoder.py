"""Audio codes to sound: `Vocoder.synthesize` for a whole answer, `Vocoder.stream` while it is still being written.

All chance comes from a seed, position by position, so a stream and a whole synthesis start from the same noise. Long
answers are synthesised through the stream's windows, which keeps memory flat; the flow's attention would otherwise
grow with the square of the length.

Shapes: N wave samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from aqaa_eval.reference_model.config import FlowConfig, HiftConfig
from aqaa_eval.reference_model.vocoder.filter_hift import build_hift
from aqaa_eval.reference_model.vocoder.flow import Flow
from aqaa_eval.reference_model.vocoder.hift import MelToWave
from aqaa_eval.reference_model.vocoder.noise import make_generator
from aqaa_eval.reference_model.vocoder.take import Speaker, SynthesisConfig, Take, check_length


class Vocoder:
    """A flow and a HiFT that belong together.

    Raises:
        ValueError: if the two disagree on sample rate, mel bins or hop.
    """

    def __init__(self, flow: Flow, hift: MelToWave, synthesis: SynthesisConfig | None = None) -> None:
        _check_pair(flow.config, hift)
        self.flow = flow.eval()
        self.hift = hift.eval()
        self.synthesis = synthesis or SynthesisConfig()

    @classmethod
    def random(cls, flow_config: FlowConfig, hift_config: HiftConfig, seed: int) -> Vocoder:
        """A vocoder with random weights: noise out, for tests and for training from scratch."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(make_generator(seed).initial_seed())
            return cls(Flow(flow_config), build_hift(hift_config))

    @property
    def sample_rate_hz(self) -> int:
        """Of the waves made."""
        return self.hift.config.sample_rate_hz

    def fold_weight_norm(self) -> None:
        """Fold HiFT's weight norm for speed; save the weights before, not after."""
        self.hift.fold_weight_norm()

    @torch.inference_mode()
    def synthesize(self, codes: list[int], seed: int, speaker: Speaker | None = None) -> tuple[Tensor, int]:
        """Speak a whole answer.

        Args:
            codes: merged audio codes 0 to 5,119 in whole groups of five.
            seed: fixes all noise.
            speaker: voice; None for the model's own, without prompt.

        Returns:
            Wave [N] within -1 and 1, fp32 on the CPU, and its sample rate in Hz.

        Raises:
            ValueError: if codes or speaker break a rule.
        """
        codes = list(codes)
        check_length(len(codes))
        if len(codes) > self.synthesis.max_whole_codes:
            return torch.cat(list(self.stream([codes], seed, speaker))), self.sample_rate_hz
        take = Take(self.flow, self.hift, seed, speaker, self.synthesis)
        return take.whole(codes), self.sample_rate_hz

    def stream(self, code_blocks: Iterable[list[int]], seed: int, speaker: Speaker | None = None) -> Iterator[Tensor]:
        """Speak an answer while its codes arrive.

        Args:
            code_blocks: codes in blocks of any length; together whole groups of five.
            seed: fixes all noise, as for `synthesize`.
            speaker: voice; None for the model's own, without prompt.

        Yields:
            Wave pieces [n > 0], fp32 on the CPU; joined they have the length that `synthesize` gives.

        Raises:
            ValueError: if codes or speaker break a rule; a broken last group is found at the end.
        """
        take = Take(self.flow, self.hift, seed, speaker, self.synthesis)
        for block in code_blocks:
            yield from take.push(list(block))
        yield from take.finish()


def _check_pair(flow: FlowConfig, hift: MelToWave) -> None:
    pairs = {
        "sample rate": (flow.sample_rate_hz, hift.config.sample_rate_hz),
        "number of mel bins": (flow.n_mels, hift.config.n_mels),
        "samples per mel frame": (flow.hop, hift.samples_per_frame),
    }
    for what, (of_flow, of_hift) in pairs.items():
        if of_flow != of_hift:
            raise ValueError(
                f"the {what} of the flow ({of_flow}) and of HiFT ({of_hift}) must be the same: load the two from "
                "one checkpoint"
            )
