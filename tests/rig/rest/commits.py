"""Commits and refs, and what is said about a commit: statuses and check runs."""

from typing import Any

from .. import rules
from ..pull import Refused
from ..record import Check, Status
from .pulls import STATUS, shown
from .route import Asked, route

REPO = "/repos/{owner}/{repo}"


def commit(asked: Asked, name: str) -> str:
    """The full name of a commit, branch or tag.

    Raises:
        Refused: there is none.
    """
    wanted = asked.parameters[name].removeprefix("heads/").removeprefix("tags/")
    if found := asked.hub.git.commit(wanted):
        return found
    raise Refused(422, f"No commit found for SHA: {wanted}")


@route(f"GET {REPO}/commits/{{ref}}", "contents:read")
def get(asked: Asked) -> dict[str, Any]:
    return shown(asked.hub.git.json(commit(asked, "ref")))


@route(f"GET {REPO}/commits", "contents:read")
def list_commits(asked: Asked) -> list[dict[str, Any]]:
    git, start = asked.hub.git, asked.query.get("sha", asked.hub.default_branch)
    tip = git.commit(start)
    if tip is None:
        raise Refused(404, "Not Found")
    return [shown(git.json(sha)) for sha in git.lines("rev-list", tip)]


@route(f"GET {REPO}/commits/{{commit_sha}}/pulls", "pull-requests:read")
def pulls(asked: Asked) -> list[dict[str, Any]]:
    sha, git = commit(asked, "commit_sha"), asked.hub.git
    found = [p for p in asked.hub.pulls() if sha in (p.head_sha, p.merged)]
    found += [p for p in asked.hub.pulls() if p not in found and git.contains(p.head_sha, sha)]
    return [each.json() for each in found]


@route(f"GET {REPO}/compare/{{basehead}}", "contents:read")
def compare(asked: Asked) -> dict[str, Any]:
    git = asked.hub.git
    names = asked.parameters["basehead"].partition("...")
    base, head = git.commit(names[0]), git.commit(names[2])
    if not base or not head:
        raise Refused(404, "Not Found")
    ahead = git.lines("rev-list", "--reverse", f"{base}..{head}")
    behind = git.lines("rev-list", f"{head}..{base}")
    start = git.merge_base(base, head)
    return {
        "status": status_of(len(ahead), len(behind)),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "merge_base_commit": start and shown(git.json(start)),
        "commits": [shown(git.json(sha)) for sha in ahead],
        "files": [{"filename": p, "status": STATUS[s]} for s, p in git.changed(start, head)],
    }


def status_of(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"


# Refs


@route(f"GET {REPO}/git/ref/{{ref}}", "contents:read")
def get_ref(asked: Asked) -> dict[str, Any]:
    ref = f"refs/{asked.parameters['ref']}"
    found = asked.hub.git.refs().get(ref)
    if found is None:
        raise Refused(404, "Not Found")
    return {"ref": ref, "object": {"sha": found, "type": "commit"}}


@route(f"GET {REPO}/git/matching-refs/{{ref}}", "contents:read")
def matching_refs(asked: Asked) -> list[dict[str, Any]]:
    start = f"refs/{asked.parameters['ref']}"
    refs = asked.hub.git.refs().items()
    return [
        {"ref": r, "object": {"sha": s, "type": "commit"}} for r, s in refs if r.startswith(start)
    ]


def ruled(asked: Asked, ref: str, old: str | None, new: str | None) -> None:
    """Raises: Refused: a ruleset forbids it."""
    if said := rules.violations(asked.hub, ref, old, new):
        raise Refused(422, "Repository rule violations found", *said)


@route(f"POST {REPO}/git/refs", "contents:write", 201)
def create_ref(asked: Asked) -> dict[str, Any]:
    ref, sha, git = asked.given("ref"), asked.given("sha"), asked.hub.git
    if ref in git.refs():
        raise Refused(422, "Reference already exists")
    if git.commit(sha) is None:
        raise Refused(422, "Object does not exist")
    ruled(asked, ref, None, sha)
    git.set(ref, sha)
    asked.hub.ref_moved(ref, None, sha, asked.by)
    return {"ref": ref, "object": {"sha": sha, "type": "commit"}}


@route(f"PATCH {REPO}/git/refs/{{ref}}", "contents:write")
def update_ref(asked: Asked) -> dict[str, Any]:
    ref, sha, git = f"refs/{asked.parameters['ref']}", asked.given("sha"), asked.hub.git
    old = git.refs().get(ref)
    if old is None:
        raise Refused(422, "Reference does not exist")
    if not asked.given("force", False) and not git.contains(sha, old):
        raise Refused(422, "Update is not a fast forward")
    ruled(asked, ref, old, sha)
    git.set(ref, sha)
    asked.hub.ref_moved(ref, old, sha, asked.by)
    return {"ref": ref, "object": {"sha": sha, "type": "commit"}}


@route(f"DELETE {REPO}/git/refs/{{ref}}", "contents:write", 204)
def delete_ref(asked: Asked) -> None:
    ref, git = f"refs/{asked.parameters['ref']}", asked.hub.git
    old = git.refs().get(ref)
    if old is None:
        raise Refused(422, "Reference does not exist")
    ruled(asked, ref, old, None)
    git.delete(ref)
    asked.hub.ref_moved(ref, old, None, asked.by)


@route(f"GET {REPO}/branches", "contents:read")
def branches(asked: Asked) -> list[dict[str, Any]]:
    refs = asked.hub.git.refs().items()
    heads = [(r.removeprefix("refs/heads/"), s) for r, s in refs if r.startswith("refs/heads/")]
    return [{"name": name, "commit": {"sha": sha}} for name, sha in heads]


@route(f"GET {REPO}/branches/{{branch}}", "contents:read")
def branch(asked: Asked) -> dict[str, Any]:
    name = asked.parameters["branch"]
    sha = asked.hub.git.tip(name)
    if sha is None:
        raise Refused(404, "Branch not found")
    protected = bool(rules.of(asked.hub, f"refs/heads/{name}"))
    return {"name": name, "commit": shown(asked.hub.git.json(sha)), "protected": protected}


@route(f"GET {REPO}/tags", "contents:read")
def tags(asked: Asked) -> list[dict[str, Any]]:
    git = asked.hub.git
    names = git.lines("for-each-ref", "--format=%(refname:short)", "refs/tags")
    return [{"name": name, "commit": {"sha": git.commit(name)}} for name in reversed(names)]


# Statuses and check runs


def shown_status(asked: Asked, status: Status) -> dict[str, Any]:
    return {
        "id": status.id,
        "context": status.context,
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "creator": status.creator.json(),
        "created_at": status.created_at,
    }


@route(f"POST {REPO}/statuses/{{sha}}", "statuses:write", 201)
def create_status(asked: Asked) -> dict[str, Any]:
    sha = asked.hub.git.commit(asked.parameters["sha"])
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {asked.parameters['sha']}")
    description = asked.given("description") or ""
    if len(description) > 140:
        raise Refused(
            422, "Validation Failed", "description is too long (maximum is 140 characters)"
        )
    context, state = asked.given("context", "default"), asked.given("state")
    target = asked.given("target_url") or ""
    status = Status(sha, context, state, description, target, asked.account)
    asked.hub.statuses.append(status)
    return shown_status(asked, status)


@route(f"GET {REPO}/commits/{{ref}}/statuses", "statuses:read")
def list_statuses(asked: Asked) -> list[dict[str, Any]]:
    sha = commit(asked, "ref")
    found = [status for status in asked.hub.statuses if status.sha == sha]
    return [shown_status(asked, status) for status in reversed(found)]


@route(f"GET {REPO}/commits/{{ref}}/status", "statuses:read")
def combined_status(asked: Asked) -> dict[str, Any]:
    sha = commit(asked, "ref")
    newest = asked.hub.statuses_of(sha).values()
    states = {status.state for status in newest}
    worst = "failure" if states & {"failure", "error"} else "pending" if "pending" in states else ""
    return {
        "sha": sha,
        "state": worst or ("success" if states else "pending"),
        "statuses": [shown_status(asked, status) for status in newest],
        "total_count": len(newest),
    }


def shown_check(asked: Asked, check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "name": check.name,
        "head_sha": check.head_sha,
        "status": check.status,
        "conclusion": check.conclusion,
        "output": dict(check.output),
        "html_url": f"{asked.hub.html_url}/runs/{check.id}",
        "app": {"slug": "github-actions", "id": 15368},
    }


@route(f"GET {REPO}/commits/{{ref}}/check-runs", "checks:read")
def list_checks(asked: Asked) -> dict[str, Any]:
    """The newest of each name, of dispatched runs too: those are on the commit all the same."""
    sha, wanted = commit(asked, "ref"), asked.query.get("check_name")
    newest = {check.name: check for check in asked.hub.checks if check.head_sha == sha}
    found = [shown_check(asked, c) for c in newest.values() if wanted in (None, c.name)]
    return {"total_count": len(found), "check_runs": found[:100]}


@route(f"POST {REPO}/check-runs", "checks:write", 201)
def create_check(asked: Asked) -> dict[str, Any]:
    if asked.by.run is None and asked.by.scopes is None:
        raise Refused(403, "You must authenticate via a GitHub App.")
    conclusion = asked.given("conclusion")
    status = "completed" if conclusion else asked.given("status", "queued")
    output = asked.given("output", {})
    check = Check(asked.given("name"), asked.given("head_sha"), status, conclusion, output=output)
    asked.hub.checks.append(check)
    return shown_check(asked, check)
