"""Issues, and what pull requests share with them: comments, labels, history."""

from typing import Any

from .. import event
from ..pull import Comment, Issue, Refused
from .route import Answer, Asked, route

REPO = "/repos/{owner}/{repo}"
ISSUES = f"{REPO}/issues"
ISSUE = f"{ISSUES}/{{issue_number}}"
COMMENT = f"{ISSUES}/comments/{{comment_id}}"
EITHER = "issues|pull-requests"


def issue(asked: Asked) -> Issue:
    wanted = asked.number("issue_number")
    found = [each for each in asked.hub.issues if each.number == wanted]
    if not found:
        raise Refused(404, "Not Found")
    return found[0]


@route(f"GET {ISSUES}", f"{EITHER}:read")
def list_issues(asked: Asked) -> list[dict[str, Any]]:
    """Pull requests are issues too, the newest first."""
    state, labels = asked.query.get("state", "open"), asked.query.get("labels", "")
    wanted = set(filter(None, labels.split(",")))
    creator = asked.query.get("creator")
    return [
        each.json()
        for each in reversed(asked.hub.issues)
        if state in ("all", each.state)
        and wanted <= set(each.labels)
        and creator in (None, each.author.login)
    ]


@route(f"POST {ISSUES}", "issues:write", 201)
def create(asked: Asked) -> dict[str, Any]:
    hub = asked.hub
    title, body = str(asked.given("title")), asked.given("body") or ""
    new = Issue(hub, len(hub.issues) + 1, title, body, asked.account)
    new.labels = [
        each if isinstance(each, str) else each["name"] for each in asked.given("labels", [])
    ]
    hub.issues.append(new)
    return new.json()


@route(f"GET {ISSUE}", f"{EITHER}:read")
def get(asked: Asked) -> dict[str, Any]:
    return issue(asked).json()


@route(f"PATCH {ISSUE}", f"{EITHER}:write")
def update(asked: Asked) -> dict[str, Any]:
    found = issue(asked)
    found.title = asked.given("title", found.title)
    found.body = asked.given("body", found.body)
    if asked.given("state", found.state) != found.state:
        asked.hub.set_state(found, asked.given("state"), asked.by)
    return found.json()


def shown(asked: Asked, comment: Comment, on: Issue) -> dict[str, Any]:
    api = f"{asked.hub.api_url}/repos/{asked.hub.name}"
    return {
        "id": comment.id,
        "body": comment.body,
        "user": comment.author.json(),
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "html_url": f"{on.html_url}#issuecomment-{comment.id}",
        "url": f"{api}/issues/comments/{comment.id}",
        "issue_url": f"{api}/issues/{on.number}",
    }


@route(f"GET {ISSUE}/comments", f"{EITHER}:read")
def list_comments(asked: Asked) -> list[dict[str, Any]]:
    found = issue(asked)
    return [shown(asked, comment, found) for comment in found.comments]


@route(f"POST {ISSUE}/comments", f"{EITHER}:write", 201)
def create_comment(asked: Asked) -> dict[str, Any]:
    found = issue(asked)
    return shown(asked, found.comment(asked.given("body"), asked.account), found)


def comment(asked: Asked) -> tuple[Comment, Issue]:
    wanted = asked.number("comment_id")
    for each in asked.hub.issues:
        for found in each.comments:
            if found.id == wanted:
                return found, each
    raise Refused(404, "Not Found")


@route(f"GET {COMMENT}", f"{EITHER}:read")
def get_comment(asked: Asked) -> dict[str, Any]:
    return shown(asked, *comment(asked))


@route(f"PATCH {COMMENT}", f"{EITHER}:write")
def update_comment(asked: Asked) -> dict[str, Any]:
    found, on = comment(asked)
    found.edit(asked.given("body"))
    return shown(asked, found, on)


@route(f"DELETE {COMMENT}", f"{EITHER}:write", 204)
def delete_comment(asked: Asked) -> None:
    found, on = comment(asked)
    on.comments.remove(found)


@route(f"GET {ISSUE}/events", f"{EITHER}:read")
def events(asked: Asked) -> list[dict[str, Any]]:
    return list(issue(asked).events)


@route(f"GET {ISSUE}/timeline", f"{EITHER}:read")
def timeline(asked: Asked) -> list[dict[str, Any]]:
    return list(issue(asked).events)


@route(f"GET {ISSUE}/labels", f"{EITHER}:read")
def labels(asked: Asked) -> list[dict[str, Any]]:
    return [{"name": name} for name in issue(asked).labels]


@route(f"POST {ISSUE}/labels", f"{EITHER}:write")
def add_labels(asked: Asked) -> Answer:
    found = issue(asked)
    given = asked.given("labels", []) if isinstance(asked.body, dict) else asked.body
    for each in given:
        name = each if isinstance(each, str) else each["name"]
        event.labelled(asked.hub, found, name, asked.by, on=True)
    return Answer(200, [{"name": name} for name in found.labels])


@route(f"DELETE {ISSUE}/labels/{{name}}", f"{EITHER}:write")
def remove_label(asked: Asked) -> Answer:
    found, name = issue(asked), asked.parameters["name"]
    if name not in found.labels:
        raise Refused(404, "Label does not exist")
    event.labelled(asked.hub, found, name, asked.by, on=False)
    return Answer(200, [{"name": name} for name in found.labels])


@route(f"GET {REPO}/labels", f"{EITHER}:read")
def list_labels(asked: Asked) -> list[dict[str, Any]]:
    return list(asked.hub.labels.values())


@route(f"POST {REPO}/labels", f"{EITHER}:write", 201)
def create_label(asked: Asked) -> dict[str, Any]:
    name = asked.given("name")
    if name in asked.hub.labels:
        raise Refused(422, "Validation Failed", "already_exists")
    label: dict[str, Any] = asked.hub.labels.setdefault(name, dict(asked.body))
    return label


def label(asked: Asked) -> dict[str, Any]:
    found = asked.hub.labels.get(asked.parameters["name"])
    if found is None:
        raise Refused(404, "Not Found")
    return found


@route(f"GET {REPO}/labels/{{name}}", f"{EITHER}:read")
def get_label(asked: Asked) -> dict[str, Any]:
    return label(asked)


@route(f"PATCH {REPO}/labels/{{name}}", f"{EITHER}:write")
def update_label(asked: Asked) -> dict[str, Any]:
    found = label(asked)
    found.update(asked.body)
    return found
