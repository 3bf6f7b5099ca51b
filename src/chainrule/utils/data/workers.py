"""Worker processes of a loader: batch ``i`` is made by worker ``i mod n``, and batches come out in order."""

from __future__ import annotations

import multiprocessing
import queue
import traceback
from collections.abc import Iterator
from typing import Any

from .dataloader import fetcher
from .worker_info import WorkerInfo, become

_END = "end of the stream"


class _Text(str):
    """A text that a KeyError shows as it is."""

    __repr__ = str.__str__


class _Failure:
    """An exception of a worker, with its traceback as text."""

    def __init__(self, error: BaseException, worker: int) -> None:
        self.kind = type(error)
        self.text = f"Caught {type(error).__name__} in DataLoader worker process {worker}.\nOriginal {traceback.format_exc()}"

    def reraise(self) -> None:
        """Raise it here, as the same type where that takes a message."""
        try:
            error = KeyError(_Text(self.text)) if self.kind is KeyError else self.kind(self.text)
        except TypeError:
            raise RuntimeError(self.text) from None
        raise error


def _work(info: WorkerInfo, tasks: Any, results: Any, batched: bool, collate: Any, drop_last: bool, init: Any) -> None:
    """A worker's life: fetch what it is asked for until it is told to stop."""
    import random

    from ...ops.random import manual_seed

    become(info)
    random.seed(info.seed)
    manual_seed(info.seed)
    try:
        if init is not None:
            init(info.id)
        fetch = fetcher(info.dataset, batched, collate, drop_last)
    except Exception as error:
        fetch = None
        failure = _Failure(error, info.id)
    while (task := tasks.get()) is not None:
        number, index = task
        if fetch is None:
            results.put((number, failure))
            continue
        try:
            results.put((number, fetch(index)))
        except StopIteration:
            results.put((number, _END))
        except Exception as error:
            results.put((number, _Failure(error, info.id)))


class _Pool:
    """The processes and their queues."""

    def __init__(self, loader: Any, base_seed: int) -> None:
        context = loader.multiprocessing_context
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context)
        self.results = context.Queue()
        self.tasks = [context.Queue() for _ in range(loader.num_workers)]
        self.processes = []
        for i, tasks in enumerate(self.tasks):
            info = WorkerInfo(i, loader.num_workers, base_seed + i, loader.dataset)
            batched = loader.batch_sampler is not None
            args = (info, tasks, self.results, batched, loader.collate_fn, loader.drop_last, loader.worker_init_fn)
            process = context.Process(target=_work, args=args, daemon=True)
            process.start()
            self.processes.append(process)

    def stop(self) -> None:
        """Tell the workers to stop, and wait for them."""
        for tasks in self.tasks:
            tasks.put(None)
        for process in self.processes:
            process.join(timeout=5)
            if process.is_alive():
                process.terminate()
        for q in (*self.tasks, self.results):
            q.cancel_join_thread()
            q.close()

    def next_result(self, timeout: float) -> tuple[int, Any]:
        """The next finished batch, in any order; RuntimeError when a worker has died or is too slow."""
        waited = 0.0
        while True:
            try:
                found: tuple[int, Any] = self.results.get(timeout=1.0 if not timeout else min(1.0, timeout))
                return found
            except queue.Empty:
                waited += 1.0
                dead = [str(p.pid) for p in self.processes if not p.is_alive()]
                if dead:
                    raise RuntimeError(f"DataLoader worker (pid(s) {', '.join(dead)}) exited unexpectedly") from None
                if timeout and waited >= timeout:
                    raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None


def over_workers(loader: Any, indices: Iterator[Any], base_seed: int) -> Iterator[Any]:
    """The batches of one pass, in order, with ``prefetch_factor`` batches in work at each worker."""
    pool = loader._workers if loader.persistent_workers and loader._workers is not None else _Pool(loader, base_seed)
    if loader.persistent_workers:
        loader._workers = pool
    n = loader.num_workers
    sent = received = 0
    ready: dict[int, Any] = {}
    ended: set[int] = set()
    try:
        while True:
            while sent - received < n * loader.prefetch_factor:
                index = next(indices, _END)
                if index is _END:
                    indices = iter(())
                    break
                pool.tasks[sent % n].put((sent, index))
                sent += 1
            if received == sent:
                return
            while received not in ready:
                number, result = pool.next_result(loader.timeout)
                ready[number] = result
            result = ready.pop(received)
            worker = received % n
            received += 1
            if isinstance(result, _Failure):
                result.reraise()
            if isinstance(result, str) and result == _END:
                ended.add(worker)
                if len(ended) == n:
                    return
                continue
            yield result
    finally:
        if not loader.persistent_workers:
            pool.stop()
