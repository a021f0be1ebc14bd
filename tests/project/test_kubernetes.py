"""The manifest for KubeRay is closed by default and runs the Ray of this project. That it works is not tested."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def manifests(root: Path) -> dict[str, dict[str, Any]]:
    text = (root / "deploy" / "kubernetes" / "raycluster.yaml").read_text()
    assert "UNTESTED" in text
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def pods(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    spec = cluster["spec"]
    groups = {"head": spec["headGroupSpec"], **{group["groupName"]: group for group in spec["workerGroupSpecs"]}}
    return {name: group["template"]["spec"] for name, group in groups.items()}


def test_ray_is_the_projects_and_wants_a_token(root: Path, manifests: dict[str, dict[str, Any]]) -> None:
    spec = manifests["RayCluster"]["spec"]
    assert spec["authOptions"]["mode"] == "token"
    dependencies = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    assert any(line.startswith("ray[") and line.endswith(f"=={spec['rayVersion']}") for line in dependencies)


def test_the_head_offers_control_and_no_cpu(manifests: dict[str, dict[str, Any]]) -> None:
    head = manifests["RayCluster"]["spec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    assert "control" in head["rayStartParams"]["resources"]
    assert head["serviceType"] == "ClusterIP"


def test_no_pod_runs_as_root_or_keeps_capabilities(manifests: dict[str, dict[str, Any]]) -> None:
    found = pods(manifests["RayCluster"])
    assert set(found) == {"head", "serving", "training"}
    for name, pod in found.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in pod["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name


def test_from_elsewhere_only_serves_port_is_reached(manifests: dict[str, dict[str, Any]]) -> None:
    rules = manifests["NetworkPolicy"]["spec"]["ingress"]
    assert [rule["ports"] for rule in rules if "from" not in rule] == [[{"port": 8000, "protocol": "TCP"}]]
