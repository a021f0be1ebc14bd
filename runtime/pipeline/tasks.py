"""Tasks over some models each. One that takes its worker down is tried again model by model, so only the guilty fail.

task (a, b, c) --worker dies--> task (a), task (b) --dies--> b failed, task (c)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runtime.domain.errors import FleetwardError


@dataclass(frozen=True, eq=False)
class Task:
    """Some models, and what starts a Ray task for them or for some of them."""

    models: Sequence[str]
    start: Callable[[Sequence[str]], Any]

    def apart(self) -> list[Task]:
        """One for each of its models."""
        return [replace(self, models=[model]) for model in self.models]


@dataclass(frozen=True)
class Failed:
    """Why a task has no result."""

    reason: str


def finished(tasks: Sequence[Task]) -> Iterator[tuple[Task, Any | Failed]]:
    """Each task with its result, in order of completion."""
    import ray

    waiting = {task.start(task.models): task for task in tasks}
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        task = waiting.pop(ready)
        try:
            yield task, ray.get(ready)
        except (ray.exceptions.RayError, FleetwardError) as error:
            if took_its_worker_down(error) and len(task.models) > 1:
                waiting |= {alone.start(alone.models): alone for alone in task.apart()}
            else:
                yield task, Failed(reason_of(error))


def took_its_worker_down(error: Exception) -> bool:
    """Whether the process ended, by itself or by Ray, which ends the largest when a machine runs out of memory."""
    from ray.exceptions import OutOfMemoryError, WorkerCrashedError

    return isinstance(error, OutOfMemoryError | WorkerCrashedError)


def reason_of(error: Exception) -> str:
    """In one line: what Ray says of a dead worker fills a page."""
    from ray.exceptions import OutOfMemoryError, WorkerCrashedError

    if isinstance(error, OutOfMemoryError):
        return "out of memory: Ray ended its worker, since the machine had none left"
    if isinstance(error, WorkerCrashedError):
        return "its worker's process ended, as when it is killed or runs out of memory"
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
