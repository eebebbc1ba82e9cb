"""The rig itself: what GitHub allows, refuses, starts and counts, with workflows of a few lines."""

import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from baking import IDENTITY
from rig import GitHub, Pull, Refused, Run
from rig.account import Account
from rig.caller import environment as environment_of
from rig.machine import real_cml
from rig.pattern import matches
from rig.run import Step
from rig.standin import PINS
from rig.workflow import Workflow

LONG = "a-long-secret-value"


@dataclass(frozen=True)
class Clone:
    """A person's working copy."""

    path: Path
    environment: Mapping[str, str]

    def git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["git", *words], cwd=self.path, env=self.environment, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def commit(self, branch: str, *, message: str = "change", **files: str) -> str:
        """Files on a branch, committed and pushed; the commit."""
        known = self.git("rev-parse", "-q", "--verify", branch, check=False).returncode == 0
        self.git("checkout", "-q", *([branch] if known else ["-b", branch]))
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", ".")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", branch)
        return self.git("rev-parse", "HEAD").stdout.strip()


@pytest.fixture
def hub(tmp_path: Path, environment: dict[str, str]) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github", environment | IDENTITY) as hub:
        yield hub
    assert hub.violations == []


@pytest.fixture
def alice(hub: GitHub) -> Account:
    return hub.person("alice")


@pytest.fixture
def clone(hub: GitHub, alice: Account, tmp_path: Path) -> Clone:
    """A clone of the repository, whose main has one file."""
    made = Clone(hub.clone(tmp_path / "clone", alice), hub.environment)
    made.git("checkout", "-qb", "main")
    made.commit("main", README="hello\n")
    return made


def workflow(on: Any, *commands: str, **more: Any) -> str:
    """A workflow with one job of `run` steps; more are keys of the job or of the workflow."""
    steps = [{"run": command, "shell": "bash"} for command in commands]
    top = {key: more.pop(key) for key in ("permissions", "concurrency", "name") if key in more}
    job = {"runs-on": "ubuntu-latest", "steps": more.pop("steps", steps), **more}
    return json.dumps({"name": "w", "on": on, **top, "jobs": {"job": job}})


def use(action: str, **given: Any) -> dict[str, Any]:
    return {"uses": f"{action}@{PINS[action][1]}", "with": given}


def install(clone: Clone, text: str, branch: str = "main") -> str:
    return clone.commit(branch, **{".github/workflows/w.yml": text})


def ask(hub: GitHub, who: Account, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and answer of a request to the repository."""
    data = None if body is None else json.dumps(body).encode()
    address = f"{hub.api_url}/repos/{hub.name}{path}"
    request = urllib.request.Request(address, data, method=method)
    request.add_header("Authorization", f"Bearer {who.token}")
    try:
        with urllib.request.urlopen(request, context=hub.trust.client, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def post(path: str, body: str) -> str:
    """A step's command that asks the API; the engine drops a last line that has no end."""
    address = f"$GITHUB_API_URL/repos/$GITHUB_REPOSITORY{path}"
    token = "Authorization: Bearer ${{ github.token }}"
    return f"curl -sS --fail-with-body -H '{token}' {address} -d '{body}' | sed '$a\\'"


# What starts a workflow


@pytest.mark.parametrize(
    ("patterns", "name", "fits"),
    [
        (["main"], "main", True),
        (["*"], "a/b", False),
        (["**"], "a/b", True),
        (["releases/**"], "releases/1/2", True),
        (["v[0-9]+.*"], "v12.3", True),
        (["*", "!main"], "main", False),
        (["!main"], "other", False),
        (["docs/**", "!docs/x"], "docs/y", True),
        (["**/*.md"], "README.md", True),
        (["*.jsx?"], "page.js", True),
        (["a.b"], "axb", False),
    ],
)
def test_a_pattern_fits_as_on_github(patterns: list[str], name: str, fits: bool) -> None:
    """The examples of GitHub's cheat sheet for filters."""
    assert matches(patterns, name) is fits


@pytest.mark.parametrize(
    ("on", "ref", "paths", "starts"),
    [
        ("push", "refs/heads/x", ["a"], True),
        (["push"], "refs/tags/x", ["a"], True),
        ({"push": {"branches": ["main"]}}, "refs/heads/main", ["a"], True),
        ({"push": {"branches": ["main"]}}, "refs/heads/x", ["a"], False),
        ({"push": {"branches": ["main"]}}, "refs/tags/main", ["a"], False),
        ({"push": {"tags": ["v*"]}}, "refs/tags/v1", ["a"], True),
        ({"push": {"tags": ["v*"]}}, "refs/heads/v1", ["a"], False),
        ({"push": {"branches-ignore": ["x"]}}, "refs/heads/x", ["a"], False),
        ({"push": {"paths": ["src/**"]}}, "refs/heads/x", ["docs/a", "src/a"], True),
        ({"push": {"paths": ["src/**"]}}, "refs/heads/x", ["docs/a"], False),
        ({"push": {"paths-ignore": ["docs/**"]}}, "refs/heads/x", ["docs/a"], False),
        ({"push": {"paths-ignore": ["docs/**"]}}, "refs/heads/x", ["docs/a", "b"], True),
        ("pull_request", "refs/heads/x", ["a"], False),
    ],
)
def test_a_push_starts_what_its_filters_say(
    on: Any, ref: str, paths: list[str], starts: bool
) -> None:
    """Branches, tags and paths, which the engine does not look at."""
    assert Workflow.read("w.yml", workflow(on)).starts("push", ref=ref, paths=paths) is starts


@pytest.mark.parametrize(
    ("types", "action", "starts"),
    [
        (None, "opened", True),
        (None, "labeled", False),
        (None, "ready_for_review", False),
        (["labeled"], "labeled", True),
        (["labeled"], "opened", False),
    ],
)
def test_a_pull_request_starts_its_types(
    types: list[str] | None, action: str, starts: bool
) -> None:
    """Without types: opened, synchronize and reopened."""
    on = {"pull_request": {"types": types} if types else None}
    assert Workflow.read("w.yml", workflow(on)).starts("pull_request", action=action) is starts


def events(hub: GitHub) -> list[tuple[str, str]]:
    """Name and type of what started each run; every run is then forgotten."""
    found = [(run.event, run.trigger.action) for run in hub.runs]
    hub.runs.clear()
    return found


def test_a_persons_deeds_start_runs(hub: GitHub, clone: Clone, alice: Account) -> None:
    """Push, open, push to the branch, label, mark as ready, close, reopen, merge."""
    types = ["opened", "synchronize", "reopened", "labeled", "ready_for_review", "closed"]
    install(clone, workflow({"push": {"branches": ["main"]}, "pull_request": {"types": types}}))
    assert events(hub) == [("push", "")]
    clone.commit("topic", a="1")
    pull = hub.open_pull("topic", alice, draft=True)
    clone.commit("topic", a="2")
    pull.label("x", alice)
    pull.label("x", alice)
    pull.ready(alice)
    pull.close(alice)
    pull.reopen(alice)
    pull.merge(alice)
    did = ["opened", "synchronize", "labeled", "ready_for_review", "closed", "reopened", "closed"]
    assert events(hub) == [*(("pull_request", action) for action in did), ("push", "")]


def test_a_conflict_starts_nothing(hub: GitHub, clone: Clone, alice: Account) -> None:
    """There is no merge commit on which it could run; once settled it runs."""
    install(clone, workflow("pull_request"))
    clone.commit("topic", README="one\n")
    clone.commit("main", README="two\n")
    pull = hub.open_pull("topic", alice)
    assert events(hub) == []
    assert str(pull.refusal()).startswith("Merge conflict")
    clone.git("checkout", "-q", "topic")
    clone.git("merge", "-q", "-X", "ours", "main")
    clone.git("push", "-q", "origin", "topic")
    assert events(hub) == [("pull_request", "synchronize")]
    assert pull.mergeable()


def test_skip_ci_starts_nothing(hub: GitHub, clone: Clone) -> None:
    install(clone, workflow("push"))
    hub.runs.clear()
    clone.commit("main", message="notes [skip ci]", a="1")
    assert events(hub) == []


def test_a_dispatch_knows_its_inputs(hub: GitHub, clone: Clone, alice: Account) -> None:
    """Defaults are filled in; what is not declared, or has no such trigger, is refused."""
    inputs = {"why": {"required": True}, "fast": {"type": "boolean", "default": False}}
    install(clone, workflow({"workflow_dispatch": {"inputs": inputs}}))
    hub.dispatch("w.yml", "main", {"why": "x"}, by=alice)
    assert hub.runs[-1].trigger.payload["inputs"] == {"why": "x", "fast": "false"}
    for wrong in ({}, {"why": "x", "other": "y"}):
        with pytest.raises(Refused):
            hub.dispatch("w.yml", "main", wrong, by=alice)
    with pytest.raises(Refused):
        hub.dispatch("w.yml", "nowhere", {"why": "x"}, by=alice)


def test_a_schedule_runs_on_the_default_branch(hub: GitHub, clone: Clone, alice: Account) -> None:
    """And so does repository_dispatch, if it names the type."""
    on = {"schedule": [{"cron": "0 3 * * *"}], "repository_dispatch": {"types": ["data"]}}
    tip = install(clone, workflow(on))
    clone.commit("topic", a="1")
    hub.schedule("w.yml")
    hub.repository_dispatch("data", {"rows": 3}, by=alice)
    hub.repository_dispatch("other", by=alice)
    assert [(run.event, run.head_sha) for run in hub.runs] == [
        ("schedule", tip),
        ("repository_dispatch", tip),
    ]
    assert hub.runs[1].trigger.payload["client_payload"] == {"rows": 3}


# What the API allows


def test_a_request_that_github_does_not_describe_is_refused(
    hub: GitHub, clone: Clone, alice: Account
) -> None:
    """Unknown operations, names, and bodies; each is written down, and tests fail on it."""
    assert ask(hub, alice, "GET", "/nonsense")[0] == 404
    assert ask(hub, alice, "POST", "/issues", {"titel": "x"})[0] == 422
    assert ask(hub, alice, "POST", "/statuses/main", {"state": "green"})[0] == 422
    assert ask(hub, alice, "GET", "/pulls?stat=open")[0] == 422
    assert len(hub.violations) >= 4
    hub.violations.clear()


def test_a_comment_has_a_limit(hub: GitHub, clone: Clone, alice: Account) -> None:
    """65,536 characters, when it is made and when it is changed."""
    assert ask(hub, alice, "POST", "/issues", {"title": "x"})[0] == 201
    status, made = ask(hub, alice, "POST", "/issues/1/comments", {"body": "x" * 65_536})
    assert status == 201
    long = {"body": "x" * 65_537}
    assert ask(hub, alice, "POST", "/issues/1/comments", long)[0] == 422
    assert ask(hub, alice, "PATCH", f"/issues/comments/{made['id']}", long)[0] == 422
    assert len(hub.issues[0].comments[0].body) == 65_536


def test_a_list_comes_in_pages(hub: GitHub, clone: Clone, alice: Account) -> None:
    """Thirty at a time, which is all that CML reads."""
    ask(hub, alice, "POST", "/issues", {"title": "x"})
    for number in range(31):
        hub.issues[0].comment(str(number), alice)
    assert len(ask(hub, alice, "GET", "/issues/1/comments")[1]) == 30
    (last,) = ask(hub, alice, "GET", "/issues/1/comments?page=2")[1]
    assert last["body"] == "30"


def test_a_reader_writes_nothing(hub: GitHub, clone: Clone) -> None:
    """Neither by the API nor by Git."""
    rita = hub.person("rita", "read")
    assert ask(hub, rita, "GET", "/issues")[0] == 200
    assert ask(hub, rita, "POST", "/issues", {"title": "x"})[0] == 403
    refused = clone.git("push", hub.url(rita), "main:other", check=False)
    assert refused.returncode != 0 and "403" in refused.stderr


def test_a_stranger_is_told_to_log_in(hub: GitHub, clone: Clone) -> None:
    address = f"https://{hub.host}/{hub.name}"
    refused = clone.git("-c", "core.askPass=true", "ls-remote", address, check=False)
    assert refused.returncode != 0
    assert clone.git("ls-remote", f"https://x:bad@{hub.host}/{hub.name}", check=False).returncode


def test_partial_clones_and_hidden_refs_work(hub: GitHub, clone: Clone, tmp_path: Path) -> None:
    """A ref outside of heads and tags comes and goes; those of pull requests are not pushed."""
    clone.git("push", "-q", "origin", "main:refs/dvc/store")
    copy = Clone(
        hub.clone(tmp_path / "copy", hub.person("bob"), "--filter=blob:none"), hub.environment
    )
    copy.git("fetch", "-q", "origin", "refs/dvc/store")
    assert (copy.path / "README").read_text() == "hello\n"
    assert clone.git("push", "origin", "main:refs/pull/1/head", check=False).returncode != 0


def test_what_a_reviewer_reads_is_there(hub: GitHub, clone: Clone, alice: Account) -> None:
    """Pull requests by head, files, commits, compare, statuses, labels and their history."""
    clone.commit("topic", a="1")
    pull = hub.open_pull("topic", alice)
    pull.label("x", alice)
    found = ask(hub, alice, "GET", "/pulls?head=owner:topic&state=open")[1]
    assert [each["number"] for each in found] == [1]
    assert ask(hub, alice, "GET", "/pulls?head=eve:topic")[1] == []
    files = ask(hub, alice, "GET", "/pulls/1/files")[1]
    assert files == [{"filename": "a", "status": "added"}]
    assert len(ask(hub, alice, "GET", "/pulls/1/commits")[1]) == 1
    assert ask(hub, alice, "GET", "/compare/main...topic")[1]["status"] == "ahead"
    (event,) = ask(hub, alice, "GET", "/issues/1/events")[1]
    assert (event["event"], event["actor"]["login"]) == ("labeled", "alice")
    assert event["label"] == {"name": "x"}
    permission = ask(hub, alice, "GET", "/collaborators/alice/permission")[1]
    assert permission["permission"] == "write"
    ask(hub, alice, "POST", f"/statuses/{pull.head_sha}", {"state": "success", "context": "ci"})
    assert ask(hub, alice, "GET", "/commits/topic/status")[1]["state"] == "success"
    ref = ask(hub, alice, "GET", "/git/ref/heads/topic")[1]
    assert ref["object"]["sha"] == pull.head_sha


def test_a_release_makes_its_tag(hub: GitHub, clone: Clone, alice: Account) -> None:
    """Once; the second of a tag is refused."""
    body = {"tag_name": "v1", "target_commitish": "main", "body": "card"}
    assert ask(hub, alice, "POST", "/releases", body)[0] == 201
    assert ask(hub, alice, "POST", "/releases", body)[0] == 422
    assert ask(hub, alice, "GET", "/releases/tags/v1")[1]["body"] == "card"
    assert ask(hub, alice, "GET", "/git/ref/tags/v1")[0] == 200


# What may be merged


def status(hub: GitHub, pull: Pull, by: Account, context: str, state: str) -> None:
    said = ask(hub, by, "POST", f"/statuses/{pull.head_sha}", {"state": state, "context": context})
    assert said[0] == 201


def test_a_required_check_is_missing_red_and_green(
    hub: GitHub, clone: Clone, alice: Account
) -> None:
    """The reason is GitHub's; a commit status counts as a check."""
    hub.settings["required_checks"] = ["ci"]
    clone.commit("topic", a="1")
    pull = hub.open_pull("topic", alice)
    with pytest.raises(Refused, match='"ci" is expected'):
        pull.merge(alice)
    status(hub, pull, alice, "ci", "pending")
    assert pull.refusal() == 'Required status check "ci" is pending.'
    status(hub, pull, alice, "ci", "failure")
    assert pull.refusal() == 'Required status check "ci" is failing.'
    status(hub, pull, alice, "ci", "success")
    pull.merge(alice)
    assert hub.git.contains(str(hub.git.tip("main")), pull.head_sha)


def test_a_new_commit_needs_its_own_checks(hub: GitHub, clone: Clone, alice: Account) -> None:
    hub.settings["required_checks"] = ["ci"]
    clone.commit("topic", a="1")
    pull = hub.open_pull("topic", alice)
    status(hub, pull, alice, "ci", "success")
    clone.commit("topic", a="2")
    assert not pull.mergeable()


def test_a_ruleset_holds_for_the_api_as_for_git(hub: GitHub, clone: Clone, alice: Account) -> None:
    """For the branches that it names, and once it is active."""
    rules = [{"type": "deletion"}, {"type": "non_fast_forward"}]
    names = {"ref_name": {"include": ["refs/heads/kept"], "exclude": []}}
    hub.rulesets.append({"enforcement": "active", "conditions": names, "rules": rules})
    first = str(hub.git.tip("main"))
    second = clone.commit("main", a="1")
    for branch in ("kept", "free"):
        body = {"ref": f"refs/heads/{branch}", "sha": second}
        assert ask(hub, alice, "POST", "/git/refs", body)[0] == 201
    back = {"sha": first, "force": True}
    assert ask(hub, alice, "PATCH", "/git/refs/heads/kept", back)[0] == 422
    status, said = ask(hub, alice, "DELETE", "/git/refs/heads/kept")
    assert (status, said["errors"][0]["message"]) == (422, "Cannot delete this branch")
    assert ask(hub, alice, "PATCH", "/git/refs/heads/free", back)[0] == 200
    hub.rulesets[0]["enforcement"] = "disabled"
    assert ask(hub, alice, "DELETE", "/git/refs/heads/kept")[0] == 204


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1), ("rebase", 1)])
def test_each_way_to_merge(
    hub: GitHub, clone: Clone, alice: Account, method: str, parents: int
) -> None:
    """The base has the files, and as many parents as GitHub makes."""
    clone.commit("topic", a="1")
    clone.commit("main", b="1")
    pull = hub.open_pull("topic", alice)
    merged = pull.merge(alice, method)
    commit = hub.git.json(merged)
    assert len(list(commit["parents"])) == parents  # type: ignore[call-overload]  # it is a list
    assert {path for _, path in hub.git.changed(None, merged)} == {"README", "a", "b"}
    assert pull.state == "closed" and pull.merged == merged


def test_a_draft_is_not_merged(hub: GitHub, clone: Clone, alice: Account) -> None:
    clone.commit("topic", a="1")
    pull = hub.open_pull("topic", alice, draft=True)
    assert pull.refusal() == "Pull Request is still a draft"


def test_a_branch_has_one_pull_request(hub: GitHub, clone: Clone, alice: Account) -> None:
    """And one without a commit of its own has none."""
    clone.commit("topic", a="1")
    hub.open_pull("topic", alice)
    with pytest.raises(Refused):
        hub.open_pull("topic", alice)
    clone.git("push", "-q", "origin", "main:same")
    with pytest.raises(Refused):
        hub.open_pull("same", alice)


# Faults


@pytest.mark.parametrize("code", [403, 422, 429, 500])
def test_the_nth_request_of_a_kind_fails(
    hub: GitHub, clone: Clone, alice: Account, code: int
) -> None:
    """And nothing is done by it."""
    hub.fault("POST /repos/{owner}/{repo}/issues", status=code, nth=2)
    said = [ask(hub, alice, "POST", "/issues", {"title": str(n)})[0] for n in range(3)]
    assert said == [201, code, 201]
    assert len(hub.issues) == 2


def test_a_connection_is_cut(hub: GitHub, clone: Clone, alice: Account) -> None:
    """For the API and for Git; the next command works."""
    hub.fault("GET /repos/{owner}/{repo}/issues", cut=True)
    with pytest.raises(OSError):
        ask(hub, alice, "GET", "/issues")
    assert ask(hub, alice, "GET", "/issues")[0] == 200
    hub.fault("git-receive-pack", cut=True)
    hub.fault("git-upload-pack", status=503)
    for command in (("push", "origin", "main:other"), ("fetch", "origin")):
        assert clone.git(*command, check=False).returncode != 0
        clone.git(*command)


def test_something_happens_at_that_very_moment(hub: GitHub, clone: Clone) -> None:
    happened = threading.Event()
    hub.fault("git-upload-pack", do=happened.set)
    clone.git("fetch", "-q", "origin")
    assert happened.is_set()


# Runs, executed by the engine


def ran(hub: GitHub) -> Run:
    """The only run that ended."""
    (run,) = hub.run()
    return run


@pytest.mark.slow
def test_a_run_shows_what_github_shows(hub: GitHub, clone: Clone) -> None:
    """Results, outcomes, log, summary, annotations, secrets masked, the check run."""
    hub.secrets["SECRET"] = LONG
    commands = [
        'echo "# hello" >> "$GITHUB_STEP_SUMMARY"; echo "::warning::careful"; echo "$WORD"',
        "exit 3",
        "echo never",
    ]
    env = {"WORD": "say ${{ secrets.SECRET }} ${{ vars.NAME }}"}
    hub.variables["NAME"] = "Ada"
    tip = install(clone, workflow("push", *commands, env=env, name="nightly"))
    run = ran(hub)
    assert (run.workflow, run.event, run.head_sha) == ("nightly", "push", tip)
    assert (run.conclusion, run.jobs) == ("failure", {"job": "failure"})
    assert list(run.outcomes("job").values()) == ["success", "failure", "skipped"]
    assert isinstance(run.steps[0], Step)
    assert run.summary == {"job": "# hello\n"}
    assert [(note.level, note.message) for note in run.annotations] == [("warning", "careful")]
    assert "say *** Ada" in run.log and LONG not in run.log
    assert run.runs_on == {"job": ["ubuntu-latest"]}
    assert [(check.name, check.conclusion) for check in hub.checks] == [("job", "failure")]


@pytest.mark.slow
def test_a_pull_request_runs_on_the_merge(hub: GitHub, clone: Clone, alice: Account) -> None:
    """Both sides are checked out; the check run is on the head."""
    show = [use("actions/checkout"), {"run": "ls -1; git cat-file -p HEAD", "shell": "bash"}]
    install(clone, workflow("pull_request", steps=show))
    head = clone.commit("topic", a="1")
    base = clone.commit("main", b="1")
    pull = hub.open_pull("topic", alice)
    run = ran(hub)
    assert run.conclusion == "success" and f"parent {base}\nparent {head}" in run.log
    assert {"a", "b"} <= set(run.log.splitlines())
    assert run.head_sha == head and pull.checks() == {"job": "success"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "labels"),
    [
        ("", ["ubuntu-latest"]),
        ("gpu", ["gpu"]),
        ('["self-hosted", "gpu"]', ["self-hosted", "gpu"]),
        ('{"group": "big", "labels": ["gpu"]}', ["big", "gpu"]),
    ],
)
def test_a_runner_is_a_label_or_json(
    hub: GitHub, clone: Clone, variable: str, labels: list[str]
) -> None:
    """A variable names it, as plain text, as a list or as a group with labels."""
    json_ = "(startsWith(vars.RUNNER, '[') || startsWith(vars.RUNNER, '{'))"
    chosen = f"${{{{ {json_} && fromJSON(vars.RUNNER) || vars.RUNNER || 'ubuntu-latest' }}}}"
    hub.variables["RUNNER"] = variable
    install(clone, workflow("push", "true", **{"runs-on": chosen}))
    run = ran(hub)
    assert (run.conclusion, run.runs_on) == ("success", {"job": labels})


@pytest.mark.slow
def test_a_job_may_do_what_it_names(hub: GitHub, clone: Clone) -> None:
    """Two jobs have one token; only the one with the permission writes."""
    ask_twice = [{"run": post("/issues", '{"title": "x"}'), "shell": "bash"}]
    allowed = {"runs-on": "ubuntu-latest", "permissions": {"issues": "write"}, "steps": ask_twice}
    silent = {"runs-on": "ubuntu-latest", "permissions": {"checks": "write"}, "steps": ask_twice}
    content = yaml.safe_load(workflow("push")) | {"jobs": {"allowed": allowed, "silent": silent}}
    install(clone, json.dumps(content))
    run = ran(hub)
    assert run.jobs == {"allowed": "success", "silent": "failure"}
    assert "Resource not accessible by integration" in run.log
    assert len(hub.issues) == 1
    assert hub.unused_permissions() == {("w", "silent", "checks", "write")}


@pytest.mark.slow
def test_a_workflow_pushes_and_starts_nothing(hub: GitHub, clone: Clone) -> None:
    """With `contents: write`; and never a change of a workflow."""
    push = "git -c user.name=b -c user.email=b@example.org commit -qam x; git push -q origin HEAD:"
    steps = [
        use("actions/checkout"),
        {"run": f"echo 1 > README; {push}bot", "shell": "bash"},
        {"run": f"echo '#' >> .github/workflows/w.yml; {push}main", "shell": "bash"},
    ]
    install(clone, workflow("push", steps=steps, permissions={"contents": "write"}))
    run = ran(hub)
    assert list(run.outcomes("job").values()) == ["success", "success", "failure"]
    assert "without `workflows` permission" in run.log
    assert hub.git.tip("bot") and hub.run() == []


@pytest.mark.slow
def test_a_bots_pull_request_waits_for_a_person(hub: GitHub, clone: Clone, alice: Account) -> None:
    """It needs the setting; its run waits without check runs until it is approved."""
    open_ = post("/pulls", '{"title": "x", "head": "topic", "base": "main"}')
    on: dict[str, None] = {"workflow_dispatch": None, "pull_request": None}
    steps = [{"run": open_, "shell": "bash", "if": "github.event_name != 'pull_request'"}]
    install(clone, workflow(on, steps=steps, permissions={"pull-requests": "write"}))
    clone.commit("topic", a="1")
    hub.dispatch("w.yml", "main", by=alice)
    refused = ran(hub)
    assert "GitHub Actions is not permitted to create or approve pull requests" in refused.log
    hub.settings["actions_may_open_pull_requests"] = True
    hub.dispatch("w.yml", "main", by=alice)
    waiting, done = sorted(hub.run(), key=lambda run: run.event)
    assert (waiting.event, waiting.waiting, done.conclusion) == ("pull_request", True, "success")
    (pull,) = hub.pulls()
    assert pull.author.login == "github-actions[bot]" and pull.checks() == {}
    hub.approve(waiting, alice)
    assert ran(hub).conclusion == "success"
    assert pull.checks() == {"job": "success"}


@pytest.mark.slow
def test_a_bots_push_to_a_pull_request_waits_too(hub: GitHub, clone: Clone, alice: Account) -> None:
    """A status on the new commit is enough to merge; its label starts nothing at all."""
    hub.settings["required_checks"] = ["job"]
    commit = "git -c user.name=b -c user.email=b@example.org commit -q --allow-empty -m bot"
    say = post("/statuses/$(git rev-parse HEAD)", '{"state": "success", "context": "job"}')
    steps = [
        use("actions/checkout", ref="topic"),
        {"run": f"{commit}; git push -q origin topic", "shell": "bash"},
        {"run": post("/issues/1/labels", '{"labels": ["x"]}'), "shell": "bash"},
        {"run": say, "shell": "bash"},
    ]
    needs = {"contents": "write", "statuses": "write", "issues": "write"}
    types = {"types": ["opened", "synchronize", "labeled"]}
    install(clone, workflow("workflow_dispatch", steps=steps, permissions=needs))
    other = workflow({"pull_request": types}, "true", name="other")
    clone.commit("main", **{".github/workflows/other.yml": other})
    clone.commit("topic", a="1")
    pull = hub.open_pull("topic", alice)
    assert ran(hub).event == "pull_request" and pull.mergeable()
    hub.dispatch("w.yml", "main", by=alice)
    waiting, done = sorted(hub.run(), key=lambda run: run.event)
    assert (waiting.trigger.action, waiting.waiting) == ("synchronize", True)
    assert done.conclusion == "success" and pull.labels == ["x"]
    assert waiting.head_sha == pull.head_sha and pull.mergeable()
    hub.approve(waiting, alice)
    assert ran(hub).conclusion == "success" and pull.mergeable()


@pytest.mark.slow
def test_a_run_can_follow_a_run(hub: GitHub, clone: Clone) -> None:
    """workflow_run comes when the one that it names has ended, on the default branch."""
    after = {"workflow_run": {"workflows": ["w"], "types": ["completed"]}}
    show = 'echo "after ${{ github.event.workflow_run.conclusion }}"'
    clone.commit("main", **{".github/workflows/after.yml": workflow(after, show, name="after")})
    install(clone, workflow("push", "false"))
    first, second = hub.run()
    assert (first.conclusion, second.event) == ("failure", "workflow_run")
    assert "after failure" in second.log


def test_a_deleted_branch_closes_its_pull_request(
    hub: GitHub, clone: Clone, alice: Account
) -> None:
    clone.commit("topic", a="1")
    pull = hub.open_pull("topic", alice)
    clone.git("push", "-q", "origin", ":topic")
    assert pull.state == "closed" and pull.merged is None


@pytest.mark.slow
def test_a_dispatched_runs_checks_do_not_count(hub: GitHub, clone: Clone, alice: Account) -> None:
    """The Actions tab is green, and the merge stays blocked, until a status says so."""
    hub.settings["required_checks"] = ["job"]
    status_ = post("/statuses/$GITHUB_SHA", '{"state": "success", "context": "job"}')
    steps = [{"run": status_, "shell": "bash", "if": "inputs.say == 'true'"}]
    on = {"workflow_dispatch": {"inputs": {"say": {"default": "false"}}}}
    install(clone, workflow(on, steps=steps, permissions={"statuses": "write"}))
    clone.commit("topic", a="1")
    pull = hub.open_pull("topic", alice)
    for say, merges in (("false", False), ("true", True)):
        hub.dispatch("w.yml", "topic", {"say": say}, by=alice)
        assert ran(hub).conclusion == "success"
        assert pull.mergeable() is merges


@pytest.mark.slow
def test_a_fork_reads_and_has_no_secret(hub: GitHub, clone: Clone) -> None:
    """Nor a variable; what its job asks for beyond reading is refused."""
    hub.secrets["SECRET"], hub.variables["RUNNER"] = LONG, "gpu"
    runner = "${{ vars.RUNNER || 'ubuntu-latest' }}"
    env = {"WORD": "<${{ secrets.SECRET }}>"}
    commands = ['echo "$WORD"', post("/issues/1/comments", '{"body": "x"}')]
    text = workflow("pull_request", *commands, env=env, permissions={"issues": "write"})
    install(clone, text.replace('"ubuntu-latest"', json.dumps(runner)))
    eve = hub.person("eve", "read")
    name = hub.fork(eve)
    clone.git("checkout", "-qb", "topic")
    (clone.path / "a").write_text("1")
    clone.git("add", ".")
    clone.git("commit", "-qm", "a")
    clone.git("push", "-q", hub.url(eve, name), "topic")
    pull = hub.open_pull("topic", eve, fork=True)
    run = ran(hub)
    assert pull.fork and run.runs_on == {"job": ["ubuntu-latest"]}
    assert list(run.outcomes("job").values()) == ["success", "failure"]
    assert "<>" in run.log
    assert "Resource not accessible by integration" in run.log
    assert pull.comments == []


@pytest.mark.slow
def test_dependabot_is_trusted_like_a_fork(hub: GitHub, clone: Clone) -> None:
    """Its branch is in the repository, and yet there is no secret."""
    hub.secrets["SECRET"] = LONG
    commands = ['echo "<${{ secrets.SECRET }}>"', post("/issues/1/comments", '{"body": "x"}')]
    install(clone, workflow("pull_request", *commands, permissions={"issues": "write"}))
    clone.git("checkout", "-qb", "dependabot/x")
    clone.git("commit", "-q", "--allow-empty", "-m", "bump")
    clone.git("push", "-q", hub.url(hub.dependabot), "dependabot/x")
    hub.open_pull("dependabot/x", hub.dependabot)
    run = ran(hub)
    assert run.trigger.actor.login == "dependabot[bot]" and "<>" in run.log
    assert list(run.outcomes("job").values()) == ["success", "failure"]


@pytest.mark.slow
def test_an_app_starts_what_a_person_starts(hub: GitHub, clone: Clone) -> None:
    """Its push to a branch with a pull request runs at once."""
    hub.install_app("1", "a-long-private-key", {"contents": "write", "pull-requests": "write"})
    token = use(
        "actions/create-github-app-token", **{"private-key": "${{ secrets.APP_PRIVATE_KEY }}"}
    )
    commit = "git -c user.name=b -c user.email=b@example.org commit -q --allow-empty -m x"
    steps = [
        {**token, "id": "app"},
        use("actions/checkout", ref="other", token="${{ steps.app.outputs.token }}"),
        {"run": f"{commit}; git push -q origin HEAD:other", "shell": "bash"},
    ]
    install(clone, workflow({"push": {"branches": ["main"]}}, steps=steps, permissions={}))
    clone.commit("other", **{".github/workflows/w.yml": workflow("push", "true")})
    hub.runs.clear()
    clone.commit("main", b="1")
    first, second = hub.run()
    assert (first.conclusion, second.trigger.actor.login) == ("success", "app[bot]")
    assert second.conclusion == "success"


GROUP = {"group": "g-${{ github.ref }}", "cancel-in-progress": True}


@pytest.mark.slow
def test_a_newer_run_of_a_group_ends_the_older(hub: GitHub, clone: Clone) -> None:
    """Cancelled where it is; its `always()` step still runs."""
    steps: list[dict[str, Any]] = [
        {"name": "long", "run": "test -f fast || sleep 600", "shell": "bash"},
        {"name": "end", "if": "always()", "run": "echo cleaned", "shell": "bash"},
    ]
    steps.insert(0, use("actions/checkout"))
    install(clone, workflow("push", steps=steps, concurrency=GROUP))
    hub.during("w.yml", "job", "long", lambda: clone.commit("main", fast="1"))
    older, newer = hub.run()
    assert (older.conclusion, older.jobs) == ("cancelled", {"job": "cancelled"})
    assert older.outcomes("job")["end"] == "success" and "cleaned" in older.log
    assert newer.conclusion == "success"


@pytest.mark.slow
def test_two_runs_may_be_in_progress_at_once(hub: GitHub, clone: Clone, tmp_path: Path) -> None:
    """Each waits for a file that the other writes."""
    there = "until test -e $1; do sleep 0.1; done"
    meet = f"touch {tmp_path}/$GITHUB_WORKFLOW; timeout 60 sh -c '{there}' - {tmp_path}/$OTHER"
    for name, other in (("one", "two"), ("two", "one")):
        text = workflow("push", f"export OTHER={other}; {meet}", name=name)
        clone.commit("main", message=name, **{f".github/workflows/{name}.yml": text})
    hub.runs.clear()
    clone.commit("main", a="1")
    assert [run.conclusion for run in hub.run(at_once=2)] == ["success"] * 2


@pytest.mark.slow
def test_a_group_that_does_not_cancel_keeps_one_waiting(
    hub: GitHub, clone: Clone, alice: Account
) -> None:
    """The newest of those that wait; other groups are not touched."""
    on: dict[str, Any] = {"workflow_dispatch": {"inputs": {"who": {}}}}
    group = {"group": "${{ inputs.who == 'other' && 'b' || 'a' }}", "cancel-in-progress": False}
    install(clone, workflow(on, "true", concurrency=group))
    for who in ("1", "2", "other", "3"):
        hub.dispatch("w.yml", "main", {"who": who}, by=alice)
    ended = {run.trigger.payload["inputs"]["who"]: run.conclusion for run in hub.run()}
    assert ended == {"1": "success", "2": "cancelled", "other": "success", "3": "success"}


@pytest.mark.slow
def test_a_job_dies(hub: GitHub, clone: Clone) -> None:
    """Killed at a chosen request; it is red, and the next attempt is green."""
    steps = [use("actions/checkout"), {"run": "git fetch -q origin main", "shell": "bash"}]
    install(clone, workflow("push", steps=steps))
    hub.fault("git-upload-pack", nth=2, do=lambda: hub.kill("job"))
    run = ran(hub)
    assert run.jobs == {"job": "failure"}
    assert list(run.outcomes("job").values()) == ["success", "failure"]
    hub.rerun(run)
    again = ran(hub)
    assert (again.id, again.attempt, again.conclusion) == (run.id, 2, "success")


@pytest.mark.slow
def test_nothing_is_left_running(hub: GitHub, clone: Clone, tmp_path: Path) -> None:
    """A background process ends with its run."""
    mark = tmp_path / "pid"
    leave = f"nohup setsid bash -c 'echo $$ > {mark}; exec sleep 600' > /dev/null 2>&1 &"
    install(clone, workflow("push", f"{leave} until test -s {mark}; do sleep 0.1; done"))
    assert ran(hub).conclusion == "success"
    assert environment_of(int(mark.read_text())) == {}


# The stand-ins


@pytest.mark.slow
def test_artifacts_go_from_job_to_job(hub: GitHub, clone: Clone) -> None:
    """Patterns, hidden files, several at once, one that is missing, a name taken twice."""
    make = "mkdir -p out/sub .hidden; echo 1 | tee out/sub/a out/b out/.hidden; cp -r out .hidden"
    up = [
        {"run": make, "shell": "bash"},
        use("actions/upload-artifact", name="all", path="out"),
        use("actions/upload-artifact", name="hidden", path="out", **{"include-hidden-files": True}),
        use("actions/upload-artifact", name="one", path=".hidden/out/sub/a"),
        use("actions/upload-artifact", name="two", path="out/sub/a\nout/b\n!out/c"),
        use("actions/upload-artifact", name="nothing", path="no/*.csv"),
        {**use("actions/upload-artifact", name="one", path="out/b"), "continue-on-error": True},
        use("actions/upload-artifact", name="none", path="no", **{"if-no-files-found": "error"}),
    ]
    down = [
        use("actions/download-artifact", path="got"),
        use("actions/download-artifact", path="merged", pattern="*o*", **{"merge-multiple": True}),
        {"run": "find got merged -type f | sort", "shell": "bash"},
        use("actions/download-artifact", name="missing", path="x"),
    ]
    content = yaml.safe_load(workflow("push", steps=up))
    content["jobs"]["down"] = {
        **content["jobs"]["job"],
        "needs": "job",
        "if": "always()",
        "steps": down,
    }
    install(clone, json.dumps(content))
    run = ran(hub)
    results = [step.outcome for step in run.steps]
    ok, bad = "success", "failure"
    assert results == [*[ok] * 6, bad, bad, ok, ok, ok, bad]
    found = {line for line in run.log.splitlines() if line.startswith(("got/", "merged/"))}
    assert found == {
        *("got/all/b", "got/all/sub/a", "got/hidden/.hidden", "got/hidden/b"),
        *("got/hidden/sub/a", "got/one/a", "got/two/b", "got/two/sub/a"),
        *("merged/a", "merged/b", "merged/sub/a"),
    }


@pytest.mark.slow
def test_checkout_fetches_what_it_is_told(hub: GitHub, clone: Clone) -> None:
    """A branch, all history, a place of its own, a commit, without the token."""
    first = clone.git("rev-parse", "HEAD").stdout.strip()
    clone.commit("topic", a="1")
    keep = {"persist-credentials": False, "path": "whole", "fetch-depth": 0}
    steps = [
        use("actions/checkout", ref="topic"),
        use("actions/checkout", **keep),
        use("actions/checkout", ref=first, path="old"),
        {"run": "test -f a; git push -q --dry-run origin HEAD:x", "shell": "bash"},
        {"run": "cd whole; git rev-list --count HEAD; git branch -r; ! git fetch", "shell": "bash"},
        {"run": "test ! -f old/.github/workflows/w.yml", "shell": "bash"},
    ]
    install(clone, workflow("push", steps=steps, permissions={"contents": "write"}))
    run = ran(hub)
    assert run.conclusion == "success", run.log
    assert "  origin/topic" in run.log.splitlines()


@pytest.mark.slow
def test_a_cloud_asks_who_the_job_is(hub: GitHub, clone: Clone) -> None:
    """Only a job with `id-token: write` is anybody."""
    login = [use("aws-actions/configure-aws-credentials", **{"role-to-assume": "reader"})]
    content = yaml.safe_load(workflow("push", steps=login, permissions={"id-token": "write"}))
    content["jobs"]["nobody"] = {**content["jobs"]["job"], "permissions": {}}
    install(clone, json.dumps(content))
    run = ran(hub)
    assert run.jobs == {"job": "success", "nobody": "failure"}
    assert "reader as repo:owner/repository:job:job" in run.log


def test_an_action_that_is_not_pinned_is_not_there() -> None:
    """Every stand-in has a pin, and every pin a stand-in."""
    folder = Path(__file__).with_name("rig") / "actions"
    assert {str(f.parent.relative_to(folder)) for f in folder.glob("*/*/action.yml")} == set(PINS)


# CML

REPORT = "# Report\n\n| a | b |\n|---|---|\n| 1 | `x` |\n"


def commented(hub: GitHub, clone: Clone, alice: Account, tool: str) -> list[Any]:
    """Post twice with the command of a workflow; the comments, and the requests."""
    (clone.path / ".github/cml").mkdir(parents=True)
    (clone.path / ".github/cml/package-lock.json").write_text("{}")
    post = (
        f'{tool} comment update --driver=github --repo="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" '
        '--target="pr/${{ github.event.number }}" --watermark-title="model report" '
        "--publish=false report.md"
    )
    env = {"REPO_TOKEN": "${{ github.token }}", "ITERATIVE_DO_NOT_TRACK": "1"}
    steps = [
        use("actions/checkout", **{"persist-credentials": False}),
        {"run": "npm ci --ignore-scripts --prefix .github/cml", "shell": "bash"},
        {"run": post, "shell": "bash", "env": env},
    ]
    needs = {"contents": "read", "pull-requests": "write"}
    install(clone, workflow("pull_request", steps=steps, permissions=needs))
    clone.commit("topic", **{"report.md": REPORT})
    pull = hub.open_pull("topic", alice)
    first = ran(hub)
    clone.commit("topic", **{"report.md": REPORT.replace("1", "2")})
    second = ran(hub)
    assert (first.conclusion, second.conclusion) == ("success", "success"), second.log
    kinds = [request.kind for request in hub.requests if request.run and "git-" not in request.kind]
    (comment,) = pull.comments
    return [comment.body.replace(second.head_sha, "SHA"), kinds]


@pytest.mark.slow
def test_cml_posts_one_comment_and_updates_it(hub: GitHub, clone: Clone, alice: Account) -> None:
    """Byte for byte the report, and CML's mark."""
    body, kinds = commented(hub, clone, alice, ".github/cml/node_modules/.bin/cml")
    mark = '![](https://cml.dev/watermark.png#SHA "CML watermark model report")'
    assert body == f"{REPORT.replace('1', '2')}\n\n{mark}"
    comments = "/repos/{owner}/{repo}/issues/{issue_number}/comments"
    update = "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}"
    who = "GET /users/{username}"
    assert kinds == [who, f"GET {comments}", f"POST {comments}", who, f"GET {comments}", update]


@pytest.mark.slow
def test_the_stand_in_does_as_cml_does(hub: GitHub, clone: Clone, alice: Account) -> None:
    """The same requests and the same body, where the machine has CML."""
    if real_cml(hub.environment) is None:
        pytest.skip("CML is not here: set CML_BIN")
    other = GitHub(hub.folder / "other", hub.environment)
    with other:
        bob = other.person("bob")
        copy = Clone(other.clone(hub.folder / "copy", bob), other.environment)
        copy.git("checkout", "-qb", "main")
        copy.commit("main", README="x")
        stand_in = str(other.engine.machine.tools / "cml-stand-in")
        expected = commented(other, copy, bob, stand_in)
    assert commented(hub, clone, alice, ".github/cml/node_modules/.bin/cml") == expected
