"""The one uninterrupted story of a small fleet that the tests of the loop read and those of the kills compare with."""

from pathlib import Path

import pytest

from runtime.local_cluster import LocalCluster
from tests.cluster.fleet import Story, fleet_up, live_through


@pytest.fixture(scope="session")
def story(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A fleet's first eight weeks, undisturbed, and what it answered on the way; the fleet is down again."""
    home: Path = tmp_path_factory.mktemp("loop")
    with fleet_up(cluster, home) as fleet:
        return live_through(fleet)
