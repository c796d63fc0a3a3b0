"""The ten calls of the JobApi.

Source: the JobApi reference of the official Python SDK (PyPI `vidispine` 5.0.4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vendorsim.vidispine import words
from vendorsim.vidispine.documents import Document, crlf, read_metadata
from vendorsim.vidispine.errors import invalid_input
from vendorsim.vidispine.job import Job
from vendorsim.vidispine.jobs import JobBook
from vendorsim.vidispine.listing import chosen, page
from vendorsim.vidispine.parameters import Parameters
from vendorsim.world import Exchange, World


@dataclass(frozen=True, slots=True)
class Call:
    """One request, its parts read; `job_id` is empty where the path names none."""

    world: World
    jobs: JobBook
    user: str
    parameters: Parameters
    job_id: str
    body: bytes
    content_type: str
    exchange: Exchange

    @property
    def job(self) -> Job:
        """The job that the path names. Raises RequestRefused."""
        return self.jobs.get(self.job_id)

    @property
    def now(self) -> float:
        return self.world.clock.now()


Endpoint = Callable[[Call], Document | None]
"""What a call answers; None is an empty body. Raises RequestRefused."""


def list_jobs(call: Call) -> Document:
    parameters, settings = call.parameters, call.world.settings
    found = chosen(
        call.jobs, parameters, call.user, by_metadata=settings.vidispine_filters_metadata
    )
    shown = page(found, parameters)
    ids = parameters.flag("idonly", default=False)
    metadata = parameters.flag("metadata", default=False)
    fields = parameters.texts("field")
    step = parameters.flag("step", default=False)
    documents = [
        job.describe(call.now, data=metadata, metadata=metadata, fields=fields, log=step)
        for job in shown
    ]
    if ids:
        # The official SDK refuses a job without these (assumed that they are there).
        kept = ("jobId", "status", "type", "priority")
        documents = [{name: document[name] for name in kept} for document in documents]
    value = {"hits": len(found)} | ({"job": documents} if documents else {})
    return Document("JobListDocument", value, text=crlf([job.id for job in shown]))


def show_job(call: Call) -> Document:
    job = call.job
    metadata = call.parameters.flag("metadata", default=False)
    shown = job.describe(
        call.now, data=True, metadata=metadata, fields=call.parameters.texts("field"), log=True
    )
    return Document("JobDocument", shown, text=shown["status"])


def create_job(call: Call) -> Document:
    parameters = call.parameters
    job_type = parameters.text("type")
    if job_type is None:
        raise invalid_input("type", "A job type is needed")
    known = {*words.JOB_TYPES, *words.FATE_TYPES, *call.world.settings.vidispine_types}
    if job_type not in known:
        raise invalid_input("type", "No such job type", job_type)
    metadata = dict(parameters.pairs("jobmetadata"))
    try:
        metadata |= dict(read_metadata(call.body, call.content_type))
    except ValueError:
        raise invalid_input("body", "Not a SimpleMetadataDocument") from None
    priority = parameters.word("priority", words.PRIORITIES) or words.MEDIUM
    job = call.jobs.submit(job_type, call.user, priority, metadata, call.exchange)
    return Document("JobDocument", job.describe(call.now))


def run_again(call: Call) -> Document:
    origin = call.job
    priority = call.parameters.word("priority", words.PRIORITIES) or origin.priority
    metadata = dict(origin.metadata)
    job = call.jobs.submit(origin.type, call.user, priority, metadata, call.exchange)
    return Document("JobDocument", job.describe(call.now))


def abort_job(call: Call) -> None:
    cleanup = call.parameters.flag("cleanup", default=True)
    reason = call.parameters.text("reason")
    call.jobs.abort(call.job, reason, cleanup=cleanup, exchange=call.exchange)


def delete_jobs(call: Call) -> None:
    ids = call.parameters.texts("id")
    if not ids:
        raise invalid_input("id", "Job ids are needed")
    call.jobs.delete([call.jobs.get(job_id) for job_id in dict.fromkeys(ids)], call.exchange)


def change_priority(call: Call) -> None:
    job = call.job
    priority = call.parameters.word("priority", words.PRIORITIES) or words.MEDIUM
    call.jobs.set_priority(job, priority, call.exchange)


def list_problems(call: Call) -> Document:
    return _problems(call, None)


def list_problems_of_job(call: Call) -> Document:
    return _problems(call, call.job)


def _problems(call: Call, only: Job | None) -> Document:
    problems = call.jobs.problems(only)
    return Document("JobProblemListDocument", {"problem": problems} if problems else {})


def list_types(call: Call) -> Document:
    types = [*words.JOB_TYPES, *words.FATE_TYPES, *call.world.settings.vidispine_types]
    return Document("URIListDocument", {"hits": len(types), "uri": types}, text=crlf(types))
