"""A ledger's recorded decisions and outcomes through the monitor again, on the cluster.

the ledger's entries -> the live fold, each worker with its share of the models -> findings
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.watched import Monitoring
from runtime.ledger.log import Log
from runtime.monitoring.again import Share, again
from runtime.monitoring.fold import Monitor
from runtime.monitoring.segments import decisions_of, outcomes_of
from runtime.pipeline.cores import cluster_cores
from runtime.pipeline.sources import quiet
from runtime.settings import Settings
from runtime.storage.keyring import Keyring
from runtime.storage.objects import ObjectStore

Found = dict[str, Any]
"""JSON values: what is found now, each with whether it was found then, and what was found then alone."""


def look_again(settings: Settings, tried: Mapping[str, Monitoring], models: frozenset[str] | None) -> Found:
    """What the recorded rows lead to, by the settings of then or by those that are tried, beside what they led to."""
    with Log.open_read_only(settings.database) as log:
        entries = list(log.entries())
    found, unreadable = _folded(entries, dict(tried), models, settings)
    opened = [entry.event for entry in entries if isinstance(entry.event, e.FindingOpened)]
    then = {each.finding: each for each in opened if models is None or each.model in models}
    now = {each["finding"] for each in found}
    alone = [each.as_document() for name, each in then.items() if name not in now]
    return {
        "findings": [{**each, "found_then": each["finding"] in then} for each in found],
        "found_then_alone": alone,
        "unreadable_entries": unreadable,
    }


def _folded(
    entries: Sequence[Entry], tried: dict[str, Monitoring], models: frozenset[str] | None, settings: Settings
) -> tuple[list[Found], int]:
    import ray
    from ray import data

    quiet()
    workers = cluster_cores()
    share = partial(_fold, entries=ray.put(list(entries)), tried=tried, models=models, settings=settings)
    shares = data.from_items([{"worker": at, "workers": workers} for at in range(workers)], override_num_blocks=workers)
    told = shares.map(share).take_all()
    found: list[Found] = [each for share in told for each in json.loads(share["findings"])]
    found.sort(key=lambda each: (each["as_of"], each["model"], each["about"]))
    return found, max((int(share["unreadable"]) for share in told), default=0)


def _fold(
    row: dict[str, Any], entries: Any, tried: dict[str, Monitoring], models: frozenset[str] | None, settings: Settings
) -> dict[str, Any]:
    """Runs in a worker: the live fold over all entries, for its share of the models."""
    import ray

    store = ObjectStore.open(settings.store)
    keyring = cache(lambda: Keyring.open(settings.subjects, lambda: datetime.now(UTC)))
    share = Share(int(row["worker"]), int(row["workers"]), models)
    monitor = Monitor(
        store.get,
        lambda digest: decisions_of(store, digest, lambda name: keyring().key_of(name), share.owns),
        lambda digest: outcomes_of(store, digest, share.owns),
        share,
    )
    found = again(ray.get(entries), monitor, tried)
    return {"findings": json.dumps([each.as_document() for each in found.findings]), "unreadable": found.unreadable}
