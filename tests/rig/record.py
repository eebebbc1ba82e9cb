"""What is written down about a commit, and about a request."""

import datetime
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .account import Account

NUMBERS = itertools.count(1)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Status:
    sha: str
    context: str
    state: str
    description: str
    target_url: str
    creator: Account
    id: int = field(default_factory=lambda: next(NUMBERS))
    created_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Check:
    """A check run, of a job or made by API."""

    name: str
    head_sha: str
    status: str
    conclusion: str | None
    counts: bool = True
    output: Mapping[str, Any] = field(default_factory=dict)
    id: int = field(default_factory=lambda: next(NUMBERS))


@dataclass(frozen=True)
class Request:
    """A line of the log; for Git the kind is its service, such as git-receive-pack."""

    kind: str
    status: int
    login: str
    run: int | None = None
    workflow: str = ""
    job: str | None = None
    scopes: tuple[str, ...] = ()
    level: str = ""
