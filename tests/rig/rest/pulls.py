"""Pull requests."""

from typing import Any

from .. import event
from ..pull import Pull, Refused
from .route import Asked, route

PULLS = "/repos/{owner}/{repo}/pulls"
PULL = f"{PULLS}/{{pull_number}}"
FORBIDDEN = "GitHub Actions is not permitted to create or approve pull requests."
STATUS = {"A": "added", "D": "removed", "M": "modified", "T": "changed"}


def pull(asked: Asked) -> Pull:
    found = [each for each in asked.hub.pulls() if each.number == asked.number("pull_number")]
    if not found:
        raise Refused(404, "Not Found")
    return found[0]


@route(f"GET {PULLS}", "pull-requests:read")
def list_pulls(asked: Asked) -> list[dict[str, Any]]:
    query = asked.query
    found = asked.hub.pulls(query.get("state", "open"))
    if "base" in query:
        found = [each for each in found if each.base == query["base"]]
    if "head" in query:  # GitHub ignores a head without its owner
        owner, _, branch = query["head"].rpartition(":")
        named = [e for e in found if (e.source_name.split("/")[0], e.head) == (owner, branch)]
        found = named if owner else found
    newest = query.get("direction", "desc" if query.get("sort") in (None, "created") else "asc")
    return [each.json() for each in sorted(found, key=number, reverse=newest == "desc")]


def number(each: Pull) -> int:
    return each.number


@route(f"POST {PULLS}", "pull-requests:write", 201)
def create(asked: Asked) -> dict[str, Any]:
    hub, by = asked.hub, asked.by
    if by.run is not None and not hub.settings["actions_may_open_pull_requests"]:
        raise Refused(403, FORBIDDEN)
    owner, _, branch = asked.given("head").rpartition(":")
    if owner not in ("", hub.name.partition("/")[0]):
        raise Refused(422, "Validation Failed", "head is invalid")
    opened = hub.open_pull(
        branch,
        by.account,
        base=asked.given("base"),
        title=asked.given("title", ""),
        body=asked.given("body") or "",
        draft=asked.given("draft", False),
        token=by,
    )
    return opened.json()


@route(f"GET {PULL}", "pull-requests:read")
def get(asked: Asked) -> dict[str, Any]:
    return pull(asked).json()


@route(f"PATCH {PULL}", "pull-requests:write")
def update(asked: Asked) -> dict[str, Any]:
    found = pull(asked)
    found.title = asked.given("title", found.title)
    found.body = asked.given("body", found.body)
    if asked.given("base", found.base) != found.base:
        found.base = asked.given("base")
        found.refresh()
    if {"title", "body", "base"} & (asked.body or {}).keys():
        event.pulled(asked.hub, found, "edited", asked.by)
    state = asked.given("state", found.state)
    if state != found.state:
        asked.hub.set_state(found, state, asked.by)
    return found.json()


@route(f"PUT {PULL}/merge", "contents:write")
def merge(asked: Asked) -> dict[str, Any]:
    found = pull(asked)
    if asked.given("sha", found.head_sha) != found.head_sha:
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    method, title = asked.given("merge_method", "merge"), asked.given("commit_title", "")
    sha = asked.hub.merge(found, asked.by, method, title)
    return {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}


@route(f"GET {PULL}/commits", "pull-requests:read")
def commits(asked: Asked) -> list[dict[str, Any]]:
    found, git = pull(asked), asked.hub.git
    range_ = f"refs/heads/{found.base}..{found.head_sha}"
    return [shown(git.json(sha)) for sha in git.lines("rev-list", "--reverse", range_)]


def shown(commit: dict[str, Any]) -> dict[str, Any]:
    """A commit of Git's as the REST API wraps it."""
    return {"sha": commit["sha"], "commit": commit, "parents": commit["parents"]}


@route(f"GET {PULL}/files", "pull-requests:read")
def files(asked: Asked) -> list[dict[str, Any]]:
    found, git = pull(asked), asked.hub.git
    base = git.merge_base(f"refs/heads/{found.base}", found.head_sha)
    changed = git.changed(base, found.head_sha)
    return [{"filename": path, "status": STATUS[letter]} for letter, path in changed]


@route(f"GET {PULL}/reviews", "pull-requests:read")
def reviews(asked: Asked) -> list[dict[str, Any]]:
    found = pull(asked).approved
    state = {"state": "APPROVED"}
    return [{"user": {"login": by}, "commit_id": sha, **state} for by, sha in found.items()]
