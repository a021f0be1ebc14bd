"""For every test: the repository's root, and an environment free of this machine's own Fleetward.

For those that ask for it, one Ray and one PostgreSQL for the whole run, with everything they own in
folders of the run.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.local_cluster import LocalCluster, fixed_environment
from tests.postgres import PostgresServer, is_installed

# Ray keeps these as they are when it is first imported, which may be by a test that starts none.
os.environ.update(fixed_environment())

ROOT = Path(__file__).resolve().parent.parent
SERVERS = {"postgres", "s3"}
"""The fixtures that start one of the run's own."""


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(autouse=True)
def no_inherited_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's FLEETWARD_* variables must not decide a test."""
    for name in [name for name in os.environ if name.startswith("FLEETWARD_")]:
        monkeypatch.delenv(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the cluster come last: they set the environment of this process, and quick tests fail first."""
    items.sort(key=_is_on_the_cluster)
    for item in filter(_needs_a_server, items):
        item.add_marker("server")
    for item in filter(_is_on_the_cluster, items):
        # Ray Data's own settings, when they are first made (Ray 2.60)
        item.add_marker(pytest.mark.filterwarnings(r"ignore:`use_\w+` is deprecated:DeprecationWarning"))


def _is_on_the_cluster(item: pytest.Item) -> bool:
    return "cluster" in getattr(item, "fixturenames", ())


def _needs_a_server(item: pytest.Item) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
    on_postgres = any(isinstance(value, str) and value == "postgresql" for value in parameters)
    return on_postgres or not SERVERS.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A local cluster this process is connected to; when it ends, nothing of it may be left."""
    import ray
    from ray import serve

    from actors.names import NAMESPACE

    cluster = LocalCluster.start(tmp_path_factory.mktemp("cluster"), num_cpus=3)
    before = dict(os.environ)
    os.environ.update(cluster.environment())
    try:
        ray.init(cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.WARNING)
        yield cluster
        serve.shutdown()
        ray.shutdown()
    finally:
        os.environ.clear()
        os.environ.update(before)
        cluster.stop()
    assert not Path(cluster.temp_dir).exists()
    assert LocalCluster.load(Path(cluster.home)) is None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; where continuous integration runs, one that is missing is a failure."""
    if not is_installed():
        missing = "PostgreSQL's server is not installed; on Debian: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    server = PostgresServer.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database of each kind, for what holds on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()
