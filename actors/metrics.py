"""Hands what was measured to Ray's metrics agent, which Prometheus scrapes on every node.

A ``prometheus_client`` counter in an actor is never scraped; ``ray.util.metrics`` are. The agent forgets a gauge that
is not set again within two of its reporting periods (20 s), so all are set every ``EVERY_SECONDS``.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable

from ray.util.metrics import Counter, Gauge

from runtime.telemetry.families import Family
from runtime.telemetry.samples import Sample

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0

Collect = Callable[[], Iterable[Sample]]


class Exporter:
    """Ray's metrics of this process, each made when it is first told."""

    def __init__(self) -> None:
        self._made: dict[str, Counter | Gauge] = {}

    def publish(self, samples: Iterable[Sample]) -> None:
        """Counters grow by their values, gauges take theirs."""
        for family, labels, value in samples:
            metric = self._metric(family)
            tags = dict(zip(family.labels, labels, strict=True))
            if isinstance(metric, Gauge):
                metric.set(value, tags)
            elif value > 0:
                metric.inc(value, tags)

    def _metric(self, family: Family) -> Counter | Gauge:
        metric = self._made.get(family.name)
        if metric is None:
            kind = Counter if family.kind == "counter" else Gauge
            metric = self._made[family.name] = kind(family.name, f"{family.help} Unit: {family.unit}.", family.labels)
        return metric


async def export_for_ever(
    collect: Callable[[], Awaitable[Iterable[Sample]]], every_seconds: float = EVERY_SECONDS
) -> None:
    """Exports what ``collect``, which is called in the event loop, gives; whatever fails, the next time comes."""
    exporter = Exporter()
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await asyncio.to_thread(exporter.publish, list(await collect()))
        except Exception:
            logger.exception("metrics were not exported")


def export_in_a_thread(collect: Collect, every_seconds: float = EVERY_SECONDS) -> threading.Event:
    """The same from a thread of its own, where ``collect`` is called too; ends when the event is set."""
    exporter, done = Exporter(), threading.Event()

    def run() -> None:
        while not done.wait(every_seconds):
            try:
                exporter.publish(collect())
            except Exception:
                logger.exception("metrics were not exported")

    threading.Thread(target=run, name="metrics", daemon=True).start()
    return done
