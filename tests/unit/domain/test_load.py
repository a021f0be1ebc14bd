"""A spec that cannot be read says which file, which line, which field, what stands there and what was expected."""

from pathlib import Path

import pytest

from runtime.domain.errors import SpecError
from runtime.domain.load import load_spec, parse_spec
from runtime.domain.spec import Spec

FLEET = """\
kind: fleet
name: flight-time-{carrier}
for_each: {by: [carrier], min_rows: 365}
owner: {team: network-planning, contact: planning@example.com}
purpose: minutes in the air
risk_tier: low
task: regression
data:
  source: examples.flights.data:load
  time: scheduled
  target: air_time
  features: [hour, distance]
train:
  estimator: HistGradientBoostingRegressor
  search:
    learning_rate: loguniform(0.02, 0.3)
    loss: absolute_error
  trials: 8
gates:
  - {metric: mae, max: 30}
  - {better_than: baseline}
  - {slice: dest, metric: mae, max: 30}
monitor: {every: 1d, features: all}
retrain: {window: 7d, degraded_by: 10%}
approval: {automatic_if: [all_gates_pass, {risk_tier: low}], valid_for: 90d}
rollout:
  - {shadow: 30 decisions}
  - {canary: 10%, for: 10 decisions}
  - {full: true}
"""


def error_of(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "fleet.yaml")
    return caught.value


def error_after(written: str, instead: str) -> str:
    assert FLEET.count(written) == 1, written
    return str(error_of(FLEET.replace(written, instead)))


def test_a_spec_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET)
    assert load_spec(path) == parse_spec(FLEET)


def test_a_spec_survives_its_own_document() -> None:
    spec = parse_spec(FLEET)
    again = Spec.model_validate(spec.as_document())
    assert (again, again.digest) == (spec, spec.digest)


@pytest.mark.parametrize(
    ("written", "instead", "error"),
    [
        ("purpose:", "purpos:", "fleet.yaml:5: purpos: got unknown field 'purpos'; expected a field of this section"),
        ("trials: 8", "trials: many", "fleet.yaml:18: train.trials: got 'many'; expected a whole number"),
        (
            "{team: network-planning, contact: planning@example.com}",
            "ada",
            "fleet.yaml:4: owner: got 'ada'; expected a mapping of fields",
        ),
        ("minutes in the air", "12", "fleet.yaml:5: purpose: got 12; expected text"),
        ("[hour, distance]", "hour", "fleet.yaml:12: data.features: got 'hour'; expected a list"),
        ("risk_tier: low\n", "risk_tier: lo\n", "fleet.yaml:6: risk_tier: got 'lo'; expected 'low', 'medium' or"),
        ("risk_tier: low\n", "", "fleet.yaml:1: risk_tier: got nothing; expected a value for it"),
    ],
)
def test_an_unknown_missing_or_mistyped_field_is_named_with_its_line(written: str, instead: str, error: str) -> None:
    assert error_after(written, instead).startswith(error)


def test_a_misspelt_field_is_recognised() -> None:
    assert error_after("purpose:", "purpos:").endswith("did you mean 'purpose'? (and 1 more)")


@pytest.mark.parametrize(
    ("capture", "found"),
    [("{policy: sampled}", "nothing"), ("{share: 0.1}", "0.1"), ("{policy: strict, share: 0.5}", "0.5")],
)
def test_a_share_belongs_to_a_sample_and_a_sample_has_one(capture: str, found: str) -> None:
    error = error_of(FLEET + f"capture: {capture}\n")
    assert f"capture.share: got {found}; expected the share to keep, such as 0.1, with policy sampled" in str(error)


@pytest.mark.parametrize("value", ["daily", "-1d", "5 fortnights", "5"])
def test_a_bad_duration_is_told_how_durations_are_written(value: str) -> None:
    error = error_after("every: 1d", f"every: '{value}'")
    assert error == (
        f"fleet.yaml:23: monitor.every: got '{value}'; expected a duration such as 5m, 36h, 60d or 'last 60d'"
    )


@pytest.mark.parametrize(("field", "written"), [("monitor.every", "every: 1d"), ("retrain.window", "window: 7d")])
def test_a_duration_that_time_is_divided_by_is_not_nothing(field: str, written: str) -> None:
    error = error_after(written, written[:-2] + "0s")
    assert f"{field}: got '0s'; expected a duration longer than nothing" in error


@pytest.mark.parametrize(
    ("instead", "error"),
    [
        ("{better_than: baseline, max: 3}", "gates[1].max: got unknown field 'max'; expected a field of this section"),
        ("{metric: mae}", "gates[1].max: got nothing; expected the limit of mae"),
        ("{metric: mae, max: ten}", "gates[1].max: got 'ten'; expected a number"),
        ("{metric: mse, max: 3}", "gates[1].metric: got 'mse'; expected 'mae', 'rmse'"),
        ("{slice: dest, metric: mae, max: ten}", "gates[1].max: got 'ten'; expected a number"),
        ("{max: 30}", "gates[1]: got {'max': 30}; expected a gate: metric with max or min, better_than"),
        (
            "{better_than: luck}",
            "gates[1]: got {'better_than': 'luck'}; expected a gate: metric with max or min, better_than",
        ),
        ("mae", "gates[1]: got 'mae'; expected a gate: metric with max or min, better_than"),
    ],
)
def test_a_wrong_gate_is_named_by_its_place(instead: str, error: str) -> None:
    assert error_after("{better_than: baseline}", instead).startswith(f"fleet.yaml:21: {error}")


@pytest.mark.parametrize(
    ("instead", "error"),
    [
        ("{canary: 110%, for: 10 decisions}", "rollout[1].canary: got '110%'; expected a share such as 10% or 0.1"),
        ("{canary: 10%}", "rollout[1].for: got nothing; expected a value for it"),
        ("{canary: 10%, for: ten}", "rollout[1].for: got 'ten'; expected a count such as 500"),
        ("{canari: 10%}", "rollout[1]: got {'canari': '10%'}; expected {shadow: N decisions}, {canary: P%, for: N"),
        ("{shadow: 0 decisions}", "rollout[1].shadow: got 0; expected greater than or equal to 1"),
        ("{full: false}", "rollout[1]: got {'full': False}; expected {full: true}"),
    ],
)
def test_a_wrong_rollout_step_is_named_by_its_place(instead: str, error: str) -> None:
    assert error_after("{canary: 10%, for: 10 decisions}", instead).startswith(f"fleet.yaml:28: {error}")


@pytest.mark.parametrize(
    ("written", "instead", "error"),
    [
        ("  - {full: true}\n", "", "rollout: got canary as the last step; expected {full: true} there"),
        (
            "\n  - {shadow: 30 decisions}\n  - {canary: 10%, for: 10 decisions}\n  - {full: true}",
            " []",
            "rollout: got nothing as the last step; expected {full: true} there",
        ),
        ("time-{carrier}", "time", "name: got 'flight-time'; expected {carrier} in the name"),
        ("time-{carrier}", "time-{", "name: got 'flight-time-{'; expected text with {column} in it"),
        ("kind: fleet", "kind: model", "for_each: got columns carrier; expected no for_each in a model"),
        ("for_each: {by: [carrier], min_rows: 365}\n", "", "for_each: got nothing; expected the columns that split"),
        ("target: air_time", "target: hour", "data.features: got 'hour'; expected features without the target"),
        ("[hour, distance]", "[hour, hour]", "data.features: got hour twice; expected distinct names"),
        ("features: all", "features: [rain]", "monitor.features: got rain; expected names among data.features"),
        ("features: all", "features: some", "monitor.features: got 'some'; expected 'all' or a list"),
        (
            "automatic_if: [all_gates_pass, {risk_tier: low}]",
            "automatic_if: [{risk_tier: lo}]",
            "approval.automatic_if[0].risk_tier: got 'lo'; expected 'low', 'medium' or 'high'",
        ),
        (
            "loguniform(0.02, 0.3)",
            "loguniform(0.3, 0.02)",
            "train.search.learning_rate: got 'loguniform(0.3, 0.02)'; expected a lower bound below the upper one",
        ),
        (
            "loguniform(0.02, 0.3)",
            "gauss(0, 1)",
            "train.search.learning_rate: got 'gauss(0, 1)'; expected uniform(a, b), loguniform(a, b)",
        ),
        ("loguniform(0.02, 0.3)", ".nan", "document: got nan is not representable in JCS; expected finite numbers"),
    ],
)
def test_fields_that_do_not_fit_each_other_are_named(written: str, instead: str, error: str) -> None:
    assert f": {error}" in error_after(written, instead)


def test_a_field_written_twice_is_refused_rather_than_the_last_one_taken() -> None:
    error = error_after("trials: 8", "trials: 8\n  trials: 9")
    assert error == "fleet.yaml:19: train.trials: got this field a second time; expected each field once"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "kind: [fleet\nname: x\n",
            "fleet.yaml:2: document: got 'name: x'; expected well-formed YAML (expected ',' or",
        ),
        ("kind: 'fleet", 'fleet.yaml:1: document: got "kind: \'fleet"; expected well-formed YAML'),
        ("a: 1\n---\nb: 2\n", "fleet.yaml:2: document: got '---'; expected well-formed YAML"),
        ("a: !!python/object:os.system x", "fleet.yaml:1: document: got 'a: !!python/object:os.system x'; expected"),
        ("a: \x00", "fleet.yaml: document: got unacceptable character #x0000"),
        ("a: 2013-99-99", "fleet.yaml: document: got month must be in 1..12; expected well-formed YAML"),
        ("x: &a {y: *a}", "fleet.yaml:1: x: got unknown field 'x'; expected a field of this section"),
        ("", "fleet.yaml:1: document: got nothing; expected a mapping with kind, name, owner"),
        ("- fleet", "fleet.yaml:1: document: got a list; expected a mapping with kind, name, owner"),
    ],
)
def test_text_that_is_not_a_yaml_mapping_is_refused(text: str, error: str) -> None:
    assert str(error_of(text)).startswith(error)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent\.yaml: document: got No such file .*; expected a readable YAML file"):
        load_spec(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match=r"binary\.yaml: document: got bytes that are not text .*; expected YAML in"):
        load_spec(tmp_path / "binary.yaml")


def test_an_error_carries_its_parts_as_fields() -> None:
    error = error_of(FLEET.replace("trials: 8", "trials: many"))
    parts = (error.source, error.line, error.path, error.value, error.expected)
    assert parts == ("fleet.yaml", 18, "train.trials", "'many'", "a whole number")
