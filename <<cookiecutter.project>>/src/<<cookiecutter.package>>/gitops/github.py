"""GitHub's REST API, as far as workflows ask it. Standard library only."""

import json
import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import ProjectError

PATIENCE = 20
"""Seconds to wait for an answer."""

PAUSES = (1, 4)
"""Seconds before each further attempt, where the answer may be better next time."""

LONGEST = 60
"""Seconds to wait at most where GitHub itself says when to come again."""

Done = Callable[[], Any]
"""Looks for what an attempt without an answer may have made; falsy where it made nothing."""


class Refusal(ProjectError):
    """GitHub answered with a status that is an error.

    Attributes:
        wait: seconds after which the answer may be better; None where it will not be.
    """

    def __init__(self, sentence: str, status: int, said: str, wait: float | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.said = said
        self.wait = wait


def ask(
    method: str, path: str, body: dict[str, Any] | None = None, done: Done | None = None
) -> Any:
    """One request to this repository, with the job's token; None for an empty answer.

    One that got no answer is made again.

    Args:
        path: below /repos/OWNER/NAME, such as `/issues/7/events`.
        done: for a request that must not be made twice; what it finds is the answer.

    Raises:
        Refusal: GitHub refuses.
        ProjectError: it does not answer.
    """
    content = None if body is None else json.dumps(body).encode()
    return insist(method, path, content, "application/json", done)


def upload(address: str, file: Path) -> Any:
    """Attach a file to a release.

    Args:
        address: the release's `upload_url`, without its template.

    Raises:
        ProjectError: GitHub refuses, or does not answer.
    """
    name = quote(file.name)
    return insist("POST", f"{address}?name={name}", file.read_bytes(), "application/octet-stream")


def insist(
    method: str, path: str, content: bytes | None, kind: str, done: Done | None = None
) -> Any:
    """Ask up to three times."""
    for pause in (*PAUSES, None):
        wait = 0.0
        try:
            return once(method, path, content, kind)
        except urllib.error.HTTPError as error:
            refused = refusal(method, path, error)
            if pause is None or refused.wait is None or refused.wait > LONGEST:
                raise refused from None
            wait = refused.wait
        except (OSError, ValueError, HTTPException) as error:
            if pause is None:
                reason = " ".join(str(getattr(error, "reason", error)).split())
                raise ProjectError(
                    f"GitHub did not answer {method} {path} ({reason}): run the job again"
                ) from None
        time.sleep(max(pause, wait))
        if done and (found := done()):
            return found
    raise AssertionError("the last attempt returns or raises")


def once(method: str, path: str, data: bytes | None, kind: str) -> Any:
    api, repository = os.environ["GITHUB_API_URL"], os.environ["GITHUB_REPOSITORY"]
    request = urllib.request.Request(
        path if path.startswith("https:") else f"{api}/repos/{repository}{path}",
        data=data,
        method=method,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "Content-Type": kind,
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        content = answer.read()
    return json.loads(content) if content else None


def refusal(method: str, path: str, error: urllib.error.HTTPError) -> Refusal:
    """The status, GitHub's own words, and what helps."""
    try:
        said = " ".join(str(json.loads(error.read())["message"]).split())
    except (OSError, ValueError, KeyError, TypeError, HTTPException):
        said = " ".join(str(error.reason).split())
    wait = passing(error, said)
    steps = {
        401: "the job's token is not valid: run the job again",
        403: "the job's permissions or the repository's settings forbid it",
        404: "there is no such thing, or the job's token may not see it",
        410: "it is switched off: Settings, General, Features",
        422: "GitHub could not use what was sent",
    }
    step = steps.get(error.code, "run the job again")
    if wait is not None and error.code < 500:
        when = f"in {math.ceil(wait / 60)} min" if wait else "later"
        step = f"these were too many requests: run the job again {when}"
    sentence = f"GitHub answered {method} {path} with {error.code} ({said}); {step}"
    return Refusal(sentence, error.code, said, wait)


def passing(error: urllib.error.HTTPError, said: str) -> float | None:
    """Seconds after which the answer may be better; None where it will not be.

    GitHub answers too many requests with 429 or with 403, and says when it takes others: "Best
    practices for using the REST API", Handle rate limit errors appropriately.
    """
    if error.code >= 500:
        return 0
    after = error.headers.get("Retry-After", "")
    spent = error.headers.get("X-RateLimit-Remaining") == "0"
    limited = error.code == 403 and (after or spent or "rate limit" in said.lower())
    if not (limited or error.code == 429):
        return None
    reset = error.headers.get("X-RateLimit-Reset", "")
    if not after.isdecimal() and spent and reset.isdecimal():
        return max(0.0, float(reset) - time.time())
    return float(after) if after.isdecimal() else 0


def link() -> str | None:
    """Where this run can be read, in a workflow."""
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    number = os.environ.get("GITHUB_RUN_ID")
    return f"{server}/{repository}/actions/runs/{number}" if number else None


def find(path: str) -> Any:
    """What is there; None where nothing is.

    Raises:
        ProjectError: as `ask`.
    """
    try:
        return ask("GET", path)
    except Refusal as refused:
        if refused.status != 404:
            raise
        return None


def pages(path: str, query: str = "") -> list[dict[str, Any]]:
    """All entries of a list, a hundred at a time; `query` such as `base=main` narrows it."""
    found: list[dict[str, Any]] = []
    for page in range(1, 101):
        part = ask("GET", f"{path}?{query}{'&' * bool(query)}per_page=100&page={page}")
        found += part
        if len(part) < 100:
            break
    return found
