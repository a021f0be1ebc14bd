"""cluster.yaml is what Ray's launcher accepts, is closed by default, and runs the Ray of this project.

What AWS is asked for with it is tested in tests/unit/deploy, against a server that speaks its language.
"""

import copy
import re
import shutil
import subprocess
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


@pytest.fixture(scope="module")
def service(root: Path) -> str:
    """The head's Ray as systemd starts it, without the comments."""
    text = (root / "deploy" / "aws" / "fleetward-ray.service").read_text()
    return re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")


@pytest.fixture(scope="module")
def start_commands(config: Config, service: str) -> dict[str, str]:
    [worker] = [command for command in config["worker_start_ray_commands"] if "ray start" in command]
    assert not any("ray start" in command for command in config["head_start_ray_commands"]), "the head's is a service"
    return {"head": service, "worker": worker}


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
    workers = [machine["IamInstanceProfile"] for name, machine in machines.items() if name != "head"]
    assert machines["head"]["IamInstanceProfile"] not in workers


def test_jobs_run_on_spot_and_come_and_go_while_requests_are_answered_on_demand(config: Config) -> None:
    kinds = config["available_node_types"]
    assert kinds["training"]["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
    assert kinds["training"]["min_workers"] == kinds["gpu"]["min_workers"] == 0
    assert kinds["serving"]["min_workers"] >= 1
    assert all("InstanceMarketOptions" not in kinds[kind]["node_config"] for kind in ("head", "serving", "gpu"))
    labels = {name: kind["labels"]["fleetward/role"] for name, kind in kinds.items()}
    assert labels == {"head": "control", "serving": "serving", "training": "training", "gpu": "serving"}


def test_values_of_an_account_are_marked_to_be_filled_in(root: Path, machines: dict[str, Config]) -> None:
    text = (root / "cluster.yaml").read_text()
    for machine in machines.values():
        owned = [machine["ImageId"], *machine["SubnetIds"], *machine["SecurityGroupIds"]]
        assert all(value.startswith("FILL-IN-") for value in [*owned, machine["IamInstanceProfile"]["Arn"]])
    assert not re.search(r"\b(?:ami|sg|subnet|vpc)-[0-9a-f]{8,}|arn:aws|\b[0-9]{12}\b", text)


def test_the_head_offers_control_and_no_cpu(config: Config, start_commands: dict[str, str]) -> None:
    """Twice: to the autoscaler, and to Ray, which a service starts without what the launcher would tell it."""
    assert config["available_node_types"][config["head_node_type"]]["resources"] == {"CPU": 0, "control": 1}
    assert "--num-cpus=0 '--resources={\"control\": 1}' --labels=fleetward/role=control " in start_commands["head"]


def test_the_dashboard_listens_on_loopback_only(root: Path, start_commands: dict[str, str]) -> None:
    assert "--head" in start_commands["head"]
    assert "--dashboard-host=127.0.0.1" in start_commands["head"]
    assert "0.0.0.0" not in (root / "cluster.yaml").read_text()  # noqa: S104 the very value that must be absent


@pytest.mark.parametrize(
    "setting",
    [
        "RAY_AUTH_MODE=token",
        "RAY_AUTH_TOKEN_PATH=",
        "RAY_SERVE_ENABLE_HA_PROXY=1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED=1",
        "RAY_idle_worker_killing_time_threshold_ms=20000",
        "FLEETWARD_SUBJECTS=/mnt/fleetward/",
        "FLEETWARD_SERVING_LABELS=fleetward/role=serving",
        "cluster.env",
    ],
)
def test_head_and_workers_start_with_the_same_settings(start_commands: dict[str, str], setting: str) -> None:
    assert all(setting in command for command in start_commands.values())


def test_the_heads_ray_is_started_again_and_finds_what_it_knew(service: str) -> None:
    assert "\nRestart=always\n" in service
    assert "RAY_gcs_storage=rocksdb RAY_gcs_storage_path=" in service
    assert " --block " in service


def test_systemd_accepts_the_service(root: Path) -> None:
    """Where systemd is installed. That Ray is not on this machine is all it may find."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = str(root / "deploy" / "aws" / "fleetward-ray.service")
    run = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    complaints = [line for line in run.stderr.splitlines() if "fleetward-ray" in line and "not executable" not in line]
    assert not complaints


def test_the_keys_of_data_subjects_lie_where_every_machine_mounts_one_file_system(
    config: Config, start_commands: dict[str, str]
) -> None:
    """A folder that is each machine's own would keep keys that an erasure misses."""
    [mount] = [command for command in config["setup_commands"] if "mount -t" in command]
    folder = re.search(r"mount -t nfs4 -o \S*\bhard\b\S* FILL-IN-file-system:/ (/\S+?)\)", mount)
    assert folder is not None
    for command in start_commands.values():
        assert f"FLEETWARD_SUBJECTS={folder[1]}/" in command
    assert "nfs-common" in "".join(config["setup_commands"][: config["setup_commands"].index(mount)])


def test_no_secret_stands_in_it(config: Config, start_commands: dict[str, str]) -> None:
    """The token and the database's password travel as files that are named, not quoted."""
    assert all("RAY_AUTH_TOKEN=" not in command for command in start_commands.values())
    assert config["file_mounts"]["/home/ubuntu/.fleetward/ray_token"] == "~/.fleetward/ray_token"


def test_ray_is_pinned_alike_on_machines_and_driver(root: Path, config: Config) -> None:
    dependencies = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    [pinned] = [version for line in dependencies if (version := re.fullmatch(r"ray\[.*\]==([0-9.]+)", line))]
    checks = [command for command in config["setup_commands"] if "show ray" in command]
    assert len(checks) == 1
    assert f"Version: {pinned[1]}'" in checks[0]
    assert f"\nray=={pinned[1]} " in (root / "requirements.lock").read_text()
    assert config["file_mounts"]["/home/ubuntu/fleetward/requirements.lock"] == "requirements.lock"


def test_what_governs_is_installed_from_a_wheel(config: Config) -> None:
    assert config["file_mounts"]["/home/ubuntu/fleetward/dist"] == "dist"
    [install] = [command for command in config["setup_commands"] if ".whl" in command]
    assert "--no-deps" in install
