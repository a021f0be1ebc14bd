"""Which endpoint a method and a path mean: a walk down a tree of path segments, one dictionary look-up a segment.

/v2/models/{model}/infer         {model} takes any one segment
/v1/models/{model}:predict       ... or what stands before its last colon
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple


class Action(Enum):
    """What an endpoint lets its caller do; authorisation goes by it."""

    OPEN = auto()
    """Says nothing of any model: health, the server's name, this interface's description."""
    READ = auto()
    """Describes models."""
    PREDICT = auto()
    REPORT = auto()
    """Reports outcomes."""


class Endpoint(NamedTuple):
    """One method and path; ``name`` is its handler's."""

    method: str
    path: str
    name: str
    action: Action

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in braces, in order."""
        return tuple(_NAMES.findall(self.path))


class Found(NamedTuple):
    """An endpoint and what stood where its path has names."""

    endpoint: Endpoint
    values: dict[str, str]


class NothingThere(Exception):
    """No endpoint has this path, or none with this method; ``allowed`` lists the methods that it has."""

    def __init__(self, method: str, path: str, allowed: tuple[str, ...]) -> None:
        super().__init__(method, path, allowed)
        self.method, self.path, self.allowed = method, path, allowed

    def __str__(self) -> str:
        if self.allowed:
            return f"{self.path} does not take {self.method}, but {', '.join(self.allowed)}"
        return f"nothing is at {self.method} {self.path}"


REMEMBERED = 4096
"""So many paths are found again without the walk."""

_NAMES = re.compile(r"\{(\w+)\}")


@dataclass(slots=True)
class _Node:
    inner: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    verbs: dict[str, _Node] = field(default_factory=dict)
    endpoints: dict[str, tuple[Endpoint, tuple[str, ...]]] = field(default_factory=dict)


class Router:
    """Finds endpoints. Built once; ``find`` is on every request's way."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        for endpoint in endpoints:
            node = self._root
            for segment in _segments(endpoint.path):
                node = _grown(node, segment)
            node.endpoints[endpoint.method] = (endpoint, endpoint.parameters)
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._find)

    def find(self, method: str, path: str) -> Found:
        """The endpoint; HEAD is answered by GET's. Raises ``NothingThere``."""
        return self._remembered(method, path)

    def _find(self, method: str, path: str) -> Found:
        node: _Node | None = self._root
        values: list[str] = []
        for segment in _segments(path):
            node = _next(node, segment, values) if node is not None else None
        endpoints = {} if node is None else node.endpoints
        found = endpoints.get("GET" if method == "HEAD" else method)
        if found is None:
            raise NothingThere(method, path, tuple(endpoints))
        endpoint, names = found
        return Found(endpoint, dict(zip(names, values, strict=True)))


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _grown(node: _Node, segment: str) -> _Node:
    if not segment.startswith("{"):
        return node.inner.setdefault(segment, _Node())
    _, _, verb = segment.partition("}:")
    if verb:
        return node.verbs.setdefault(verb, _Node())
    node.any = node.any or _Node()
    return node.any


def _next(node: _Node, segment: str, values: list[str]) -> _Node | None:
    inner = node.inner.get(segment)
    if inner is not None:
        return inner
    if node.verbs and ":" in segment:
        name, _, verb = segment.rpartition(":")
        values.append(name)
        return node.verbs.get(verb)
    values.append(segment)
    return node.any
