"""Issues and pull requests, and whether GitHub would let one be merged."""

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import event, rules
from .account import Account, Token
from .bare import Bare, Conflict
from .record import now

if TYPE_CHECKING:
    from .hub import GitHub

NUMBERS = itertools.count(1)


class Refused(Exception):
    """What GitHub would answer instead: a status and its message."""

    def __init__(self, status: int, message: str, *errors: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


@dataclass(eq=False)
class Comment:
    id: int
    author: Account
    body: str
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)

    def __post_init__(self) -> None:
        self.edit(self.body)

    def edit(self, body: str) -> None:
        """GitHub takes so many characters.

        Raises:
            Refused: there are more.
        """
        if len(body) > 65_536:
            raise Refused(
                422, "Validation Failed", "body is too long (maximum is 65536 characters)"
            )
        self.body, self.updated_at = body, now()


@dataclass(eq=False)
class Issue:
    hub: "GitHub"
    number: int
    title: str
    body: str
    author: Account
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    created_at: str = field(default_factory=now)

    @property
    def kind(self) -> str:
        return "issues"

    @property
    def html_url(self) -> str:
        kind = "pull" if isinstance(self, Pull) else "issues"
        return f"{self.hub.html_url}/{kind}/{self.number}"

    def note(self, event: str, by: Account, **more: Any) -> None:
        """Put a line into the history that a person sees."""
        line = {"id": next(NUMBERS), "event": event, "actor": by.json(), "created_at": now()}
        self.events.append(line | more)

    def comment(self, body: str, by: Account) -> Comment:
        self.comments.append(Comment(next(NUMBERS), by, body))
        return self.comments[-1]

    def since(self, *events: str) -> str | None:
        """When the newest of these happened."""
        found = [line["created_at"] for line in self.events if line["event"] in events]
        return found[-1] if found else None

    def json(self) -> dict[str, Any]:
        shown = {
            "id": self.number,
            "number": self.number,
            "title": self.title,
            "body": self.body,
            "state": self.state,
            "user": self.author.json(),
            "labels": [{"name": name} for name in self.labels],
            "comments": len(self.comments),
            "created_at": self.created_at,
            "closed_at": self.since("closed", "merged") if self.state == "closed" else None,
            "html_url": self.html_url,
            "url": f"{self.hub.api_url}/repos/{self.hub.name}/{self.kind}/{self.number}",
        }
        if isinstance(self, Pull):
            shown["pull_request"] = {"html_url": self.html_url}
        return shown


@dataclass(eq=False)
class Pull(Issue):
    head: str = ""
    """The name of the head branch."""
    base: str = "main"
    draft: bool = False
    source: Bare = field(kw_only=True)
    """The repository of the head branch: this one, or a fork."""
    source_name: str = ""
    head_sha: str = ""
    merge_sha: str | None = None
    """The merge of head and base that runs are for; none where they conflict."""
    merged: str | None = None
    approved: dict[str, str] = field(default_factory=dict)
    """Who approved which commit."""

    @property
    def kind(self) -> str:
        return "pulls"

    @property
    def fork(self) -> bool:
        return self.source is not self.hub.git

    def refresh(self) -> None:
        """Look at both branches again, and make the merge that a run checks out."""
        git = self.hub.git
        head = self.source.tip(self.head)
        base = git.tip(self.base)
        if head and base:
            self.head_sha = head
            git.fetch(self.source, head, f"refs/pull/{self.number}/head")
            self.merge_onto(base)

    def merge_onto(self, base: str) -> None:
        git, ref = self.hub.git, f"refs/pull/{self.number}/merge"
        try:
            message = f"Merge {self.head_sha} into {base}"
            self.merge_sha = git.merged(base, self.head_sha, message)
            git.set(ref, self.merge_sha)
        except Conflict:
            self.merge_sha = None
            if ref in git.refs():
                git.delete(ref)

    def paths(self) -> list[str]:
        """The files that the pull request changes."""
        base = self.hub.git.merge_base(f"refs/heads/{self.base}", self.head_sha)
        return [path for _, path in self.hub.git.changed(base, self.head_sha)]

    # What a reviewer sees

    def checks(self, integration: int | None = None) -> dict[str, str]:
        """Name and state of each check as GitHub adds them up for the head commit."""
        return self.hub.checks_of(self.head_sha, integration)

    def approvals(self, of_the_head: bool) -> list[str]:
        """Who approved it and may write, and that, where asked so, since the last push."""
        found = self.approved.items()
        return [who for who, sha in found if not of_the_head or sha == self.head_sha]

    def refusal(self) -> str | None:
        """Why GitHub would not merge now, in its words."""
        if self.state != "open":
            return "Pull Request is not mergeable"
        if self.draft:
            return "Pull Request is still a draft"
        if not self.merge_sha:
            return "Merge conflict: this branch has conflicts that must be resolved"
        for name in self.hub.settings["required_checks"]:
            if reason := rules.missing(name, self.checks()):
                return reason
        return rules.against(self)

    def mergeable(self) -> bool:
        return self.refusal() is None

    # What a person does

    def label(self, name: str, by: Account) -> None:
        with self.hub.lock:
            event.labelled(self.hub, self, name, Token(by), on=True)

    def unlabel(self, name: str, by: Account) -> None:
        with self.hub.lock:
            event.labelled(self.hub, self, name, Token(by), on=False)

    def approve(self, by: Account) -> None:
        """Approve what is at the head now.

        Raises:
            Refused: nobody approves a pull request of their own.
        """
        if by.login == self.author.login:
            raise Refused(422, "Can not approve your own pull request")
        if by.may("write"):
            self.approved[by.login] = self.head_sha

    def ready(self, by: Account) -> None:
        """It is no draft any more."""
        with self.hub.lock:
            self.draft = False
            event.pulled(self.hub, self, "ready_for_review", Token(by))

    def to_draft(self, by: Account) -> None:
        with self.hub.lock:
            self.draft = True
            event.pulled(self.hub, self, "converted_to_draft", Token(by))

    def close(self, by: Account) -> None:
        with self.hub.lock:
            self.hub.set_state(self, "closed", Token(by))

    def reopen(self, by: Account) -> None:
        with self.hub.lock:
            self.hub.set_state(self, "open", Token(by))

    def merge(self, by: Account, method: str = "merge") -> str:
        """Merge as the button does, by merge, squash or rebase; the new commit of the base.

        Raises:
            Refused: GitHub would not, with its reason.
        """
        return self.hub.merge(self, Token(by), method)

    def json(self) -> dict[str, Any]:
        base_sha = self.hub.git.tip(self.base)
        return super().json() | {
            "draft": self.draft,
            "merged": self.merged is not None,
            "merged_at": self.since("merged"),
            "merge_commit_sha": self.merged or self.merge_sha,
            "mergeable": self.merge_sha is not None,
            "mergeable_state": "clean" if self.mergeable() else "blocked",
            "head": self.side(self.head, self.head_sha, self.source_name),
            "base": self.side(self.base, base_sha, self.hub.name),
            "author_association": "MEMBER" if self.author.may("write") else "CONTRIBUTOR",
        }

    def side(self, branch: str, sha: str | None, repository: str) -> dict[str, Any]:
        return {
            "ref": branch,
            "sha": sha,
            "label": f"{repository.partition('/')[0]}:{branch}",
            "user": {"login": repository.partition("/")[0]},
            "repo": self.hub.repository_json(repository),
        }
