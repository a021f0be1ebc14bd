"""Ray's agents export over HTTP what governor, monitor and replicas measured, by the names that are documented."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from actors.recording import record
from runtime.domain.events import SpecApplied
from runtime.local_cluster import LocalCluster
from tests.cluster.fleet import Fleet, fleet_up
from tests.cluster.scraping import Scraped, scrape, scraped_until


@pytest.fixture(scope="module")
def fleet(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    home: Path = tmp_path_factory.mktemp("metrics")
    with fleet_up(cluster, home) as fleet:
        yield fleet


def test_governor_monitor_and_replicas_are_scraped(fleet: Fleet) -> None:
    errors = ("ray_fleetward_request_errors_total", {"pool": "default", "model": "(unknown)", "status": "404"})
    before = scrape()  # counters of fleets that other tests took down stay with the agent
    applied = SpecApplied(name=fleet.spec.name, digest=fleet.spec.digest, spec=fleet.spec.as_document())
    record([applied], fleet.settings.principal, "metrics")
    asked = [httpx.get(f"{fleet.url}/v2/models/nobody-{n}", trust_env=False, timeout=30).status_code for n in range(5)]
    assert asked == [404] * 5

    def told(found: Scraped) -> dict[str, object]:
        commits = found.total("ray_fleetward_ledger_commits_total")
        return {
            "unknown models": found.total(errors[0], **errors[1]) - before.total(errors[0], **errors[1]),
            "entries": found.values("ray_fleetward_ledger_entries"),
            "taken in": found.values("ray_fleetward_monitor_ledger_entries"),
            "replicas": found.values("ray_fleetward_replicas", pool="default"),
            "serving": found.values("ray_fleetward_models", state="serving"),
            "commits": commits > before.total("ray_fleetward_ledger_commits_total"),
            "in buckets": found.total("ray_fleetward_ledger_commit_seconds_bucket_total", le="+Inf") - commits,
        }

    def expected() -> dict[str, object]:
        size = float(len(fleet.entries()))
        return {
            "unknown models": 5.0,
            "entries": [size],
            "taken in": [size],
            "replicas": [float(fleet.settings.replicas)],
            "serving": [0.0],
            "commits": True,
            "in buckets": 0.0,
        }

    found = scraped_until(lambda found: told(found) == expected())
    assert told(found) == expected()
    assert "Entries in the ledger." in found.helps["ray_fleetward_ledger_entries"]
