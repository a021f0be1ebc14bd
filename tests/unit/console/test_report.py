"""The report is one file that says what the story says, escapes what comes from outside, and asks for nothing."""

import io
import re
import sqlite3
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from runtime.console.report import render, write_report
from runtime.console.story import read_story
from runtime.console.terminal import terminal_table
from runtime.domain import events as e
from tests.unit.console.fleets import SCRIPT, Fleet, day

VOID = {"meta", "rect", "line", "path", "br", "link", "img"}


class Page(HTMLParser):
    """Reads a page strictly enough to see elements that were not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(fleet: Fleet) -> Page:
    return Page(render(read_story(fleet.database_url, fleet.store_url), fleet.database_url))


def test_the_report_is_written_and_its_story_returned(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    story = write_report(fleet.database_url, fleet.store_url, path)
    assert story.errors is not None
    assert path.read_text().startswith("<!doctype html>")
    assert Page(path.read_text()).open == []


def test_nothing_is_written_when_evidence_is_missing(fleet: Fleet, tmp_path: Path) -> None:
    fleet.object_of(fleet.sealed["march a"].digest).unlink()
    with pytest.raises(Exception, match="is missing"):
        write_report(fleet.database_url, fleet.store_url, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_headline_the_tables_and_the_reasons_are_there(fleet: Fleet) -> None:
    text = page_of(fleet).text
    assert "64.7%" in text
    assert "1 of 2" in text
    assert "recent MAE 2.00 is 2.00 times the baseline's, at or above 1.10" in text
    assert "April 2013 0.50 4.50 88.9%" in text
    assert "in all 1.00 2.83 64.7% 1 1 2 1 1" in text
    assert "air-a version 2 0.75 3.50 78.6% 1 1 1 1 0" in text
    assert "refused at the gates" in text


def test_everything_from_outside_is_escaped(fleet: Fleet) -> None:
    page = page_of(fleet)
    assert [tag for tag, _ in page.tags if tag == "script"] == []
    assert f"no better {SCRIPT}" in page.text
    assert f"minutes in the air {SCRIPT}" in page.text
    assert f"asked for {SCRIPT}" in page.text
    assert "planning & co" in page.text


def test_the_report_asks_for_nothing_outside_itself(fleet: Fleet) -> None:
    page = page_of(fleet)
    outside = {"src", "href", "srcset", "data", "action", "xlink:href", "poster"}
    assert [attributes for _, attributes in page.tags if outside & attributes.keys()] == []
    assert "url(" not in render(read_story(fleet.database_url, fleet.store_url), fleet.database_url)


def test_plots_have_alternative_texts_and_tables_have_headings(fleet: Fleet) -> None:
    page = page_of(fleet)
    alts = [attributes["aria-label"] or "" for tag, attributes in page.tags if tag == "svg"]
    assert len(alts) == 4
    assert "March 2013 1.67 with, 1.67 without; April 2013 0.50 with, 4.50 without" in alts[0]
    assert all(len(alt) > 40 for alt in alts)
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == 3
    assert sum(tag == "caption" for tag, _ in page.tags) == tables
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")


def test_titles_of_plots_say_what_is_seen(fleet: Fleet) -> None:
    text = page_of(fleet).text
    assert "With Fleetward the error was 64.7% lower; it was lower in 2, the same in 1 of 3 months" in text
    assert "2 alarms: 1 for data drift, 1 for performance; most (1) in the week of 25 March 2013" in text
    assert "1 of 2 retrainings became champion; 1 was refused and changed nothing" in text
    assert "1 of 1 model with a new champion erred less than the first would have" in text


def test_the_last_section_names_the_head_and_how_to_verify_it(fleet: Fleet) -> None:
    text = page_of(fleet).text
    command = (
        f"fleetward ledger verify --database {fleet.database_url} "
        f"--expect-size {fleet.log.size} --expect-root {fleet.log.root}"
    )
    assert text.endswith(command)
    assert "Verified when this report was written" in text


def test_a_ledger_that_does_not_verify_says_so_in_the_report(fleet: Fleet) -> None:
    fleet.close()
    with closing(sqlite3.connect(fleet.home / "ledger.db")) as database, database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        database.execute("UPDATE entries SET time = '2020-01-01T00:00:00.000000Z' WHERE seq = 3")
    text = page_of(fleet).text
    assert "Not verified. ledger entry 3: its time column says" in text
    assert "ledger entries, not verified" in text


def test_a_fleet_without_outcomes_has_a_report_that_says_so(young: Fleet) -> None:
    young.answer("march a", "air-a", 1, day(3, 5), [10.0], [10.0])
    text = page_of(young).text
    assert "No outcome has arrived for any of the 1 served rows yet" in text
    assert "No model was retrained." in text


def test_a_fleet_that_never_served_has_a_report_that_says_so(empty: Fleet) -> None:
    empty.declare("a")
    page = page_of(empty)
    assert "Nothing was served yet" in page.text
    assert "not served: no version was trained" in page.text
    assert [tag for tag, _ in page.tags if tag == "svg"] == []


def test_a_fleet_that_erred_more_than_it_had_to_says_so(young: Fleet) -> None:
    young.answer("march a", "air-a", 1, day(3, 5), [10.0], [12.0])
    young.tell("march a", "air-a", [10.0])
    assert (
        "With Fleetward the error was 2.00, never retrained 0.00; it was higher in 1 of 1 month" in page_of(young).text
    )
    young.answer("march b", "air-a", 1, day(3, 5), [10.0], [20.0])
    young.tell("march b", "air-a", [11.0])
    text = page_of(young).text
    assert "With Fleetward the error was 1000.0% higher" in text
    assert "more error than never retrained, over all judged rows 1000.0%" in text
    assert "2 recorded answers of first versions did not come out the same" in text


def test_the_same_story_gives_the_same_page(fleet: Fleet) -> None:
    story = read_story(fleet.database_url, fleet.store_url)
    assert render(story, fleet.database_url) == render(story, fleet.database_url)


# --- the terminal ----------------------------------------------------------------------------------


def rows_of(fleet: Fleet) -> list[list[str]]:
    """The cells of the table's lines that hold data."""
    out = Console(file=io.StringIO(), width=120)
    out.print(terminal_table(read_story(fleet.database_url, fleet.store_url)))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    return [re.split(r"\s*│\s*", line.strip("│ ")) for line in text.splitlines() if "│" in line]


def test_the_table_has_a_line_a_month_and_a_total(fleet: Fleet) -> None:
    assert rows_of(fleet) == [
        ["2013-03", "1.67", "1.67", "0.0%", "2", "2", "1", "1"],
        ["2013-04", "0.50", "4.50", "88.9%", "0", "0", "0", "0"],
        ["2013-05", "0.00", "3.00", "100.0%", "0", "0", "0", "0"],
        ["in all", "1.00", "2.83", "64.7%", "2", "2", "1", "1"],
    ]


def test_months_without_outcomes_show_that_there_are_no_errors(young: Fleet) -> None:
    young.find("air-a", e.FindingKind.DATA_DRIFT, day(4))
    assert rows_of(young) == [
        ["2013-03", "-", "-", "-", "1", "0", "0", "0"],
        ["in all", "-", "-", "-", "1", "0", "0", "0"],
    ]
