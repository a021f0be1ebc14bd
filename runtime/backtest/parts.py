"""A back-test in several processes, each of a part of the models: a monitor's work is a model's own.

Every process folds the whole ledger, since verdicts look at the fleet, and reads of segments the rows of its models.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial, reduce
from operator import add

from runtime.backtest.backtest import Past, backtest
from runtime.backtest.report import Report
from runtime.backtest.worlds import Chosen, Recorded
from runtime.domain.policy_document import PolicyDocument

Opened = Callable[[Chosen], tuple[Past, Recorded]]
"""Opens the ledger, as of one and the same size, and its segments: a function that a process can be handed."""


def parted(
    opened: Opened, policy: PolicyDocument, since: timedelta, patterns: tuple[str, ...], processes: int
) -> Report:
    """As ``backtest``, in so many processes. Raises as it does."""
    parts = [Chosen(part, processes, patterns) for part in range(processes)]
    if processes == 1:
        return _part(opened, policy, since, parts[0])
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return reduce(add, pool.map(partial(_part, opened, policy, since), parts))


def _part(opened: Opened, policy: PolicyDocument, since: timedelta, part: Chosen) -> Report:
    past, recorded = opened(part)
    return backtest(past, recorded, policy, since, part)
