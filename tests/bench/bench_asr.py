"""What the ears cost: clips a second, one by one and in a batch; seconds per clip of the measurements of the sound."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.catalog import TRANSCRIBERS, make_transcriber, missing_of
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.protocols import Clip
from aqaa_eval.core.weights import is_present, locate
from tests.judges.sentences import SENTENCES

EARS = ("whisper:base", "faster-whisper:tiny.en", "faster-whisper:base", "hf-whisper:base")
RATE_HZ = 24_000


@cache
def spoken(text: str) -> NDArray[np.float32]:
    """One sentence, at `RATE_HZ`."""
    from hibari import Hibari

    return np.asarray(Hibari()(text, seed=0), np.float32)


def clips(n_clips: int) -> list[Clip]:
    """Sentences, copied so that nothing is remembered of them; the language is to be told among two."""
    return [
        Clip(audio=Audio(samples=spoken(text).copy(), sample_rate_hz=RATE_HZ), languages=("en", "ja"))
        for text in SENTENCES[:n_clips]
    ]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One piece of work; where others use the machine, the CPU seconds are what can be compared."""

    wall_s: float
    cpu_s: float

    def rate(self, n_clips: int) -> str:
        """For a table."""
        return f"{n_clips / self.wall_s:.2f} clips/s, {self.cpu_s / n_clips:.2f} CPU s a clip"


def cost_of(work: Callable[[], object]) -> Cost:
    """Do it once."""
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(wall_s=time.perf_counter() - began, cpu_s=time.process_time() - began_cpu)


def ears(names: Sequence[str], n_clips: int) -> None:
    """The table of transcribers."""
    length_s = sum(clip.audio.duration_s for clip in clips(n_clips)) / n_clips
    print(f"| transcriber, {n_clips} clips of {length_s:.1f} s on average | one by one | in one batch |")
    print("|---|---|---|")
    for name in names:
        lacking = [item for item in missing_of(TRANSCRIBERS[name.partition(":")[0]]) if item.startswith("pip")]
        if not is_present(name) or lacking:
            print(f"| {name} | not here | |")
            continue
        ear = make_transcriber(name)
        assert ear is not None
        ear.transcribe(clips(1))
        alone, together = clips(n_clips), clips(n_clips)
        one_by_one = cost_of(lambda ear=ear, alone=alone: [ear.transcribe([clip]) for clip in alone])
        batched = cost_of(lambda ear=ear, together=together: ear.transcribe(together))
        print(f"| {name} | {one_by_one.rate(n_clips)} | {batched.rate(n_clips)} |", flush=True)


def measurements() -> None:
    """The table of what is measured on the sound."""
    from aqaa_eval.judges.quality import DistillMos, DnsMos
    from aqaa_eval.metrics.acoustics import measure_delivery
    from aqaa_eval.metrics.voice_activity import speech_segments
    from aqaa_eval.metrics.voice_quality import can_measure_voice, measure_voice

    works: dict[str, Callable[[Audio], object]] = {
        "voice activity": speech_segments,
        "rate, pitch, level, pauses": lambda audio: measure_delivery(audio, text=SENTENCES[0], language="en"),
    }
    if can_measure_voice():
        works["harmonics to noise, jitter (Praat)"] = measure_voice
    if is_present("resemblyzer"):
        from aqaa_eval.judges.speaker import SpeakerEncoder

        works["speaker embedding"] = SpeakerEncoder(locate("resemblyzer")).embed
    if is_present("dnsmos"):
        dnsmos = DnsMos(locate("dnsmos"))
        works["DNSMOS"] = lambda audio: dnsmos.predict([audio])
    if is_present("plcmos"):
        from aqaa_eval.judges.plcmos import PlcMos

        plcmos = PlcMos(locate("plcmos"))
        works["PLCMOS"] = lambda audio: plcmos.predict([audio])
    distillmos = DistillMos()
    works["Distill-MOS"] = lambda audio: distillmos.predict([audio])
    print("\n| measured on 10 s of speech | CPU s |")
    print("|---|---|")
    for name, work in works.items():
        warm, audio = (_ten_seconds() for _ in range(2))
        speech_segments(audio) if name != "voice activity" else None
        work(warm)
        print(f"| {name} | {cost_of(lambda work=work, audio=audio: work(audio)).cpu_s:.2f} |", flush=True)


def _ten_seconds() -> Audio:
    samples = np.concatenate([clip.audio.samples for clip in clips(4)])
    return Audio(samples=samples[: 10 * RATE_HZ], sample_rate_hz=RATE_HZ)


def main(names: Sequence[str] = EARS, *, n_clips: int = 16) -> None:
    """Print both tables."""
    ears(names, n_clips)
    measurements()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What transcribing and measuring cost.")
    parser.add_argument("--ears", nargs="+", default=EARS, help="names as after --asr")
    parser.add_argument("--clips", type=int, default=16)
    given = parser.parse_args()
    main(given.ears, n_clips=given.clips)
