"""A check and what it found: fine, to be looked at, or broken, and then what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from runtime.domain.base import Document
from runtime.domain.errors import FleetwardError


class Health(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Symptom(Document):
    """What one check found. ``remedy``: what a person does about it; empty where nothing is wrong."""

    what: str
    health: Health
    told: str
    remedy: str = ""


Check = Callable[[], Iterable[Symptom]]


def fine(what: str, told: str) -> Symptom:
    """Nothing to do."""
    return Symptom(what=what, health=Health.OK, told=told)


def doubtful(what: str, told: str, remedy: str) -> Symptom:
    """It works, and will not for long or not well."""
    return Symptom(what=what, health=Health.WARN, told=told, remedy=remedy)


def broken(what: str, told: str, remedy: str) -> Symptom:
    """It does not work."""
    return Symptom(what=what, health=Health.FAIL, told=told, remedy=remedy)


def examined(what: str, check: Check, remedy: str) -> Iterator[Symptom]:
    """The check's symptoms; one that cannot be made is a symptom too, so that the others are still made."""
    try:
        yield from check()
    except (FleetwardError, OSError) as error:
        yield broken(what, f"{error}", remedy)


def worst(symptoms: Iterable[Symptom]) -> Health:
    """The worst of them."""
    order = list(Health)
    return max((symptom.health for symptom in symptoms), key=order.index, default=Health.OK)
