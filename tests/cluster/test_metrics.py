"""Ray's agents export over HTTP what governor, monitor and replicas measured, by the names that are documented."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from actors.recording import record
from runtime.domain.events import SpecApplied
from runtime.local_cluster import LocalCluster
from tests.cluster.fleet import Fleet, fleet_up
from tests.cluster.scraping import Scraped, scraped_until


@pytest.fixture(scope="module")
def fleet(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    home: Path = tmp_path_factory.mktemp("metrics")
    with fleet_up(cluster, home) as fleet:
        yield fleet


def test_governor_monitor_and_replicas_are_scraped(fleet: Fleet) -> None:
    applied = SpecApplied(name=fleet.spec.name, digest=fleet.spec.digest, spec=fleet.spec.as_document())
    record([applied], fleet.settings.principal, "metrics")
    asked = [httpx.get(f"{fleet.url}/v2/models/nobody-{n}", trust_env=False, timeout=30).status_code for n in range(5)]
    assert asked == [404] * 5

    def complete(found: Scraped) -> bool:
        return (
            found.total("ray_fleetward_request_errors_total", pool="default", status="404") >= 5
            and found.total("ray_fleetward_monitor_ledger_entries") > 0
            and found.total("ray_fleetward_replicas", pool="default") > 0
            and found.total("ray_fleetward_ledger_drafts_total", ended="recorded") > 0
        )

    found = scraped_until(complete)
    assert found.total("ray_fleetward_request_errors_total", pool="default", status="404", model="(unknown)") == 5
    size = len(fleet.entries())
    assert found.values("ray_fleetward_ledger_entries") == [size]
    assert found.values("ray_fleetward_monitor_ledger_entries") == [size]
    assert found.values("ray_fleetward_replicas", pool="default") == [fleet.settings.replicas]
    assert found.values("ray_fleetward_models", state="serving") == [0]
    commits = found.total("ray_fleetward_ledger_commits_total")
    assert commits >= 1
    assert found.total("ray_fleetward_ledger_commit_seconds_bucket_total", le="+Inf") == commits
    assert "Entries in the ledger." in found.helps["ray_fleetward_ledger_entries"]
