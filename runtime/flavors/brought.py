"""What versions have in common that nobody fits here: how their files and functions are read from the job's folder."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.domain.ids import Digest, digest_of
from runtime.domain.schema import Schema
from runtime.flavors.container import Manifest
from runtime.flavors.encoding import Encoding
from runtime.flavors.errors import ArtifactInvalid
from runtime.flavors.estimators import wrong


class BroughtPredictor:
    """A version that takes the schema's columns as they are. A kind of it names its ``flavor``."""

    flavor: str

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def manifest(self) -> Manifest:
        """What its artifact says of itself."""
        return Manifest(flavor=self.flavor, model_schema=self._schema, options=self._options())

    def _options(self) -> dict[str, str] | None:
        """What must be known of it that its files do not say."""
        return None

    @property
    def schema(self) -> Schema:
        """The columns it takes and gives."""
        return self._schema

    @property
    def used(self) -> tuple[str, ...]:
        """All input columns: what is looked at inside is not known here."""
        return tuple(field.name for field in self._schema.inputs)


def read_file(at: str, path: str, digest: Digest | None) -> bytes:
    """A file of the job's folder; ``at`` is where the spec names it. Raises ``SpecError`` if it is another one."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise wrong(at, path, f"a file in {Path.cwd()} ({error.strerror})") from error
    if digest is not None and digest_of(content) != digest:
        raise wrong(at, path, f"the file with digest {digest}; this one has {digest_of(content)}")
    return content


def encoding_named(names: Sequence[str] | None, schema: Schema) -> Encoding:
    """The columns in the order that a model was fitted on; in the schema's order where it kept no names.

    Raises ``ArtifactInvalid`` if they are not the schema's, or one is text: how a category became a number elsewhere
    is not known here.
    """
    own = tuple(field.name for field in schema.inputs)
    if schema.texts:
        raise ArtifactInvalid(
            f"a model fitted elsewhere takes numbers alone, its schema has the text {schema.texts[0]!r}"
        )
    order = own if names is None else tuple(names)
    if set(order) != set(own) or len(order) != len(own):
        raise ArtifactInvalid(f"it was fitted on the columns {', '.join(order)}, its schema has {', '.join(own)}")
    return Encoding(columns=order, categories={})


def find_named(name: str) -> tuple[Any, bytes]:
    """What ``package.module:name`` names in the code at hand, and the source of its module.

    Raises ``ArtifactInvalid`` if it is not there, or has no source file.
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
        return getattr(module, attribute), inspect.getsource(module).encode()
    except (ImportError, AttributeError, OSError, TypeError) as error:
        raise ArtifactInvalid(f"{name} is not in the code at hand: {type(error).__name__}: {error}") from error


def check_source(name: str, recorded: bytes) -> Any:
    """What ``name`` names, if the source of its module is the recorded one. Raises ``ArtifactInvalid``.

    Code is never run out of an artifact: the recorded source only says which code the version is.
    """
    found, source = find_named(name)
    if source != recorded:
        raise ArtifactInvalid(
            f"the source of {name} at hand has digest {digest_of(source)}, the version's has {digest_of(recorded)}"
        )
    return found
