"""The scikit-learn flavor: an estimator kept by skops, read back through an allow-list, fast for one row.

What answers, the first of these that there is:

    flat        a booster's trees (few rows) or a linear model as plain numpy      the original's very bits
    twin        the estimator as ONNX, where it agreed with the original            within ``twin.TOLERANCE``
    estimator   scikit-learn's own ``predict``, without its checks of what the schema has checked

skops writes memory addresses, unwritten memory and the time of writing into its file; ``dump`` replaces them, so
that the same model has the same bytes. ``load`` trusts what skops trusts by default (scikit-learn's own estimators,
numpy arrays without objects, plain values) and ``TRUSTED``; since a type can be trusted and its content still be
crafted, trees are walked for indices out of bounds, which scikit-learn follows unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np

from runtime.domain.schema import Schema
from runtime.flavors import twin as onnx_twin
from runtime.flavors.base import Columns, Floats
from runtime.flavors.container import UNREADABLE, Manifest, Twin, check_zip, pack, read_zip, write_zip
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid, UntrustedTypes
from runtime.flavors.linear import FlatLinear, Front
from runtime.flavors.session import Session
from runtime.flavors.tabular import TabularPredictor, encoding_of
from runtime.flavors.trees import FlatTrees, check_trees
from runtime.flavors.twin import OnnxTwin, twin_of

FLAVOR = "sklearn"
FILE = "model.skops"

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


class SklearnPredictor(TabularPredictor):
    """A fitted estimator with the encoding of its columns. Without a twin it answers bit for bit as its estimator."""

    def __init__(self, estimator: Any, schema: Schema, encoding: Encoding, twin: OnnxTwin | None = None) -> None:
        super().__init__(schema, encoding)
        self.estimator = estimator
        self.twin = twin

    @property
    def flavor(self) -> str:
        """``sklearn``."""
        return FLAVOR

    def with_twin(self, columns: Columns) -> SklearnPredictor:
        """What serves: with a twin in ONNX if none of the exact forms fits and it agrees on these rows.

        Not of more than two classes: ``Session`` gives one number a row.
        """
        if self._schema.gives_class or self.twin is not None or self._flat is not None or self._linear is not None:
            return self
        twin = twin_of(self.estimator, self.answer_original, self.encoding.matrix(columns))
        return SklearnPredictor(self.estimator, self._schema, self.encoding, twin)

    def manifest(self) -> Manifest:
        """What its artifact says of itself."""
        twin = None
        if self.twin is not None:
            twin = Twin(file=onnx_twin.FILE, rows=self.twin.compared, largest_difference=self.twin.difference)
        return super().manifest().model_copy(update={"twin": twin})

    def _answer(self, matrix: Floats) -> Floats:
        if self._linear is not None:
            return self._linear.predict(matrix)
        if self.twin is not None:
            return self.twin.predict(matrix)
        if len(matrix) <= FEW_ROWS and self._flat is not None:
            return self._flat.predict(matrix)
        return self.answer_original(matrix)

    def answer_original(self, matrix: Floats) -> Floats:
        """As scikit-learn itself answers; shape [rows]."""
        import sklearn

        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            if self.classifies:
                return np.asarray(self.estimator.predict_proba(matrix), dtype=np.float64)[:, 1].copy()
            return np.asarray(self.estimator.predict(matrix), dtype=np.float64).reshape(len(matrix))

    def _chances(self, matrix: Floats) -> Floats:
        import sklearn

        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            return np.asarray(self.estimator.predict_proba(matrix), dtype=np.float64)

    @cached_property
    def _flat(self) -> FlatTrees | None:
        return FlatTrees.of(self.estimator)

    @cached_property
    def _linear(self) -> FlatLinear | None:
        return FlatLinear.of(self.estimator)


def files(predictor: SklearnPredictor) -> dict[str, bytes]:
    """The estimator's skops file, and its twin if it has one."""
    from skops import io

    held = {FILE: _normalised(io.dumps(predictor.estimator))}
    return held if predictor.twin is None else held | {onnx_twin.FILE: predictor.twin.session.model}


def dump(predictor: SklearnPredictor) -> bytes:
    """The artifact's bytes: the same model gives the same bytes. See ``container`` for the layout."""
    return pack(predictor.manifest(), files(predictor))


def load(manifest: Manifest, files: Mapping[str, bytes]) -> SklearnPredictor:
    """The predictor of a manifest and its files. Raises ``ArtifactInvalid``, ``UntrustedTypes``."""
    wanted = [FILE] if manifest.twin is None else [FILE, onnx_twin.FILE]
    if list(files) != wanted:
        raise ArtifactInvalid(f"it holds {', '.join(files) or 'no file'}, where {FLAVOR} needs {' and '.join(wanted)}")
    estimator = _estimator(files[FILE])
    encoding = encoding_of(manifest, getattr(estimator, "n_features_in_", None))
    predictor = SklearnPredictor(estimator, manifest.model_schema, encoding)
    of_classes = predictor.classifies or manifest.model_schema.gives_class
    if of_classes and not callable(getattr(estimator, "predict_proba", None)):
        raise ArtifactInvalid(f"it holds a {type(estimator).__name__}, which gives no probability")
    if manifest.twin is not None:
        session = Session(files[onnx_twin.FILE])
        front, _ = Front.split(estimator)
        predictor.twin = OnnxTwin(
            front, session, predictor.classifies, manifest.twin.rows, manifest.twin.largest_difference
        )
        _check_twin(session, len(encoding.columns))
    return predictor


def _check_twin(session: Session, columns: int) -> None:
    """Raises ``ArtifactInvalid`` unless the graph takes one matrix of these columns and gives one number a row."""
    shapes = [shape for _, shape in session.inputs.values()]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] != columns:
        raise ArtifactInvalid(f"its twin takes {session.inputs}, its encoding gives {columns} columns")
    _ = session.output


def _estimator(model: bytes) -> Any:
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
    return estimator


def _untrusted(model: bytes) -> tuple[str, ...]:
    from skops import io

    return tuple(sorted(set(io.get_untrusted_types(data=model)) - set(TRUSTED)))


def _normalised(skops_file: bytes) -> bytes:
    """The same content without addresses and dates: arrays numbered in order of use, equal ones stored once."""
    renaming = _Renaming({name: _without_padding(content) for name, content in read_zip(skops_file).items()})
    schema = json.loads(renaming.entries["schema.json"])
    renaming.apply(schema)
    files = {name: content for content, name in renaming.names.items()}
    text = json.dumps(schema, separators=(",", ":")).encode()
    return write_zip({**files, "schema.json": text})


def _without_padding(content: bytes) -> bytes:
    """An array of records with nothing between their fields: a tree's nodes end in bytes that nobody ever wrote."""
    if not content.startswith(b"\x93NUMPY") or b"'descr': [(" not in content[:256]:
        return content
    records = np.load(BytesIO(content), allow_pickle=False)
    clean = np.frombuffer(bytearray(records.nbytes), dtype=records.dtype)  # np.zeros leaves what is between fields
    for name in records.dtype.names:
        clean[name] = records[name]
    # Not np.save: it copies records through a buffer, and with them what was in the buffer before.
    return content[: len(content) - clean.nbytes] + clean.tobytes()


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
