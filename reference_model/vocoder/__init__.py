"""Audio codes to sound: flow matching to mel, HiFT to wave.

`Vocoder` is the way in; `Flow` and `Hift` are its two networks, whose weights load from the published `flow.pt` and
`hift.pt`.
"""

from aqaa_eval.reference_model.vocoder.flow import Flow
from aqaa_eval.reference_model.vocoder.hift import Hift
from aqaa_eval.reference_model.vocoder.mel_stream import StreamPlan
from aqaa_eval.reference_model.vocoder.take import Speaker, SynthesisConfig
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder

__all__ = ["Flow", "Hift", "Speaker", "StreamPlan", "SynthesisConfig", "Vocoder"]
