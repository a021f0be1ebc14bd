"""cluster.yaml is what Ray's launcher accepts, is closed by default, and runs the Ray of this project."""

import copy
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

Config = dict[str, Any]


@pytest.fixture(scope="module")
def config(root: Path) -> Config:
    loaded: Config = yaml.safe_load((root / "cluster.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def machines(config: Config) -> dict[str, Config]:
    return {name: kind["node_config"] for name, kind in config["available_node_types"].items()}


def start_commands(config: Config) -> list[str]:
    commands = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    return [command for command in commands if "ray start" in command]


def test_rays_own_schema_accepts_it(config: Config) -> None:
    validate_config(prepare_config(copy.deepcopy(config)))


def test_rays_own_schema_would_refuse_a_misspelt_key(config: Config) -> None:
    """Guards the test above: the validation is the strict one."""
    with pytest.raises(Exception, match="upscaling_mode"):
        validate_config(prepare_config({**copy.deepcopy(config), "upscaling_mode": "Default"}))


def test_no_default_of_rays_opens_a_machine(machines: dict[str, Config]) -> None:
    for name, machine in machines.items():
        assert machine["SecurityGroupIds"], name
        assert machine["IamInstanceProfile"]["Arn"], name
        assert machine["MetadataOptions"]["HttpTokens"] == "required", name
        assert all(volume["Ebs"]["Encrypted"] is True for volume in machine["BlockDeviceMappings"]), name


def test_a_worker_has_a_narrower_profile_than_the_head(machines: dict[str, Config]) -> None:
    assert machines["head"]["IamInstanceProfile"] != machines["worker"]["IamInstanceProfile"]


def test_values_of_an_account_are_marked_to_be_filled_in(root: Path, machines: dict[str, Config]) -> None:
    text = (root / "cluster.yaml").read_text()
    for machine in machines.values():
        owned = [machine["ImageId"], *machine["SubnetIds"], *machine["SecurityGroupIds"]]
        assert all(value.startswith("FILL-IN-") for value in [*owned, machine["IamInstanceProfile"]["Arn"]])
    assert not re.search(r"\b(?:ami|sg|subnet|vpc)-[0-9a-f]{8,}|arn:aws|\b[0-9]{12}\b", text)


def test_the_head_offers_no_cpu(config: Config) -> None:
    assert config["available_node_types"][config["head_node_type"]]["resources"] == {"CPU": 0}


def test_the_dashboard_listens_on_loopback_only(root: Path, config: Config) -> None:
    heads = [command for command in start_commands(config) if "--head" in command]
    assert len(heads) == 1
    assert "--dashboard-host=127.0.0.1" in heads[0]
    assert "0.0.0.0" not in (root / "cluster.yaml").read_text()  # noqa: S104 the very value that must be absent


@pytest.mark.parametrize(
    "setting",
    [
        "RAY_AUTH_MODE=token",
        "RAY_AUTH_TOKEN_PATH=",
        "RAY_SERVE_ENABLE_HA_PROXY=1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED=1",
        "FLEETWARD_SUBJECTS=/mnt/fleetward/",
    ],
)
def test_head_and_workers_start_with_the_same_settings(config: Config, setting: str) -> None:
    commands = start_commands(config)
    assert len(commands) == 2
    assert all(setting in command for command in commands)


def test_the_keys_of_data_subjects_lie_where_every_machine_mounts_one_file_system(config: Config) -> None:
    """A folder that is each machine's own would keep keys that an erasure misses."""
    [mount] = [command for command in config["setup_commands"] if "mount -t" in command]
    folder = re.search(r"mount -t nfs4 -o \S*\bhard\b\S* FILL-IN-file-system:/ (/\S+?)\)", mount)
    assert folder is not None
    for command in start_commands(config):
        assert f"FLEETWARD_SUBJECTS={folder[1]}/" in command
    assert "nfs-common" in "".join(config["setup_commands"][: config["setup_commands"].index(mount)])


def test_no_secret_stands_in_it(config: Config) -> None:
    """The token and the database's password travel as files that are named, not quoted."""
    assert all("RAY_AUTH_TOKEN=" not in command for command in start_commands(config))
    assert config["file_mounts"]["/home/ubuntu/.fleetward/ray_token"] == "~/.fleetward/ray_token"


def test_ray_is_pinned_alike_on_machines_and_driver(root: Path, config: Config) -> None:
    dependencies = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    [pinned] = [version for line in dependencies if (version := re.fullmatch(r"ray\[.*\]==([0-9.]+)", line))]
    checks = [command for command in config["setup_commands"] if "show ray" in command]
    assert len(checks) == 1
    assert f"Version: {pinned[1]}'" in checks[0]
    assert f"\nray=={pinned[1]} " in (root / "requirements.lock").read_text()
    assert config["file_mounts"]["/home/ubuntu/fleetward/requirements.lock"] == "requirements.lock"
