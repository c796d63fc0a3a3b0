"""What one section of a vendor's document asks of another.

It reads what people wrote, whatever else is wrong with it: all problems are named at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobferry.vendors.declarative.document import RECORD, RECORDS, TOKEN
from jobferry.vendors.declarative.loading import leaves


def between_sections(document: Mapping[str, Any]) -> list[str]:
    """Problems, each in a sentence that begins with its place."""
    return [
        *_of_bodies(document),
        *_of_opposites(document),
        *_of_polls(_mapping(document.get("poll"))),
        *_of_results(_mapping(document.get("results"))),
        *_of_searches(document),
        *_of_credentials(document.get("credentials")),
    ]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, said in _mapping(document.get("operations")).items():
        yield f"operations.{name}", _mapping(said)


def _of_bodies(document: Mapping[str, Any]) -> Iterator[str]:
    submit, limits = _mapping(document.get("submit")), _mapping(document.get("limits"))
    for place, said in _operations(document):
        for key in ("path", "body"):
            if said.get(key) is None and submit.get(key) is None:
                yield f"{place}.{key}: is missing, here and in submit."
        own = said.get("body") is not None
        body = said["body"] if own else submit.get("body")
        if body is None:
            continue
        where = f"{place}.body" if own else "submit.body"
        placeholders = [leaf for leaf in leaves(body) if leaf in (RECORD, RECORDS)]
        if len(placeholders) != 1:
            yield f"{where}: must hold '{RECORDS}' or '{RECORD}', once."
        elif placeholders == [RECORD] and said.get("max_records", limits.get("max_records")) != 1:
            yield f"{place}.max_records: must be 1, as the body holds '{RECORD}'."


def _of_opposites(document: Mapping[str, Any]) -> Iterator[str]:
    names = _mapping(document.get("operations"))
    for place, said in _operations(document):
        opposite = said.get("undone_by")
        if isinstance(opposite, str) and opposite and opposite not in names:
            yield f"{place}.undone_by: there is no operation {opposite!r}."


def _of_polls(poll: Mapping[str, Any]) -> Iterator[str]:
    path = str(poll.get("path", ""))
    if path and ("{id}" in path) == ("{ids}" in path):
        yield "poll.path: must hold {id}, for one job a request, or {ids}, for many."
    if "{ids}" in path and poll.get("id") is None:
        yield "poll.id: is missing: many jobs are distinguished by their ids."
    if "{id}" in path and poll.get("batch", 1) != 1:
        yield "poll.batch: must be left out where a request reads one job."
    if poll.get("list") is not None and poll.get("id") is None:
        yield "poll.id: is missing: jobs of a list are distinguished by their ids."


def _of_results(results: Mapping[str, Any]) -> Iterator[str]:
    path, url = results.get("path"), results.get("url")
    if path is not None and url is not None:
        yield "results.url: must be left out where results.path says where the results are."
    if isinstance(path, str) and "{id}" not in path:
        yield "results.path: must hold {id}."
    if results.get("next") is not None and path is None and url is None:
        yield "results.next: is for results that stand apart from the job (path or url)."


def _of_searches(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("search") is None:
        if any(said.get("read_back") for _, said in _operations(document)):
            yield "search: is missing: read_back is for a search."
        return
    search, poll = _mapping(document["search"]), _mapping(document.get("poll"))
    if poll.get("list") is None:
        for key in ("path", "jobs"):
            if search.get(key) is None:
                yield f"search.{key}: is missing, and there is no poll.list to be searched."
    if poll.get("id") is None:
        yield "poll.id: is missing: jobs of a list are distinguished by their ids."
    look_up = search.get("look_up")
    if look_up is not None and "{ids}" not in str(_mapping(look_up).get("path")):
        yield "search.look_up.path: must hold {ids}."
    yield from _of_read_backs(document, search)
    yield from _of_tokens(document, search)


def _of_tokens(document: Mapping[str, Any], search: Mapping[str, Any]) -> Iterator[str]:
    """A token that is searched for must have been sent, and be shown."""
    submit = _mapping(document.get("submit"))
    if search.get("token") is None:
        if "{token}" in str(search.get("path")):
            yield "search.token: is missing: it proves that the vendor has searched by the token."
        return
    for place, said in _operations(document):
        body, path = (said.get(key) or submit.get(key) for key in ("body", "path"))
        if TOKEN not in leaves(body) and "{token}" not in str(path):
            yield f"{place}.body: must hold '{TOKEN}', or its path {{token}}, for search.token."


def _of_read_backs(document: Mapping[str, Any], search: Mapping[str, Any]) -> Iterator[str]:
    places = [("search.read_back", search.get("read_back"))]
    places += [
        (f"{place}.read_back", said.get("read_back")) for place, said in _operations(document)
    ]
    used = [(place, _mapping(said)) for place, said in places if said is not None]
    for place, said in used:
        if "{id}" not in str(said.get("path")):
            yield f"{place}.path: must hold {{id}}."
    if used and _mapping(document.get("results")).get("id") is None:
        yield "results.id: is missing: read_back reads records by the ids that results name."


def _of_credentials(credentials: Any) -> Iterator[str]:
    listed = credentials if isinstance(credentials, list) else []
    headers = [each for each in listed if isinstance(each, Mapping)]
    if len(headers) > 1:
        yield "credentials: may name one header."
