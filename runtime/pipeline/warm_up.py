"""Workers that import what training needs while the driver still loads the data.

Of a short retraining, most is the start of processes: scikit-learn and skops alone take a worker 2 to 3 s of CPU.
This module imports none of it, so that a job can call it as soon as it is connected.
"""

from __future__ import annotations

import importlib
from typing import Any

_HEAVY = ("ray.data", "runtime.pipeline.retrain", "skops.io", "runtime.flavors.threads")


def warm_up(workers: int = 1, runtime_env: dict[str, Any] | None = None) -> None:
    """Starts so many workers of this job with this environment, and returns at once.

    One is enough for a few small models: on a machine of two cores, a second one's imports would compete with the
    driver's. Where more tasks wait than workers are warm, Ray starts more by itself.
    """
    import ray

    for _ in range(workers):
        ray.remote(_import_all).options(runtime_env=runtime_env).remote()


def _import_all() -> None:
    for module in _HEAVY:
        importlib.import_module(module)
