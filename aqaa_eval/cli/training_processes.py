"""A command that is one of several processes of a training, as torchrun and accelerate start them."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path


def end_with(made: Path) -> None:
    """Print what was made, once for all processes, and end those of several at once.

    When Python takes itself down, a thread of gloo may still hold a tensor and then aborts the process (PyTorch issue
    190489), and torchrun would call a finished training a failed one.
    """
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        print(made)
        return
    if distributed.get_rank() == 0:
        print(made)
    distributed.barrier()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
