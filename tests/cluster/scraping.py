"""What the metrics agents of the test run's cluster answer to a scrape, as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import ray
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scraped:
    """Every series of one scrape of all nodes: (name, labels) and its value."""

    series: list[tuple[str, dict[str, str], float]]
    helps: dict[str, str]

    def values(self, name: str, **labels: str) -> list[float]:
        """Values of the series that have these labels."""
        return [
            value
            for found, has, value in self.series
            if found == name and all(has.get(key) == wanted for key, wanted in labels.items())
        ]

    def total(self, name: str, **labels: str) -> float:
        """Their sum."""
        return sum(self.values(name, **labels))


def scrape() -> Scraped:
    """One scrape of every node's agent."""
    series, helps = [], {}
    for node in ray.nodes():
        address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        text = httpx.get(address, trust_env=False, timeout=30).text
        for family in text_string_to_metric_families(text):
            helps[family.name] = family.documentation
            series += [(sample.name, sample.labels, sample.value) for sample in family.samples]
    return Scraped(series, helps)


def scraped_until(holds: Callable[[Scraped], bool], within_seconds: float = 60) -> Scraped:
    """The first scrape of which it holds; after the time, the last one. An export takes up to 15 seconds."""
    ends = time.monotonic() + within_seconds
    while not holds(found := scrape()) and time.monotonic() < ends:
        time.sleep(1)
    return found
