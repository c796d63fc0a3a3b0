"""Defects that the harness has found, each with a short story that shows it.

Those that are mended stay here so that they do not come back. One that is still open says which
broken promises come of it, so that a campaign can go on looking for others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.carry import Told
from tests.chaos.outages import FOR_EVER, SECRET, SOURCE, VENDOR, Outage, Way
from tests.chaos.promises import (
    Broken,
    account_is_left_clean,
    attempts_are_bounded,
    ends,
    jobs_are_bounded,
    nothing_twice,
    outcomes_are_true,
    patience_is_kept,
    requests_are_bounded,
    success_is_final,
    unknown_is_unknowable,
)
from tests.chaos.sites import READ, Site, Trouble, Wrong
from tests.chaos.sizes import Sizes
from tests.chaos.story import (
    Abort,
    Again,
    Fate,
    Fault,
    File,
    FindWord,
    Harm,
    Look,
    PollWord,
    Stop,
    Story,
    Vendor,
)
from tests.fakes.vendor import Act, Reply


@dataclass(frozen=True)
class Defect:
    """What is wrong, a story that shows it, and the promise that it breaks.

    may_show  whether a broken promise may have come of it; None: it is mended
    """

    name: str
    story: Story
    promise: Callable[..., object]
    may_show: Callable[[Told, Broken], bool] | None = None

    def explains(self, told: Told, broken: Broken) -> bool:
        if self.may_show is None or broken.promise != self.promise.__name__:
            return False
        return self.may_show(told, broken)


def _at(vendor: str, *troubles: Trouble) -> Story:
    """One row, and what goes wrong at the vendor's site."""
    return Story(site=Site(vendor, troubles))


DEFECTS: Sequence[Defect] = (
    Defect(
        "searches and looks that need more requests than a minute has begin anew for ever",
        Story(
            seed=29250,
            files=(
                File(rows=5, priority="low", arrives=5.0, breaker=1),
                File(rows=3, bad=(3,), breaker=1),
            ),
            vendor=Vendor(max_jobs=3, request_seconds=0.3, latencies=(120.0,)),
            senders=2,
            lane_window=2,
            sizes=Sizes(1, 2, 3, 1, 3, 3, 1, 3, 1, 3, 1, 2, 2),
            per_minute=6,
            conflicts=0.3,
            faults=(
                Fault("table.transact", 9, Harm.SLOW_ANSWER, 27.0),
                Fault("objects.put", 4, Harm.UNHEARD),
                Fault("objects.put", 4, Harm.SLOW_ANSWER, 90.0),
            ),
            site=Site(
                "zendesk_sunshine",
                (
                    Trouble(Wrong.BAD_GATEWAY_DONE),
                    Trouble(nth=6),
                    Trouble(Wrong.FULL, 3),
                    Trouble(Wrong.FORGOTTEN, 4),
                    Trouble(Wrong.DIES_AT_ONCE),
                ),
            ),
        ),
        ends,
    ),
    Defect(
        "a search that needs the run's file, which cannot be read, keeps silent for a day",
        Story(
            files=(File(batch=3),),
            vendor=Vendor(replies=(Reply(Act.LOST),)),
            outages=(Outage(SOURCE, Way.UNREACHABLE, at=25.0, seconds=FOR_EVER),),
            hours=26.0,
            patient=True,
        ),
        ends,
    ),
    Defect(
        "writing off that has no time gets nowhere",
        Story(
            files=(File(rows=2, repeatable=True),),
            vendor=Vendor(replies=(Reply(Act.DONE_UNHEARD),)),
            short_time=True,
            outages=(Outage(SECRET, Way.MISSING, seconds=FOR_EVER),),
            hours=26.0,
            patient=True,
        ),
        ends,
    ),
    Defect(
        "ticket updates that were lost in an outage of an hour and a half are unknown",
        Story(
            files=(File(rows=3),),
            outages=(Outage(VENDOR, Way.BAD_GATEWAY, seconds=5_370.0),),
            hours=26.0,
            patient=True,
            site=Site("zendesk_comments"),
        ),
        unknown_is_unknowable,
    ),
    Defect(
        "a run without a share keeps the only slot for a chunk that it may not send",
        Story(
            seed=9037,
            files=(
                File(rows=7, bad=(4,), batch=2, priority="highest", arrives=5.0),
                File(repeatable=True, max_attempts=1),
            ),
            vendor=Vendor(max_jobs=1, latencies=(120.0, 0.5, 120.0)),
            max_jobs=3,
            lane_window=2,
            faults=(Fault("table.write", 9, Harm.SLOW_ANSWER, 40.0),),
        ),
        ends,
    ),
    Defect(
        "a row that Settle has called succeeded is unknown when its count fails under force",
        Story(
            files=(File(rows=2),),
            vendor=Vendor(latencies=(0.5,)),
            max_jobs=1,
            faults=(
                Fault("PollJobs/", 13),
                Fault("table.transact", 5, Harm.BUSY),
            ),
            happenings=(Abort(at=1.0, force=True),),
        ),
        success_is_final,
    ),
    Defect(
        "what the operator's machine asks of the vendor does not keep its Retry-After",
        Story(
            files=(File(rows=4),),
            vendor=Vendor(latencies=(120.0,)),
            site=Site("vidispine", (Trouble(Wrong.THROTTLED, 1, READ, 60),)),
            happenings=(Abort(0, 15.0),),
        ),
        patience_is_kept,
    ),
    Defect(
        "a search for a lost submission is not paid for",
        Story(
            files=(File(rows=7),),
            vendor=Vendor(replies=(Reply(Act.LOST),) * 9, latencies=(1.0,)),
            max_jobs=4,
            per_minute=6,
        ),
        requests_are_bounded,
    ),
    Defect(
        "jobs that are read one by one cost more requests than are paid for",
        Story(
            files=(File(rows=9),),
            max_jobs=4,
            per_minute=6,
            site=Site("zendesk_support", short_list=True),
        ),
        requests_are_bounded,
    ),
    Defect(
        "a request more than is allowed in a minute leaves when a submission is lost",
        Story(
            seed=1,
            files=(File(rows=4),),
            vendor=Vendor(latencies=()),
            max_jobs=3,
            per_minute=12,
            site=Site("zendesk_sunshine", (Trouble(nth=4),)),
        ),
        requests_are_bounded,
    ),
    Defect(
        "a search that needs more requests than a minute has is begun anew for ever",
        Story(
            files=(File(rows=8),),
            per_minute=6,
            site=Site("zendesk_support", (Trouble(),), short_list=True),
        ),
        ends,
    ),
    Defect(
        "a lost submission that is repeated does not count as an attempt, though it was done",
        Story(
            files=(File(repeatable=True, max_attempts=1),),
            vendor=Vendor(
                latencies=(), replies=(Reply(Act.DONE_UNHEARD, 1),), finds=(FindWord.UNDECIDABLE,)
            ),
        ),
        attempts_are_bounded,
    ),
    Defect(
        "a lost submission that may be repeated gives its slot back while its job may run",
        Story(
            files=(File(repeatable=True),),
            vendor=Vendor(replies=(Reply(Act.DONE_UNHEARD),)),
            max_jobs=1,
        ),
        jobs_are_bounded,
    ),
    Defect(
        "halving a lost chunk does not count the attempt, though it may have been carried out",
        Story(
            files=(File(rows=2, repeatable=True, batch=2),),
            vendor=Vendor(replies=(Reply(Act.DONE_UNHEARD),) * 3),
        ),
        attempts_are_bounded,
    ),
    Defect(
        "a lost chunk is halved and sent again although its attempts are used up",
        Story(
            files=(File(rows=2, batch=2, max_attempts=2),),
            vendor=Vendor(replies=(Reply(Act.LOST), Reply(Act.LOST))),
        ),
        attempts_are_bounded,
    ),
    Defect(
        "an old invocation of Poll says what a closed run needs",
        Story(
            files=(File(rows=3),),
            vendor=Vendor(
                replies=(Reply(Act.DONE_UNHEARD, 1), Reply(Act.THROTTLE)),
                polls=(Look(), Look(PollWord.REFUSED)),
            ),
            max_jobs=2,
            happenings=(Again("PollJobs", 2),),
        ),
        account_is_left_clean,
    ),
    Defect(
        "a late PlanRun says what a closed run needs",
        Story(happenings=(Again("PlanRun", after=30.0),)),
        account_is_left_clean,
    ),
    Defect(
        "a job is given up for its age on a look that learned nothing of it",
        Story(
            vendor=Vendor(polls=(Look(PollWord.REFUSED), Look(PollWord.THROTTLED))),
            happenings=(Stop(3), Stop(5)),
        ),
        unknown_is_unknowable,
    ),
    Defect(
        "two invocations of one Poll count on the slot of the same ended job",
        Story(seed=719589, files=(File(rows=3),), max_jobs=1, happenings=(Again("PollJobs"),)),
        jobs_are_bounded,
    ),
    Defect(
        "two invocations of one Poll keep their evidence under the same name",
        Story(
            files=(File(rows=2),),
            vendor=Vendor(max_jobs=2, replies=(Reply(Act.LOST, 1),)),
            happenings=(Again("PollJobs"),),
        ),
        unknown_is_unknowable,
    ),
    Defect(
        "a slow write between intent and call outlasts the time for which others wait",
        Story(
            faults=(Fault("table.write", 8, Harm.SLOW_ANSWER, 90.0),),
            happenings=(Again("SubmitJobs", 1, 60.0),),
        ),
        nothing_twice,
    ),
    Defect(
        "a secret that is read slowly between intent and call outlasts it, too",
        Story(
            faults=(Fault("secret.read", 1, Harm.SLOW_ANSWER, 90.0),),
            happenings=(Again("SubmitJobs", 1, 60.0),),
        ),
        nothing_twice,
    ),
    Defect(
        "a search that is asked for patience tells nobody",
        _at(
            "zendesk_support",
            Trouble(Wrong.ANSWER_LOST),
            Trouble(Wrong.THROTTLED, of=READ, wait=90),
        ),
        patience_is_kept,
    ),
    Defect(
        "a 503 of Vidispine loses its Retry-After",
        _at("vidispine", Trouble(Wrong.UNAVAILABLE, of=READ, wait=90)),
        patience_is_kept,
    ),
    Defect(
        "Zendesk's second reader is asked although the first was told to wait",
        _at(
            "zendesk_support",
            Trouble(Wrong.UNAVAILABLE, of=READ, wait=90),
            Trouble(Wrong.THROTTLED, 2, READ),
        ),
        patience_is_kept,
    ),
    Defect(
        "a Zendesk job that is looked at for its results hides that it was told to wait",
        Story(
            site=Site(
                "zendesk_support",
                (Trouble(Wrong.UNAVAILABLE, 7, READ, 90),),
                short_list=True,
            ),
        ),
        patience_is_kept,
    ),
    Defect(
        "a row that may have been carried out is called failed when it is refused the second time",
        Story(
            files=(File(repeatable=True),),
            site=Site(
                "zendesk_sunshine", (Trouble(Wrong.ANSWER_LOST), Trouble(Wrong.ROW_REFUSED, 2))
            ),
        ),
        outcomes_are_true,
    ),
    Defect(
        "a planner that is behind takes chunks back that another has noted as planned",
        Story(
            seed=22,
            files=(File(rows=3),),
            lane_window=1,
            short_time=True,
            happenings=(Again("PlanRun", 1, 0.0),),
        ),
        ends,
    ),
    Defect(
        "two runs wait for each other's slots, each with a chunk in hand",
        Story(
            seed=746973,
            files=(File(rows=4, arrives=5.0), File(arrives=5.0)),
            vendor=Vendor(max_jobs=1, latencies=()),
            site=Site(
                "zendesk_support",
                (Trouble(Wrong.THROTTLED_IN_WORDS, 3, READ),),
                external_ids=False,
                short_list=True,
            ),
        ),
        ends,
    ),
    Defect(
        "a search cannot tell whose job it has found when two runs lose a submission at once",
        Story(
            files=(
                File(rows=5, batch=2, arrives=9.0),
                File(rows=2, repeatable=True, batch=2),
            ),
            vendor=Vendor(latencies=()),
            faults=(Fault("vendor.submit", 4, Harm.CRASH_AFTER), Fault("secret.read")),
            site=Site("zendesk_support", (Trouble(Wrong.REQUEST_LOST),)),
        ),
        unknown_is_unknowable,
    ),
    Defect(
        "a claim takes a chunk as it was read while another lane had it, and counts an attempt",
        Story(
            files=(File(rows=3, batch=2), File(rows=6, max_attempts=1, arrives=1)),
            vendor=Vendor(max_jobs=1, latencies=(120.0, 10.0)),
            max_jobs=3,
            lane_window=1,
            faults=(Fault("vendor.poll", 5, Harm.SLOW_ANSWER, 30.0),),
            site=Site("zendesk_sunshine"),
        ),
        attempts_are_bounded,
    ),
    Defect(
        "an invocation beside Close says once more that the run needs nothing",
        Story(
            seed=486154,
            files=(File(), File()),
            vendor=Vendor(latencies=(45.0,)),
            max_jobs=1,
            faults=(Fault(harm=Harm.SLOW_REQUEST, seconds=17.0), Fault("table.transact")),
            happenings=(Again("PollJobs", 3),),
        ),
        account_is_left_clean,
    ),
    Defect(
        "doubt about one row spreads to others that go again with it",
        Story(
            files=(File(rows=3, repeatable=True, batch=2, breaker=1),),
            vendor=Vendor(
                request_seconds=0.3,
                latencies=(3.0,),
                polls=(Look(), Look(), Look(PollWord.REFUSED)),
                fates=(Fate.LEFT_UNSAID, Fate.CONFLICT),
            ),
        ),
        unknown_is_unknowable,
    ),
    Defect(
        "a claim that is late takes a chunk that was claimed and given back since, and whose "
        "pointer went with it",
        Story(
            files=(File(rows=2, repeats=(2,), keyed=True),),
            vendor=Vendor(
                latencies=(),
                replies=(Reply(Act.THROTTLE), Reply(Act.THROTTLE)),
                polls=(Look(PollWord.THROTTLED, 29),),
            ),
            faults=(Fault("table.put_many", 3, Harm.SLOW_ANSWER, 90.0),),
            happenings=(Again(after=16),),
        ),
        ends,
    ),
)


def unknown_breaks(told: Told, found: Sequence[Broken]) -> list[Broken]:
    """Of what a story breaks, what none of the open defects explains."""
    return [
        broken for broken in found if not any(defect.explains(told, broken) for defect in DEFECTS)
    ]
