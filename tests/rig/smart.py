"""Git over HTTPS: Git's own http-backend, and what GitHub checks around it."""

import functools
import subprocess
import threading
from typing import TYPE_CHECKING

from . import rules
from .account import Token
from .bare import Bare, executable

if TYPE_CHECKING:
    from .server import Handler

SERVICES = {"git-upload-pack": "read", "git-receive-pack": "write"}
# On a connection that served before, Git would hide a cut by trying once more.
ASK = {"WWW-Authenticate": 'Basic realm="GitHub"', "Connection": "close"}
PUSHING = threading.Lock()


def serve(handler: "Handler", path: str, query: str, body: bytes) -> None:
    name, _, rest = path.removeprefix("/").partition("/")
    short, _, action = rest.partition("/")
    repository = f"{name}/{short.removesuffix('.git')}"
    service = query.partition("service=")[2] if action == "info/refs" else action
    bare = bare_of(handler, repository)
    if bare is None or service not in SERVICES:
        return handler.reply(404, b"Not Found", {})
    token = handler.token()
    if token is None:
        return handler.reply(401, b"", ASK)
    job = handler.job()
    allowed = may(handler, token, job, repository, SERVICES[service])
    status = 200 if allowed else 403
    if action == "info/refs":  # the first request of each command
        struck = handler.strike(service) if allowed else None
        status = (struck.status if struck else None) or status
        handler.hub.log(service, status, token, job, ("contents",), SERVICES[service])
    if status != 200:
        who = token.account.login
        said = f"Permission to {repository}.git denied to {who}." if status == 403 else "Error"
        return handler.reply(status, said.encode(), {"Content-Type": "text/plain"})
    if action == "git-receive-pack":
        return receive(handler, bare, token, query, body)
    return handler.reply(*backend(handler, bare, token, action, query, body))


def bare_of(handler: "Handler", repository: str) -> Bare | None:
    hub = handler.hub
    return hub.git if repository == hub.name else hub.forks.get(repository)


def may(handler: "Handler", token: Token, job: str | None, repository: str, level: str) -> bool:
    """Anybody reads a fork, its owner writes it; the repository asks for `contents`."""
    if repository != handler.hub.name:
        return level == "read" or repository.startswith(f"{token.account.login}/")
    if token.run is not None:
        given = token.run.permissions(job or "").get("contents", "none")
    elif token.scopes is not None:
        given = token.scopes.get("contents", "none")
    else:
        return token.account.may(level)
    return given == "write" or given == level


def receive(handler: "Handler", bare: Bare, token: Token, query: str, body: bytes) -> None:
    """One push at a time, so that each change of a ref has one cause; events, then the answer."""
    hub = handler.hub
    with PUSHING:
        before = bare.refs()
        answer = backend(handler, bare, token, "git-receive-pack", query, body)
        after = bare.refs()
        with hub.lock:
            for ref in sorted(before.keys() | after.keys()):
                if before.get(ref) != after.get(ref):
                    hub.ref_moved(ref, before.get(ref), after.get(ref), token, bare)
    handler.reply(*answer)


def backend(
    handler: "Handler", bare: Bare, token: Token, action: str, query: str, body: bytes
) -> tuple[int, bytes, dict[str, str]]:
    headers = handler.headers
    environment = {
        "PATH": handler.hub.environment["PATH"],
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROJECT_ROOT": str(bare.path),
        "PATH_INFO": f"/{action}",
        "QUERY_STRING": query,
        "REQUEST_METHOD": handler.command,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
        "REMOTE_USER": token.account.login,  # it permits pushes
        "RIG_NO_WORKFLOWS": "" if may_change_workflows(token) else "1",
        "RIG_RULES": forbidden(handler, bare, body) if action == "git-receive-pack" else "",
    }
    done = subprocess.run([program()], input=body, env=environment, capture_output=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode().split("\r\n"))
    sent = {name: value for name, _, value in lines}
    status = int(sent.pop("Status", "200").split()[0])
    return status, content, sent


def forbidden(handler: "Handler", bare: Bare, body: bytes) -> str:
    """Lines for the hook: a ref, what may not happen to it, and why."""
    hub = handler.hub
    if bare is not hub.git:  # a fork has no rules
        return ""
    return "\n".join(
        f"{ref}\t{kind}\t{said}"
        for new, ref in pushed(body)
        for kind, said in rules.against_push(hub, ref, new)
    )


def pushed(body: bytes) -> list[tuple[str, str]]:
    """The new commit and the ref of each command, which come before the pack, one a line."""
    found = []
    while size := int(body[:4] or b"0", 16):
        words = body[4:size].partition(b"\0")[0].decode().split()
        if words[0] != "shallow":  # where the history of the clone ends
            found.append((words[1], words[2]))
        body = body[size:]
    return found


def may_change_workflows(token: Token) -> bool:
    """A person may; a workflow's token never, an app if it was installed so."""
    if token.run is not None:
        return False
    return token.scopes is None or token.scopes.get("workflows") == "write"


@functools.cache
def program() -> str:
    return executable("git-http-backend")
