"""`ray job submit` as a user does it: from a clean copy of the repository, to a cluster that is up."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from runtime.domain.events import RetrainingFinished, SegmentSealed, VersionPromoted
from runtime.ledger.verify import verify_log
from runtime.local_cluster import LocalCluster
from tests.cluster.fleet import Fleet, fleet_up
from tests.cluster.routes import MODELS, document

WITHIN_SECONDS = 120
DATES = ("--as-of", "2013-02-22")


@dataclass(frozen=True)
class User:
    """Somebody with a copy of the repository and the cluster's token."""

    tree: Path
    fleet: Fleet

    def submit(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`ray job submit ... -- python COMMAND`, to the job's end; its log is in the output."""
        cluster = self.fleet.cluster
        kept = {name: cluster.env[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")}
        runtime_env = json.dumps({"env_vars": self.fleet.settings.as_environment()})
        ray = [str(Path(sys.executable).with_name("ray")), "job", "submit", "--address", cluster.dashboard]
        return subprocess.run(
            [*ray, "--working-dir", ".", "--runtime-env-json", runtime_env, "--", sys.executable, *command],
            cwd=self.tree,
            env={"PATH": os.environ["PATH"], "HOME": str(self.tree.parent), **kept},
            capture_output=True,
            text=True,
            timeout=WITHIN_SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def user(cluster: LocalCluster, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A user whose tree holds the tracked files, and a spec whose source stands nowhere but in that tree."""
    tree = tmp_path_factory.mktemp("user") / "fleetward"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, tree / name)
    (tree / "only_here.py").write_text("from tests.cluster.routes import load as load\n")
    spec = document()
    spec["data"]["source"] = "only_here:load"
    (tree / "routes.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    (tree / "misspelt.yaml").write_text(yaml.safe_dump({**spec, "featuers": ["hour"]}, sort_keys=False))
    with fleet_up(cluster, tmp_path_factory.mktemp("jobs")) as fleet:
        yield User(tree, fleet)


def test_up_a_second_time_says_that_it_is_up_already(user: User) -> None:
    job = user.submit("jobs/up.py")
    assert job.returncode == 0, job.stdout + job.stderr
    assert "Fleetward is up already" in job.stdout


def test_a_spec_with_an_unknown_field_fails_the_job_with_the_field_and_the_file(user: User) -> None:
    job = user.submit("jobs/prepare.py", "--spec", "misspelt.yaml", *DATES)
    assert job.returncode != 0
    told = job.stdout + job.stderr
    assert "featuers" in told
    assert "misspelt.yaml" in told
    assert "Traceback" not in told


def test_data_are_prepared_models_trained_and_days_replayed(user: User) -> None:
    spec = ("--spec", "routes.yaml")
    prepared = user.submit("jobs/prepare.py", *spec, *DATES)
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    assert f"in {len(MODELS)} models, 2 skipped" in prepared.stdout
    trained = user.submit("jobs/train.py", *spec, *DATES)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert f"{len(MODELS)} versions registered, 0 failed, 2 skipped" in trained.stdout
    replayed = user.submit("jobs/replay.py", *spec, "--since", "2013-02-22", "--until", "2013-02-25")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "0 failed" in replayed.stdout

    events = [entry.event for entry in user.fleet.entries()]
    assert sorted(event.model for event in events if isinstance(event, VersionPromoted)) == list(MODELS)
    assert any(isinstance(event, SegmentSealed) for event in events)
    assert not any(isinstance(event, RetrainingFinished) for event in events)
    assert verify_log(user.fleet.settings.database).size == len(events)
