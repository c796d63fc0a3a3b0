"""Every number that the scheduler and the lanes go by, as one value.

It is passed to each decision and stands in `Deps.scheduling`, so a test, a benchmark or an
experiment changes a number without changing code. Times are seconds, unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """The numbers, each with why it is what it is.

    Attributes:
        min_poll_interval: the shortest wait between two polls: a request takes about as long.
        max_poll_interval: the longest: whatever was learned, a poll a minute is affordable.
        min_expected_completions: jobs expected to have ended before a poll is worth its request
            while chunks wait for slots.
        min_expected_batch: the same while slots are free, or are refilled without a poll.
        min_expected_part: the same as a part of the jobs in flight, where these are few.
        min_expected_refilled: the same where slots are refilled without a poll.
        stale_medians: where they are, results wait for so many median latencies before they are
            fetched all the same, and never longer than `stale_after`.
        min_expected_last: the same when nothing is left to submit: each poll is to find most of
            what is in flight, so that a handful of polls sees the last of it.
        stale_after: results that wait are fetched after this, needed or not: people watch.
        poll_gap: shortest gap between two polls, as a part of the median latency: half of it is
            what a free slot stays empty on average.
        overdue_growth: a job that is overdue is polled at gaps that grow with its lateness.
        first_poll: the first poll while nothing is known of latencies.
        unknown_growth: by how much of the age the next poll comes later, while nothing is known.
        poll_threshold: probability of having ended from which a job is asked for, where not all
            jobs fit in one request.

        submit_threshold: jobs expected to have ended, beyond those whose slots are filled again,
            before another submission is worth its request. A lower one refills slots sooner, and
            costs more refused requests (benchmarks/policies.py has the frontier).
        threshold_growth: it grows with the seconds until the next job should end.
        max_submit_threshold: no further than this.
        certain_threshold: the same where requests are what is scarce.
        unseen_threshold: jobs that must have ended besides where it is others' that are counted
            on: when these were sent nobody knows, so that they end at random.
        yield_threshold: jobs that must have ended besides where a lane has its share, so that one
            that is below its own comes first.
        enough_jobs: jobs that must have been seen to end before any is estimated complete.
        refusals_before_poll: submissions in a row that find no slot before a poll tells what is
            going on.

        polling_share: part of a minute's requests that submissions leave to polls, without which
            none would end. One poll reads a window of jobs, so this is what polls need when
            requests are what is scarce.
        default_retry_after: wait after a 429 that does not say how long.
        max_default_retry_after: the longest such wait.
        max_retry_after: no wait is longer, whatever a vendor asks for. It is asked again then.

        no_slot_wait: wait after "too many jobs" without a Retry-After, when none of our own jobs
            tells more.
        max_no_slot_wait: the longest such wait.
        no_slot_growth: it grows with this part of the time since a submission was last accepted.
        slot_probe_seconds: after "too many jobs" one more slot is tried every so often.
        outage_wait: no submission for so long while the vendor gives no clear answers.
        max_outage_wait: the longest such wait.

        lane_window: jobs that one lane keeps in flight at the least where there are so many: one
            lane with one batched poll serves an account of thirty, and its requests are the fewest.
        max_lanes: concurrency of the Distributed Map.
        max_poll_batch: a lane is no wider than this, however many jobs one poll may read.
        settle_group: jobs settled by one invocation: few transitions, a second's work, and still
            parallel.
        max_events: events of one lane execution before a fresh one goes on: a history holds 25,000,
            and what the count does not know (retries) needs room.
        events_per_iteration: history events of an iteration, without its settle groups.
        events_per_group: history events of one settle group.
        renew_seconds: age of a lane's execution from which on a fresh one goes on. Lanes that are
            renewed wait for each other, so an age that all share bounds for how long one that died
            is missed.
        dead_after: after the moment at which a lane should have been heard of, it counts as dead:
            an iteration and the retries of its steps are over by then.
        iteration_seconds: how long an iteration stays in its function while waits are short.
        watchful_iteration_seconds: the same for a run that one row's error stops.
        iteration_chunks: chunks to be settled with which an iteration ends, however soon: what
            their rows say may stop it.
        rows_settled_at_once: rows that a poll settles in the move that notes the end of their jobs:
            less than a second of a small function's time. What is more, or needs another look, is
            settled beside the next iteration.
        small_function_load: part of a processor that the small function of a lane may need; it has
            a seventh of one, and a lane that must wait for it leaves slots empty.
        job_cpu_seconds: of a processor, for one job on its way through a lane.
        row_cpu_seconds: the same for each of its rows.
        small_run_jobs: a run of so few jobs begins in one invocation, without lanes of its own:
            their start takes seconds. What it does not finish there goes on in lanes.
        idle_wait: first wait of a lane without a share of the slots; each next one is twice as
            long.
        idle_steps_in_ramp: how often it doubles while the run is in its ramp, which takes two jobs'
            time.
        relaunch_wait: first wait before lanes start again that have settled nothing; each next one
            is twice as long.
        max_relaunch_wait: the longest such wait.

        refresh_seconds: how old what is known of the run (stopped? priority?) and of other runs'
            demands may be.
        demand_seconds: how often a lane says what its run demands.
        senders: requests in flight at once; a submission takes some 0.3 s.
        bytes_at_once: of the file, in the chunks that are sent side by side: what is made of them
            takes several times as much, and the functions have little memory.
        claim_batch: chunks claimed in one transaction.
        claim_tries: claims lost to other lanes before a submission goes on without.
        skipped_per_iteration: chunks of a stopped run that one iteration hands to settling.
        intent_seconds: what writing the intent may take: by then a request must leave, as
            `domain.chunk.SEND_WINDOW` counts on.
        stale_result_part: part of the time for which the vendor keeps results: a lane with an
            unread job of this age sends nothing more, since what it cannot read in time is lost.
        stale_check_seconds: between checks whether that has changed.
        unknown_job_seconds: how long a job may take before anything is known of jobs.
        settling_seconds: between checks whether what holds other chunks back is settled.
        others_slots_seconds: between checks for a slot while other runs hold them all.
        answer_seconds: what a submission takes from request to answer, until it is known better.
    """

    min_poll_interval: float = 0.2
    max_poll_interval: float = 60.0
    min_expected_completions: float = 0.6
    min_expected_batch: float = 40.0
    min_expected_part: float = 0.6
    min_expected_refilled: float = 0.75
    stale_medians: float = 3.0
    min_expected_last: float = 0.7
    stale_after: float = 60.0
    poll_gap: float = 0.02
    overdue_growth: float = 0.15
    first_poll: float = 1.0
    unknown_growth: float = 0.5
    poll_threshold: float = 0.2

    submit_threshold: float = 0.3
    threshold_growth: float = 0.05
    max_submit_threshold: float = 0.8
    certain_threshold: float = 5.0
    unseen_threshold: float = 0.6
    yield_threshold: float = 0.4
    enough_jobs: int = 5
    refusals_before_poll: int = 3

    polling_share: float = 0.03
    default_retry_after: float = 15.0
    max_default_retry_after: float = 300.0
    max_retry_after: float = HOUR

    no_slot_wait: float = 3.0
    max_no_slot_wait: float = 30.0
    no_slot_growth: float = 0.2
    slot_probe_seconds: float = 30.0
    outage_wait: float = 30.0
    max_outage_wait: float = 120.0

    lane_window: int = 100
    max_lanes: int = 40
    max_poll_batch: int = 250
    settle_group: int = 40
    max_events: int = 20_000
    events_per_iteration: int = 24
    events_per_group: int = 7
    renew_seconds: float = 4 * HOUR
    dead_after: float = 1_500.0
    iteration_seconds: float = 600.0
    watchful_iteration_seconds: float = 20.0
    iteration_chunks: int = 160
    rows_settled_at_once: int = 10_000
    small_function_load: float = 0.075
    job_cpu_seconds: float = 0.010
    row_cpu_seconds: float = 0.000_05
    small_run_jobs: int = 20
    idle_wait: float = 5.0
    idle_steps_in_ramp: int = 2
    relaunch_wait: float = 5.0
    max_relaunch_wait: float = 300.0

    refresh_seconds: float = 2.0
    demand_seconds: float = 20.0
    senders: int = 32
    bytes_at_once: int = 8 * 1024 * 1024
    claim_batch: int = 50
    claim_tries: int = 8
    skipped_per_iteration: int = 200
    intent_seconds: float = 5.0
    stale_result_part: float = 1 / 3
    stale_check_seconds: float = 60.0
    unknown_job_seconds: float = 20.0
    settling_seconds: float = 1.0
    others_slots_seconds: float = 1.0
    answer_seconds: float = 0.3


USUAL = SchedulerSettings()
