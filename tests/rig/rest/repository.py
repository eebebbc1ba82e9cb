"""The repository itself, its rules, and people."""

from typing import Any

from ..account import ACTIONS_BOT
from ..pull import Refused
from .route import Asked, route

REPO = "/repos/{owner}/{repo}"


@route(f"GET {REPO}")
def get(asked: Asked) -> dict[str, Any]:
    return asked.hub.repository_json()


@route(f"GET {REPO}/rulesets")
def rulesets(asked: Asked) -> list[dict[str, Any]]:
    return [asked.hub.ruleset()]


@route(f"GET {REPO}/rulesets/{{ruleset_id}}")
def ruleset(asked: Asked) -> dict[str, Any]:
    return asked.hub.ruleset()


@route(f"GET {REPO}/rules/branches/{{branch}}")
def branch_rules(asked: Asked) -> list[dict[str, Any]]:
    return list(asked.hub.ruleset()["rules"])


@route(f"GET {REPO}/collaborators/{{username}}/permission")
def permission(asked: Asked) -> dict[str, Any]:
    account = asked.hub.people.get(asked.parameters["username"])
    if account is None:
        raise Refused(404, "Not Found")
    return {"permission": account.permission, "user": account.json()}


@route("GET /users/{username}")
def user(asked: Asked) -> dict[str, Any]:
    known = {ACTIONS_BOT.login: ACTIONS_BOT, **asked.hub.people}
    account = known.get(asked.parameters["username"])
    if account is None:
        raise Refused(404, "Not Found")
    return account.json() | {"name": account.login, "email": f"{account.login}@example.org"}


@route("GET /user")
def me(asked: Asked) -> dict[str, Any]:
    if asked.by.run is not None or asked.by.scopes is not None:
        raise Refused(403, "Resource not accessible by integration")
    return asked.account.json()
