"""`ray up` and `ray down` with cluster.yaml, against a real AWS-compatible server: what is asked of the account.

The machines themselves are stubs: `ssh` and `rsync` on the PATH write down what they are asked and succeed.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
import yaml

from tests.aws import CREDENTIALS, REGION, aws_server

STUB = """#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> "$STUB_LOG"
"""
Request = dict[str, str]

pytestmark = [pytest.mark.server, pytest.mark.slow]


@dataclass(frozen=True)
class Account:
    """An account of a server in a process of its own, and the launcher's machine beside it."""

    url: str
    recording: Path
    home: Path
    config: Path

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "operator", "aws_secret_access_key": "secret"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **keys)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.url,
            "HOME": str(self.home),
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "STUB_LOG": str(self.home / "asked"),
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def ray(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "ray.scripts.scripts", *arguments]
        # The paths of cluster.yaml's files count from where `ray up` runs.
        run = subprocess.run(
            command, cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
        return run.stdout

    def requests(self, action: str) -> list[Request]:
        """What was asked of the server so far, of one action."""
        found = []
        for line in self.recording.read_text().splitlines():
            recorded = json.loads(line)
            body = recorded["body"] or ""
            text = base64.b64decode(body).decode() if recorded["body_encoded"] else body
            asked = dict(parse_qsl(text))
            if asked.get("Action") == action:
                found.append(asked)
        return found

    def machines(self) -> list[dict[str, Any]]:
        reservations = self.client("ec2").describe_instances()["Reservations"]
        every = [machine for reservation in reservations for machine in reservation["Instances"]]
        return [machine for machine in every if machine["State"]["Name"] in {"pending", "running"}]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    home = tmp_path_factory.mktemp("operator")
    recording = home / "recording"
    recording.touch()
    recorded = {"MOTO_ENABLE_RECORDING": "true", "MOTO_RECORDER_FILEPATH": str(recording)}
    with aws_server(**recorded) as url:
        yield Account(url, recording, home, home / "cluster.yaml")


@pytest.fixture(scope="module")
def filled_in(root: Path, account: Account) -> dict[str, Any]:
    """cluster.yaml with the values that the operator's guide has one find out, by the commands it names."""
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    values = {"FILL-IN-region": REGION, "FILL-IN-ami": image, "FILL-IN-private-subnet": subnet}
    for _ in range(2):  # safe to repeat
        run = subprocess.run(
            [
                *(sys.executable, str(root / "deploy" / "aws" / "foundation.py"), "--region", REGION, "--vpc", vpc),
                *("--bucket", "models", "--endpoint", account.url),
            ],
            env=account.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        values |= dict(line.split() for line in run.stdout.splitlines())
    values["FILL-IN-file-system"] = "fs-1.efs.example.com"
    text = (root / "cluster.yaml").read_text()
    for name, value in values.items():
        text = text.replace(name, value)
    assert "FILL-IN" not in re.sub(r"(?m)^#.*$", "", text)
    account.config.write_text(text)
    for command in ("ssh", "rsync"):
        stub = account.home / "bin" / command
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(STUB)
        stub.chmod(0o755)
    for name in (".fleetward/ray_token", ".fleetward/cluster.env"):
        file = account.home / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("a secret of the test\n")
    for mounted in ("requirements.lock", "deploy"):
        (account.home / mounted).symlink_to(root / mounted)
    wheel = account.home / "dist" / "fleetward-0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_text("as `make wheel` leaves it")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.fixture(scope="module")
def up(root: Path, account: Account, filled_in: dict[str, Any]) -> str:
    """The cluster after ``ray up``: its head, as the account has it."""
    assert filled_in["cluster_name"] == "fleetward"
    return account.ray("up", "--yes", "--no-config-cache", str(account.config))


def test_one_head_is_started_and_marked_as_this_clusters(up: str, account: Account) -> None:
    [head] = account.machines()
    tags = {tag["Key"]: tag["Value"] for tag in head["Tags"]}
    assert tags["ray-cluster-name"] == "fleetward"
    assert tags["ray-node-type"] == "head"
    assert head["IamInstanceProfile"]["Arn"].endswith("instance-profile/fleetward-head")


def test_it_takes_imdsv2_only_and_its_volume_is_encrypted(up: str, account: Account) -> None:
    [asked] = account.requests("RunInstances")
    assert asked["MetadataOptions.HttpTokens"] == "required"
    assert asked["MetadataOptions.HttpPutResponseHopLimit"] == "1"
    assert asked["BlockDeviceMapping.1.Ebs.Encrypted"] == "true"
    assert not any(name.startswith("InstanceMarketOptions") for name in asked), "a head is bought on demand"


def test_no_group_of_the_account_lets_the_world_in(up: str, account: Account) -> None:
    assert not account.requests("CreateSecurityGroup")[1:], "Ray made a group of its own"
    [group] = [
        group
        for group in account.client("ec2").describe_security_groups()["SecurityGroups"]
        if group["GroupName"] == "fleetward-nodes"
    ]
    assert [machine["SecurityGroups"][0]["GroupId"] for machine in account.machines()] == [group["GroupId"]]
    for rule in group["IpPermissions"]:
        assert not rule["IpRanges"]
        assert not rule.get("Ipv6Ranges")
        assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [group["GroupId"]]


def test_ray_made_no_role_of_its_own(up: str, account: Account) -> None:
    roles = {role["RoleName"] for role in account.client("iam").list_roles()["Roles"]}
    assert {name for name in roles if "ray" in name.lower()} == set()
    assert {"fleetward-head", "fleetward-worker"} <= roles


def test_a_worker_may_do_nothing_on_ec2_and_pass_no_role(up: str, account: Account) -> None:
    iam = account.client("iam")
    by_role = {}
    for role in ("fleetward-head", "fleetward-worker"):
        assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        by_role[role] = [statement for document in documents for statement in document["Statement"]]
    actions = {action for statement in by_role["fleetward-worker"] for action in _listed(statement["Action"])}
    assert not any(action.startswith(("ec2:", "iam:")) for action in actions)
    for statement in by_role["fleetward-head"]:
        assert "*" not in _listed(statement["Action"])
        if not all(action.startswith(("ec2:Describe", "ssm")) for action in _listed(statement["Action"])):
            assert "*" not in _listed(statement["Resource"]), statement["Sid"]


def test_the_head_is_a_service_that_offers_control_and_no_cpu(up: str, account: Account) -> None:
    asked = (account.home / "asked").read_text()
    assert "systemctl restart fleetward-ray" in asked
    assert "--require-hashes" in asked
    assert "fleetward/dist/fleetward-*.whl" in asked
    assert re.search(r"rsync .*fleetward-ray\.service", asked)
    assert "a secret of the test" not in asked


@pytest.mark.parametrize(("kind", "is_spot"), [("serving", False), ("training", True), ("gpu", False)])
def test_the_autoscaler_asks_for_each_kind_of_machine_as_the_file_has_it(
    up: str,
    account: Account,
    filled_in: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    *,
    kind: str,
    is_spot: bool,
) -> None:
    """With the provider that Ray's autoscaler starts machines with."""
    from ray.autoscaler._private.aws import utils
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": account.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    utils.resource_cache.cache_clear()
    utils.client_cache.cache_clear()
    before = len(account.requests("RunInstances"))
    provider = AWSNodeProvider(filled_in["provider"], filled_in["cluster_name"])
    config = filled_in["available_node_types"][kind]["node_config"]
    made = provider.create_node(config, {"ray-node-type": "worker", "ray-user-node-type": kind}, 1)
    provider.terminate_nodes(list(made))
    [asked] = account.requests("RunInstances")[before:]
    assert asked["MetadataOptions.HttpTokens"] == "required"
    assert asked["BlockDeviceMapping.1.Ebs.Encrypted"] == "true"
    assert asked["IamInstanceProfile.Arn"].endswith("instance-profile/fleetward-worker")
    assert (asked.get("InstanceMarketOptions.MarketType") == "spot") is is_spot
    assert not any("AssociatePublicIpAddress" in name for name in asked)


def test_ray_down_ends_every_machine(up: str, account: Account) -> None:
    """Last: the others look at what is up."""
    account.ray("down", "--yes", str(account.config))
    assert account.machines() == []


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
