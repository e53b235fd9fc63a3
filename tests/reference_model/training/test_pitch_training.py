"""The pitch predictor learns the pitch that goes with a mel, whoever made it, and touches nothing else."""

from __future__ import annotations

import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.training.pitch_training import PitchTask, pitch_batches, pitch_rows
from aqaa_eval.reference_model.vocoder.flow import Flow, count_frames
from aqaa_eval.reference_model.vocoder.hift import Hift
from tests.reference_model.training.test_vocoder_training import ROWS, fall


def test_it_learns_the_pitches_and_leaves_the_generator_alone():
    torch.manual_seed(0)
    hift = Hift(tiny().hift)
    before = {name: tensor.clone() for name, tensor in hift.state_dict().items()}
    [batch, *_] = pitch_batches(pitch_rows(ROWS), n_frames=20, batch_size=len(ROWS), seed=0)
    first, last = fall(PitchTask(hift), [batch], 60)
    assert last < 0.3 * first
    changed = {name for name, tensor in hift.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("f0_predictor.") for name in changed)


def test_rows_by_the_flow_have_the_frames_of_their_codes_and_no_gradient():
    flow = Flow(tiny().flow).eval()
    for row, made in zip(ROWS, pitch_rows(ROWS, flow), strict=True):
        n_frames = min(len(row.f0_hz), count_frames(len(row.codes), tiny().flow))
        assert made.mel_BMF.shape == (1, 80, n_frames)
        assert made.f0_BF.shape == (1, n_frames)
        assert not made.mel_BMF.requires_grad


def test_a_short_row_is_held_to_the_length_of_the_crop():
    rows = pitch_rows(ROWS[:1])
    longer = rows[0].mel_BMF.shape[2] + 7
    [batch] = pitch_batches(rows, n_frames=longer, batch_size=1, seed=0)
    assert batch.mel_BMF.shape[2] == longer
    assert torch.equal(batch.f0_BF[:, -1], rows[0].f0_BF[:, -1])
