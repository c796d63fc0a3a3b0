"""Delete the upload of a run, with the copies that `retry` and `rerun` have made of it.

Other uploads of the same name go too: they are versions of one object, and whoever wants a person's
rows gone wants them gone from all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobferry.deps import Deps
from jobferry.domain.inbox import COPYING, INBOX, copies_of
from jobferry.domain.run import Run
from jobferry.operator.job_control import RunOpenError


def delete_source(run: Run, deps: Deps) -> int:
    """Remove what was uploaded for a run, every version of it.

    A file that lies elsewhere than below `inbox/` is named by a schedule, which needs it again: of
    that only the version goes that the run has read.

    Returns:
        How many versions were removed; none when it is repeated.

    Raises:
        RunOpenError: an open run reads one of them; nothing is removed.
    """
    bucket = deps.settings.inbox_bucket
    runs = [listed for _, listed in deps.store.runs.newest()]
    family = [run, *_made_of(run, runs)]
    folders = [copies_of(of.profile, command, of.run_id) for of in family for command in COPYING]
    uploaded = run.source.bucket == bucket and run.source.key.startswith(INBOX)
    for other in runs:
        same = (other.source.bucket, other.source.key) == (run.source.bucket, run.source.key)
        reads = same if uploaded else other.source == run.source
        if other.closed_at is None and (reads or other.source.key.startswith(tuple(folders))):
            raise RunOpenError(other.run_id)
    removed = sum(deps.objects.delete_uploads(bucket, folder) for folder in folders)
    if uploaded:
        return removed + deps.objects.delete_upload(bucket, run.source.key)
    return removed + deps.objects.delete_version(run.source)


def _made_of(run: Run, runs: list[Run]) -> Iterator[Run]:
    """Runs of copies of a run's file, and of copies of those."""
    for other in runs:
        if other.origin == run.run_id and other.run_id != run.run_id:
            yield other
            yield from _made_of(other, runs)
