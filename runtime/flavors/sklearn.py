"""The scikit-learn flavor: an estimator kept by skops, read back through an allow-list, fast for one row.

skops writes memory addresses and the time of writing into its file; ``dump`` replaces both, so that the same
model has the same bytes. ``load`` trusts what skops trusts by default (scikit-learn's own estimators, numpy
arrays without objects, plain values) and ``TRUSTED``; since a type can be trusted and its content still be
crafted, trees are walked for indices out of bounds, which scikit-learn follows unchecked.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import numpy as np

from runtime.domain.schema import Schema
from runtime.flavors.base import Columns, Floats
from runtime.flavors.container import UNREADABLE, Manifest, check_zip, pack, read_zip, write_zip
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid, UntrustedTypes
from runtime.flavors.trees import FlatTrees, check_trees

FLAVOR = "sklearn"

TRUSTED = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
)
"""Types beyond skops' own list: plain data, and two kinds of tree that ``check_trees`` looks into."""

FEW_ROWS = 8
"""Up to so many rows the flat trees are faster than scikit-learn."""


class SklearnPredictor:
    """A fitted regressor with the encoding of its columns. ``predict`` equals the estimator's own, bit for bit."""

    def __init__(self, estimator: Any, schema: Schema, encoding: Encoding) -> None:
        self.estimator = estimator
        self.encoding = encoding
        self._schema = schema

    @property
    def schema(self) -> Schema:
        """The columns it takes and gives."""
        return self._schema

    @property
    def flavor(self) -> str:
        """``sklearn``."""
        return FLAVOR

    def predict(self, columns: Columns) -> Floats:
        """One prediction a row, shape [rows]. Raises ``SchemaMismatch``."""
        return self.predict_matrix(self.encoding.matrix(columns))

    def predict_matrix(self, matrix: Floats) -> Floats:
        """As ``predict``, of columns encoded already; shape [rows, columns of the encoding]."""
        if not len(matrix):
            return np.empty(0)
        if len(matrix) <= FEW_ROWS and self._flat is not None:
            return self._flat.predict(matrix)
        import sklearn

        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            return np.asarray(self.estimator.predict(matrix), dtype=np.float64).reshape(len(matrix))

    @cached_property
    def _flat(self) -> FlatTrees | None:
        return FlatTrees.of(self.estimator)


def dump(predictor: SklearnPredictor) -> bytes:
    """The artifact's bytes: the same model gives the same bytes. See ``container`` for the layout."""
    from skops import io

    manifest = Manifest(flavor=FLAVOR, model_schema=predictor.schema, encoding=predictor.encoding)
    return pack(manifest, _normalised(io.dumps(predictor.estimator)))


def load(manifest: Manifest, model: bytes) -> SklearnPredictor:
    """The predictor of a manifest and its skops file. Raises ``ArtifactInvalid``, ``UntrustedTypes``."""
    from skops import io
    from skops.io.exceptions import UntrustedTypesFoundException

    check_zip(model)
    try:
        estimator = io.loads(model, trusted=list(TRUSTED))
        check_trees(estimator)
    except UntrustedTypesFoundException as error:
        raise UntrustedTypes(_untrusted(model)) from error
    except (*UNREADABLE, KeyError, TypeError, AttributeError, ImportError, IndexError) as error:
        raise ArtifactInvalid(f"its skops file cannot be read: {type(error).__name__}: {error}") from error
    if not callable(getattr(estimator, "predict", None)):
        raise ArtifactInvalid(f"it holds a {type(estimator).__name__}, which predicts nothing")
    found = getattr(estimator, "n_features_in_", None)
    if found != len(manifest.encoding.columns):
        raise ArtifactInvalid(
            f"its estimator takes {found} columns, its encoding gives {len(manifest.encoding.columns)}"
        )
    return SklearnPredictor(estimator, manifest.model_schema, manifest.encoding)


def _untrusted(model: bytes) -> tuple[str, ...]:
    from skops import io

    return tuple(sorted(set(io.get_untrusted_types(data=model)) - set(TRUSTED)))


def _normalised(skops_file: bytes) -> bytes:
    """The same content without addresses and dates: arrays numbered in order of use, equal ones stored once."""
    renaming = _Renaming(read_zip(skops_file))
    schema = json.loads(renaming.entries["schema.json"])
    renaming.apply(schema)
    files = {name: content for content, name in renaming.names.items()}
    text = json.dumps(schema, separators=(",", ":")).encode()
    return write_zip({**files, "schema.json": text})


class _Renaming:
    """Rewrites a skops schema in place.

    ``__id__`` is an address. It goes, except that equal leaves (texts, numbers, arrays) get one number in common:
    skops then builds each of them once, which halves the time to load a forest. A user's own dictionary key named
    ``file`` or ``__id__`` has a node as its value, never a text or a number, and is left alone.
    """

    def __init__(self, entries: dict[str, bytes]) -> None:
        self.entries = entries
        self.names: dict[bytes, str] = {}
        self.leaves: dict[str, int] = {}

    def apply(self, node: Any) -> None:
        if isinstance(node, dict):
            self._apply_to_node(node)
        elif isinstance(node, list):
            for child in node:
                self.apply(child)

    def _apply_to_node(self, node: dict[str, Any]) -> None:
        if isinstance(node.get("__id__"), int):
            del node["__id__"]
        file, content = node.get("file"), node.get("content")
        if isinstance(file, str):
            node["file"] = self.names.setdefault(self.entries[file], f"{len(self.names)}.npy")
        if isinstance(file, str) or isinstance(content, str):
            node["__id__"] = self.leaves.setdefault(json.dumps(node, sort_keys=True), len(self.leaves) + 1)
            return
        for child in node.values():
            self.apply(child)
