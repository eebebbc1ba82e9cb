"""The repository itself, and people."""

from typing import Any

from ..account import ACTIONS_BOT, Account
from ..pull import Refused
from .route import Asked, route

REPO = "/repos/{owner}/{repo}"


LEVELS = {"pull": "read", "push": "write", "admin": "admin"}
ADMIN = "administration:admin"


def permissions(account: Account) -> dict[str, bool]:
    return {name: account.may(level) for name, level in LEVELS.items()}


@route(f"GET {REPO}")
def get(asked: Asked) -> dict[str, Any]:
    return asked.hub.repository_json() | {"permissions": permissions(asked.account)}


@route(f"PATCH {REPO}", ADMIN)
def update(asked: Asked) -> dict[str, Any]:
    settings = asked.hub.settings
    settings["allow_merge_commit"] = asked.given("allow_merge_commit", True)
    return asked.hub.repository_json()


@route(f"GET {REPO}/collaborators", "metadata:write")
def collaborators(asked: Asked) -> list[dict[str, Any]]:
    """Members of an organisation are among them, bots are not."""
    found = [each for each in asked.hub.people.values() if each.kind == "User" and each.may("read")]
    return [each.json() | {"permissions": permissions(each)} for each in found]


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
