"""From a request to the function that answers it."""

import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .. import openapi
from ..account import Account, Token
from ..fault import Fault
from ..pull import Refused

if TYPE_CHECKING:
    from ..hub import GitHub

SEVERAL_SEGMENTS = {"ref", "branch", "basehead", "commit_sha", "path", "tag"}


@dataclass
class Asked:
    """A request, and who makes it."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    raw: bytes
    token: Token | None
    secret: str
    job: str | None
    strike: Callable[[str], Fault | None]
    parameters: dict[str, str] = field(default_factory=dict)
    hub: "GitHub" = None  # type: ignore[assignment]  # known once the request is routed

    @property
    def by(self) -> Token:
        if self.token is None:
            raise Refused(401, "Requires authentication")
        return self.token

    @property
    def account(self) -> Account:
        return self.by.account

    def number(self, name: str) -> int:
        return int(self.parameters[name])

    def given(self, name: str, default: Any = None) -> Any:
        return (self.body or {}).get(name, default)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False
    """Nobody hears it."""


Function = Callable[[Asked], Any]


@dataclass(frozen=True)
class Route:
    name: str
    function: Function
    scopes: tuple[str, ...]
    level: str
    status: int
    pattern: re.Pattern[str]

    @property
    def rank(self) -> tuple[int, int]:
        """A path with more literal parts goes before one with more parameters."""
        return (-self.name.count("/"), self.name.count("{"))


ROUTES: dict[str, Route] = {}


def route(name: str, needs: str = "", status: int = 200) -> Callable[[Function], Function]:
    """Register `METHOD /path`; needs is like `issues|pull-requests:write`."""
    scopes, _, level = needs.partition(":")

    def register(function: Function) -> Function:
        listed = tuple(filter(None, scopes.split("|")))
        ROUTES[name] = Route(name, function, listed, level, status, compiled(name))
        return function

    return register


def compiled(name: str) -> re.Pattern[str]:
    def parameter(found: re.Match[str]) -> str:
        return f"(?P<{found[1]}>{'.+' if found[1] in SEVERAL_SEGMENTS else '[^/]+'})"

    return re.compile(re.sub(r"\{(\w+)\}", parameter, name))


def answer(hub: "GitHub", asked: Asked) -> Answer:
    """Find the route, ask for the permission, look for slips, let faults happen, do it."""
    asked.hub = hub
    found = find(asked)
    if found is None:
        hub.violations.append(f"{asked.method} {asked.path}: unknown here")
        return refusal(Refused(404, "Not Found"))
    try:
        check(found, asked)
        fault = asked.strike(found.name)
        done = spoiled(fault) if fault and fault.status else perform(found, asked)
        done = replace(done, lost=bool(fault and fault.lost))
    except Refused as refused:
        done = refusal(refused)
    hub.log(found.name, done.status, asked.token, asked.job, found.scopes, found.level)
    return done


def spoiled(fault: Fault) -> Answer:
    return Answer(fault.status or 500, {"message": fault.said}, dict(fault.headers))


def find(asked: Asked) -> Route | None:
    for each in sorted(ROUTES.values(), key=lambda each: each.rank):
        if found := each.pattern.fullmatch(f"{asked.method} {asked.path}"):
            values = found.groupdict().items()
            asked.parameters = {key: urllib.parse.unquote(value) for key, value in values}
            return each
    return None


def check(found: Route, asked: Asked) -> None:
    parameters = asked.parameters
    if "repo" in parameters and f"{parameters['owner']}/{parameters['repo']}" != asked.hub.name:
        raise Refused(404, "Not Found")
    if complaints := openapi.complaints(found.name, parameters, asked.query, asked.body):
        asked.hub.violations += [f"{found.name}: {said}" for said in complaints]
        raise Refused(422, "Invalid request.", *complaints)
    if asked.token is None and asked.secret and not found.name.endswith("/access_tokens"):
        raise Refused(401, "Bad credentials")
    if found.scopes and not permitted(found, asked):
        kind = "integration" if integration(asked.by) else "personal access token"
        raise Refused(403, f"Resource not accessible by {kind}")


def integration(token: Token) -> bool:
    return token.run is not None or token.scopes is not None


def permitted(found: Route, asked: Asked) -> bool:
    token = asked.by
    if token.run is None and token.scopes is None:
        return token.account.may(found.level)
    has = token.run.permissions(asked.job or "") if token.run else token.scopes or {}
    return any(has.get(scope) in (found.level, "write") for scope in found.scopes)


def perform(found: Route, asked: Asked) -> Answer:
    with asked.hub.lock:
        result = found.function(asked)
    if isinstance(result, Answer):
        return result
    return page(asked, result) if isinstance(result, list) else Answer(found.status, result)


def page(asked: Asked, entries: list[Any]) -> Answer:
    """One page of a list, with the address of the next one as GitHub gives it."""
    size = min(int(asked.query.get("per_page", 30)), 100)
    number = int(asked.query.get("page", 1))
    headers = {}
    if number * size < len(entries):
        query = urllib.parse.urlencode(asked.query | {"page": str(number + 1)})
        headers["Link"] = f'<{asked.hub.api_url}{asked.path}?{query}>; rel="next"'
    return Answer(200, entries[(number - 1) * size : number * size], headers)


def refusal(refused: Refused) -> Answer:
    body: dict[str, Any] = {"message": refused.message, "status": str(refused.status)}
    if refused.errors:
        body["errors"] = [{"message": each} for each in refused.errors]
    return Answer(refused.status, body)
