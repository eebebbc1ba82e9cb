"""What happens on GitHub, as events with their payloads, and which workflows they start.

What a run's own token causes is not what a person causes: since June 2026 a pull request that it
opens or pushes to makes runs that wait for approval, its pushes and labels make none, its
dispatches start at once. An app's token counts as a person.
"""

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from .account import DEPENDABOT, Account, Token
from .bare import NOTHING, Bare
from .pull import Issue, Pull, Refused
from .run import Event, Run
from .workflow import FOLDER, Workflow

if TYPE_CHECKING:
    from .hub import GitHub

WAITS = ("opened", "synchronize", "reopened")
SKIP = re.compile(
    r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]|^skip-checks: *true$", re.M
)


def pushed(hub: "GitHub", where: Bare, ref: str, old: str, new: str, by: Token) -> None:
    """A ref moved: a push, and news for the pull requests of the branch."""
    if not ref.startswith(("refs/heads/", "refs/tags/")):
        return
    branch = ref.removeprefix("refs/heads/")
    for pull in hub.pulls(state="open"):
        if pull.head == branch and pull.source is where:
            head_moved(hub, pull, old, new, by)
        elif pull.base == branch and where is hub.git and new != NOTHING:
            pull.refresh()
    if where is hub.git and by.run is None and new != NOTHING:
        push(hub, ref, old, new, by)


def push(hub: "GitHub", ref: str, old: str, new: str, by: Token) -> None:
    commit = hub.git.json(new)
    payload = {
        **hub.payload(by.account),
        "ref": ref,
        "before": old,
        "after": new,
        "created": old == NOTHING,
        "deleted": False,
        "forced": old != NOTHING and not hub.git.contains(new, old),
        "head_commit": commit,
        "commits": [commit],
        "pusher": {"name": by.account.login},
    }
    paths = [path for _, path in hub.git.changed(old, new)]
    event = Event("push", ref, new, by.account, payload, head_branch=ref.split("/", 2)[2])
    event = dataclasses.replace(event, restricted=by.account is DEPENDABOT)
    if not SKIP.search(hub.git.message(new)):
        start(hub, event, new, ref=ref, paths=paths)


def head_moved(hub: "GitHub", pull: Pull, old: str, new: str, by: Token) -> None:
    if new == NOTHING:
        pull.state = "closed"
        return pulled(hub, pull, "closed", by)
    pull.refresh()
    return pulled(hub, pull, "synchronize", by, before=old, after=new)


def pulled(hub: "GitHub", pull: Pull, action: str, by: Token, **more: Any) -> None:
    """An event of a pull request. One that conflicts starts nothing, nor does a bot's label."""
    for name in ("pull_request", "pull_request_target"):
        event = pull_event(hub, name, pull, action, by, more)
        commit = pull.merge_sha if name == "pull_request" else hub.git.tip(pull.base)
        skipped = name == "pull_request" and SKIP.search(hub.git.message(pull.head_sha))
        waits = by.run is not None
        if commit and not skipped and (not waits or action in WAITS):
            waits = waits or (pull.fork and hub.settings["approve_forks"])
            start(hub, event, commit, ref=pull.base, paths=pull.paths(), waits=waits)


def pull_event(
    hub: "GitHub", name: str, pull: Pull, action: str, by: Token, more: dict[str, Any]
) -> Event:
    target = name == "pull_request_target"
    return Event(
        name=name,
        ref=f"refs/heads/{pull.base}" if target else f"refs/pull/{pull.number}/merge",
        sha=str(hub.git.tip(pull.base)) if target else str(pull.merge_sha),
        actor=by.account,
        payload={
            **hub.payload(by.account),
            "action": action,
            "number": pull.number,
            "pull_request": pull.json(),
            **more,
        },
        action=action,
        head_sha=pull.head_sha,
        head_branch=pull.head,
        pull=pull,
        restricted=(pull.fork and not target) or by.account is DEPENDABOT,
        fork=pull.fork and not target,
    )


def labelled(hub: "GitHub", issue: Issue, name: str, by: Token, *, on: bool) -> None:
    """Set or remove a label; twice is once."""
    if (name in issue.labels) == on:
        return
    issue.labels = [*issue.labels, name] if on else [n for n in issue.labels if n != name]
    action = "labeled" if on else "unlabeled"
    issue.note(action, by.account, label={"name": name})
    if isinstance(issue, Pull):
        pulled(hub, issue, action, by, label={"name": name})


def dispatched(
    hub: "GitHub", file: str, branch: str, inputs: dict[str, Any], by: Token
) -> list[Run]:
    """workflow_dispatch: the file of that branch, with declared inputs only.

    Raises:
        Refused: GitHub would answer 404 or 422.
    """
    branch = branch.removeprefix("refs/heads/")
    if not (sha := hub.git.tip(branch)):
        raise Refused(422, f"No ref found for: {branch}")
    found = [w for w in workflows(hub, sha) if w.file == file]
    if not found:
        raise Refused(404, "Not Found")
    if "workflow_dispatch" not in found[0].on:
        raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
    ref = f"refs/heads/{branch}"
    payload = {
        **hub.payload(by.account),
        "ref": ref,
        "workflow": found[0].path,
        "inputs": filled(found[0], inputs),
    }
    event = Event("workflow_dispatch", ref, sha, by.account, payload, head_branch=branch)
    return [hub.queue(found[0], event)]


def filled(workflow: Workflow, given: dict[str, Any]) -> dict[str, Any]:
    """The inputs with declared defaults; the engine does not fill them in."""
    declared = (workflow.on["workflow_dispatch"] or {}).get("inputs") or {}
    for name in given.keys() - declared.keys():
        raise Refused(422, f'Unexpected inputs provided: ["{name}"]')
    for name, about in declared.items():
        if (about or {}).get("required") and not given.get(name) and "default" not in about:
            raise Refused(422, f"Required input '{name}' not provided")
    values = {name: (about or {}).get("default", "") for name, about in declared.items()} | given
    return {name: text(value) for name, value in values.items()}


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def on_default_branch(hub: "GitHub", name: str, by: Token, action: str = "", **more: Any) -> Event:
    """An event that always runs the default branch's workflows."""
    branch = hub.default_branch
    return Event(
        name=name,
        ref=f"refs/heads/{branch}",
        sha=str(hub.git.tip(branch)),
        actor=by.account,
        payload={**hub.payload(by.account), "action": action, **more},
        action=action,
        head_branch=branch,
    )


def start_repository_dispatch(
    hub: "GitHub", type: str, payload: dict[str, Any], by: Token
) -> list[Run]:
    more = {"branch": hub.default_branch, "client_payload": payload}
    event = on_default_branch(hub, "repository_dispatch", by, type, **more)
    return start(hub, event, event.sha)


def scheduled(hub: "GitHub", file: str) -> list[Run]:
    """The first cron of the default branch's file."""
    by = Token(Account("github", "write"))
    (found,) = [w for w in workflows(hub, str(hub.git.tip(hub.default_branch))) if w.file == file]
    cron = found.on["schedule"][0]["cron"]
    event = on_default_branch(hub, "schedule", by, schedule=cron)
    return start(hub, event, event.sha, only=file)


def completed(hub: "GitHub", run: Run) -> None:
    """A run ended: workflow_run for those that name its workflow, but not for one another."""
    if run.event == "workflow_run":
        return
    shown = run.json(hub.repository_json())
    by = Token(run.trigger.actor)
    event = on_default_branch(hub, "workflow_run", by, "completed", workflow_run=shown)
    for workflow in workflows(hub, event.sha):
        if run.workflow in workflow.on.get("workflow_run", {}).get("workflows", []):
            start(hub, event, event.sha, ref=run.trigger.head_branch, only=workflow.file)


def start(
    hub: "GitHub",
    event: Event,
    commit: str,
    *,
    ref: str = "",
    paths: list[str] | None = None,
    waits: bool = False,
    only: str | None = None,
) -> list[Run]:
    """Queue a run of each workflow of the commit that the event starts."""
    return [
        hub.queue(workflow, event, waits=waits)
        for workflow in workflows(hub, commit)
        if only in (None, workflow.file)
        and workflow.file not in hub.disabled
        and workflow.starts(event.name, action=event.action, ref=ref, paths=paths)
    ]


def workflows(hub: "GitHub", commit: str) -> list[Workflow]:
    files = hub.git.files(commit, FOLDER)
    return [Workflow.read(p, t) for p, t in files.items() if p.endswith((".yml", ".yaml"))]
