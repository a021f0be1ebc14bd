r"""A fleet's state as bytes: what changed between two moments of it, and the state that a chain of changes makes.

An image is a state at one moment: its dictionaries copied, its records shared, since they are frozen and replaced.
Two images of one state are compared by identity, so that only what the fold touched between them is written:

    rest \t {"size":..., "watermark":..., "totals":...}      all fields of the state but those below
    skipped \t [[spec, [value, ...], reason], ...]
    spec "name" \t {...}
    model "name" \t {...}                                    without its versions
    version "name" 3 \t {...}
    finding "id" \t {...}
    batch "id" \t {...}

One line each, in the order of the state's dictionaries; JSON holds no raw tab or line feed. A later line of a key
replaces an earlier one at the earlier one's place, as a dictionary does, and nothing is ever taken out of these
dictionaries (``skipped`` is written whole). Findings, the bulk of an old ledger, are decoded when they are asked for.

``FORMAT`` names the code that this depends on: the event types, the fold, and this file. An image of other code is
worth nothing, for the fold might make another state of the same entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any

import orjson
import pydantic
from pydantic import TypeAdapter

import runtime.domain
from runtime.domain import canonical
from runtime.domain.model_state import FindingState, ModelState, VersionState
from runtime.domain.spec import Spec
from runtime.domain.state import BatchState, FleetState

_PARTED = methodcaller("split", b"\t", 1)
_WRITTEN_APART = frozenset({"specs", "models", "skipped", "findings", "batches", "order", "ruled"})
_REST: TypeAdapter[FleetState] = TypeAdapter(FleetState)
_SKIPPED: TypeAdapter[list[tuple[str, tuple[str, ...], str]]] = TypeAdapter(list[tuple[str, tuple[str, ...], str]])
_MODEL: TypeAdapter[ModelState] = TypeAdapter(ModelState)
_VERSION: TypeAdapter[VersionState] = TypeAdapter(VersionState)
_FINDING: TypeAdapter[FindingState] = TypeAdapter(FindingState)
_BATCH: TypeAdapter[BatchState] = TypeAdapter(BatchState)
_MODELS: TypeAdapter[list[ModelState]] = TypeAdapter(list[ModelState])
_VERSIONS: TypeAdapter[list[VersionState]] = TypeAdapter(list[VersionState])
_BATCHES: TypeAdapter[list[BatchState]] = TypeAdapter(list[BatchState])


class Findings(MutableMapping[str, FindingState]):
    """Findings by their ids; those that came encoded stay so until one is asked for, and then too."""

    def __init__(self, kept: Mapping[str, FindingState | bytes]) -> None:
        self._kept = dict(kept)

    def __getitem__(self, finding: str) -> FindingState:
        kept = self._kept[finding]
        return _FINDING.validate_json(kept) if isinstance(kept, bytes) else kept

    def __setitem__(self, finding: str, state: FindingState) -> None:
        self._kept[finding] = state

    def __delitem__(self, finding: str) -> None:
        del self._kept[finding]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def kept(self) -> dict[str, FindingState | bytes]:
        """A copy of what is held, encoded or not."""
        return self._kept.copy()


@dataclass(frozen=True, slots=True)
class Image:
    """A state at one moment, to be written later and elsewhere."""

    size: int
    rest: bytes
    skipped: Mapping[tuple[str, tuple[str, ...]], str]
    specs: Mapping[str, Spec]
    models: Mapping[str, ModelState]
    findings: Mapping[str, FindingState | bytes]
    batches: Mapping[str, BatchState]

    @classmethod
    def of(cls, state: FleetState) -> Image:
        """The state as it is now; takes a few milliseconds for a large one."""
        found = state.findings
        return cls(
            size=state.size,
            rest=_REST.dump_json(state, exclude=set(_WRITTEN_APART), by_alias=True, exclude_none=True),
            skipped=state.skipped.copy(),
            specs=state.specs.copy(),
            models=state.models.copy(),
            findings=found.kept() if isinstance(found, Findings) else dict(found),
            batches=state.batches.copy(),
        )

    @property
    def lines(self) -> int:
        """How many lines it takes to write the whole of it."""
        versions = sum(len(model.versions) for model in self.models.values())
        return 2 + len(self.specs) + len(self.models) + versions + len(self.findings) + len(self.batches)


EMPTY = Image.of(FleetState())


def changes(before: Image, after: Image) -> Iterator[bytes]:
    """The lines of what is not the same record in both; of ``EMPTY`` and an image, the whole image."""
    yield b"rest\t" + after.rest
    if before is EMPTY or before.skipped != after.skipped:
        yield b"skipped\t" + _SKIPPED.dump_json([(spec, values, why) for (spec, values), why in after.skipped.items()])
    for name, spec in after.specs.items():
        if before.specs.get(name) is not spec:
            yield _key(b"spec", name) + canonical.encode(spec.as_document())
    for name, model in after.models.items():
        old = before.models.get(name)
        if old is not model:
            yield _key(b"model", name) + _dump(_MODEL, model, exclude={"versions"})
            yield from _changed_versions(old, model)
    for finding, kept in after.findings.items():
        if before.findings.get(finding) is not kept:
            yield _key(b"finding", finding) + (kept if isinstance(kept, bytes) else _dump(_FINDING, kept))
    for batch, running in after.batches.items():
        if before.batches.get(batch) is not running:
            yield _key(b"batch", batch) + _dump(_BATCH, running)


def _changed_versions(old: ModelState | None, model: ModelState) -> Iterator[bytes]:
    known = {} if old is None else old.versions
    for number, version in model.versions.items():
        if known.get(number) is not version:
            yield _key(b"version", model.name, number) + _dump(_VERSION, version)


def state_of(chain: Iterable[bytes]) -> FleetState:
    """The state that these changes make, each a join of lines. Raises ``ValueError`` when they are no such thing."""
    lines: dict[bytes, bytes] = {}
    for part in chain:
        lines.update(map(_PARTED, part.split(b"\n")))  # of a line without a tab it is a ValueError
    kinds: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for key, value in lines.items():
        kind, _, name = key.partition(b" ")
        kinds.setdefault(kind, []).append((name, value))
    del lines
    return _assembled(kinds)


def _assembled(kinds: dict[bytes, list[tuple[bytes, bytes]]]) -> FleetState:
    (rest,), (skipped,) = (_values(kinds.get(kind, [])) for kind in (b"rest", b"skipped"))
    state = _REST.validate_json(rest)
    state.skipped = {(spec, values): why for spec, values, why in _SKIPPED.validate_json(skipped)}
    for name, document in kinds.get(b"spec", []):
        state.specs[orjson.loads(name)] = Spec.model_validate(canonical.decode(document))
    for model in _all(_MODELS, kinds.get(b"model", [])):
        state.models[model.name] = model
    for version in _all(_VERSIONS, kinds.get(b"version", [])):
        state.models[version.registered.model].versions[version.number] = version
    state.findings = Findings({orjson.loads(name): value for name, value in kinds.get(b"finding", [])})
    for batch in _all(_BATCHES, kinds.get(b"batch", [])):
        state.batches[batch.batch] = batch
    return state


def _key(kind: bytes, *name: str | int) -> bytes:
    return b" ".join([kind, *map(orjson.dumps, name)]) + b"\t"


def _dump(adapter: TypeAdapter[Any], record: object, exclude: set[str] | None = None) -> bytes:
    return adapter.dump_json(record, by_alias=True, exclude_none=True, exclude=exclude)


def _values(named: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [value for _, value in named]


def _all(adapter: TypeAdapter[list[Any]], named: list[tuple[bytes, bytes]]) -> list[Any]:
    """Decoded in one call, which is twice as fast as one by one."""
    return adapter.validate_json(b"[" + b",".join(_values(named)) + b"]")


def _format() -> str:
    digest = hashlib.sha256(f"pydantic {pydantic.VERSION}\n".encode())
    folders = [Path(folder) for folder in runtime.domain.__path__]
    for path in (Path(__file__), *sorted(path for folder in folders for path in folder.rglob("*.py"))):
        digest.update(f"{path.name}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


FORMAT = _format()
"""The code that makes and reads images, hashed: of another format nothing is read."""
