"""Workflows and their runs, dispatches, and tokens of an app."""

from typing import Any

from .. import event
from ..pull import Refused
from ..run import Run
from ..workflow import FOLDER
from .route import Answer, Asked, route

REPO = "/repos/{owner}/{repo}"
WORKFLOW = f"{REPO}/actions/workflows/{{workflow_id}}"
RUN = f"{REPO}/actions/runs/{{run_id}}"


@route(f"POST {WORKFLOW}/dispatches", "actions:write", 204)
def dispatch(asked: Asked) -> None:
    inputs = asked.given("inputs", {})
    event.dispatched(asked.hub, file(asked), asked.given("ref"), inputs, asked.by)


def file(asked: Asked) -> str:
    return asked.parameters["workflow_id"].removeprefix(f"{FOLDER}/")


@route(f"POST {REPO}/dispatches", "contents:write", 204)
def repository_dispatch(asked: Asked) -> None:
    payload = asked.given("client_payload", {})
    event.start_repository_dispatch(asked.hub, asked.given("event_type"), payload, asked.by)


@route(f"PUT {WORKFLOW}/enable", "actions:write", 204)
def enable(asked: Asked) -> None:
    asked.hub.disabled.discard(file(asked))


@route(f"PUT {WORKFLOW}/disable", "actions:write", 204)
def disable(asked: Asked) -> None:
    asked.hub.disabled.add(file(asked))


@route(f"GET {REPO}/actions/runs", "actions:read")
def list_runs(asked: Asked) -> dict[str, Any]:
    wanted = {key: asked.query[key] for key in ("event", "head_sha") if key in asked.query}
    shown = [run.json(asked.hub.repository_json()) for run in reversed(asked.hub.runs)]
    found = [run for run in shown if all(run[key] == value for key, value in wanted.items())]
    if branch := asked.query.get("branch"):
        found = [run for run in found if run["head_branch"] == branch]
    if status := asked.query.get("status"):
        found = [run for run in found if status in (run["status"], run["conclusion"])]
    return {"total_count": len(found), "workflow_runs": found[:100]}


def run(asked: Asked) -> Run:
    found = [run for run in asked.hub.runs if run.id == asked.number("run_id")]
    if not found:
        raise Refused(404, "Not Found")
    return found[-1]


@route(f"GET {RUN}", "actions:read")
def get(asked: Asked) -> dict[str, Any]:
    return run(asked).json(asked.hub.repository_json())


@route(f"POST {RUN}/approve", "actions:write")
def approve(asked: Asked) -> Answer:
    """For forks' runs only: for a bot's it was reported to answer 403."""
    found = run(asked)
    if not found.waiting or asked.by.run is not None or not found.trigger.fork:
        raise Refused(403, "Resource not accessible by integration")
    asked.hub.approve(found, asked.account)
    return Answer(201, {})


@route(f"POST {RUN}/cancel", "actions:write")
def cancel(asked: Asked) -> Answer:
    asked.hub.cancel(run(asked))
    return Answer(202, {})


@route(f"GET {RUN}/artifacts", "actions:read")
def artifacts(asked: Asked) -> dict[str, Any]:
    folder = asked.hub.engine.artifacts(asked.number("run_id"))
    names = sorted(each.name for each in folder.glob("*") if each.is_dir())
    return {"total_count": len(names), "artifacts": [{"name": name} for name in names]}


@route("POST /app/installations/{installation_id}/access_tokens")
def app_token(asked: Asked) -> Answer:
    """The stand-in for the action shows the private key where the action signs with it."""
    hub = asked.hub
    if hub.app_permissions is None or asked.secret != hub.secrets.get("APP_PRIVATE_KEY"):
        raise Refused(401, "A JSON web token could not be decoded")
    return Answer(201, {"token": hub.app_token(), "permissions": hub.app_permissions})


@route(f"POST {REPO}/attestations", "attestations:write", 201)
def attest(asked: Asked) -> dict[str, Any]:
    asked.hub.attestations.append(asked.body)
    return {"id": len(asked.hub.attestations)}
