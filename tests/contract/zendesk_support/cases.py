"""Rows for every operation: good, bad and mixed ones, in an account where something is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Operation
from tests.contract.zendesk_support.bench import ZendeskBench

MISSING = 999_999_999
GROUP = 350_000_000_001
"""The group that every simulated account has."""

SPANISH = "5f0e8d3c-0000-4000-8000-000000000001"
FRENCH = "5f0e8d3c-0000-4000-8000-000000000002"
"""Values of a routing attribute."""

CUSTOM_OBJECT = "car"


def ticket(key: str, **fields: object) -> JsonObject:
    return {"subject": key, "external_id": key, "comment": {"body": f"text of {key}"}, **fields}


def user(key: str, **fields: object) -> JsonObject:
    return {"name": key, "external_id": key, **fields}


def history(key: str, **fields: object) -> JsonObject:
    """A ticket with its past."""
    past = [{"value": f"text of {key}", "created_at": "2019-05-01T10:00:00Z"}]
    return {"subject": key, "external_id": key, "comments": past, **fields}


def member(user_id: int, **other: int) -> JsonObject:
    return {"user_id": user_id, **other}


def merging(source: int, target: int, **comments: object) -> JsonObject:
    return {"id": source, "target_id": target, **comments}


def skilled(agent: int, action: str = "upsert", *values: str) -> JsonObject:
    return {"id": agent, "action": action, "attribute_values": list(values or [SPANISH])}


def named(name: str) -> str:
    """The name of an operation in this account."""
    return name.replace("<key>", CUSTOM_OBJECT)


def operation_named(bench: ZendeskBench, name: str) -> Operation:
    operation = bench.vendor.operation(named(name))
    assert operation is not None
    return operation


@dataclass(frozen=True)
class Account:
    """Ids of what is there.

    Of the users the first has the external id `known` and the address known@example.org; of the
    organizations the first has the external id `known`; so has the first custom object record.
    """

    tickets: list[int]
    deleted: list[int]
    users: list[int]
    agents: list[int]
    organizations: list[int]
    organization_memberships: list[int]
    group_memberships: list[int]
    records: list[str]


def furnish(bench: ZendeskBench) -> Account:
    """Fill an empty account."""

    def made(name: str, rows: list[JsonObject]) -> list[Any]:
        job_id = bench.submitted(rows, operation_named(bench, name))
        bench.pass_time()
        done = bench.effects_of(job_id)
        return [done[position]["id"] for position in range(len(rows))]

    tickets = made("tickets.create", bench.records(4, prefix="old"))
    deleted = made("tickets.create", bench.records(3, prefix="gone"))
    made("tickets.delete", [{"id": each} for each in deleted])
    users = made(
        "users.create", [user("known", email="known@example.org"), user("second"), user("third")]
    )
    agents = made("users.create", [user("agent 1", role="agent"), user("agent 2", role="agent")])
    organizations = made(
        "organizations.create",
        [{"name": "First", "external_id": "known"}, {"name": "Second"}, {"name": "Third"}],
    )
    in_first = {"organization_id": organizations[0]}
    return Account(
        tickets,
        deleted,
        users,
        agents,
        organizations,
        made("organization_memberships.create", [member(each, **in_first) for each in users[:2]]),
        made("group_memberships.create", [member(agents[0], group_id=GROUP)]),
        made(
            "custom_objects.<key>.create", [{"name": k, "external_id": k} for k in ("known", "b")]
        ),
    )


@dataclass(frozen=True)
class Case:
    """Rows of one job and the outcome of each.

    outcomes  `+` succeeded, `-` failed, `?` unknown and not done, `!` unknown and done
    """

    operation: str
    name: str
    rows: Callable[[Account], list[JsonObject]]
    outcomes: str

    def __str__(self) -> str:
        return f"{self.operation}, {self.name}"


BLANK = ticket("blank", comment={"body": " "})


def _by_id(operation: str, ids: Callable[[Account], list[Any]]) -> tuple[Case, ...]:
    """Rows that are no more than an id."""

    def mixed(there: Account) -> list[JsonObject]:
        return [{"id": each} for each in (MISSING, ids(there)[-1], MISSING + 1)]

    return (
        Case(operation, "good", lambda there: [{"id": ids(there)[0]}], "+"),
        Case(operation, "bad", lambda _: [{"id": MISSING}, {"id": MISSING + 1}], "--"),
        Case(operation, "mixed", mixed, "-+-"),
    )


_TICKETS = (
    Case("tickets.create", "good", lambda _: [ticket("a"), ticket("b")], "++"),
    Case("tickets.create", "bad", lambda _: [BLANK, BLANK], "--"),
    Case("tickets.create", "mixed", lambda _: [ticket("a"), BLANK, ticket("b"), BLANK], "+-+-"),
    Case(
        "tickets.create",
        "any text",
        lambda _: [ticket("ü \u2028 \U0001f980 \"'\\ \x01"), ticket("0123")],
        "++",
    ),
    Case(
        "tickets.update",
        "good",
        lambda there: [ticket("n", id=each) for each in there.tickets],
        "++++",
    ),
    Case("tickets.update", "bad", lambda _: [ticket("n", id=MISSING)] * 2, "--"),
    Case(
        "tickets.update",
        "the same change, mixed",
        lambda there: [
            {"id": each, "status": "open"}
            for each in (MISSING, there.tickets[2], MISSING + 1, there.tickets[0])
        ],
        "-+-+",
    ),
    Case(
        "tickets.update",
        "each its own change, mixed",
        lambda there: [
            {"id": MISSING, "status": "open"},
            {"id": there.tickets[2], "status": "solved"},
            {"id": there.tickets[0], "priority": "high"},
        ],
        "-++",
    ),
    Case(
        "tickets.update",
        "ids as texts",
        lambda there: [
            {"id": str(each), "status": "open"}
            for each in (there.tickets[1], MISSING, there.tickets[0])
        ],
        "+-+",
    ),
    Case(
        "tickets.update",
        "the same ticket twice",
        lambda there: [{"id": there.tickets[n], "subject": "n"} for n in (0, 1, 0)],
        "+++",
    ),
    Case(
        "tickets.update",
        "stale stamps",
        lambda there: [
            {"id": there.tickets[0], "safe_update": True, "updated_stamp": "2000-01-01T00:00:00Z"},
            {"id": there.tickets[1], "safe_update": True},
            {"id": there.tickets[2], "safe_update": True, "updated_stamp": "2099-01-01T00:00:00Z"},
        ],
        "--+",
    ),
    *_by_id("tickets.delete", lambda there: there.tickets),
    *_by_id("tickets.mark_as_spam", lambda there: there.tickets),
    Case("tickets.merge", "good", lambda there: [merging(there.tickets[0], there.tickets[1])], "+"),
    Case("tickets.merge", "bad", lambda there: [merging(MISSING, there.tickets[0])], "-"),
    Case("tickets.import", "good", lambda _: [history("a"), ticket("b")], "++"),
    Case("tickets.import", "bad", lambda _: [history("a", comments=[])], "-"),
    Case(
        "tickets.import",
        "mixed",
        lambda _: [history("a"), BLANK, history("b", created_at="2019-05-01T10:00:00Z")],
        "+-+",
    ),
    Case(
        "tickets.delete_permanently",
        "good",
        lambda there: [{"id": each} for each in there.deleted],
        "+++",
    ),
    Case("tickets.delete_permanently", "bad", lambda _: [{"id": MISSING}], "-"),
    Case(
        "tickets.delete_permanently",
        "mixed",
        lambda there: [
            {"id": there.deleted[0]},
            {"id": there.tickets[0]},
            {"id": there.deleted[1]},
        ],
        "!?!",
    ),
)

_USERS = (
    Case("users.create", "good", lambda _: [user("u1"), user("u2", email="u2@example.org")], "++"),
    Case("users.create", "bad", lambda _: [user("KNOWN"), user("u1", name="")], "--"),
    Case(
        "users.create",
        "mixed",
        lambda _: [user("u1"), user("known"), user("u2"), user("u3", email="nobody"), user("u4")],
        "+-+?+",
    ),
    Case("users.create_or_update", "new", lambda _: [user("u1"), user("u2")], "++"),
    Case(
        "users.create_or_update",
        "known, in either case, by either key",
        lambda _: [
            {"name": "x", "external_id": "KNOWN"},
            {"name": "y", "email": "Known@Example.org"},
            user("u1"),
        ],
        "+++",
    ),
    Case(
        "users.create_or_update",
        "bad",
        lambda _: [user("u1", name=""), user("u2", email="nobody")],
        "-?",
    ),
    Case(
        "users.create_or_update",
        "mixed",
        lambda _: [
            user("u1", email="no address"),
            user("u2", email="u2@example.org"),
            user("u3", name=""),
            user("u4"),
            {"name": "x", "external_id": "known"},
        ],
        "?+-++",
    ),
    Case("users.create_or_update", "the same twice", lambda _: [user("u1"), user("U1")], "++"),
    Case("users.create_or_update", "names only", lambda _: [{"name": "a"}, {"name": "b"}], "++"),
    Case(
        "users.update",
        "good, by either key",
        lambda there: [{"id": there.users[1], "name": "x"}, {"external_id": "KNOWN", "name": "y"}],
        "++",
    ),
    Case("users.update", "bad", lambda _: [{"id": MISSING, "name": "x"}, user("nobody")], "--"),
    Case(
        "users.update",
        "mixed",
        lambda there: [
            {"id": there.users[2], "name": "x"},
            {"id": MISSING, "name": "x"},
            {"id": there.users[1], "email": "known@example.org"},
            {"id": there.users[0], "email": "nobody"},
            {"external_id": "third", "notes": "n"},
        ],
        "+--?+",
    ),
    *_by_id("users.delete", lambda there: there.users),
    Case(
        "users.delete",
        "by external id",
        lambda _: [{"external_id": each} for each in ("third", "nobody", "Known")],
        "+-+",
    ),
)

_ORGANIZATIONS = (
    Case("organizations.create", "good", lambda _: [{"name": "a"}, {"name": "b"}], "++"),
    Case("organizations.create", "bad", lambda _: [{"name": "first"}, {"name": " "}], "--"),
    Case(
        "organizations.create",
        "mixed",
        lambda _: [{"name": "a"}, {"name": "FIRST"}, {"name": "b", "external_id": "b"}],
        "+-+",
    ),
    Case(
        "organizations.update",
        "good, by either key",
        lambda there: [
            {"id": there.organizations[2], "notes": "n"},
            {"external_id": "KNOWN", "name": "x"},
        ],
        "++",
    ),
    Case("organizations.update", "bad", lambda _: [{"id": MISSING, "notes": "n"}], "-"),
    Case(
        "organizations.update",
        "mixed",
        lambda there: [
            {"external_id": "nobody", "notes": "n"},
            {"external_id": "known", "notes": "n"},
            {"id": there.organizations[1], "name": "Third"},
            {"id": there.organizations[2], "notes": "n"},
        ],
        "-+-+",
    ),
    *_by_id("organizations.delete", lambda there: there.organizations),
    Case(
        "organizations.delete",
        "by external id",
        lambda _: [{"external_id": each} for each in ("nobody", "Known")],
        "-+",
    ),
)

_MEMBERSHIPS = (
    Case(
        "organization_memberships.create",
        "good",
        lambda there: [
            member(each, organization_id=there.organizations[1]) for each in there.users
        ],
        "+++",
    ),
    Case(
        "organization_memberships.create",
        "bad",
        lambda there: [member(MISSING, organization_id=there.organizations[0])],
        "-",
    ),
    Case(
        "organization_memberships.create",
        "mixed",
        lambda there: [
            member(there.users[0], organization_id=there.organizations[0]),
            member(there.users[2], organization_id=there.organizations[0]),
            member(there.users[2], organization_id=MISSING),
            member(there.users[2], organization_id=there.organizations[1]),
        ],
        "-+-+",
    ),
    *_by_id("organization_memberships.delete", lambda there: there.organization_memberships),
    Case(
        "group_memberships.create",
        "good",
        lambda there: [member(there.agents[1], group_id=GROUP)],
        "+",
    ),
    Case("group_memberships.create", "bad", lambda _: [member(MISSING, group_id=GROUP)], "-"),
    Case(
        "group_memberships.create",
        "mixed",
        lambda there: [member(each, group_id=GROUP) for each in (*there.agents, MISSING)],
        "-+-",
    ),
    *_by_id("group_memberships.delete", lambda there: there.group_memberships),
)

_AGENTS = (
    Case(
        "agents.set_attributes",
        "good",
        lambda there: [skilled(each) for each in there.agents],
        "++",
    ),
    Case(
        "agents.set_attributes",
        "bad",
        lambda there: [skilled(there.users[0]), skilled(MISSING)],
        "--",
    ),
    *(
        Case(
            "agents.set_attributes",
            f"mixed, {action}",
            lambda there, action=action: [  # type: ignore[misc]
                skilled(each, action, SPANISH, FRENCH)
                for each in (MISSING, there.agents[1], there.users[0], there.agents[0])
            ],
            "-+-+",
        )
        for action in ("upsert", "update", "delete")
    ),
)


def _car(action: str) -> str:
    return f"custom_objects.{CUSTOM_OBJECT}.{action}"


def _cars(*keys: str) -> list[JsonObject]:
    fields = {"colour": "red"}
    return [{"name": key, "external_id": key, "custom_object_fields": fields} for key in keys]


_CUSTOM_OBJECTS = (
    Case(_car("create"), "good", lambda _: _cars("x", "y"), "++"),
    Case(_car("create"), "bad", lambda _: _cars("known", "b"), "--"),
    Case(_car("create"), "mixed", lambda _: [*_cars("x", "known"), {"name": "no key"}], "+-+"),
    Case(
        _car("update"),
        "mixed",
        lambda there: [
            {"id": each, "custom_object_fields": {"colour": "blue"}}
            for each in (there.records[1], "01MISSING", there.records[0])
        ],
        "+-+",
    ),
    *_by_id(_car("delete"), lambda there: there.records),
    Case(
        _car("delete_by_external_id"),
        "mixed",
        lambda _: [{"external_id": each} for each in ("b", "nothing", "known")],
        "+-+",
    ),
    Case(_car("create_or_update_by_external_id"), "good", lambda _: _cars("x", "known"), "++"),
    Case(
        _car("create_or_update_by_external_id"),
        "mixed",
        lambda _: [*_cars("known"), {"name": "x", "external_id": ""}, *_cars("y", "b")],
        "+-++",
    ),
    Case(
        _car("create_or_update_by_name"),
        "mixed",
        lambda _: [{"name": "known"}, {"name": ""}, {"name": "new"}],
        "+-+",
    ),
)

CASES = (*_TICKETS, *_USERS, *_ORGANIZATIONS, *_MEMBERSHIPS, *_AGENTS, *_CUSTOM_OBJECTS)
