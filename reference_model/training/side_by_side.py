"""Work in processes of its own: what does not wait for each other is done at the same time.

The networks here are small, and two trainings with half of the cores each are far ahead of one with all of them.
"""

from __future__ import annotations

import copy
import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import torch

Part = TypeVar("Part")
Done = TypeVar("Done")

_parent: Connection | None = None  # in a process that works beside another: leads to that one
_PATIENCE_S = 0.5
_log = logging.getLogger(__name__)


def in_processes(
    n_jobs: int, work: Callable[[int, Part], Done], parts: Sequence[Part], *, n_threads: int = 1
) -> Iterator[Done]:
    """Do the same with every part and its number, in order; how many do it changes nothing, as long as threads do not.

    Args:
        n_jobs: processes; 1 does all here.
        work: is pickled.
        parts: are pickled.
        n_threads: of torch, in each process.
    """
    if n_jobs == 1:
        yield from map(work, range(len(parts)), parts)
        return
    with _pool(n_jobs, n_threads) as pool:
        yield from pool.map(work, range(len(parts)), parts)


def tell(*news: Any) -> None:
    """In work that is done beside something else: what `hear` of `beside` is called with there."""
    if _parent is not None:
        _parent.send_bytes(json.dumps(news).encode())


@contextmanager
def beside(
    n_jobs: int, work: Callable[..., object], *given: Any, hear: Callable[..., None] | None = None
) -> Iterator[Callable[[], None]]:
    """Do some work in another process while the block runs; it is done at the latest when the block ends.

    With one job nothing is begun. That suits work that leaves its result on disk, where whoever needs it finds it made,
    or makes it.

    Args:
        n_jobs: jobs that share torch's threads; 1 or 2.
        work: is pickled, as is what it is given.
        given: to the work, as it is now: the block may change it.
        hear: is called, in a thread of its own, with all that the work has to `tell`, which must go into JSON.

    Yields:
        what waits for the work, and raises what it raised.
    """
    if n_jobs == 1:
        yield lambda: None
        return
    n_threads = torch.get_num_threads()
    as_it_is = copy.deepcopy(given)  # the pool's own thread pickles it, later, while the block changes what is given
    with _heard(hear or _ignore) as parent, _pool(1, max(1, n_threads // n_jobs), parent) as pool:
        found = pool.submit(_do, work, *as_it_is)
        found.add_done_callback(_say_what_failed)
        torch.set_num_threads(max(1, n_threads // n_jobs))

        def wait() -> None:
            found.result()
            torch.set_num_threads(n_threads)

        try:
            yield wait
            wait()
        except BaseException:
            for child in multiprocessing.active_children():
                child.terminate()  # nobody waits for it any more, and it would go on for an hour
            raise
        finally:
            torch.set_num_threads(n_threads)


def _say_what_failed(found: Future[None]) -> None:
    """At once: the block may go on for an hour before it asks."""
    error = None if found.cancelled() else found.exception()
    if error is not None and not isinstance(error, BrokenProcessPool):
        _log.error("what is done beside this has failed and will end it: %s: %s", type(error).__name__, error)


@contextmanager
def _heard(hear: Callable[..., None]) -> Iterator[Connection]:
    """Where a child may write what it has to tell."""
    ours, childs = multiprocessing.Pipe(duplex=False)
    is_over = threading.Event()

    def listen() -> None:
        while not is_over.is_set() or ours.poll():
            if ours.poll(_PATIENCE_S):
                hear(*json.loads(ours.recv_bytes()))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield childs
    finally:
        is_over.set()
        listener.join()
        ours.close()
        childs.close()


def _ignore(*news: Any) -> None:
    """Hear nothing."""


def _do(work: Callable[..., object], *given: Any) -> None:
    work(*given)  # what it returns stays there: it is on disk, too


def _pool(n_jobs: int, n_threads: int, parent: Connection | None = None) -> ProcessPoolExecutor:
    # Started anew, not forked: a fork in the middle of another thread's work can hang libraries.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(n_jobs, mp_context=context, initializer=_begin, initargs=(n_threads, parent))


def _begin(n_threads: int, parent: Connection | None) -> None:
    global _parent
    _parent = parent
    torch.set_num_threads(n_threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Whoever was killed cannot end its children, and the next start would find them at work in its folder."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
