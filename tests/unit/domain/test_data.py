"""The ``data`` part of a spec: its sources, checks and joins, and what is said of a wrong one."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from runtime.domain.data import RowCheck, Source, name_of
from runtime.domain.errors import SpecError
from runtime.domain.load import parse_spec
from tests.unit.domain.lives import a_spec

SOURCES = [
    ("package.module:load", "package.module:load"),
    ({"parquet": "s3://bucket/flights/"}, "parquet s3://bucket/flights/"),
    ({"csv": ["a.csv", "b.csv"]}, "csv a.csv"),
    ({"sql": "SELECT " + "x" * 100, "connection": "WAREHOUSE"}, "sql SELECT " + "x" * 73 + "..."),
    ({"delta": "s3://bucket/table", "version": 3}, "delta s3://bucket/table"),
    ({"iceberg": "flights.departures", "catalog": {"type": "sql"}}, "iceberg flights.departures"),
]


@pytest.mark.parametrize(("given", "name"), SOURCES)
def test_every_source_is_read_back_as_it_was_written(given: Any, name: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Source)
    source = adapter.validate_python(given)
    assert name_of(source) == name
    assert adapter.validate_python(adapter.dump_python(source, mode="json")) == source


def told(text: str) -> SpecError:
    document = a_spec().as_document()
    document["data"] = yaml.safe_load(text) | {"time": "t", "target": "y", "features": ["x"]}
    with pytest.raises(SpecError) as caught:
        parse_spec(yaml.safe_dump(document))
    return caught.value


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("source: {parquets: a}", "data.source", "or one of {parquet: PATH}"),
        ("source: {sql: SELECT 1}", "data.source.connection", "a value for it"),
        ("source: {sql: SELECT 1, connection: 'postgresql://u:p@h/d'}", "data.source.connection", "text of the form"),
        ("source: 'a b'", "data.source", "text of the form"),
        ("{source: 'a:b', checks: [{column: x}]}", "data.checks[0].column", "min, max, one_of"),
        ("{source: 'a:b', checks: [{column: x, min: 3, max: 1}]}", "data.checks[0].min", "at most max"),
        ("{source: 'a:b', checks: [{column: x, matches: '('}]}", "data.checks[0].matches", "a regular expression"),
        ("{source: 'a:b', checks: [{min: 3}]}", "data.checks[0]", "a check such as"),
        ("{source: 'a:b', time_zone: Mars/Olympus}", "data.time_zone", "a time zone such as"),
        ("{source: 'a:b', leakage: sometimes}", "data.leakage", "allowed"),
    ],
)
def test_a_wrong_part_is_named_with_what_was_expected(text: str, path: str, expected: str) -> None:
    error = told(text)
    assert error.path == path
    assert re.search(re.escape(expected), error.expected), error.expected


def test_a_check_is_told_by_its_first_word() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(RowCheck)
    for given in ({"column": "x", "missing": False}, {"unique": ["a", "b"]}, {"pandera": "a.b:c"}):
        check = adapter.validate_python(given)
        assert adapter.validate_python(check) == check
        assert adapter.validate_python(adapter.dump_python(check, mode="json")) == check
