"""Who acts: people, bots, apps, and the tokens that they hold."""

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import Run

LEVELS = ("none", "read", "write", "admin")
NUMBERS = itertools.count(1000)


@dataclass(frozen=True)
class Account:
    """A login with its permission on the repository: none, read, write or admin."""

    login: str
    permission: str = "read"
    kind: str = "User"
    id: int = field(default_factory=lambda: next(NUMBERS))

    @property
    def token(self) -> str:
        """The text of the person's own token; a workflow's token belongs to its run."""
        return f"ghp_{self.login}_{self.id}_of_the_tests"

    def may(self, level: str) -> bool:
        return LEVELS.index(self.permission) >= LEVELS.index(level)

    def json(self) -> dict[str, Any]:
        return {"login": self.login, "id": self.id, "type": self.kind, "site_admin": False}


ACTIONS_BOT = Account("github-actions[bot]", "none", "Bot", 41898282)
DEPENDABOT = Account("dependabot[bot]", "write", "Bot", 49699333)


@dataclass(frozen=True)
class Token:
    """What a request shows: a person's, an app's with its permissions, or that of a run."""

    account: Account
    run: "Run | None" = None
    scopes: Mapping[str, str] | None = None


def new_token(kind: str) -> str:
    """A text that masks nothing else in a log: a short one would hide letters everywhere."""
    return f"{kind}_{secrets.token_hex(18)}"
