"""Several processes, as torchrun starts them: the loss of one, and weights in parts that come together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aqaa_eval.reference_model.training.loop import train
from tests.reference_model.training.test_loop import curve, line, plan

SHARDED = """
import os
import sys
sys.path.insert(0, {tests!r})
import torch
from torch import distributed
from torch.distributed.fsdp import fully_shard
from test_loop import line
from aqaa_eval.reference_model.training.loop import whole_weights
distributed.init_process_group("gloo")
mesh = distributed.device_mesh.init_device_mesh("cpu", (2,))
model = line().model
before = {{name: tensor.clone() for name, tensor in model.state_dict().items()}}
for layer in model:
    if list(layer.parameters()):
        fully_shard(layer, mesh=mesh)
fully_shard(model, mesh=mesh)
assert any(tensor.to_local().shape != before[name].shape for name, tensor in model.state_dict().items())
after = whole_weights(model)
if distributed.get_rank() == 0:
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
distributed.barrier()
os._exit(0)  # see `training_processes`: a thread of gloo may still hold a tensor when Python ends
"""


@pytest.mark.filterwarnings("default")
def test_weights_in_parts_on_two_processes_come_together(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SHARDED.format(tests=str(Path(__file__).parent)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


SCRIPT = """
import os
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_loop import line, plan
from aqaa_eval.reference_model.training.loop import train
for n_batches in (8, 3, 1):
    train(line(n_batches), plan(n_steps=20), Path({folder!r}) / str(n_batches))
os._exit(0)
"""


@pytest.mark.filterwarnings("default")
def test_two_processes_give_the_loss_of_one(tmp_path):
    """DDP over gloo: each process takes every other batch, so one step of two is two accumulated batches of one.

    Of epochs of 3 batches and of 1, too, which the processes cannot share evenly.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "two")))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for n_batches in (8, 3, 1):
        train(line(n_batches), plan(n_steps=20, n_accumulated=2), tmp_path / "one" / str(n_batches))
        one, two = (curve(tmp_path / name / str(n_batches)) for name in ("one", "two"))
        assert len(two) == 20
        assert two == pytest.approx(one, rel=1e-4)
