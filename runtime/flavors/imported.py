"""Models that were fitted elsewhere and kept in their library's own form: a booster's file, a folder of MLflow.

    MLmodel                       YAML: flavors, and a signature with the columns in their order
    ├── onnx       data           taken as it is                          runtime/flavors/onnx.py
    ├── xgboost    data           JSON or UBJSON, kept as JSON            runtime/flavors/xgboost.py
    ├── lightgbm   data           text                                    runtime/flavors/lightgbm.py
    └── sklearn    pickled_model  with serialization_format skops         runtime/flavors/sklearn.py

What is taken goes through the same checks as an artifact that is loaded. A pickle is never read: reading it runs what
is written in it, and no signature tells that this is harmless.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from runtime.domain.schema import Schema
from runtime.domain.training import BoosterFile, MlflowFolder
from runtime.flavors import lightgbm, onnx, sklearn, xgboost
from runtime.flavors.base import Storable
from runtime.flavors.brought import encoding_named, read_file
from runtime.flavors.container import Manifest
from runtime.flavors.errors import ArtifactInvalid
from runtime.flavors.estimators import wrong
from runtime.flavors.session import Session

DESCRIPTION = "MLmodel"

_AT = "train.mlflow.folder"
_FILE_OF = {"onnx": "data", "xgboost": "data", "lightgbm": "data", "sklearn": "pickled_model"}
"""The flavors that are taken, in this order, and the field that names each one's file."""
_PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle")


def bring_booster(trainer: str, section: BoosterFile, schema: Schema) -> Storable:
    """The booster in a file of the job's folder. Raises ``SpecError``, ``ArtifactInvalid``."""
    content = read_file("train.booster.file", section.file, section.digest)
    return xgboost.adopted(content, schema) if trainer == xgboost.FLAVOR else lightgbm.adopted(content, schema)


def bring_mlflow(section: MlflowFolder, schema: Schema) -> Storable:
    """The model in a folder of MLflow. Raises ``SpecError``, ``ArtifactInvalid``."""
    described = _described(section.folder)
    flavors = described["flavors"]
    name: str | None = section.flavor or next((each for each in _FILE_OF if each in flavors), None)
    if name is None or name not in flavors:
        wanted = section.flavor or f"one of {', '.join(_FILE_OF)}"
        raise wrong(_AT, section.folder, f"a model with the flavor {wanted}; it has {', '.join(flavors) or 'none'}")
    path = _file_of(section.folder, name, flavors[name])
    content, names = read_file(_AT, path, section.digest), _names(described)
    if name == "onnx":
        _check_is_whole(section.folder, content)
        return onnx.OnnxPredictor(Session(content, ""), schema)
    if name == "sklearn":
        manifest = Manifest(flavor=sklearn.FLAVOR, model_schema=schema, encoding=encoding_named(names, schema))
        return sklearn.load(manifest, {sklearn.FILE: content})
    return xgboost.adopted(content, schema, names) if name == "xgboost" else lightgbm.adopted(content, schema, names)


def _check_is_whole(folder: str, graph: bytes) -> None:
    """Raises ``SpecError`` if weights lie in files beside the graph, as MLflow writes large ones unless told not to."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import external_data_helper, load_model_from_string

    try:
        tensors = load_model_from_string(graph).graph.initializer
    except DecodeError as error:
        raise ArtifactInvalid(f"its ONNX file cannot be read: {error}") from error
    if any(external_data_helper.uses_external_data(tensor) for tensor in tensors):
        raise wrong(_AT, folder, "ONNX in one file: log it with save_as_external_data=False")


def _described(folder: str) -> dict[str, Any]:
    content = read_file(_AT, f"{folder}/{DESCRIPTION}", None)
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise wrong(_AT, folder, f"a readable {DESCRIPTION} ({str(error).splitlines()[0]})") from error
    if not isinstance(found, dict) or not isinstance(found.get("flavors"), dict):
        raise wrong(_AT, folder, f"an {DESCRIPTION} that lists flavors")
    return found


def _file_of(folder: str, name: str, flavor: Any) -> str:
    """The flavor's file, inside the folder. Raises ``SpecError``, and so for a pickle."""
    file = flavor.get(_FILE_OF[name]) if isinstance(flavor, dict) else None
    if not isinstance(file, str):
        raise wrong(_AT, folder, f"an {DESCRIPTION} whose flavor {name} names its file in {_FILE_OF[name]}")
    is_pickle = name == "sklearn" and flavor.get("serialization_format") != "skops"
    if is_pickle or file.endswith(_PICKLES):
        raise wrong(
            _AT,
            f"{folder}/{file}",
            "a model that is no pickle, since reading one runs what is written in it: log it as ONNX, as a booster, or "
            'with serialization_format="skops"',
        )
    path = Path(folder, file)
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise wrong(_AT, f"{folder}/{file}", "a file inside the folder")
    return str(path)


def _names(described: dict[str, Any]) -> Sequence[str] | None:
    """The columns in the order of the signature; none where there is no signature, or one without names."""
    try:
        inputs = json.loads(described["signature"]["inputs"])
        return [str(column["name"]) for column in inputs]
    except (KeyError, TypeError):
        return None
    except ValueError as error:
        raise ArtifactInvalid(f"the signature in its {DESCRIPTION} is no JSON: {error}") from error
