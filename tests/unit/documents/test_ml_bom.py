"""An ML-BOM is valid by CycloneDX's own schema, and its hashes are those of the records."""

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import referencing
import referencing.jsonschema

from runtime.documents.ml_bom import ml_bom
from runtime.documents.told import Told
from tests.unit.documents.versions import told
from tests.unit.domain.lives import MODEL, a_comparison, digest

BESIDE = ("spdx", "jsf-0.82", "cryptography-defs")


@cache
def validator() -> Any:
    """Of the schema that cyclonedx-python-lib brings, read as files: its code is not what is tested."""
    try:
        package = distribution("cyclonedx-python-lib")
    except PackageNotFoundError:
        pytest.skip("cyclonedx-python-lib, which brings the schema, is not installed")
    folder = Path(str(package.locate_file("cyclonedx/schema/_res")))

    def read(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())
        return found

    beside: referencing.Registry[Any] = referencing.Registry().with_resources(
        (
            f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json",
            referencing.jsonschema.DRAFT7.create_resource(read(name)),
        )
        for name in BESIDE
    )
    return jsonschema.Draft7Validator(
        read("bom-1.7"), registry=beside, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
    )


def problems(bom: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator().iter_errors(bom)]


def compared(made: Told) -> Told:
    """The same, judged against a champion and on slices."""
    from dataclasses import replace

    from runtime.domain.reports import GateResult

    assert made.report is not None
    gate = GateResult(gate="slice:dest", passed=True, value=21.5, limit=30, reason="worst: dest IAH")
    report = made.report.model_copy(update={"comparison": a_comparison(), "gates": (*made.report.gates, gate)})
    return replace(made, version=replace(made.version, report=report))


@pytest.mark.parametrize(
    "made",
    [
        told(),
        told(packaged=False),
        told(number=2),
        compared(told()),
        told(
            limitations="few rows",
            intended_use="crews",
            out_of_scope_use="safety",
            owner={"team": "a", "contact": "Dora B"},
        ),
    ],
    ids=["a champion", "without its package", "a challenger", "compared", "told of by its owner"],
)
def test_it_is_valid_by_the_published_schema(made: Told) -> None:
    assert problems(ml_bom(made)) == []


def test_the_schema_finds_what_is_wrong() -> None:
    bom = ml_bom(told())
    bom["metadata"]["component"]["modelCard"]["purpose"] = "none of its fields"
    bom["components"][0]["hashes"] = [{"alg": "SHA-256", "content": "short"}]
    assert len(problems(bom)) == 2


def test_it_names_the_version_with_the_hash_of_its_artifact() -> None:
    model = ml_bom(told())["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", MODEL, "1")
    assert model["hashes"] == [{"alg": "SHA-256", "content": digest("artifact 1").removeprefix("sha256:")}]
    assert model["modelCard"]["modelParameters"]["inputs"] == [{"format": "hour: number"}, {"format": "dest: text"}]
    assert {"type": "mae", "value": "12"} in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]


def test_it_names_the_data_with_the_hash_of_their_file_if_the_package_is_at_hand() -> None:
    bom = ml_bom(told())
    (data,) = [each for each in bom["components"] if each["type"] == "data"]
    assert data["hashes"] == [{"alg": "SHA-256", "content": digest("parquet").removeprefix("sha256:")}]
    assert data["version"] == digest("dataset")
    assert bom["metadata"]["component"]["modelCard"]["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    (bare,) = [each for each in ml_bom(told(packaged=False))["components"] if each["type"] == "data"]
    assert "hashes" not in bare


def test_every_part_is_what_the_version_depends_on() -> None:
    bom = ml_bom(told())
    parts = [each["bom-ref"] for each in bom["components"]]
    assert len(set(parts)) == len(parts)
    assert bom["dependencies"][0] == {"ref": bom["metadata"]["component"]["bom-ref"], "dependsOn": parts}


def test_a_challenger_names_the_version_it_came_from() -> None:
    from dataclasses import replace

    made = told(number=2)
    registered = made.version.registered.model_copy(update={"parent": 1})
    bom = ml_bom(replace(made, version=replace(made.version, registered=registered)))
    assert problems(bom) == []
    (ancestor,) = bom["metadata"]["component"]["pedigree"]["ancestors"]
    assert ancestor["version"] == "1"
    assert ancestor["hashes"][0]["content"] == digest("artifact 1").removeprefix("sha256:")


def test_slices_and_the_interval_against_the_champion_are_measured_parts() -> None:
    metrics = ml_bom(compared(told()))["metadata"]["component"]["modelCard"]["quantitativeAnalysis"][
        "performanceMetrics"
    ]
    assert {"type": "gate slice:dest", "value": "21.5", "slice": "dest"} in metrics
    comparison = a_comparison()
    assert f"{comparison.difference:g}" in [each["value"] for each in metrics]


def test_the_same_records_are_the_same_document() -> None:
    assert ml_bom(told()) == ml_bom(told())
