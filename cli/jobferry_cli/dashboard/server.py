"""Requests to pages and actions: which path is what, and what becomes of failures."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from botocore.exceptions import ClientError
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Mount, Route

from jobferry.domain.commands import command
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunGoneError
from jobferry.operator.report import report_page
from jobferry.reporting.html.markup import Html, foreign, join, tag
from jobferry.reporting.html.style import STYLE
from jobferry.reporting.result_files import result_key
from jobferry_cli.dashboard import actions, connection_pages, plan_pages, run_list, run_parts
from jobferry_cli.dashboard.confirm import ACTIONS, confirm_page
from jobferry_cli.dashboard.desk import Desk
from jobferry_cli.dashboard.layout import command_line, link_button, page
from jobferry_cli.dashboard.row_page import rows_page
from jobferry_cli.dashboard.run_page import about_part, begun_page, begun_part, live_part, run_page
from jobferry_cli.dashboard.security import headers
from jobferry_cli.dashboard.steps import REPORT
from jobferry_cli.dashboard.uploads import take
from jobferry_cli.errors import (
    AWS_ERRORS,
    CommandError,
    ExitCode,
    explain,
    refuses_credentials,
)
from jobferry_cli.output import note

STATIC = Path(__file__).parent / "static"

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

PART_HEADER = "x-jobferry-part"
"""Marks an answer that is a part of a page."""

Answer = Callable[[Desk, Request], str | Response]


def make_app(desk: Desk) -> Starlette:
    """The application, without its gate."""

    def route(path: str, answer: Answer, method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(_answered, desk, answer, request)

        return Route(path, endpoint, methods=[method])

    async def upload(request: Request) -> Response:
        return await _upload(desk, request)

    routes = [
        route("/", _home),
        route("/static/{name}", _static),
        route("/runs", _runs),
        route("/runs/{run_id}", _run),
        route("/runs/{run_id}/rows", lambda d, r: rows_page(d, _known(d, r), r.query_params)),
        route("/runs/{run_id}/files/{name}", _file),
        route("/runs/{run_id}/{action}", _confirm),
        route("/runs/{run_id}/{action}", _perform, "POST"),
        route("/new", lambda d, r: plan_pages.new_page(d, r.query_params)),
        Route("/files", upload, methods=["POST"]),
        route("/plans/{file_id}", _plan),
        route("/plans/{file_id}/start", _start, "POST"),
        route("/plans/{file_id}/discard", _discard, "POST"),
        route("/connections", _connections),
        route("/connections/{name}", _connection),
        route("/connections/{name}/unblock", _unblock, "POST"),
        route("/connections/{name}/test", _test, "POST"),
    ]
    return Starlette(
        routes=[Mount(f"/{desk.guard.area}", routes=routes)],
        exception_handlers={HTTPException: _no_such_page(desk)},
    )


def _no_such_page(desk: Desk) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handler(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        text = page(
            desk,
            "Not here",
            tag("h1", "There is no such page"),
            tag("p", link_button("Runs", desk.url("runs"))),
        )
        return HTMLResponse(text, status)

    return handler


def _answered(desk: Desk, answer: Answer, request: Request) -> Response:
    """The answer, or why there is none, in words."""
    try:
        made = _made(desk, answer, request)
    except HTTPException:
        raise
    except (CommandError, RunGoneError, *AWS_ERRORS) as error:
        return _failed(desk, request, as_failure(error))
    except Exception:  # noqa: BLE001 - shown where the command runs, and not to the browser
        note(*traceback.format_exc().rstrip().split("\n"))
        return _failed(desk, request, _unexpected())
    if isinstance(made, Response):
        return made
    part = isinstance(made, Html)
    return HTMLResponse(made, headers={PART_HEADER: "yes"} if part else None)


def _made(desk: Desk, answer: Answer, request: Request) -> str | Response:
    """What a page says; with other credentials, where those that it had are not taken any more."""
    try:
        return answer(desk, request)
    except AWS_ERRORS as error:
        if not refuses_credentials(error):
            raise
        desk.stack = desk.connect()
        if request.method == "POST":
            raise
        return answer(desk, request)


def as_failure(error: Exception) -> CommandError:
    if isinstance(error, RunGoneError):
        return CommandError("The run has been deleted.", next_command=command("runs"))
    return error if isinstance(error, CommandError) else explain(error)


def _unexpected() -> CommandError:
    return CommandError(
        "Something went wrong in the page itself; the terminal where it runs says what.",
        next_command=command("doctor"),
        code=ExitCode.SERVICE,
    )


def _failed(desk: Desk, request: Request, error: CommandError) -> Response:
    """A sentence and what to type, as a page of its own or as a part of one."""
    status = 503 if error.exit_code == ExitCode.SERVICE else 409
    said = [
        tag("p", foreign(error.message), class_="sentence"),
        *(tag("p", foreign(text)) for text in error.details),
        command_line(str(error.next_command)),
    ]
    if "part" in request.query_params:
        return HTMLResponse(tag("div", *said), status, headers={PART_HEADER: "yes"})
    back = request.path_params.get("run_id")
    link = (
        link_button("Back to the run", desk.url("runs", back))
        if back and request.method == "POST"
        else link_button("Try again", str(request.url.path))
        if request.method == "GET"
        else link_button("Runs", desk.url("runs"))
    )
    content = tag("section", *said, class_="verdict bad")
    return HTMLResponse(
        page(desk, "It did not work", tag("h1", "It did not work"), content, tag("p", link)), status
    )


def _see(desk: Desk, url: str, said: Html) -> Response:
    """After a change: say what was done on another page, so that going back repeats nothing."""
    desk.notices.add(said)
    return RedirectResponse(url, 303)


def _home(desk: Desk, _request: Request) -> Response:
    return RedirectResponse(desk.url("runs"), 303)


def _static(_desk: Desk, request: Request) -> Response:
    name = request.path_params["name"]
    files = {each.name: each for each in STATIC.iterdir()}
    if name not in files:
        raise HTTPException(404)
    body = files[name].read_bytes()
    if name == "style.css":
        body = STYLE.encode() + body
    return Response(body, media_type=_TYPES.get(files[name].suffix, "text/plain"))


def _runs(desk: Desk, request: Request) -> str:
    query = request.query_params
    return run_list.runs_part(desk, query) if "part" in query else run_list.runs_page(desk, query)


def _found(desk: Desk, run_id: str) -> Run | None:
    """The run; None when it was started and is not there yet.

    Raises:
        CommandError: there is none.
    """
    runs = desk.stack.deps.store.runs
    run = runs.get(run_id)
    if run is not None:
        return run
    if runs.is_deleted(run_id):
        raise CommandError(f"Run {run_id} has been deleted.", next_command=command("runs"))
    if desk.stack.executions.state(run_id) is None:
        raise CommandError(f"There is no run {run_id!r}.", next_command=command("runs"))
    return None


def _known(desk: Desk, request: Request) -> Run:
    run = _found(desk, request.path_params["run_id"])
    if run is None:
        raise CommandError(
            "The run was started and has not begun yet. Wait a moment.",
            next_command=command("watch", request.path_params["run_id"]),
        )
    return run


def _run(desk: Desk, request: Request) -> str:
    run_id, part = request.path_params["run_id"], request.query_params.get("part")
    run = _found(desk, run_id)
    if run is None:
        return begun_page(desk, run_id) if part is None else begun_part(desk, run_id)
    match part:
        case "run":
            return live_part(desk, run)
        case "about":
            return about_part(desk, run)
        case "errors":
            return run_parts.errors_part(desk, run)
        case "course":
            return run_parts.course_part(desk, run)
        case _:
            return run_page(desk, run, course="course" in request.query_params)


def _confirm(desk: Desk, request: Request) -> str:
    action = request.path_params["action"]
    if action not in ACTIONS:
        raise HTTPException(404)
    return confirm_page(desk, _known(desk, request), action)


def _perform(desk: Desk, request: Request) -> Response:
    action = request.path_params["action"]
    if action not in ACTIONS:
        raise HTTPException(404)
    run_id, said = actions.perform(desk, _known(desk, request), action, request.state.form)
    return _see(desk, desk.url("runs", run_id), said)


_FILES = frozenset({*(f"{status.value}.csv" for status in OutcomeStatus), REPORT})


def _file(desk: Desk, request: Request) -> Response:
    """A result file or the report. It is fetched whole first: what breaks off is no file."""
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    run = _known(desk, request)
    if name == REPORT:
        return HTMLResponse(report_page(run, desk.stack.deps), headers=headers(report=True))
    file_id, path = desk.held.room(name)
    try:
        desk.stack.deps.objects.get_file(result_key(run.run_id, name), path)
    except ClientError as error:
        desk.held.drop(file_id)
        if error.response["Error"].get("Code") not in ("NoSuchKey", "404"):
            raise
        raise CommandError(
            f"{name} of run {run.run_id} is not in the archive; files come when the run is closed, "
            f"and are kept for {desk.stack.settings.retention_days} days.",
            next_command=command("rows", run.run_id),
        ) from None
    except BaseException:
        desk.held.drop(file_id)
        raise
    done = BackgroundTask(desk.held.drop, file_id)
    return FileResponse(
        path, media_type="text/csv", filename=f"{run.run_id}-{name}", background=done
    )


async def _upload(desk: Desk, request: Request) -> Response:
    """A file from the form: where its plan is, or why there is none."""
    profile, name = request.query_params.get("profile", ""), request.query_params.get("name", "")
    try:
        held = await take(desk, request.stream(), profile, name)
    except (CommandError, *AWS_ERRORS) as error:
        failure = as_failure(error)
    except ClientDisconnect:
        return Response(status_code=400)  # Nobody is there to read it.
    except Exception:  # noqa: BLE001 - as in `_answered`
        note(*traceback.format_exc().rstrip().split("\n"))
        failure = _unexpected()
    else:
        return JSONResponse({"location": desk.url("plans", held.file_id)})
    part = plan_pages.refused_part(name, failure)
    return JSONResponse({"refused": part}, 409)


def _plan(desk: Desk, request: Request) -> str:
    held = desk.held.get(request.path_params["file_id"])
    if held is None:
        raise _gone()
    return plan_pages.plan_page(desk, held)


def _gone() -> CommandError:
    return CommandError(
        "This file is no longer here: it was started, discarded, or others were chosen since. "
        "Choose it again.",
        next_command=command("runs"),
    )


def _start(desk: Desk, request: Request) -> Response:
    with desk.held.taken(request.path_params["file_id"]) as held:
        if held is None:
            raise _gone()
        run_id, said = actions.start(desk, held, request.state.form)
    return _see(desk, desk.url("runs", run_id), said)


def _discard(desk: Desk, request: Request) -> Response:
    desk.held.drop(request.path_params["file_id"])
    return _see(desk, desk.url("new"), join("The file is discarded; nothing was sent."))


def _connections(desk: Desk, request: Request) -> str:
    if "part" in request.query_params:
        return connection_pages.connections_part(desk)
    return connection_pages.connections_page(desk)


def _connection(desk: Desk, request: Request) -> str:
    name = request.path_params["name"]
    if "part" in request.query_params:
        return connection_pages.connection_part(desk, connection_pages.known_connection(desk, name))
    return connection_pages.connection_page(desk, name)


def _unblock(desk: Desk, request: Request) -> Response:
    name = request.path_params["name"]
    return _see(desk, desk.url("connections", name), actions.unblock(desk, name))


def _test(desk: Desk, request: Request) -> Response:
    name = request.path_params["name"]
    return _see(desk, desk.url("connections", name), actions.test_connection(desk, name))
