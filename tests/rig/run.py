"""A run of a workflow, and what GitHub shows of it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .account import Account
from .record import now
from .workflow import Workflow

if TYPE_CHECKING:
    from .pull import Pull

# A check run of these is not part of a pull request: seen in seven projects in 2026.
UNCOUNTED = {"workflow_dispatch", "repository_dispatch", "schedule", "workflow_run"}


@dataclass(frozen=True)
class Event:
    """Something that happened. The sha is GITHUB_SHA, the ref GITHUB_REF."""

    name: str
    ref: str
    sha: str
    actor: Account
    payload: dict[str, Any]
    action: str = ""
    head_sha: str = ""
    head_branch: str = ""
    pull: "Pull | None" = None
    restricted: bool = False
    """A fork's or Dependabot's: the token only reads, and there are no secrets."""
    fork: bool = False
    """There are no variables either."""


@dataclass(frozen=True)
class Step:
    job: str
    name: str
    outcome: str
    """success, failure or skipped, whatever `continue-on-error` makes of it."""


@dataclass(frozen=True)
class Annotation:
    job: str
    level: str
    message: str


@dataclass(eq=False)
class Run:
    """One workflow file, for one event. The status is queued, waiting, in_progress or completed."""

    id: int
    number: int
    file: Workflow
    trigger: Event
    token: str
    attempt: int = 1
    status: str = "queued"
    created_at: str = field(default_factory=now)
    conclusion: str | None = None
    group: str | None = None
    cancels: bool = False
    cancelled: bool = False
    log: str = ""
    jobs: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    """Name and conclusion of each check run, one for each leg of a matrix."""
    steps: list[Step] = field(default_factory=list)
    summary: dict[str, str] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)
    runs_on: dict[str, list[str]] = field(default_factory=dict)
    """The labels that each started job asked for."""

    @property
    def workflow(self) -> str:
        return self.file.name

    @property
    def event(self) -> str:
        return self.trigger.name

    @property
    def head_sha(self) -> str:
        """The commit that the run is shown on: of a pull request its head, not its merge."""
        return self.trigger.head_sha or self.trigger.sha

    @property
    def waiting(self) -> bool:
        """It waits until a person with write access approves it."""
        return self.status == "waiting"

    @property
    def counts(self) -> bool:
        """Whether its check runs are part of a pull request's rollup."""
        return self.event not in UNCOUNTED

    def outcomes(self, job: str) -> dict[str, str]:
        """Name and outcome of the job's steps, in their order."""
        return {step.name: step.outcome for step in self.steps if step.job == job}

    def permissions(self, job: str) -> dict[str, str]:
        """What the job's token may do; for forks and Dependabot GitHub allows reading at most."""
        given = self.file.permissions(job)
        if self.trigger.restricted:
            return {k: "read" if v == "write" else v for k, v in given.items() if k != "id-token"}
        return given

    def json(self, repository: dict[str, Any]) -> dict[str, Any]:
        waiting = "action_required" if self.waiting else self.conclusion
        return {
            "id": self.id,
            "name": self.workflow,
            "path": self.file.path,
            "event": self.event,
            "status": "completed" if self.waiting else self.status,
            "conclusion": waiting,
            "head_sha": self.head_sha,
            "head_branch": self.trigger.head_branch,
            "run_number": self.number,
            "run_attempt": self.attempt,
            "actor": self.trigger.actor.json(),
            "triggering_actor": self.trigger.actor.json(),
            "created_at": self.created_at,
            "html_url": f"{repository['html_url']}/actions/runs/{self.id}",
            "repository": repository,
        }
