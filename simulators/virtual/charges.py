"""What AWS takes of every call, in seconds: assumed figures, as one value.

`AWS` is what the benchmarks charge, and `FREE` what the tests do, in which no time passes but what
they ask for. None of the latencies was measured on AWS: they are what its documents and other
people's measurements let expect within one region.
"""

from __future__ import annotations

from dataclasses import dataclass

FULL_CORE_MB = 1769
"""Memory with which a function has one core.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""


@dataclass(frozen=True, slots=True)
class Charges:
    """Seconds of waiting, and seconds of a whole core; a function that has a part of one takes
    longer for the same work.

    Attributes:
        read: GetItem, or a page of a Query.
        write: PutItem, UpdateItem, DeleteItem.
        transaction: TransactWriteItems. For so long its items are held against others.
        batch: BatchGetItem, BatchWriteItem.
        put: PutObject, a part of an upload, and what else changes an object.
        get: GetObject, HeadObject.
        secret: GetSecretValue.
        invoke: a state that invokes a function, beyond what the function takes.
        cold_start: of a function none of whose instances is idle.
        idle: after so long an idle instance is gone.
        map_start: from a Distributed Map to the first state of its children.

        cpu_invocation: of the handler around the step.
        cpu_request: a call of the table, from our arguments to the SDK's answer.
        cpu_operation: each operation of a transaction besides.
        cpu_item_written: each item of a batch.
        cpu_kilobyte_read: each kilobyte of items that are read.
        cpu_object: a call of S3.
        cpu_vendor: a request to the vendor.
        cpu_row_planned: a row of a typed profile with a key, from the file to its chunk.
        cpu_row_sent: a row that is read from the file, mapped, and put into a request.
        cpu_row_settled: a row's result, from the vendor's answer to its outcome.
        cpu_row_closed: a row of the result files, but for reading its outcome.
    """

    read: float = 0.0
    write: float = 0.0
    transaction: float = 0.0
    batch: float = 0.0
    put: float = 0.0
    get: float = 0.0
    secret: float = 0.0
    invoke: float = 0.0
    cold_start: float = 0.0
    idle: float = 300.0
    map_start: float = 0.0

    cpu_invocation: float = 0.0
    cpu_request: float = 0.0
    cpu_operation: float = 0.0
    cpu_item_written: float = 0.0
    cpu_kilobyte_read: float = 0.0
    cpu_object: float = 0.0
    cpu_vendor: float = 0.0
    cpu_row_planned: float = 0.0
    cpu_row_sent: float = 0.0
    cpu_row_settled: float = 0.0
    cpu_row_closed: float = 0.0


FREE = Charges()

AWS = Charges(
    read=0.006,
    write=0.008,
    transaction=0.025,
    batch=0.015,
    put=0.040,
    get=0.025,
    secret=0.025,
    invoke=0.060,
    cold_start=0.8,
    map_start=1.0,
    # Measured with boto3 over a stubbed socket on one core, and a third more for the socket.
    cpu_invocation=0.002,
    cpu_request=0.000_6,
    cpu_operation=0.000_09,
    cpu_item_written=0.000_14,
    # An item of 14 attributes and 350 bytes takes 0.09 ms, a row of 170 bytes 0.045 ms.
    cpu_kilobyte_read=0.000_27,
    cpu_object=0.001_2,
    cpu_vendor=0.003,
    # plan_speed.py, and settle_speed.py with the table in memory.
    cpu_row_planned=1 / 122_000,
    cpu_row_sent=0.000_02,
    cpu_row_settled=1 / 45_000,
    cpu_row_closed=1 / 75_000,
)
