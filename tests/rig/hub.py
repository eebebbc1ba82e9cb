"""A GitHub on loopback with one repository: what a test sets up, does and looks at."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any

from . import caller, event, rest, rules
from .account import ACTIONS_BOT, DEPENDABOT, Account, Token, new_token
from .bare import NOTHING, Bare
from .engine import Engine
from .fault import Fault
from .pull import Issue, Pull, Refused
from .record import Check, Request, Status
from .run import Event, Run
from .server import Server
from .trust import Trust
from .workflow import Workflow

NUMBERS = itertools.count(1_000_001)
NOUNS = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}


class GitHub:
    """`with GitHub(folder, environment) as hub:`, where the environment is that of commands."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], name: str = "owner/repository"
    ) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self.name = name
        self.default_branch = "main"
        self.variables: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.settings: dict[str, Any] = {
            "actions_may_open_pull_requests": False,  # as in a new repository
            "approve_forks": False,
            "required_checks": [],
            "default_workflow_permissions": "read",
            "allow_merge_commit": True,
            "private": False,
            "plan_has_rules": True,  # rulesets and environments; not in a free private repository
        }
        self.git = Bare(folder / "git" / f"{name}.git", environment)
        self.forks: dict[str, Bare] = {}
        self.people: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self.issues: list[Issue] = []
        self.labels: dict[str, dict[str, Any]] = {}
        self.rulesets: list[dict[str, Any]] = []
        self.environments: dict[str, dict[str, Any]] = {}
        self.statuses: list[Status] = []
        self.checks: list[Check] = []
        self.releases: list[dict[str, Any]] = []
        self.assets: dict[int, bytes] = {}
        self.runs: list[Run] = []
        self.disabled: set[str] = set()
        self.app_permissions: dict[str, str] | None = None
        self.requests: list[Request] = []
        self.attestations: list[dict[str, Any]] = []
        self.violations: list[str] = []
        self.faults: list[Fault] = []
        self.closing = threading.Event()
        self.lock = threading.RLock()
        self.news: list[Run] = []

    # As a context

    def __enter__(self) -> "GitHub":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.git.create()
        self.trust = Trust(self.folder / "trust", self.environment)
        self.environment |= self.trust.environment
        self.server = Server(self)
        self.engine = Engine(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self.engine.close()
        self.server.close()

    # Addresses

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def html_url(self) -> str:
        return f"https://{self.host}/{self.name}"

    @property
    def api_url(self) -> str:
        return f"https://{self.host}/api/v3"

    def url(self, person: Account, repository: str | None = None) -> str:
        """An address for `git remote add`, with the person's token in it."""
        name = repository or self.name
        login = urllib.parse.quote(person.login)  # a bot's has brackets
        return f"https://{login}:{person.token}@{self.host}/{name}"

    def clone(self, folder: Path, as_: Account, *command: str) -> Path:
        words = ["git", "clone", "-q", *command, self.url(as_), str(folder)]
        subprocess.run(words, env=self.environment, check=True, capture_output=True)
        return folder

    # People

    def person(self, login: str, permission: str = "write") -> Account:
        """A person with a permission on the repository: none, read, write or admin."""
        return self.add(Account(login, permission))

    def add(self, account: Account) -> Account:
        self.people[account.login] = account
        self.tokens[account.token] = Token(account)
        return account

    @property
    def dependabot(self) -> Account:
        return self.people.get(DEPENDABOT.login) or self.add(DEPENDABOT)

    def protect(self, folder: Path) -> None:
        """Set the rulesets that lie in a folder, as `make github` does for a lone owner."""
        for file in sorted(folder.glob("*.json")):
            ruleset = json.loads(file.read_text(encoding="utf-8"))
            for rule in ruleset["rules"]:
                if rule["type"] == "pull_request":
                    rule["parameters"]["required_approving_review_count"] = 0
            self.rulesets.append(ruleset | {"id": len(self.rulesets) + 1})

    def install_app(self, app_id: str, private_key: str, permissions: Mapping[str, str]) -> None:
        """A GitHub App with its variable and secret; `create-github-app-token` gives its token."""
        self.variables["APP_ID"] = app_id
        self.secrets["APP_PRIVATE_KEY"] = private_key
        self.app_permissions = dict(permissions)

    def app_token(self) -> str:
        """A new token of the installed app, which acts as a bot that starts what people start."""
        account = self.people.get("app[bot]") or self.add(Account("app[bot]", "write", "Bot"))
        token = new_token("ghs")
        self.tokens[token] = Token(account, scopes=self.app_permissions)
        return token

    def fork(self, person: Account) -> str:
        """The person's own copy of the repository, now; its name, for `hub.url`."""
        name = f"{person.login}/{self.name.partition('/')[2]}"
        self.forks[name] = Bare(self.folder / "git" / f"{name}.git", self.environment)
        self.forks[name].create()
        self.forks[name].git("fetch", "-q", str(self.git.path), "refs/heads/*:refs/heads/*")
        return name

    # Pull requests

    def open_pull(
        self,
        head: str,
        by: Account,
        *,
        base: str | None = None,
        title: str = "",
        body: str = "",
        draft: bool = False,
        fork: bool = False,
        token: Token | None = None,
    ) -> Pull:
        """Open one; with `fork` the branch is in the fork of the person who opens it.

        Raises:
            Refused: one is open for the branch, or a branch is not there.
        """
        name = f"{by.login}/{self.name.partition('/')[2]}" if fork else self.name
        source, base = self.forks[name] if fork else self.git, base or self.default_branch
        with self.lock:
            self.check_new(head, base, source)
            pull = Pull(
                hub=self,
                number=len(self.issues) + 1,
                title=title or head,
                body=body,
                author=by,
                head=head,
                base=base,
                draft=draft,
                source=source,
                source_name=name,
            )
            self.issues.append(pull)
            pull.refresh()
            event.pulled(self, pull, "opened", token or Token(by))
        return pull

    def check_new(self, head: str, base: str, source: Bare) -> None:
        tip, target = source.tip(head), self.git.tip(base)
        if not tip or not target:
            raise Refused(422, "Validation Failed", f"{'head' if target else 'base'} is invalid")
        same = [p for p in self.pulls(state="open") if (p.head, p.base) == (head, base)]
        if any(pull.source is source for pull in same):
            raise Refused(422, "Validation Failed", f"A pull request already exists for {head}.")
        if source is self.git and self.git.contains(target, tip):
            raise Refused(422, "Validation Failed", f"No commits between {base} and {head}")

    def pulls(self, state: str = "all") -> list[Pull]:
        return [i for i in self.issues if isinstance(i, Pull) and state in ("all", i.state)]

    def pull(self, number: int) -> Pull:
        (found,) = [pull for pull in self.pulls() if pull.number == number]
        return found

    def statuses_of(self, sha: str) -> dict[str, Status]:
        """The newest status of each context."""
        return {status.context: status for status in self.statuses if status.sha == sha}

    def checks_of(self, sha: str, integration: int | None = None) -> dict[str, str]:
        """Name and state of each check that counts for a commit, of one app where it is given.

        Of check runs with one name the newest counts; where a status has the name too, both must
        be green. Check runs of dispatched, scheduled and workflow_run runs are not among them.
        """
        states: dict[str, str] = {}
        for check in self.checks:
            if check.head_sha == sha and check.counts:
                states[check.name] = check.conclusion or check.status
        for name, status in self.statuses_of(sha).items():
            counts = rules.counts(status.creator.login, integration)
            if counts and states.get(name, "success") in rules.GREEN:
                states[name] = status.state
        return states

    def merge(self, pull: Pull, by: Token, method: str = "merge", message: str = "") -> str:
        """Merge as the button does.

        Raises:
            Refused: GitHub would not, with its reason.
        """
        with self.lock:
            if not by.account.may("write") and by.run is None:
                raise Refused(403, "Resource not accessible by personal access token")
            if reason := pull.refusal():
                raise Refused(405, reason)
            if rules.forbids_method(self, pull.base, method):
                raise Refused(405, f"{NOUNS[method]} are not allowed on this repository.")
            old = str(self.git.tip(pull.base))
            new = self.merged(pull, old, method, message, by.account.login)
            self.git.set(f"refs/heads/{pull.base}", new)
            pull.merged, pull.state = new, "closed"
            pull.note("merged", by.account, commit_id=new)
            event.pulled(self, pull, "closed", by)
            self.ref_moved(f"refs/heads/{pull.base}", old, new, by)
        return new

    def merged(self, pull: Pull, base: str, method: str, message: str, by: str) -> str:
        """The commit: of a merge the author is who merges, of a squash who opened."""
        if method == "rebase":
            return self.git.rebased(base, pull.head_sha)
        if method == "squash":
            title = message or f"{pull.title} (#{pull.number})"
            return self.git.squashed(base, pull.head_sha, title, pull.author.login)
        owner = pull.source_name.partition("/")[0]
        default = f"Merge pull request #{pull.number} from {owner}/{pull.head}\n\n{pull.title}"
        return self.git.merged(base, pull.head_sha, message or default, by)

    def set_state(self, issue: Issue, state: str, by: Token) -> None:
        """Close or reopen."""
        issue.state = state
        issue.note("closed" if state == "closed" else "reopened", by.account)
        if isinstance(issue, Pull):
            issue.refresh()
            event.pulled(self, issue, "closed" if state == "closed" else "reopened", by)

    # What happens, beside pushes by Git

    def dispatch(
        self, workflow: str, ref: str, inputs: dict[str, Any] | None = None, *, by: Account
    ) -> None:
        with self.lock:
            event.dispatched(self, workflow, ref, inputs or {}, Token(by))

    def repository_dispatch(
        self, type: str, payload: dict[str, Any] | None = None, *, by: Account
    ) -> None:
        with self.lock:
            event.start_repository_dispatch(self, type, payload or {}, Token(by))

    def schedule(self, workflow: str) -> None:
        """The time of its cron comes."""
        with self.lock:
            event.scheduled(self, workflow)

    def approve(self, run: Run, by: Account) -> None:
        """A person clicks "Approve workflows to run"."""
        assert run.waiting and by.may("write") and by.kind == "User"
        run.status = "queued"

    # Runs

    def queue(self, workflow: Workflow, happened: Event, *, waits: bool = False) -> Run:
        number = 1 + sum(run.file.path == workflow.path for run in self.runs)
        run = Run(next(NUMBERS), number, workflow, happened, new_token("ghs"))
        self.admit(run)
        if waits:
            run.status = "waiting"
            self.news.append(run)
        else:
            self.enter_group(run)
        return run

    def admit(self, run: Run) -> None:
        self.runs.append(run)
        self.tokens[run.token] = Token(ACTIONS_BOT, run)

    def enter_group(self, run: Run) -> None:
        """GitHub keeps one running and one waiting run of a group: a newer one replaces these."""
        run.group, run.cancels = self.engine.concurrency(run)
        if run.group is None:
            return
        active = [
            other
            for other in self.runs
            if other is not run
            and other.group == run.group
            and other.status in ("queued", "in_progress")
        ]
        for other in active if run.cancels else active[1:]:
            self.cancel(other)

    def run(self, at_once: int = 1) -> list[Run]:
        """Execute all that is due, until all is quiet; every run that ended, or waits, since.

        Args:
            at_once: how many runs may be in progress; two of one concurrency group never are.
        """
        _ = self.engine.machine  # made before two share it
        active: set[Future[None]] = set()
        with ThreadPoolExecutor(at_once) as pool:
            while True:
                while len(active) < at_once and (run := self.due()):
                    run.status = "in_progress"
                    active.add(pool.submit(self.execute, run))
                if not active:
                    break
                done, active = wait(active, return_when=FIRST_COMPLETED)
                for each in done:
                    each.result()
        news, self.news = self.news, []
        return news

    def due(self) -> Run | None:
        """The oldest queued run whose group is free."""
        busy = {run.group for run in self.runs if run.status == "in_progress"} - {None}
        queued = (run for run in self.runs if run.status == "queued")
        return next((run for run in queued if run.group not in busy), None)

    def execute(self, run: Run) -> None:
        self.engine.execute(run)
        self.end(run)

    def end(self, run: Run) -> None:
        run.status = "completed"
        self.news.append(run)
        with self.lock:
            event.completed(self, run)

    def cancel(self, run: Run) -> None:
        """What the button does: the running step is killed, `always()` steps still run."""
        run.cancelled = True
        if run.status == "in_progress":
            self.engine.interrupt(run)
        elif run.status in ("queued", "waiting"):
            run.conclusion = "cancelled"
            self.end(run)

    def kill(self, job: str) -> None:
        """The processes of a job's running step die, as when memory runs out."""
        for pid in caller.processes("GITHUB_JOB", job):
            if caller.environment(pid).get("RIG_HUB") == self.host:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def rerun(self, run: Run) -> Run:
        """Run the whole workflow once more, as the next attempt, on the same commit and artifacts.

        GitHub can also run the failed jobs alone; the engine cannot start in the middle.
        """
        again = Run(run.id, run.number, run.file, run.trigger, new_token("ghs"), run.attempt + 1)
        self.admit(again)
        self.enter_group(again)
        return again

    def during(self, workflow: str, job: str, step: str, do: Callable[[], object]) -> None:
        """Call something when a `run` step begins, by its name or else its command; it waits."""
        self.engine.gate.add((workflow, job, step, do))

    def fault(self, kind: str, **how: Any) -> Fault:
        """Spoil requests of a kind: `POST /repos/{owner}/...`, git-upload-pack, git-receive-pack.

        For Git one command is one request. See `Fault` for what can happen.
        """
        self.faults.append(Fault(kind, **how))
        return self.faults[-1]

    def check(self, run: Run, name: str, conclusion: str) -> None:
        """A job of a run ended."""
        run.checks[name] = conclusion
        self.checks.append(Check(name, run.head_sha, "completed", conclusion, run.counts))

    def unused_permissions(self) -> set[tuple[str, str, str, str]]:
        """Workflow, job, scope and level of what was granted in the runs, and no request needed."""
        used = {
            (asked.workflow, asked.job, scope, asked.level)
            for asked in self.requests
            for scope in asked.scopes
        }
        granted = {
            (run.workflow, job, scope, level)
            for run in self.runs
            for job in run.jobs
            for scope, level in run.file.permissions(job).items()
            if level != "none" and run.jobs[job] != "skipped"
        }
        writers = {(*use[:3], "read") for use in used if use[3] == "write"}
        return {g for g in granted if g not in used} - writers

    # As JSON

    def repository_json(self, name: str | None = None) -> dict[str, Any]:
        name = name or self.name
        owner, _, short = name.partition("/")
        return {
            "id": 1 if name == self.name else 2,
            "name": short,
            "full_name": name,
            "owner": {
                "login": owner,
                "id": 7,
                "type": "User" if owner in self.people else "Organization",
            },
            "private": self.settings["private"],
            "allow_merge_commit": self.settings["allow_merge_commit"],
            "fork": name != self.name,
            "default_branch": self.default_branch,
            "html_url": f"https://{self.host}/{name}",
            "clone_url": f"https://{self.host}/{name}.git",
            "url": f"{self.api_url}/repos/{name}",
        }

    def payload(self, sender: Account) -> dict[str, Any]:
        return {"repository": self.repository_json(), "sender": sender.json()}

    # For the server

    def authenticated(self, text: str) -> Token | None:
        return self.tokens.get(text)

    def faults_of(self, kind: str) -> Iterator[Fault]:
        with self.lock:
            struck = [fault for fault in self.faults if fault.strikes(kind)]
        yield from struck

    def answer(self, asked: "rest.Asked") -> "rest.Answer":
        return rest.answer(self, asked)

    def ref_moved(
        self, ref: str, old: str | None, new: str | None, by: Token, where: Bare | None = None
    ) -> None:
        event.pushed(self, where or self.git, ref, old or NOTHING, new or NOTHING, by)

    def log(
        self,
        kind: str,
        status: int,
        token: Token | None,
        job: str | None,
        scopes: tuple[str, ...] = (),
        level: str = "",
    ) -> None:
        """Write down a request."""
        run = token.run if token else None
        login = token.account.login if token else ""

        workflow = run.workflow if run else ""
        number = run.id if run else None
        self.requests.append(Request(kind, status, login, number, workflow, job, scopes, level))
