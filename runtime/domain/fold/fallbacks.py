"""Whether the fallbacks that a spec names can answer for its models, as far as they are declared yet.

A fallback that is declared later is not judged here: until it is served, requests that need it are 503.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runtime.domain.errors import Refused
from runtime.domain.overrides import Fallback
from runtime.domain.spec import Spec
from runtime.domain.state import FleetState


def check_fallbacks(name: str, spec: Spec, state: FleetState, declared: str | None = None) -> None:
    """Raises ``Refused`` for one of another pool, of other features or output, and for a way that leads in a circle.

    ``spec`` is what is to stand in the state under ``name``; ``declared`` a model of it that is about to.
    """
    known = _Known(name, spec, state, declared)
    for fallback, _, other in known.fallbacks(spec):
        reason = _why_not(spec, other)
        if reason:
            raise _refused(name, f"its fallback {fallback} {reason}")
    known.walk(spec, (name,), (name,))


def _why_not(spec: Spec, other: Spec) -> str:
    if other.serving.pool != spec.serving.pool:
        return f"is served in pool {other.serving.pool}, not in {spec.serving.pool}"
    if other.watched_output != spec.watched_output:
        return f"gives {other.watched_output}, not {spec.watched_output}"
    lacking = [feature for feature in other.data.features if feature not in spec.data.features]
    return f"takes {', '.join(lacking)}, which requests to it lack" if lacking else ""


@dataclass(frozen=True, slots=True)
class _Known:
    """The state as it is about to be."""

    name: str
    spec: Spec
    state: FleetState
    declared: str | None

    def fallbacks(self, spec: Spec) -> Iterator[tuple[str, str, Spec]]:
        """Those of a spec that are declared: the model, the name of its spec, and the spec."""
        for rule in spec.overrides or ():
            if isinstance(rule.then, Fallback):
                fallback = rule.then.fallback
                model = self.state.models.get(fallback)
                if fallback == self.declared or (model is not None and model.spec == self.name):
                    yield fallback, self.name, self.spec
                elif model is not None:
                    yield fallback, model.spec, self.state.spec_of(model)

    def walk(self, spec: Spec, specs: tuple[str, ...], way: tuple[str, ...]) -> None:
        """All models of a spec have the same fallbacks: a way that meets a spec again never ends."""
        for fallback, following, other in self.fallbacks(spec):
            if following in specs:
                raise _refused(self.name, f"its fallbacks lead in a circle: {' -> '.join((*way, fallback))}")
            self.walk(other, (*specs, following), (*way, fallback))


def _refused(name: str, reason: str) -> Refused:
    return Refused(f"spec {name}", reason)
