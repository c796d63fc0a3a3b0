"""The pages are found by those who read them, and say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobferry.operator.status import run_document
from jobferry.scheduler.lanes import lanes_for
from jobferry.vendors.registry import LOADERS, VendorRegistry
from tests.documents import ROOT, sections
from tests.unit.test_docs import anchor, anchors
from virtual.world import World, sample_csv

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
PAGES = sorted(page for page in DOCS.glob("*.md") if page != INDEX)
_LINKED = re.compile(r"\]\(([\w.-]+\.md)(?:#[\w-]*)?\)")
_TITLE = re.compile(r"^# ", re.MULTILINE)
MEASURED = ("cost.md", "performance.md")
"""Pages whose figures are measured or computed, and held by tests of their own."""
LONG = 120
"""Lines from which on a page needs a list of its sections."""

SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "layers/jobferry/jobferry").rglob("*.py")
)


def linked(page: Path) -> set[str]:
    """The pages of the same folder that a page leads to."""
    return set(_LINKED.findall(page.read_text(encoding="utf-8")))


def test_the_index_names_every_page() -> None:
    assert linked(INDEX) == {page.name for page in PAGES}


def test_the_index_says_one_thing_of_each_page() -> None:
    entries = [line for line in INDEX.read_text().splitlines() if line.startswith("- [")]
    assert all(re.match(r"- \[.+\]\(\S+\): \S", entry) for entry in entries)
    targets = [re.findall(r"\]\((\S+)\)", entry)[0] for entry in entries]
    assert len(targets) == len(set(targets))


def test_the_readme_leads_to_the_index_and_to_each_step_of_the_guide() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    steps = {name for name in anchors(DOCS / "guide.md") if re.match(r"[123]-", name)}
    assert len(steps) == 3
    assert {f"docs/guide.md#{name}" for name in steps} <= set(re.findall(r"\]\((\S+)\)", text))
    assert "(docs/README.md)" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_one_title_and_says_at_once_what_it_is_about(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(_TITLE.findall(text)) == 1
    assert text.startswith("# ")
    second = next(line for line in text.splitlines()[1:] if line.strip())
    assert not second.startswith("#"), "a heading follows the title"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_long_page_begins_with_a_list_of_its_sections(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if len(text.splitlines()) < LONG:
        return
    listed = set(re.findall(r"\]\(#([\w-]+)\)", text.partition("\n## ")[0]))
    assert [name for name in sections(page) if anchor(name) not in listed] == []


class TestFacts:
    """What pages say that the code knows better."""

    def test_every_field_of_a_runs_document_is_explained(self) -> None:
        with World() as world:
            document = run_document(world.processed(sample_csv(3)), world.deps)
        section = sections(DOCS / "cli.md")["status"]
        missing = [key for key in document if not re.search(rf"[`\"]{key}[`\"]", section)]
        assert missing == []

    def test_lanes_by_vendor(self) -> None:
        rows = re.findall(
            r"^\| (Zendesk Support|Zendesk Sunshine|Vidispine) \| ([\d,]+) \| (\d+) \|$",
            (DOCS / "limits.md").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        registry = VendorRegistry()
        vendors = [registry.named(name) for name in LOADERS]
        assert {title: (jobs, int(lanes)) for title, jobs, lanes in rows} == {
            vendor.title: (
                f"{vendor.capabilities.max_jobs:,}",
                lanes_for(vendor.capabilities.max_jobs, 1_000_000, vendor.capabilities.poll_batch),
            )
            for vendor in vendors
        }

    @pytest.mark.parametrize("page", ["runbook.md", "monitoring.md"])
    def test_log_lines_that_a_page_names_are_written(self, page: str) -> None:
        text = (DOCS / page).read_text(encoding="utf-8")
        parts = re.findall(
            r"(?:[Ll]og lines?|Messages to know):?(.{0,400}?)(?:\.|:|\n\n)", text, re.DOTALL
        )
        named = {line for part in parts for line in re.findall(r"`([a-z][a-z ]+)`", part)}
        assert named
        assert [line for line in sorted(named) if f'"{line}"' not in SOURCES] == []

    def test_metrics_that_are_listed_are_those_that_are_sent(self) -> None:
        table = sections(DOCS / "monitoring.md")["Metrics"]
        listed = set(re.findall(r"`([A-Z]\w+)`", "".join(re.findall(r"^\| `.*$", table, re.M))))
        sent = set(re.findall(r"\b((?:Runs|RunSeconds|Carried|Results)\w*)=", SOURCES))
        assert {"RunsClosed", "ResultsAtRisk"} <= sent
        assert sent - listed == set()

    @pytest.mark.parametrize(
        "page", [ROOT / "README.md", *PAGES, INDEX], ids=lambda page: page.name
    )
    def test_dollars_stand_on_the_pages_that_are_measured(self, page: Path) -> None:
        if page.name in MEASURED:
            return
        known = "".join((DOCS / name).read_text(encoding="utf-8") for name in MEASURED)
        amounts = re.findall(r"\$(\d[\d,]*\.\d+)", page.read_text(encoding="utf-8"))
        assert [each for each in amounts if each not in known] == []

    def test_parameters_that_are_listed_are_all_of_the_template(self) -> None:
        listed = set(re.findall(r"`([A-Z]\w+)`", sections(DOCS / "deploy.md")["Parameters"]))
        template = (ROOT / "template.yaml").read_text(encoding="utf-8")
        block = template.partition("\nParameters:\n")[2].partition("\nConditions:")[0]
        declared = set(re.findall(r"^  (\w+):$", block, re.MULTILINE))
        assert declared - {"Runtime", "Architecture"} <= listed
        assert {name for name in listed if name.startswith(("Alarm", "Row", "Max"))} <= declared
