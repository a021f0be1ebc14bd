import json

import numpy as np
import pytest

from runtime.statistics.bins import CategoricalBins, NumericBins
from runtime.statistics.errors import InvalidStatistic, LayoutMismatch, NoEvidence, UncountableColumn
from runtime.statistics.profile import Counts, FeatureProfile, Layout, Profile


@pytest.fixture
def profile() -> Profile:
    rng = np.random.default_rng(1)
    origins = rng.choice(np.array(["EWR", "JFK", "LGA"], dtype=object), size=500)
    return Profile.from_columns({"delay": rng.normal(size=500), "origin": origins})


def test_kinds_follow_the_type_of_a_column_or_the_caller() -> None:
    profile = Profile.from_columns(
        {
            "double": [0.5, 1.5],
            "objects": np.array([1, None], dtype=object),
            "flag": [True, False],
            "text": ["a", "b"],
            "nothing": np.array([None, None], dtype=object),
            "code": [1, 2],
        },
        kinds={"code": "categorical"},
    )
    kinds = [type(feature.bins) for feature in profile.features]
    assert kinds == [NumericBins] * 2 + [CategoricalBins] * 4


def test_a_profile_is_the_counts_of_its_own_rows(profile: Profile) -> None:
    assert profile.rows == 500
    assert profile.counts.rows == 500
    assert profile.feature("delay").shares.sum() == pytest.approx(1)


def test_a_feature_without_a_column_is_missing_in_every_row(profile: Profile) -> None:
    counts = profile.count({"origin": ["EWR", "JFK"], "unknown": [1, 2]})
    assert counts.by_feature()["delay"].tolist() == [0] * 16 + [2]


def test_no_columns_are_no_rows(profile: Profile) -> None:
    assert profile.count({}) == Counts.empty(profile.layout)


def test_columns_of_different_length_are_refused(profile: Profile) -> None:
    with pytest.raises(UncountableColumn, match="origin"):
        profile.count({"delay": [1.0, 2.0], "origin": ["EWR"]})


def test_a_bad_column_is_refused_by_its_name(profile: Profile) -> None:
    with pytest.raises(UncountableColumn, match="'delay'"):
        profile.count({"delay": ["late"], "origin": ["EWR"]})


def test_unseen_categories_are_reported_by_feature(profile: Profile) -> None:
    assert profile.unseen({"delay": [1.0], "origin": ["BOS"]}) == {"origin": {"BOS": 1}}
    assert profile.unseen({"origin": ["EWR"]}) == {}


def test_counts_over_other_bins_are_not_added(profile: Profile) -> None:
    other = Profile.from_columns({"delay": np.arange(500.0), "origin": ["EWR"] * 500})
    with pytest.raises(LayoutMismatch):
        profile.counts + other.counts
    with pytest.raises(LayoutMismatch):
        profile.recounted(other.counts)
    with pytest.raises(LayoutMismatch):
        Counts.from_document(other.counts.as_document(), profile.layout)


def test_equal_bins_give_one_layout_whatever_the_counts(profile: Profile) -> None:
    again = profile.recounted(profile.counts + profile.counts)
    assert again.layout == profile.layout
    assert again.rows == 1000


def test_counts_must_add_up_to_their_rows() -> None:
    layout = Layout(("a", "b"), (2, 2), "digest")
    with pytest.raises(InvalidStatistic, match="add up to 3"):
        Counts(layout, 3, np.array([1, 2, 2, 2]))
    with pytest.raises(InvalidStatistic, match="negative"):
        Counts(layout, 3, np.array([-1, 4, 2, 1]))
    with pytest.raises(InvalidStatistic, match="shape"):
        Counts(layout, 3, np.array([1, 2]))


def test_counts_cannot_be_changed_from_outside(profile: Profile) -> None:
    values = profile.counts.values.copy()
    counts = Counts(profile.layout, 500, values)
    values[:] = 0
    assert counts == profile.counts
    with pytest.raises(ValueError, match="read-only"):
        counts.values[0] = 1


def test_a_profile_needs_features_rows_and_agreement() -> None:
    with pytest.raises(NoEvidence):
        Profile(())
    with pytest.raises(NoEvidence):
        Profile.from_columns({"delay": np.array([])})
    bins = NumericBins(())
    with pytest.raises(InvalidStatistic, match="same rows"):
        Profile((FeatureProfile("a", bins, (1, 0)), FeatureProfile("b", bins, (2, 0))))
    with pytest.raises(InvalidStatistic, match="different"):
        Profile((FeatureProfile("a", bins, (1, 0)), FeatureProfile("a", bins, (1, 0))))
    with pytest.raises(InvalidStatistic, match="not in the baseline"):
        Profile((FeatureProfile("a", bins, (1, 0)),)).feature("b")


def test_the_document_of_a_profile_is_plain_and_deterministic(profile: Profile) -> None:
    text = json.dumps(profile.as_document(), allow_nan=False)
    again = Profile.from_document(json.loads(text))
    assert again == profile
    assert json.dumps(again.as_document(), allow_nan=False) == text
    assert again.layout == profile.layout
