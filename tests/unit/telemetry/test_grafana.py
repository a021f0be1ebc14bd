"""Dashboard and alerts ask for metrics that there are, by labels that they have."""

import json
import re
from pathlib import Path

import pytest
import yaml

from runtime.telemetry.families import FAMILIES, Family

_METRIC = re.compile(r"\bray_fleetward_\w+")
_OF_RAY = {"le", "Component", "NodeAddress", "WorkerId"}


def expressions(root: Path) -> dict[str, str]:
    """Every query, by what asks it."""
    folder = root / "deploy" / "grafana"
    dashboard = json.loads((folder / "dashboard.json").read_text())
    rules = yaml.safe_load((folder / "alerts.yaml").read_text())["groups"][0]["rules"]
    asked = {rule["alert"]: rule["expr"] for rule in rules}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            asked[f"{panel['title']} {target['refId']}"] = target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            asked[variable["name"]] = variable["query"]["query"]
    return asked


def test_every_metric_that_is_asked_for_is_exported(root: Path) -> None:
    known = {family.exported for family in FAMILIES}
    asked = expressions(root)
    assert len(asked) > 25
    for where, expression in asked.items():
        found = set(_METRIC.findall(expression))
        assert found, where
        assert found <= known, f"{where}: {found - known}"


def test_every_label_that_is_asked_for_is_one_of_the_metrics_in_the_query(root: Path) -> None:
    labels = {family.exported: set(family.labels) for family in FAMILIES}
    for where, expression in expressions(root).items():
        has = set().union(*(labels[name] for name in _METRIC.findall(expression)))
        by = {name.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for name in group.split(",")}
        matched = {name for group in re.findall(r"\{([^}]*)\}", expression) for name in re.findall(r"(\w+)=", group)}
        assert by | matched <= has | _OF_RAY, where


def test_panels_have_ids_of_their_own_and_do_not_lie_on_each_other(root: Path) -> None:
    panels = json.loads((root / "deploy" / "grafana" / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_metric_stands_in_the_documentation(root: Path, family: Family) -> None:
    text = (root / "docs" / "operations" / "metrics.md").read_text()
    assert f"`{family.name}`" in text
    assert family.help in text
