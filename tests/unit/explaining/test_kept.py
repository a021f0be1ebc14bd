"""Leaves are built once a version, go with it, and make room for newer ones."""

import gc
from dataclasses import dataclass

from runtime.explaining import methods
from runtime.explaining.kept import Kept
from tests.unit.explaining.test_methods import profile
from tests.unit.flavors.specimens import asked, fitted_by, part


class Version:
    """Something that can be forgotten."""


@dataclass(frozen=True)
class Leaves:
    size_bytes: int


def test_what_was_built_is_given_again() -> None:
    kept: Kept[Version, Leaves] = Kept()
    version = Version()
    first = kept.of(version, lambda: Leaves(10))
    assert kept.of(version, lambda: Leaves(10)) is first
    assert kept.of(Version(), lambda: None) is None


def test_what_is_kept_goes_with_its_version() -> None:
    kept: Kept[Version, Leaves] = Kept()
    version = Version()
    kept.of(version, lambda: Leaves(10))
    assert len(kept) == 1
    del version
    gc.collect()
    assert len(kept) == 0


def test_the_first_kept_makes_room_for_the_next_and_what_is_too_large_is_not_kept() -> None:
    kept: Kept[Version, Leaves] = Kept(limit_bytes=25)
    versions = [Version() for _ in range(3)]
    made = [kept.of(version, lambda: Leaves(10)) for version in versions]
    assert len(kept) == 2
    assert kept.of(versions[2], lambda: Leaves(10)) is made[2]
    assert kept.of(versions[0], lambda: Leaves(10)) is not made[0]
    large = Version()
    assert kept.of(large, lambda: Leaves(26)) == Leaves(26)
    assert kept.of(large, lambda: None) is None


def test_a_version_of_trees_is_taken_apart_once() -> None:
    predictor = fitted_by("sklearn", "HistGradientBoostingRegressor", max_iter=5)
    rows = part(asked(), 0, 2)
    first = methods.explain(predictor, rows, profile(), 0)
    held = methods._KEPT.of(predictor, lambda: None)
    assert held is not None
    assert held.size_bytes > 0
    assert methods.explain(predictor, rows, profile(), 0).as_document() == first.as_document()
    assert methods._KEPT.of(predictor, lambda: None) is held
