"""One Ray for all cluster tests, with everything it owns in folders of the test run."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.local_cluster import LocalCluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A local cluster this process is connected to; when it ends, nothing of it may be left."""
    import ray
    from ray import serve

    from actors.names import NAMESPACE

    cluster = LocalCluster.start(tmp_path_factory.mktemp("cluster"), num_cpus=4)
    before = dict(os.environ)
    os.environ.update(cluster.environment())
    try:
        ray.init(namespace=NAMESPACE, log_to_driver=False, logging_level=logging.WARNING)
        yield cluster
        serve.shutdown()
        ray.shutdown()
    finally:
        os.environ.clear()
        os.environ.update(before)
        cluster.stop()
    assert not Path(cluster.temp_dir).exists()
    assert LocalCluster.load(Path(cluster.home)) is None
