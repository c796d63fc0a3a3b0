"""A bench for a vendor that is a document, made of the document alone.

Whoever adds a document to this folder has it played through the scenarios of the adapter kit; what
cannot be played with it, and why, follows from the document, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import JobPhase
from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.validation import validate
from tests.contract.conformance.bench import Bench
from tests.contract.conformance.scenarios import BY_TOKEN, LOST, TWINS, UNSEEN
from tests.contract.documents.inverse import with_value
from tests.contract.documents.matching import refusal_body, words_for
from tests.contract.documents.simulator import Words, credentials_of, simulator_of

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER / "shelf.yaml"

_ONE_READER = "jobs have one reader: there is no list to fall back on"
_NO_INDEX = "results never carry an index: their order is all there is"
_APART = "results stand apart from the job: while they cannot be read it has not ended"


def read(path: Path) -> JsonObject:
    """The canonical form of the document in a file."""
    return validate(yaml.safe_load(path.read_text(encoding="utf-8")))


SHELF_DOCUMENT = read(DOCUMENT)
SHELF = vendor_from(SHELF_DOCUMENT)


class DocumentBench(Bench):
    """A client of the adapter and the simulator that it talks to."""

    said: ClassVar[Mapping[str, Any]]

    def records(self, count: int, *, prefix: str = "E") -> list[JsonObject]:
        """Good records for `create`, each with an external id of its own."""
        operation = self.create
        asked = {alternatives[0] for alternatives in operation.required}
        names = [*asked, operation.external_id_field or "external_id"]
        return [
            {name: f"{prefix}-{n}" if "id" in name else f"{prefix} {name} {n}" for name in names}
            for n in range(count)
        ]


def bench_of(path: Path) -> type[DocumentBench]:
    """The bench of the document in a file."""
    said = read(path)
    vendor = vendor_from(said)
    credentials = credentials_of(said)
    wrong = dict.fromkeys(credentials, "not-the-key")
    once = [each for each in vendor.operations.values() if not each.repeatable]
    create = (once or list(vendor.operations.values()))[0]
    submit = {**said["submit"], **said["operations"][create.name]}
    reader = {"method": "GET", "path": _pattern(said, said["poll"]["path"])}
    lacks = dict(_lacks(said))
    members = {
        "title": f"{vendor.title}, a document",
        "said": said,
        "vendor": vendor,
        "simulator": simulator_of(said),
        "credentials": credentials,
        "wrong_credentials": wrong,
        "secrets": (list(credentials.values())[-1], "not-the-key"),
        "create": create,
        "write": {
            "method": submit.get("method", "POST"),
            "path": _pattern(said, submit["path"]) + "$",
        },
        "readers": {"method": "GET"},
        "by_id": reader,
        "harmless": {"method": "GET", "path": _pattern(said, said["test"]["path"])},
        "replies": _replies(said),
        "differences": _differences(said, lacks),
        "words": _words(said),
        "lacks": lacks,
    }
    return type(f"{said['name']}_bench", (DocumentBench,), members)


def _pattern(said: Mapping[str, Any], path: str) -> str:
    """What a fault matches a path of the document by."""
    own = re.escape(said.get("base_path", "") + path.partition("?")[0])
    return re.sub(r"\\\{\w+\\\}", "[^/]+", own)


def _replies(said: Mapping[str, Any]) -> dict[str, JsonObject]:
    """Refusals in the words that the document knows."""

    def error(status: int, code: str, text: str) -> JsonObject:
        return {"status": status, "body": refusal_body(said, code, text)}

    errors, strange = said.get("errors", {}), with_value(said["submit"]["job_id"], "../users/1")
    replies = {
        "invalid record": error(422, "invalid", "title: cannot be blank"),
        "malformed request": error(400, "malformed", "this is not so"),
        "too many records": error(400, "too_many", "no more than that"),
        "body too large": {"status": 413, "html": True},
        "address too long": {"status": 414, "html": True},
        "unauthorized": error(401, "unknown_key", "The key is not known"),
        "forbidden": error(403, "not_allowed", "Bulk import is off"),
        "job id that is a path": {"body": strange, "after": True},
    }
    if errors.get("slots"):
        replies["too many jobs"] = {"too_many_jobs": True}
        for status in (400, 422):
            replies[f"too many jobs as {status}"] = error(status, *words_for(said, "slots"))
    if errors.get("retry"):
        for name in ("database conflict", "deadlock", "update conflict"):
            replies[name] = error(409, *words_for(said, "retry"))
    return replies


def _words(said: Mapping[str, Any]) -> tuple[str, str, str]:
    words = Words(said)
    return words.working, words.queued, words.done


def _differences(said: Mapping[str, Any], lacks: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """What becomes of the kit's jobs with this vendor."""
    words, results = Words(said), said["results"]
    listed = {"phase": JobPhase.ACTIVE, "rows": None, "status": words.done}
    differences: dict[str, Mapping[str, Any]] = {
        "some rows failed": {"status": words.done},
        "all rows failed": {"status": words.done},
        "the job died at once": {"status": words.broken},
        "the job died half-way": {"status": words.broken},
    }
    if words.broken in words.partial:
        differences["the job died half-way"] = {"status": words.broken, "rows": "++??"}
    if results.get("index"):
        # A result without its index could be anyone's.
        differences["results without index"] = {"rows": "????"}
    else:
        differences["results short"] = {"rows": "????"}
    if words.called_off is not None:
        differences["the job was called off"] = {
            "does": {"status_word": words.called_off},
            "rows": "----",
            "status": words.called_off,
        }
    if said.get("search", {}).get("token"):
        differences |= BY_TOKEN
    if said["poll"].get("list"):
        differences |= dict.fromkeys(("unknown by id, still listed", "only ever listed"), listed)
    return {name: each for name, each in differences.items() if name not in lacks}


def _lacks(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What cannot be played with this vendor, and why."""
    words, results = Words(said), said["results"]
    for name in ("killed with results", "killed without results"):
        yield name, "no job is killed on its way; it breaks or is called off"
    search = said.get("search")
    if search is None:
        for name in (*[case.name for case in LOST], TWINS):
            yield name, "the document names no search for lost jobs"
    elif not search.get("look_up"):
        yield UNSEEN, "records cannot be looked up"
    if not said["poll"].get("list"):
        for name in ("unknown by id, still listed", "only ever listed"):
            yield name, _ONE_READER
    if not results.get("index"):
        for name in (
            "results re-ordered",
            "results without index",
            "results short, without index",
            "failures short, re-ordered",
        ):
            yield name, _NO_INDEX
    yield from _lacks_of_ends(words, results)


def _lacks_of_ends(words: Words, results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The same of ends that its jobs do not have, or do not show."""
    if words.called_off is None:
        yield "the job was called off", "no job is called off"
    if results.get("url") or results.get("path"):
        for name in ("results null", "the job died at once", "the job died half-way"):
            yield name, _APART


DOCUMENT_BENCHES = tuple(bench_of(path) for path in sorted(FOLDER.glob("*.yaml")))
