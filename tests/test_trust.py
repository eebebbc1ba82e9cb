"""Who may do what in a pull request, on a loopback GitHub: forks, bots, drafts, runners, an app."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from baking import Oven
from prepared import prepared
from rig import GitHub, Pull, Run
from rig.account import Account
from team import Team, of, said, set_params

pytestmark = pytest.mark.slow
TRAIN = "make unpack fetch repro pack"
SECRETS = {"SOURCE_TOKEN": "the-data-source-opens", "OTHER_TOKEN": "never-named-anywhere"}

# What a stranger may try in a file that training runs; words are turned round, or a log hides them.
HOSTILE = """
import base64, os, subprocess
print("SEEN", *(value[::-1] for value in os.environ.values()), flush=True)
login = base64.b64encode(f"x-access-token:{os.environ['GITHUB_TOKEN']}".encode()).decode()
header = f"http.extraheader=AUTHORIZATION: basic {login}"
subprocess.run(["git", "-c", header, "push", "-q", "origin", "HEAD:refs/heads/stolen"])
raise SystemExit("that is all")
"""


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    hub.variables["TRAIN_RUNNER"] = "our-gpu"
    hub.secrets |= SECRETS
    return prepared(hub, oven, tmp_path_factory.mktemp("laptop"))


@pytest.fixture(scope="module")
def eve(team: Team) -> Account:
    """A stranger with a fork."""
    eve = team.hub.person("eve", permission="read")
    team.hub.fork(eve)
    return eve


@pytest.fixture(autouse=True)
def nothing_is_left(hub: GitHub) -> Iterator[None]:
    """The next test must not meet what this one arranged."""
    yield
    hub.faults.clear()
    hub.engine.gate.waiting.clear()


def begin(team: Team, branch: str, **values: str) -> None:
    """A change that is not pushed yet, of parameters or else of the README."""
    team.start(branch)
    set_params(team.laptop, **values)
    if not values:
        team.laptop.write("README.md", f"{branch}\n")


def from_outside(team: Team, by: Account) -> tuple[Pull, Run]:
    """Push what is there as somebody who has no branch here, and run what that starts."""
    hub, fork = team.hub, by.kind == "User"
    branch = team.laptop.run("git", "branch", "--show-current").stdout.strip()
    team.laptop.run("git", "add", "-A")
    team.laptop.run("git", "commit", "-qm", "From outside")
    address = hub.url(by, f"{by.login}/repository") if fork else hub.url(by)
    team.laptop.run("git", "push", "-q", address, branch)
    pull = hub.open_pull(branch, by, title=branch, fork=fork)
    return pull, of(hub.run(), "model")


def errors(run: Run, job: str = "gate") -> list[str]:
    return [note.message for note in run.annotations if (note.job, note.level) == (job, "error")]


def wrote(run: Run, hub: GitHub) -> list[str]:
    """What the run's token changed on GitHub."""
    asked = [a for a in hub.requests if a.run == run.id and a.level == "write" and a.status < 400]
    return [f"{request.job}: {request.kind}" for request in asked]


def is_from_outside(pull: Pull, run: Run) -> None:
    """Hosted machines, nothing written, no comment; the report is on the run's page."""
    assert {label for labels in run.runs_on.values() for label in labels} == {"ubuntu-latest"}
    assert [run.jobs[job] for job in ("publish", "check", "report")] == ["skipped"] * 3, said(run)
    assert wrote(run, pull.hub) == [] and pull.comments == []
    assert pull.hub.git.tip("stolen") is None


def is_stale_outside(pull: Pull, run: Run) -> None:
    """It was trained and judged, and cannot be published."""
    is_from_outside(pull, run)
    assert run.jobs["train"] == run.jobs["compare"] == "success", said(run)
    assert "ROC AUC" in run.summary["compare"]
    assert run.checks["model gate"] == "failure" and pull.refusal() is not None
    (sentence,) = errors(run)
    assert sentence.endswith(f"a maintainer brings it in with make take PR={pull.number}")


# Forks and Dependabot


def test_a_fork_that_changes_the_readme_is_green(team: Team, eve: Account) -> None:
    begin(team, "typo")
    pull, run = from_outside(team, eve)
    is_from_outside(pull, run)
    assert run.conclusion == "success" and run.jobs["train"] == "skipped", said(run)
    assert "ROC AUC" in run.summary["compare"] and pull.refusal() is None


@pytest.fixture(scope="module")
def stale_fork(team: Team, eve: Account) -> tuple[Pull, Run]:
    begin(team, "idea", learning_rate="0.07")
    return from_outside(team, eve)


def test_a_forks_model_is_judged_and_not_published(stale_fork: tuple[Pull, Run]) -> None:
    is_stale_outside(*stale_fork)


def test_a_maintainer_takes_it_and_it_is_green(team: Team, stale_fork: tuple[Pull, Run]) -> None:
    """What the gate's sentence says, typed on a laptop."""
    number = stale_fork[0].number
    team.start("main")
    printed = team.laptop.make("take", PR=number).stdout
    assert f"/compare/take/{number}?expand=1" in printed
    pull = team.open(f"take/{number}")
    run = of(team.hub.run(), "model")
    assert run.conclusion == "success" and run.runs_on["train"] == ["our-gpu"], said(run)
    assert pull.refusal() is None and "learning_rate" in pull.comments[0].body


def seen(run: Run) -> str:
    """What hostile code saw; it did run."""
    (line,) = [line for line in run.log.splitlines() if line.strip().startswith("SEEN ")]
    return line


def test_a_hostile_fork_finds_no_secret_and_writes_nothing(team: Team, eve: Account) -> None:
    begin(team, "gift")
    change_ingest(team)
    pull, run = from_outside(team, eve)
    is_from_outside(pull, run)
    assert not [secret for secret in SECRETS.values() if secret[::-1] in seen(run)]
    refused = [a for a in team.hub.requests if (a.run, a.level) == (run.id, "write")]
    assert [(asked.job, asked.status) for asked in refused] == [("validate", 403)]
    assert run.checks["model gate"] == "failure" and pull.refusal() is not None


def change_ingest(team: Team) -> None:
    (file,) = team.laptop.path.glob("src/*/ingest.py")
    file.write_text(file.read_text() + HOSTILE)


def test_the_teams_own_code_gets_the_sources_token_and_may_not_write(team: Team) -> None:
    """Only the job that ingests names it, and no job that runs code may push."""
    begin(team, "own")
    change_ingest(team)
    team.push()
    pull = team.open("own")
    run = of(team.hub.run(), "model")
    assert SECRETS["SOURCE_TOKEN"][::-1] in seen(run)
    assert SECRETS["OTHER_TOKEN"][::-1] not in seen(run)
    assert team.hub.git.tip("stolen") is None and run.jobs["validate"] == "failure"
    assert {line.partition(":")[0] for line in wrote(run, team.hub)} == {"report"}
    assert pull.refusal() is not None


def test_dependabots_model_is_judged_and_not_published(team: Team) -> None:
    """Dependabot gets the variables of the repository, and still no runner of the team's."""
    begin(team, "bump", learning_rate="0.08")
    is_stale_outside(*from_outside(team, team.hub.dependabot))


# Drafts, newer pushes, labels


@pytest.fixture(scope="module")
def draft(team: Team) -> Pull:
    """It is no draft any more after the first test."""
    begin(team, "draft", max_leaf_nodes="14")
    team.push()
    return team.open("draft", draft=True)


def test_a_draft_is_not_trained_and_red(team: Team, draft: Pull) -> None:
    run = of(team.hub.run(), "model")
    assert run.jobs["validate"] == "success"
    skipped = ("train", "compare", "publish", "check", "report")
    assert {run.jobs[job] for job in skipped} == {"skipped"}, said(run)
    assert errors(run) == ["A draft is not judged yet; mark it ready for review"]
    assert run.checks["model gate"] == "failure" and draft.comments == []


def test_ready_it_trains_and_only_a_newer_push_ends_that(team: Team, draft: Pull) -> None:
    """Labels end nothing and train nothing, at the moment of the push or later.

    Nor do they take the push's place, or tell of a commit that has no model yet.
    """

    def push() -> None:
        set_params(team.laptop, max_leaf_nodes="13")
        team.push()
        draft.label("question", team.person)
        team.hub.during("model.yml", "train", TRAIN, lambda: draft.label("help", team.person))

    draft.ready(team.person)
    team.hub.during("model.yml", "train", TRAIN, push)
    older, newer, *labels = [run for run in team.hub.run() if not run.waiting]
    assert (older.trigger.action, older.conclusion) == ("ready_for_review", "cancelled")
    assert (newer.trigger.action, newer.conclusion) == ("synchronize", "success"), said(newer)
    assert newer.jobs["train"] == "success"
    assert [run.trigger.action for run in labels] == ["labeled"] * len(labels) != []
    for run in labels:
        assert run.head_sha == newer.head_sha
        assert run.jobs["train"] == run.jobs["report"] == "skipped", said(run)
        sentence = "This commit has no model yet; a label trains none, the run of the push does"
        assert errors(run) == [sentence]
    assert draft.labels == ["question", "help"]
    assert team.hub.git.git("rev-parse", "draft^") == newer.head_sha
    assert len(draft.comments) == 1 and "⛔" not in draft.comments[0].body
    assert draft.refusal() is None


# Runners


@pytest.fixture(scope="module")
def gpu(team: Team) -> Pull:
    """Asks for a GPU, which no machine of the tests has."""
    begin(team, "gpu", early_stopping="false\n    device: cuda")
    team.push()
    return team.open("gpu")


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ("our-gpu", ["our-gpu"]),
        ('["self-hosted", "gpu"]', ["gpu", "self-hosted"]),
        ('{"group": "big", "labels": ["gpu"]}', ["big", "gpu"]),
        ("", ["ubuntu-latest"]),
    ],
    ids=["a label", "a list", "a group", "nothing"],
)
def test_train_runner_names_the_machine_that_has_no_gpu(
    team: Team, gpu: Pull, monkeypatch: pytest.MonkeyPatch, value: str, labels: list[str]
) -> None:
    """A label, or JSON; asked for a GPU where there is none it is red, with a sentence."""
    monkeypatch.setitem(team.hub.variables, "TRAIN_RUNNER", value)
    earlier = [run for run in team.hub.runs if run.trigger.pull is gpu and run.jobs]
    if earlier:
        team.hub.rerun(earlier[-1])
    run = of(team.hub.run(), "model")
    assert sorted(run.runs_on["train"]) == labels
    assert run.jobs["train"] == "failure" and run.checks["model gate"] == "failure", said(run)
    (comment,) = gpu.comments
    assert "⛔" in comment.body and "asks for a GPU" in comment.body, comment.body


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="there is no /proc")
def test_a_failed_training_leaves_nothing_on_the_teams_runner(team: Team, gpu: Pull) -> None:
    """The next job there begins with nothing of this one's: no process, no file."""
    earlier = [run for run in team.hub.runs if run.trigger.pull is gpu and run.jobs]
    job = {"GITHUB_RUN_ID": str(earlier[-1].id), "GITHUB_JOB": "train"}
    found: list[subprocess.Popen[str]] = []
    forgotten = partial(subprocess.Popen, ["sleep", "600"], env={**job, "PATH": os.defpath})
    team.hub.during("model", "train", TRAIN, lambda: found.append(forgotten()))
    team.hub.rerun(earlier[-1])
    run = of(team.hub.run(), "model")
    assert run.jobs["train"] == "failure", said(run)
    assert run.outcomes("train")["make leave"] == "success", said(run)
    (process,) = found
    assert process.wait(60) == -signal.SIGKILL
    assert re.search(r"leave: [1-9]\d* processes ended, [1-9]\d* paths deleted", run.log)


# A GitHub App


def test_with_an_app_ordinary_runs_check_the_bots_commit(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app pushes; GitHub runs the workflow on that, and it trains nothing."""
    hub = team.hub
    monkeypatch.setattr(hub, "variables", dict(hub.variables))
    monkeypatch.setattr(hub, "secrets", dict(hub.secrets))
    hub.install_app("1", "a-long-private-key", {"contents": "write"})
    begin(team, "app", min_samples_leaf="180")
    pushed = team.push()
    pull = team.open("app")
    trained, checked = hub.run()
    assert trained.conclusion == "success" and trained.jobs["check"] == "skipped", said(trained)
    assert [a for a in hub.requests if (a.kind, a.login) == ("git-receive-pack", "app[bot]")]
    assert hub.statuses_of(pull.head_sha) == {}
    assert (checked.event, checked.head_sha) == ("pull_request", pull.head_sha)
    assert checked.conclusion == "success" and checked.jobs["train"] == "skipped", said(checked)
    assert hub.git.git("rev-parse", "app^") == pushed
    assert len(pull.comments) == 1 and pull.refusal() is None


# Jobs that end badly


@pytest.fixture
def stale(team: Team, request: pytest.FixtureRequest) -> Pull:
    """A pull request of this test's own that has to be trained."""
    name = request.node.name.removeprefix("test_")
    begin(team, name, learning_rate="0.09")
    team.push()
    return team.open(name)


def is_never_green(pull: Pull, check: str = "model gate") -> None:
    assert pull.checks()[check] in ("failure", "cancelled")
    assert f'"{check}" is failing' in str(pull.refusal())


def test_a_dead_validate_is_red(team: Team, stale: Pull) -> None:
    """It says nothing about what is stale; that does not count as "nothing"."""
    team.hub.fault("git-upload-pack", do=lambda: team.hub.kill("validate"))
    run = of(team.hub.run(), "model")
    assert run.jobs["validate"] == "failure" and run.jobs["train"] == "skipped", said(run)
    assert errors(run)[-1] == "A job failed, was cancelled or died; the first red job says why"
    is_never_green(stale)
    assert "⛔" in stale.comments[0].body


def test_a_dead_training_is_red(team: Team, stale: Pull) -> None:
    team.hub.during("model.yml", "train", TRAIN, lambda: team.hub.kill("train"))
    run = of(team.hub.run(), "model")
    assert run.jobs["train"] == "failure" and run.jobs["publish"] == "skipped", said(run)
    is_never_green(stale)
    assert "⛔ Blocked: training failed" in stale.comments[0].body


def test_a_cancelled_training_is_red(team: Team, stale: Pull) -> None:
    team.hub.during("model.yml", "train", TRAIN, lambda: team.hub.cancel(team.hub.runs[-1]))
    run = of(team.hub.run(), "model")
    assert run.conclusion == "cancelled" and run.jobs["train"] == "cancelled", said(run)
    assert run.jobs["publish"] == "skipped" and stale.head_sha == run.head_sha
    is_never_green(stale)


def test_a_dead_check_is_red_at_ci(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team.hub, "disabled", {"model.yml", "track.yml"})
    monkeypatch.setitem(team.hub.settings, "required_checks", ["ci"])
    begin(team, "dead-check")
    team.push()
    pull = team.open("dead-check")
    team.hub.fault("git-upload-pack", do=lambda: team.hub.kill("check"))
    run = of(team.hub.run(), "ci")
    assert run.jobs == {"check": "failure", "ci": "failure"}, said(run)
    is_never_green(pull, "ci")
    team.hub.rerun(run)
    assert of(team.hub.run(), "ci").conclusion == "success" and pull.refusal() is None
