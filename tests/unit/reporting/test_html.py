"""The page is read back with an HTML parser: what it says, and what it cannot be made to do."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus
from jobferry.reporting.formatting import compact, dollars, duration, share
from jobferry.reporting.html import (
    Cell,
    ErrorGroup,
    RunReport,
    Sample,
    TimelinePoint,
    render_report,
)
from tests.unit.reporting.report_sample import (
    HOSTILE,
    RUN_ID,
    SAMPLES,
    aborted_run,
    counts,
    crowded_run,
    hostile_run,
    large_run,
    mixed_run,
    one_row_run,
    paused_run,
    refused_run,
    run,
    timeline,
)

VOID = {"meta"}
FORMULA = re.compile(r"[=+@\t\r-]")


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The page's elements in order, each with all the text inside it."""

    elements: list[Element] = field(default_factory=list)
    declarations: list[str] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_decl(self, decl: str) -> None:
        self.declarations.append(decl)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def named(self, *names: str) -> list[Element]:
        return [element for element in self.elements if element.name in names]

    def classed(self, name: str) -> list[Element]:
        return [e for e in self.elements if name in e.attributes.get("class", "").split()]

    @property
    def text(self) -> str:
        (main,) = self.named("main")
        return main.text

    @property
    def commands(self) -> list[list[str]]:
        return [shlex.split(element.text) for element in self.classed("command")]

    @property
    def headings(self) -> list[str]:
        return [element.text for element in self.named("h2")]

    @property
    def closed(self) -> bool:
        return not self._open


def parse(report: RunReport) -> Page:
    page = Page()
    page.feed(render_report(report))
    page.close()
    return page


@pytest.fixture(params=SAMPLES)
def page(request: pytest.FixtureRequest) -> Page:
    return parse(SAMPLES[request.param]())


# What every page is


def test_page_is_well_formed(page: Page) -> None:
    assert page.declarations == ["doctype html"]
    assert page.closed
    assert [element.attributes for element in page.named("html")] == [{"lang": "en"}]


def test_page_loads_nothing_and_runs_nothing(page: Page) -> None:
    assert page.named("script", "link", "img", "iframe", "object", "embed", "form", "use") == []
    assert {name for element in page.elements for name in element.attributes} & {
        "src", "srcset", "xlink:href", "action"
    } == set()  # fmt: skip
    # Links lead to this page, and to files beside it.
    for link in page.named("a"):
        assert re.fullmatch(r"#[a-z]+|[A-Za-z0-9_.~%-]+", link.attributes["href"])
    (style,) = page.named("style")
    assert "url(" not in style.text
    assert "@import" not in style.text
    policy = [e.attributes["content"] for e in page.named("meta") if "http-equiv" in e.attributes]
    assert policy[0].startswith("default-src 'none'")


def test_page_has_no_handlers_and_only_numbers_in_styles(page: Page) -> None:
    for element in page.elements:
        assert not [name for name in element.attributes if name.startswith("on")]
        assert re.fullmatch(r"(flex-grow:\d+)?", element.attributes.get("style", ""))


def test_page_fits_phones_and_dark_rooms(page: Page) -> None:
    (style,) = page.named("style")

    assert "width=device-width" in str([element.attributes for element in page.named("meta")])
    assert "prefers-color-scheme: dark" in style.text
    assert "@media print" in style.text


def test_drawings_have_a_name_for_those_who_cannot_see_them(page: Page) -> None:
    drawings = [
        e for e in page.elements if e.name == "svg" or "bar" in e.attributes.get("class", "")
    ]

    assert all(e.attributes["role"] == "img" and e.attributes["aria-label"] for e in drawings)


# The verdict


@pytest.mark.parametrize(
    ("report", "tone", "sentence"),
    [
        (run(), "good", "All 300 rows succeeded."),
        (one_row_run(), "good", "The only row succeeded."),
        (run(0), "good", "The file has no rows, so there was nothing to send."),
        (
            mixed_run(),
            "fair",
            "290 of 300 rows succeeded, 6 failed, 3 were rejected and 1 was skipped.",
        ),
        (
            run(3, status=RunStatus.COMPLETED, outcomes=counts(succeeded=1, skipped=2)),
            "good",
            "1 of 3 rows succeeded and 2 were skipped.",
        ),
        (
            aborted_run(),
            "fair",
            "The run was aborted: 1,200 of 10,000 rows succeeded, 100 failed and 8,700 were "
            "skipped.",
        ),
        (
            large_run(),
            "bad",
            "The run ended with rows that nobody can vouch for: 999,990 of 1,000,000 rows "
            "succeeded, 7 failed and 3 are unknown.",
        ),
        (refused_run(), "bad", "The run failed before anything was sent."),
        (
            run(
                5_000,
                status=RunStatus.ABORTED,
                error="The vendor does not accept the credentials.",
                outcomes=counts(failed=100, skipped=4_900),
            ),
            "bad",
            "The run was aborted: none of 5,000 rows succeeded: 100 failed and 4,900 were skipped.",
        ),
        (
            paused_run(),
            "fair",
            "The run is paused and waits for your yes or no: 230 of 20,000 rows have their "
            "outcome and 200 failed.",
        ),
        (
            run(9, status=RunStatus.RUNNING, closed_at=None, outcomes=counts(succeeded=4)),
            "good",
            "The run goes on: 4 of 9 rows have their outcome.",
        ),
        (crowded_run(), "bad", "None of 621 rows succeeded: 621 failed."),
        (
            run(300, outcomes=counts(succeeded=298)),
            "bad",
            "The run does not add up: the file has 300 rows, but 298 outcomes were counted. "
            "Do not rely on these figures.",
        ),
    ],
)
def test_verdict_is_one_plain_sentence(report: RunReport, tone: str, sentence: str) -> None:
    page = parse(report)

    assert [element.text for element in page.classed("sentence")] == [sentence]
    assert page.classed("verdict")[0].attributes["class"].split() == ["verdict", tone]


def test_reason_stands_beside_the_verdict() -> None:
    (verdict,) = parse(refused_run()).classed("verdict")

    assert (
        "Reason: The column “Subject” that the profile maps is not in the header." in verdict.text
    )


# Outcomes


def test_bar_and_table_show_the_same_counts() -> None:
    page = parse(mixed_run())

    shown = {
        e.attributes["class"].split()[1]: e.attributes["style"] for e in page.classed("segment")
    }
    assert shown == {
        "succeeded": "flex-grow:290",
        "failed": "flex-grow:6",
        "rejected": "flex-grow:3",
        "skipped": "flex-grow:1",
    }
    cells = [element.text for element in page.named("td")]
    assert cells[:12] == [
        "290", "96.7 %", "6", "2.0 %", "3", "1.0 %", "1", "0.3 %", "0", "0 %", "300", ""
    ]  # fmt: skip


def test_a_few_bad_rows_in_a_million_are_neither_nothing_nor_hidden() -> None:
    page = parse(large_run())

    assert {"> 99.9 %", "< 0.1 %"} <= {element.text for element in page.named("td")}
    assert "100 %" not in page.text


def test_sections_without_content_are_left_out() -> None:
    assert parse(refused_run()).headings == ["What to do next"]
    assert parse(run()).headings == ["What to do next", "Outcomes", "Timeline", "Files"]


# What to do next


def test_the_steps_are_shown_with_their_commands() -> None:
    assert "What to do next" not in parse(replace(run(), steps=[])).headings

    folder = f"results/{RUN_ID}"
    assert parse(mixed_run()).commands[1:4] == [
        ["jobferry", "results", RUN_ID, "--out", folder],
        ["jobferry", "run", f"{folder}/failed.csv", "--profile", "new-tickets"],
        ["jobferry", "retry", RUN_ID],
    ]
    assert "mend the cells of rejected.csv that the errors name" in parse(mixed_run()).text


def test_names_cannot_break_out_of_a_command() -> None:
    name = "x; rm -rf ~ #'$(id)`id`"

    commands = parse(run(1, profile=name, run_id=name, outcomes=counts(failed=1))).commands

    assert ["jobferry", "results", name, "--out", f"results/{name}"] in commands
    assert ["jobferry", "run", f"results/{name}/failed.csv", "--profile", name] in commands


def test_a_run_that_is_open_says_when_it_was_looked_at() -> None:
    page = parse(paused_run())

    assert "As of 2026-11-22 18:09:22 UTC" in page.text
    assert "Paused besides" in page.text
    assert "200 of 230 rows failed with RecordInvalid." in page.text
    assert ["jobferry", "resume", RUN_ID] in page.commands
    assert "Closed" not in {element.text for element in page.named("th")}


# Errors


def test_errors_are_grouped_with_the_largest_first() -> None:
    page = parse(mixed_run())

    assert [element.text for element in page.named("h3")] == [
        "6 rows failed: TicketCreateFailed",
        "3 rows rejected: not_allowed",
    ]
    first, second = (element.text for element in page.named("article"))
    assert "Row 7" in first
    assert "Where is my parcel?" in first
    assert first.endswith("and 3 more rows")
    assert "Row 12 Priority: “asap” is not allowed" in second


def test_text_that_a_row_shares_with_its_group_is_said_once() -> None:
    article = parse(mixed_run()).named("article")[0]

    assert article.text.count("Description: cannot be blank") == 1


def test_a_group_of_texts_that_differ_shows_one_and_says_so() -> None:
    (article,) = parse(paused_run()).named("article")

    assert "Such as: Email: ann@example.com is not properly formatted" in article.text


def test_the_wrong_cell_is_marked_and_stands_first() -> None:
    page = parse(mixed_run())

    assert {element.text for element in page.named("mark")} == {"(empty)", "asap"}
    second = page.named("article")[1]
    assert second.text.index("Priority this cell") < second.text.index("INV-00012")
    assert "and 2 more columns" in second.text


def test_empty_cells_are_visible() -> None:
    assert "(empty)" in parse(mixed_run()).text


def test_too_much_is_cut_and_counted() -> None:
    report = crowded_run()
    page = parse(report)

    assert len(page.named("article")) == 20
    assert len(page.classed("sample")) == 20 * 3
    assert "and 7 more kinds of error in 91 rows: see the files." in page.text
    assert "and 34 more columns" in page.text
    assert "… and 2,800 more characters" in page.text
    assert len(render_report(report)) < 400_000


# Hostile content


def test_hostile_content_adds_no_elements() -> None:
    assert {e.name for e in parse(hostile_run()).elements} <= {
        e.name
        for make in SAMPLES.values()
        if make is not hostile_run
        for e in parse(make()).elements
    }


def test_hostile_content_is_shown_as_it_is() -> None:
    text = parse(hostile_run()).text

    for hostile in HOSTILE[:5]:
        assert hostile in text


def test_nothing_on_the_page_is_a_formula_when_pasted() -> None:
    pasted = parse(hostile_run()).named("dd", "dt", "td", "th", "p", "li", "code", "bdi")

    assert pasted
    assert [element.text for element in pasted if FORMULA.match(element.text)] == []


def test_control_characters_and_turned_text_are_made_visible() -> None:
    html = render_report(hostile_run())

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    assert "right⟨U+202E⟩to⟨U+2066⟩left ␀␛[31m ⟨U+D800⟩" in parse(hostile_run()).text


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=300))
def test_any_text_anywhere_leaves_the_structure_alone(text: str) -> None:
    def report(text: str) -> RunReport:
        sample = Sample(1, [Cell(text, text, wrong=True)], "own")
        group = ErrorGroup(OutcomeStatus.FAILED, text, text, 1, [sample])
        return run(
            1,
            profile=text,
            connection=text,
            source=text,
            error=text,
            outcomes=counts(failed=1),
            error_groups=[group],
            cost={text: 1.0},
            files=[text],
        )

    render_report(report(text)).encode("utf-8")
    page, plain = parse(report(text)), parse(report("plain"))
    assert [e.name for e in page.elements] == [e.name for e in plain.elements]
    shown = [{k: v for k, v in e.attributes.items() if k != "href"} for e in page.elements]
    assert shown == [{k: v for k, v in e.attributes.items() if k != "href"} for e in plain.elements]


# The timeline


def curve(report: RunReport, number: int) -> list[tuple[float, float]]:
    line = parse(report).named("polyline")[number].attributes["points"]
    return [(float(x), float(y)) for x, y in (point.split(",") for point in line.split())]


def test_one_point_is_a_dot_in_labelled_axes() -> None:
    page = parse(one_row_run())

    assert len(page.named("circle")) == 2
    assert Counter(e.text for e in page.named("text"))["time since the start"] == 2
    assert {"0 s", "1 s", "2 s", "3 s"} <= {e.text for e in page.named("text")}
    assert [e.text for e in page.named("figcaption")] == [
        "Rows settled · 1 row after 2.1 s",
        "Jobs in flight · at most 0 jobs",
    ]


def test_many_points_are_thinned_but_extremes_stay() -> None:
    points = timeline(5_000, 100_000, 5_000, 30)
    points[2_345] = TimelinePoint(points[2_345].seconds, points[2_345].rows_settled, 0)

    jobs = curve(run(100_000, timeline=points), 1)

    assert len(jobs) < 600
    assert max(y for x, y in jobs if 150 < x < 200) == 156.0


@given(
    st.lists(
        st.builds(
            TimelinePoint,
            st.floats(0, 1e7),
            st.integers(0, 10_000_000),
            st.integers(0, 1_000),
        ),
        min_size=1,
        max_size=300,
    )
)
@settings(max_examples=30, deadline=None)
def test_curves_stay_inside_their_frame(points: list[TimelinePoint]) -> None:
    report = run(1, timeline=points)

    for number in (0, 1):
        drawn = curve(report, number)
        assert all(44 <= x <= 330 and 10 <= y <= 156 for x, y in drawn)
        assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)
    labels = [e.text for e in parse(report).named("text")]
    assert len(labels) <= 2 * (5 + 5 + 1)


# Numbers


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.44, "0.4 s"),
        (12.3, "12.3 s"),
        (59.96, "1 min"),
        (94, "1 min 34 s"),
        (3_600, "1 h"),
        (9_876, "2 h 44 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, "$0.00"),
        (0.00002, "< $0.0001"),
        (0.0011, "$0.0011"),
        (0.31, "$0.31"),
        (1234, "$1,234.00"),
    ],
)
def test_dollars(amount: float, expected: str) -> None:
    assert dollars(amount) == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 0, "0 %"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (1, 3, "33.3 %"),
        (1, 10_000, "< 0.1 %"),
        (9_999, 10_000, "> 99.9 %"),
        (999, 1_000, "99.9 %"),
    ],
)
def test_share(part: int, whole: int, expected: str) -> None:
    assert share(part, whole) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "0"), (250, "250"), (1_500, "1.5 k"), (2_000_000, "2 M")]
)
def test_compact(value: float, expected: str) -> None:
    assert compact(value) == expected
