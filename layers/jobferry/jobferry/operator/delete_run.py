"""Delete: forget a closed run, in the table and in the archive, and at the vendor if asked.

Every part can be repeated, and the run's own entry goes last: what was interrupted is found again
and finished by the same request. The uploaded file stays in the inbox until its time is up, unless
it is to go, too (`delete_source`).
"""

from __future__ import annotations

from dataclasses import dataclass

from jobferry.deps import Deps
from jobferry.domain.run import Run
from jobferry.operator.delete_source import delete_source
from jobferry.operator.job_control import RunOpenError, delete_jobs

ARCHIVED = ("results", "evidence", "snapshots", "plans", "partial", "unpacked")
"""Folders of the archive that keep something of a run under its id."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What went with a run.

    Attributes:
        objects: versions of objects of the archive
        uploads: versions of the upload and of copies of it; None: they stay
        vendor_jobs: jobs whose records the vendor has removed; None: it was not asked to, or cannot
    """

    rows: int
    objects: int
    vendor_jobs: int | None
    uploads: int | None = None


def delete_run(
    run: Run,
    deps: Deps,
    *,
    vendor_jobs: bool = False,
    source: bool = False,
    by: str | None = None,
) -> Deleted:
    """Remove a run's outcomes, results, evidence, chunks and plan, then the run itself.

    Args:
        vendor_jobs: also the vendor's records of its jobs, first of all, as the run names them.
        source: also the upload, and the copies that were made of it.
        by: who asks for it; None: nobody knows.

    Raises:
        RunOpenError: the run is not closed, or another one reads its upload.
        VendorUnavailableError: the vendor did not remove its records; nothing of ours is gone.
    """
    if run.closed_at is None:
        raise RunOpenError(run.run_id)
    uploads = delete_source(run, deps) if source else None
    jobs = delete_jobs(run, deps) if vendor_jobs and run.connection else None
    objects = sum(deps.objects.delete_prefix(f"{name}/{run.run_id}/") for name in ARCHIVED)
    deps.store.rows.purge(run.run_id, run.plan.row)
    deps.store.runs.delete(run, deps.now(), by=by)
    deps.log("run deleted", run_id=run.run_id, rows=run.rows, objects=objects)
    return Deleted(run.rows, objects, jobs, uploads)
