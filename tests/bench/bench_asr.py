"""What the ears cost: clips a second, one by one and in a batch; seconds per clip of the measurements of the sound."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from aqaa_eval.catalog import TRANSCRIBERS, make_transcriber, missing_of
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.protocols import Clip
from aqaa_eval.core.weights import is_present, locate
from tests.judges.sentences import SENTENCES

EARS = ("whisper:base", "faster-whisper:tiny.en", "faster-whisper:base", "hf-whisper:base")


def clips(n_clips: int) -> list[Clip]:
    """Spoken sentences, made anew so that nothing is remembered of them."""
    from hibari import Hibari

    voice = Hibari()
    return [
        Clip(
            audio=Audio(samples=np.asarray(voice(text, seed=0), np.float32), sample_rate_hz=24_000),
            languages=("en", "ja"),
        )
        for text in SENTENCES[:n_clips]
    ]


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ears(n_clips: int) -> None:
    """The table of transcribers."""
    print(f"| transcriber, {n_clips} clips of about 3 s | one by one | in one batch |")
    print("|---|---|---|")
    for name in EARS:
        lacking = [item for item in missing_of(TRANSCRIBERS[name.partition(":")[0]]) if item.startswith("pip")]
        if not is_present(name) or lacking:
            print(f"| {name} | not here | |")
            continue
        ear = make_transcriber(name)
        assert ear is not None
        ear.transcribe(clips(1))
        alone, together = clips(n_clips), clips(n_clips)
        one_by_one = seconds(lambda ear=ear, alone=alone: [ear.transcribe([clip]) for clip in alone])
        batched = seconds(lambda ear=ear, together=together: ear.transcribe(together))
        print(f"| {name} | {n_clips / one_by_one:.2f} clips/s | {n_clips / batched:.2f} clips/s |")


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
        began = time.process_time()
        work(audio)
        print(f"| {name} | {time.process_time() - began:.2f} |")


def _ten_seconds() -> Audio:
    samples = np.concatenate([clip.audio.samples for clip in clips(4)])
    return Audio(samples=samples[: 10 * 24_000], sample_rate_hz=24_000)


def main(*, n_clips: int = 16) -> None:
    """Print both tables."""
    ears(n_clips)
    measurements()


if __name__ == "__main__":
    main()
