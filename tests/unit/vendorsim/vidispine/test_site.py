"""Vidispine as the simulator serves it, beyond what its official client looks at."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree as ET

import pytest
import requests

from jobferry.domain.types import JsonObject
from tests.unit.vendorsim.vidispine.conftest import BASIC, Site
from vendorsim import ManualClock, RunningSimulator, Scenario, start

NAMESPACE = "{http://xml.vidispine.com/schema/vidispine}"

# Forms


def test_an_accepted_job_is_answered_as_recorded(site: Site) -> None:
    shown = site.ask("POST", "/job?type=PLACEHOLDER_IMPORT").json()

    assert set(shown) == {"jobId", "user", "started", "status", "type", "priority"}
    assert shown["jobId"] == "VX-1"
    assert (shown["user"], shown["status"]) == ("admin", "READY")
    assert shown["priority"] == "MEDIUM"
    assert shown["started"].endswith("+0000")
    assert site.get("/job/VX-1")["log"] == {"task": []}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/json", "application/json"),
        ("application/xml", "application/xml"),
        ("text/plain", "text/plain"),
        ("application/json, text/plain, application/xml", "application/json"),
        ("application/json;q=0.5, application/xml", "application/xml"),
        ("image/png, text/*", "text/plain"),
        ("*/*", "application/xml"),
    ],
)
def test_the_form_is_chosen_by_accept(site: Site, accept: str, form: str) -> None:
    answer = site.ask("GET", f"/job/{site.create()}", Accept=accept)

    assert answer.headers["Content-Type"].split(";")[0] == form


def test_a_form_that_is_not_on_offer(site: Site) -> None:
    assert site.ask("GET", "/job", Accept="image/png").status_code == 406
    assert site.ask("GET", "/job/problem", Accept="text/plain").status_code == 406


def test_plain_text_is_lines_of_ids_and_a_bare_state(site: Site) -> None:
    first, second = site.create(), site.create()

    assert site.ask("GET", "/job", Accept="text/plain").text == f"{first}\r\n{second}\r\n"
    assert site.ask("GET", f"/job/{first}", Accept="text/plain").text == "READY"


def test_xml_has_a_namespace(site: Site, clock: ManualClock) -> None:
    site.create(more="&jobmetadata=title%3D%C3%BC%20%26%20%3C")
    clock.advance(2)

    answer = site.ask("GET", "/job?metadata=true&step=true", Accept="application/xml")

    root = ET.fromstring(answer.content)
    assert root.tag == f"{NAMESPACE}JobListDocument"
    assert root.findtext(f"{NAMESPACE}hits") == "1"
    data = root.iter(f"{NAMESPACE}data")
    pairs = {each.findtext(f"{NAMESPACE}key"): each.findtext(f"{NAMESPACE}value") for each in data}
    assert pairs["title"] == "ü & <"
    assert len(list(root.iter(f"{NAMESPACE}task"))) == 3


def test_a_document_may_come_as_xml(sim: RunningSimulator, site: Site, clock: ManualClock) -> None:
    body = (
        "<SimpleMetadataDocument xmlns='http://xml.vidispine.com/schema/vidispine'>"
        "<field><key>title</key><value>ü</value></field></SimpleMetadataDocument>"
    )
    headers = {
        "Authorization": BASIC,
        "Accept": "application/json",
        "Content-Type": "application/xml",
    }
    url = f"{sim.url}/API/job?type=IMPORT&jobmetadata=title%3Dx"
    answer = requests.post(url, data=body.encode(), headers=headers, timeout=10)
    clock.advance(2)

    assert answer.status_code == 200
    (effect,) = sim.effects()["effects"]
    assert effect["fields"]["title"] == "ü"
    for broken in ("<a>", "<!DOCTYPE a><a/>", "<field"):
        assert requests.post(url, data=broken, headers=headers, timeout=10).status_code == 400


@pytest.mark.parametrize("document", [{"field": [{"value": "x"}]}, {"field": ["x"]}, [1]])
def test_a_document_that_is_none_is_refused(site: Site, document: object) -> None:
    assert site.ask("POST", "/job?type=IMPORT", json=document).status_code == 400


def test_every_answer_forgets_a_cookie(site: Site) -> None:
    for answer in (site.ask("GET", "/job"), site.ask("GET", "/job/VX-1")):
        assert answer.headers["Set-Cookie"].startswith("rememberMe=deleteMe")


# Errors


@pytest.mark.parametrize(
    ("method", "path", "status", "key"),
    [
        ("GET", "/job/VX-1000000", 404, "notFound"),
        ("GET", "/job/VX-1000000/problem", 404, "notFound"),
        ("DELETE", "/job/VX-1000000", 404, "notFound"),
        ("PUT", "/job/VX-1000000?priority=LOW", 404, "notFound"),
        ("POST", "/job/VX-1000000/re-run", 404, "notFound"),
        ("DELETE", "/job?id=VX-1000000", 404, "notFound"),
        ("DELETE", "/job", 400, "invalidInput"),
        ("POST", "/job", 400, "invalidInput"),
        ("POST", "/job?type=NO_SUCH", 400, "invalidInput"),
        ("POST", "/job?type=IMPORT&priority=urgent", 400, "invalidInput"),
        ("POST", "/job?type=IMPORT&jobmetadata=x", 400, "invalidInput"),
        ("GET", "/job?state=GOING", 400, "invalidInput"),
        ("GET", "/job?user=perhaps", 400, "invalidInput"),
        ("GET", "/job?number=many", 400, "invalidInput"),
        ("GET", "/job?sort=age", 400, "invalidInput"),
        ("GET", "/job?sort=jobId%20down", 400, "invalidInput"),
        ("GET", "/job?starttime-from=yesterday", 400, "invalidInput"),
        ("GET", "/job?jobmetadata=x", 400, "invalidInput"),
    ],
)
def test_an_error_is_nine_keys_of_which_one_speaks(
    site: Site, method: str, path: str, status: int, key: str
) -> None:
    answer = site.ask(method, path)

    assert answer.status_code == status
    assert len(answer.json()) == 9
    assert [name for name, value in answer.json().items() if value is not None] == [key]


def test_an_error_in_xml_holds_what_speaks(site: Site) -> None:
    answer = site.ask("GET", "/job/VX-7", Accept="application/xml")

    root = ET.fromstring(answer.content)
    assert [child.tag for child in root] == [f"{NAMESPACE}notFound"]
    assert root.findtext(f"{NAMESPACE}notFound/{NAMESPACE}id") == "VX-7"


@pytest.mark.parametrize("authorization", ["", "Bearer sim-token", "Basic x", "Basic YWRtaW46eA=="])
def test_others_are_not_let_in(site: Site, authorization: str) -> None:
    answer = site.ask("GET", "/job", Authorization=authorization)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert answer.json()["notAuthorized"]


@pytest.mark.parametrize("path", ["", "/item", "/jobs", "/job;state=READY", "/job/VX-1/log"])
def test_other_paths_are_not_served(site: Site, path: str) -> None:
    assert site.ask("GET", path).status_code == 404


def test_an_address_has_a_longest_length(site: Site) -> None:
    assert site.ask("GET", "/job?type=" + "x" * 8_000).status_code == 414


# Parameters


def test_parameters_of_4_x_where_they_are_switched_on(sim: RunningSimulator, site: Site) -> None:
    sim.change_settings(vidispine_matrix_parameters=True)
    mine, _, theirs = site.create(), site.create("EXPORT"), site.create(RunAs="somebody")

    assert list(site.states(";user=false;first=0;number=100;type=IMPORT")) == [mine, theirs]
    assert list(site.states(";state=READY;sort=jobId%20desc;number=1")) == ["VX-2"]
    assert list(site.states(";state=STARTED")) == []
    assert list(site.states("")) == [mine, "VX-2"]


@pytest.mark.parametrize("no", ["false", "False"])
@pytest.mark.parametrize("comma", [",", "%2C"])
def test_booleans_and_commas_in_either_spelling(site: Site, no: str, comma: str) -> None:
    site.create(RunAs="somebody")
    site.create("EXPORT", "&priority=HIGH")
    site.create("TRANSCODE", "&priority=LOW")

    assert len(site.states(f"?user={no}&type=IMPORT{comma}EXPORT")) == 2
    assert len(site.states(f"?user={no}&priority=HIGH{comma}LOW")) == 2


def test_the_default_list_is_the_first_hundred_of_ones_own(site: Site) -> None:
    jobs = [site.create() for _ in range(101)]

    listed = site.get("/job")

    assert listed["hits"] == 101
    assert [job["jobId"] for job in listed["job"]] == jobs[:100]
    assert list(site.states("?first=101")) == jobs[100:]


def test_an_empty_list_has_no_jobs_at_all(site: Site) -> None:
    assert site.get("/job") == {"hits": 0}
    assert site.get("/job/problem") == {}


def test_a_list_of_one_may_be_shown_as_the_one(sim: RunningSimulator, site: Site) -> None:
    job_id = site.create()
    sim.change_settings(vidispine_single_objects=True)

    assert site.get("/job")["job"]["jobId"] == job_id


# Work


@pytest.mark.parametrize("running", [1, 2, 3])
def test_no_more_jobs_are_worked_on_than_are_set(
    sim: RunningSimulator, site: Site, clock: ManualClock, running: int
) -> None:
    sim.change_settings(vidispine_running=running, latency=2)
    jobs = [site.create() for _ in range(6)]
    most = 0
    for _ in itertools.repeat(None, 200):
        states = list(site.states().values())
        most = max(most, states.count("STARTED"))
        if set(states) == {"FINISHED"}:
            break
        clock.advance(0.1)

    assert most == running
    done = [effect["job_id"] for effect in sim.effects()["effects"]]
    assert done == jobs


def test_a_limit_that_is_raised_starts_what_waits(
    sim: RunningSimulator, site: Site, clock: ManualClock
) -> None:
    sim.change_settings(vidispine_running=1)
    for _ in range(3):
        site.create()
    clock.advance(1)
    sim.change_settings(vidispine_running=0)

    assert list(site.states().values()) == ["STARTED"] * 3


def test_work_that_is_stopped_makes_room(
    sim: RunningSimulator, site: Site, clock: ManualClock
) -> None:
    sim.change_settings(vidispine_running=1)
    aborted, deleted, last = site.create("SIM_STUCK"), site.create("SIM_STUCK"), site.create()
    clock.advance(5)
    site.ask("DELETE", f"/job/{aborted}")
    clock.advance(1)
    assert site.states()[deleted] == "STARTED"
    site.ask("DELETE", f"/job?id={deleted}")
    clock.advance(5)

    assert site.states() == {aborted: "ABORTED", last: "FINISHED"}
    assert [effect["job_id"] for effect in sim.effects(kind="item")["effects"]] == [last]


def test_an_item_that_is_named_is_worked_on(
    sim: RunningSimulator, site: Site, clock: ManualClock
) -> None:
    site.create("TRANSCODE", "&jobmetadata=item%3DVX-5")
    site.create("IMPORT", "&jobmetadata=external_id%3DE-1")
    clock.advance(2)

    old, new = sim.effects()["effects"]

    assert (old["action"], old["id"], old["vendor"]) == ("updated", "VX-5", "vidispine")
    assert (new["action"], new["external_id"]) == ("created", "E-1")
    assert new["id"] != "VX-5"


@pytest.mark.parametrize(
    ("job_type", "more", "state"),
    [
        ("SIM_FAIL", "", "FAILED_TOTAL"),
        ("SIM_WARN", "", "FINISHED_WARNING"),
        ("SIM_STUCK", "", "STARTED"),
        ("IMPORT", "&jobmetadata=sim-fate%3Dfail", "FAILED_TOTAL"),
        ("IMPORT", "&jobmetadata=sim-fate%3Dwarn", "FINISHED_WARNING"),
        ("IMPORT", "&jobmetadata=sim-fate%3Dstuck", "STARTED"),
    ],
)
def test_a_job_may_bring_its_fate_along(
    site: Site, clock: ManualClock, job_type: str, more: str, state: str
) -> None:
    job_id = site.create(job_type, more)
    clock.advance(100)

    assert site.states()[job_id] == state


def test_a_marker_is_looked_for_in_type_and_metadata(
    sim: RunningSimulator, site: Site, clock: ManualClock
) -> None:
    fault = {"effect": {"fail_rows": {"marker": "bad", "error": "E7", "details": "No"}}}
    sim.set_faults(fault)
    sim.change_settings(vidispine_types=["bad_type"])
    jobs = [site.create(), site.create("bad_type"), site.create(more="&jobmetadata=a%3Dvery bad")]
    clock.advance(2)

    assert list(site.states().values()) == ["FINISHED", "FAILED_TOTAL", "FAILED_TOTAL"]
    data = site.get(f"/job/{jobs[1]}")["data"]
    assert data == [{"key": "errorMessage", "value": "E7: No"}]


def test_jobs_may_be_there_already() -> None:
    jobs: list[JsonObject] = [
        {"user": "ada", "type": "EXPORT", "metadata": {"a": "1"}},
        {"status": "ABORTED"},
    ]
    with start(scenario=Scenario(records={"jobs": jobs})) as sim:
        site = Site(sim)

        assert site.states() == {}
        assert site.states("?user=false") == {"VX-1": "FINISHED", "VX-2": "ABORTED"}
        assert list(site.states("?user=false&jobmetadata=a%3D1")) == ["VX-1"]
        assert site.create() == "VX-3"


def test_the_same_seed_and_requests_give_the_same_story(
    sim: RunningSimulator, site: Site, clock: ManualClock
) -> None:
    def story(seed: int) -> list[float]:
        sim.reset(seed=seed, latency="1-3")
        for _ in range(3):
            site.create()
        clock.advance(5)
        return [round(job["ends_at"] - job["submitted_at"], 6) for job in sim.effects()["jobs"]]

    assert story(7) == story(7)
    assert story(7) != story(8)


def test_requests_are_counted_by_what_they_are_for(sim: RunningSimulator, site: Site) -> None:
    job_id = site.create()
    site.ask("POST", f"/job/{job_id}/re-run")
    for path in ("/job", f"/job/{job_id}", "/job/problem", f"/job/{job_id}/problem", "/jobtype"):
        site.ask("GET", path)
    site.ask("PUT", f"/job/{job_id}?priority=LOW")
    site.ask("DELETE", f"/job/{job_id}")

    counted = sim.effects()["requests"]

    assert (counted["submit"], counted["poll"], counted["other"]) == (2, 2, 5)
    assert counted["by_path"]["GET /API/job/{id}"] == 1
    assert sim.effects()["max_in_flight"] == 2
