"""Files, tables and databases read by Ray Data: the same content is the same dataset, however it is laid out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.domain.errors import DataError, MissingColumn
from runtime.domain.spec import Spec
from runtime.local_cluster import LocalCluster
from runtime.pipeline.dataset import PreparedDataset
from runtime.pipeline.lineage.sinks import FileSink
from runtime.pipeline.lineage.telling import Lineage
from runtime.pipeline.prepare import prepare
from runtime.pipeline.sample import sample
from runtime.storage.objects import ObjectStore
from tests.postgres import PostgresServer
from tests.unit.pipeline.flights import SPEC, a_spec, arrow, load

pytestmark = pytest.mark.usefixtures("cluster")
"""Ray Data starts a Ray of its own where none runs."""


@pytest.fixture(scope="module")
def folder(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flights as Parquet of five files in an order of their own, as CSV, as Delta and as Iceberg."""
    import deltalake
    from pyiceberg.catalog.sql import SqlCatalog

    folder = tmp_path_factory.mktemp("sources")
    table = arrow(load().sample(frac=1, random_state=7))
    (folder / "parquet").mkdir()
    for at in range(5):
        pq.write_table(table.slice(at * 64, 64), folder / "parquet" / f"{at}.parquet")
    load().to_csv(folder / "flights.csv", index=False)
    deltalake.write_deltalake(str(folder / "delta"), table)
    time = table.schema.get_field_index("scheduled")
    table = table.set_column(time, "scheduled", table["scheduled"].cast(pa.timestamp("us", "UTC")))
    (folder / "warehouse").mkdir()
    catalog = SqlCatalog("default", **{k: v for k, v in catalog_of(folder).items() if k != "type"})
    catalog.create_namespace("flights")
    catalog.create_table("flights.departures", schema=table.schema).append(table)
    catalog.engine.dispose()
    return folder


def catalog_of(folder: Path) -> dict[str, str]:
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}


@pytest.fixture(scope="module")
def told(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    """The dataset of the callable, which the others must equal."""
    return prepared(SPEC.data.source, tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def warehouse(cluster: LocalCluster, postgres: PostgresServer) -> Iterator[str]:
    """A database that holds the flights; the address is in the environment, as a job's would be."""
    url = postgres.new_database()
    columns = "scheduled timestamptz, air_time float8, hour float8, dest text, carrier text, origin text"
    with psycopg.connect(url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute(f"CREATE TABLE flights ({columns})".encode())
        with connection.cursor() as cursor:
            frame = load().astype(object)
            cursor.executemany(
                "INSERT INTO flights VALUES (%s, %s, %s, %s, %s, %s)",
                frame.where(frame.notna(), None).to_numpy().tolist(),
            )
    os.environ["FLIGHTS_WAREHOUSE"] = url
    yield "FLIGHTS_WAREHOUSE"
    del os.environ["FLIGHTS_WAREHOUSE"]


def spec_of(source: Any, **data: Any) -> Spec:
    return a_spec(data=SPEC.as_document()["data"] | {"source": source, **data})


def prepared(source: Any, store: Path, **data: Any) -> PreparedDataset:
    return prepare(spec_of(source, **data), store=ObjectStore.open(str(store)), min_rows=40)


@pytest.mark.parametrize("kind", ["parquet", "csv", "delta", "iceberg"])
def test_the_same_content_is_the_same_dataset(kind: str, folder: Path, told: PreparedDataset, tmp_path: Path) -> None:
    sources = {
        "parquet": {"parquet": str(folder / "parquet")},
        "csv": {"csv": str(folder / "flights.csv")},
        "delta": {"delta": str(folder / "delta")},
        "iceberg": {"iceberg": "flights.departures", "catalog": catalog_of(folder)},
    }
    found = prepared(sources[kind], tmp_path)
    assert found.digest == told.digest
    assert [partition.model for partition in found.partitions] == [partition.model for partition in told.partitions]
    assert [skipped.partition for skipped in found.skipped] == [{"carrier": "OO"}]


def test_a_database_is_read_by_its_query(warehouse: str, told: PreparedDataset, tmp_path: Path) -> None:
    found = prepared({"sql": "SELECT * FROM flights", "connection": warehouse}, tmp_path)
    assert found.digest == told.digest


def test_floats_that_part_a_fleet_name_its_models_alike_in_files_and_frames(folder: Path, tmp_path: Path) -> None:
    arrow(load().assign(carrier=load()["carrier"].map({"UA": 1.5}).fillna(2.0))).to_pandas().to_parquet(
        folder / "floats.parquet", index=False
    )
    found = prepared({"parquet": str(folder / "floats.parquet")}, tmp_path)
    assert [partition.model for partition in found.partitions] == ["flight-time-1.5", "flight-time-2.0"]
    assert sample(spec_of({"parquet": str(folder / "floats.parquet")}), 9) == {each.model for each in found.partitions}


def test_a_sample_of_files_is_the_sample_of_the_frame(folder: Path) -> None:
    assert sample(spec_of({"parquet": str(folder / "parquet")}), 3) == sample(SPEC, 3)


def test_rows_that_break_a_check_are_left_out_of_files_too(folder: Path, tmp_path: Path) -> None:
    data = {"checks": [{"column": "hour", "missing": False}], "bad_rows": {"of_a_partition": "50%", "of_all": "50%"}}
    found = prepared({"parquet": str(folder / "parquet")}, tmp_path, **data)
    missing = load().query("carrier != 'OO'")["hour"].isna().sum()
    assert found.broke == {"hour is missing": missing}
    assert found.rows == len(load().query("carrier != 'OO'")) - missing


def test_one_model_of_all_rows_is_read_from_files(folder: Path, tmp_path: Path) -> None:
    document = SPEC.as_document() | {"kind": "model", "name": "all-flights"}
    document["data"] |= {"source": {"parquet": str(folder / "parquet")}}
    del document["for_each"]
    spec, told = Spec.model_validate(document), tmp_path / "lineage.jsonl"
    with Lineage(FileSink(told)).run("prepare", spec) as run:
        found = prepare(spec, store=ObjectStore.open(str(tmp_path)))
        run.gave(found)
    assert [(partition.model, partition.rows) for partition in found.partitions] == [("all-flights", len(load()))]
    (made,) = json.loads(told.read_text().splitlines()[1])["outputs"]
    assert made["facets"]["version"]["datasetVersion"] == found.digest


@pytest.mark.parametrize(
    ("source", "error", "reason"),
    [
        ({"parquet": "/nowhere/flights"}, DataError, "parquet /nowhere/flights: it cannot be read: .*nowhere"),
        ({"sql": "SELECT 1", "connection": "NOT_SET"}, DataError, "the environment variable NOT_SET .* is not set"),
        ({"csv": "other.csv"}, MissingColumn, "no column 'scheduled'; columns are when, air_time"),
        ({"csv": "words.csv"}, DataError, "target 'air_time' is of type string; expected numbers"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(
    source: dict[str, str], error: type[DataError], reason: str, folder: Path, tmp_path: Path
) -> None:
    frame = load().head(50)
    frame.rename(columns={"scheduled": "when"}).to_csv(folder / "other.csv", index=False)
    frame.assign(air_time="long").to_csv(folder / "words.csv", index=False)
    if "csv" in source:
        source = {"csv": str(folder / source["csv"])}
    with pytest.raises(error, match=reason):
        prepared(source, tmp_path)


def test_a_query_that_fails_names_its_cause(warehouse: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match='sql SELECT \\* FROM flightz: it cannot be read: relation "flightz" does not'):
        prepared({"sql": "SELECT * FROM flightz", "connection": warehouse}, tmp_path)


def test_times_without_a_zone_are_of_the_zone_that_is_named(
    folder: Path, told: PreparedDataset, tmp_path: Path
) -> None:
    frame = load()
    frame["scheduled"] = pd.to_datetime(frame["scheduled"]).dt.tz_convert("America/New_York").dt.tz_localize(None)
    frame.to_parquet(folder / "naive.parquet", index=False)
    source = {"parquet": str(folder / "naive.parquet")}
    assert prepared(source, tmp_path, time_zone="America/New_York").digest == told.digest
    with pytest.raises(DataError, match=r"has no time zone; name it in data.time_zone"):
        prepared(source, tmp_path)
