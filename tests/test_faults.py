"""What goes wrong around a pull request, through its workflow on a loopback GitHub.

Each fault ends in one sentence and a red gate, loses nothing, and the next attempt is green. The
tests of a part are one story, told in their order: most are attempts of the same run.
"""

from collections.abc import Callable, Iterator

import pytest
import yaml

from baking import Oven
from outages import STORE, TRAIN, full_disk, is_whole, kept, unreachable
from prepared import prepared
from rig import GitHub, Pull, Run
from team import Team, of, said, set_params

pytestmark = pytest.mark.slow
COMMENTS = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    return prepared(hub, oven, tmp_path_factory.mktemp("laptop"))


@pytest.fixture(autouse=True)
def no_fault_is_left(hub: GitHub) -> Iterator[None]:
    """The next test must not meet the fault of this one."""
    yield
    hub.faults.clear()
    hub.engine.gate.waiting.clear()


def change(team: Team, branch: str, **values: str) -> Pull:
    """Open a pull request that changes parameters, or else the README."""
    team.start(branch)
    set_params(team.laptop, **values)
    if not values:
        team.laptop.write("README.md", f"{branch}\n")
    team.push()
    return team.open(branch)


def attempt(pull: Pull) -> Run:
    """The run that waits for its turn, or one more attempt of the newest."""
    hub = pull.hub
    run = [run for run in hub.runs if run.trigger.pull is pull and not run.waiting][-1]
    if run.status == "completed":
        run = hub.rerun(run)
    hub.run()
    return run


def is_red(pull: Pull, run: Run, job: str) -> None:
    """The job failed, and with it the gate; nothing was committed, and GitHub does not merge."""
    assert run.jobs[job] == "failure" and run.conclusion == "failure", said(run)
    assert run.checks["model gate"] == "failure"
    assert pull.head_sha == run.head_sha and pull.refusal() is not None
    assert "Traceback" not in run.log


def is_green(pull: Pull, run: Run) -> None:
    assert run.conclusion == "success" and run.checks["model gate"] == "success", said(run)
    assert pull.refusal() is None


# The comment


@pytest.fixture(scope="module")
def read_me(team: Team) -> Pull:
    """A pull request that trains nothing; its first run is the first test's."""
    return change(team, "readme")


def comment_is_missing(pull: Pull, run: Run) -> None:
    is_red(pull, run, "report")
    assert run.outcomes("report")["comment"] == "failure"
    told = [note.message for note in run.annotations if note.job == "report"]
    assert told == [
        "GitHub did not take the comment; the report is in this run's summary, and running the job "
        "again posts it"
    ]
    assert "ROC AUC" in run.summary["compare"] and pull.comments == []


@pytest.mark.parametrize("status", [403, 422, 429, 500])
def test_the_comment_is_refused(team: Team, read_me: Pull, status: int) -> None:
    """No reviewer is told, so it is red; the report is in the summary."""
    team.hub.fault(COMMENTS, status=status)
    comment_is_missing(read_me, attempt(read_me))


def test_nobody_answers_the_comment(team: Team, read_me: Pull) -> None:
    """Silence; the rig ends it before the step's own limit does."""
    team.hub.fault(COMMENTS, delay=10, cut=True)
    comment_is_missing(read_me, attempt(read_me))


def test_the_comment_is_posted_by_the_next_attempt(read_me: Pull) -> None:
    is_green(read_me, attempt(read_me))
    assert len(read_me.comments) == 1


# The store, the disk, and a job that dies


@pytest.fixture(scope="module")
def trained(team: Team) -> Pull:
    """A pull request that trains; its first run is the first test's."""
    return change(team, "trained", learning_rate="0.06")


def told(pull: Pull, *words: str) -> str:
    """The one comment, which has all of the words."""
    (comment,) = pull.comments
    assert [word for word in words if word not in comment.body] == [], comment.body[:1500]
    return comment.body


def spoiled(hub: GitHub, name: str) -> str:
    """A commit of the store in which one bit of an object is another."""
    (content := bytearray(hub.git.run("cat-file", "blob", kept(hub)[name])))[0] ^= 1
    file, index = hub.folder / "spoiled", {"GIT_INDEX_FILE": str(hub.folder / "index")}
    file.write_bytes(content)
    blob = hub.git.git("hash-object", "-w", str(file))
    hub.git.run("read-tree", STORE, env=index)
    entry = f"100644,{blob},files/md5/{name[:2]}/{name[2:]}"
    hub.git.run("update-index", "--cacheinfo", entry, env=index)
    tree = hub.git.run("write-tree", env=index).decode().strip()
    return hub.git.git("commit-tree", tree, "-p", STORE, "-m", "1 object")


def test_an_object_of_the_store_is_corrupt(team: Team, trained: Pull) -> None:
    """It is refused before anything is made from it."""
    lock = yaml.safe_load(team.laptop.read("dvc.lock"))
    model = lock["stages"]["train"]["outs"][2]
    assert model["path"] == "models/model.skops"
    whole = team.hub.git.git("rev-parse", STORE)
    team.hub.git.set(STORE, spoiled(team.hub, model["md5"]))
    try:
        run = of(team.hub.run(), "model")
    finally:
        team.hub.git.set(STORE, whole)
    is_red(trained, run, "validate")
    assert run.jobs["train"] == "skipped"
    told(trained, "⛔", "'models/model.skops'", "is damaged", model["md5"])


def test_the_store_cannot_be_reached_before(team: Team, trained: Pull) -> None:
    unreachable(team.hub, "model.yml", "validate", "make prepare pack")
    is_red(trained, run := attempt(trained), "validate")
    assert run.jobs["train"] == "skipped"
    told(trained, "⛔", "the store cannot be reached", "503", "Run this job again")


def test_the_store_cannot_be_reached_while_it_trains(team: Team, trained: Pull) -> None:
    unreachable(team.hub, "model.yml", "train", TRAIN)
    is_red(trained, attempt(trained), "train")
    told(trained, "⛔", "the store cannot be reached", "503", "Run this job again")


def test_the_runners_disk_is_full(team: Team, trained: Pull) -> None:
    full_disk(team.hub, "model.yml", "train", TRAIN, "reports/system.json")
    is_red(trained, attempt(trained), "train")
    told(trained, "⛔", "the disk is full", "make room")


def test_the_store_cannot_be_reached_after(team: Team, trained: Pull) -> None:
    """The model is trained and judged; its figures stay below the sentence."""
    before = kept(team.hub)
    unreachable(team.hub, "model.yml", "publish", "publish", "git-receive-pack")
    is_red(trained, attempt(trained), "publish")
    assert kept(team.hub) == before
    told(trained, "⛔", "could not be published", "took nothing", "503", "follows", "ROC AUC")


def test_the_stores_disk_is_full(team: Team, trained: Pull) -> None:
    before, hook = kept(team.hub), team.hub.git.path / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'fatal: No space left on device' >&2\nexit 1\n")
    hook.chmod(0o755)
    try:
        is_red(trained, attempt(trained), "publish")
    finally:
        hook.unlink()
    assert kept(team.hub) == before
    told(trained, "⛔", "could not be published", "took nothing", "No space left on device")


def test_publish_is_killed_between_push_and_commit(team: Team, trained: Pull) -> None:
    """The objects are there and the lock is not: never the other way round."""
    before = kept(team.hub)
    team.hub.fault("git-receive-pack", nth=2, do=lambda: team.hub.kill("publish"))
    is_red(trained, attempt(trained), "publish")
    assert before.items() < kept(team.hub).items()
    told(trained, "⛔", "could not be published", "Run the failed job again")


def test_the_next_attempt_ends_as_if_nothing_had_happened(team: Team, trained: Pull) -> None:
    """Also where GitHub is busy when the checks are set: that is asked again."""
    objects, parent = kept(team.hub), trained.head_sha
    team.hub.fault("POST /repos/{owner}/{repo}/statuses/{sha}", status=500)
    is_green(trained, attempt(trained))
    assert team.hub.git.git("rev-parse", "trained^") == parent
    assert kept(team.hub) == objects
    is_whole(team.hub, "trained")
    assert "⛔" not in told(trained, "ROC AUC")


def test_a_runner_needs_no_git_identity(team: Team, trained: Pull) -> None:
    """The rig's machines have none, and nothing gave them one: git itself would refuse there."""
    machine = team.hub.engine.machine.environment
    assert not [name for name in machine if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))]
    asked = team.laptop.run("git", "config", "--global", "--get-regexp", "^user", check=False)
    assert asked.returncode and "GIT_CONFIG_GLOBAL" not in machine
    git = team.hub.git.git
    authors = [git("log", "-1", "--format=%an, %cn", ref) for ref in ("trained", STORE)]
    assert authors == ["github-actions[bot], github-actions[bot]", "DVC store, DVC store"]
    files = [*(team.laptop.path / ".github").rglob("*.yml"), team.laptop.path / "Makefile"]
    assert not [file for file in files if "user.name" in file.read_text()]


def test_a_published_model_is_not_published_twice(team: Team, trained: Pull) -> None:
    """A whole attempt more trains the same bytes, and commits nothing."""
    tip, store = trained.head_sha, team.hub.git.git("rev-parse", STORE)
    is_green(trained, run := attempt(trained))
    assert (trained.head_sha, team.hub.git.git("rev-parse", STORE)) == (tip, store)
    assert "is it already" in run.log and len(trained.comments) == 1


# The branch


@pytest.fixture(scope="module")
def moving(team: Team) -> Pull:
    return change(team, "moving", max_leaf_nodes="14")


def test_two_pushes_in_a_row_train_the_newer(team: Team, moving: Pull) -> None:
    set_params(team.laptop, max_leaf_nodes="13")
    newer = team.push()
    older, run = [run for run in team.hub.run() if not run.waiting]
    assert (older.conclusion, older.jobs) == ("cancelled", {})
    assert run.head_sha == newer
    is_green(moving, run)
    assert team.hub.git.git("rev-parse", "moving^") == newer
    assert len(moving.comments) == 1


def by_a_bot(team: Team, branch: str) -> Callable[[], None]:
    """A commit that another bot pushes: it ends no run."""

    def push() -> None:
        tip = str(team.hub.git.tip(branch))
        new = team.hub.git.git("commit-tree", f"{tip}^{{tree}}", "-p", tip, "-m", "A bot's")
        team.hub.git.set("refs/bots/own", new)
        token = team.hub.app_token()
        address = f"https://x-access-token:{token}@{team.hub.host}/{team.hub.name}"
        folder = team.hub.folder / "bot"
        run = team.laptop.run
        run("git", "clone", "-q", "-b", branch, address, str(folder))
        run("git", "-C", str(folder), "fetch", "-q", "origin", "refs/bots/own")
        run("git", "-C", str(folder), "push", "-q", "origin", f"FETCH_HEAD:{branch}")

    return push


def test_the_branch_moves_while_it_trains(team: Team, moving: Pull) -> None:
    """The newer commit stays the newest, and its own run trains and publishes."""
    team.update()
    set_params(team.laptop, max_leaf_nodes="12")
    older = team.push()
    team.hub.during("model.yml", "publish", "publish", by_a_bot(team, "moving"))
    first, second = [run for run in team.hub.run() if not run.waiting]
    assert first.head_sha == older and first.jobs["publish"] == "failure", said(first)
    newer = second.head_sha
    assert f"'moving' has moved to {newer[:7]} while {older[:7]} was trained" in first.log
    assert first.checks["model gate"] == "failure"
    is_green(moving, second)
    history = team.hub.git.lines("log", "-3", "--format=%H", "moving")
    assert history == [moving.head_sha, newer, older]
    assert "⛔" not in told(moving, "ROC AUC")


def test_the_branch_is_deleted(team: Team) -> None:
    """It is not made again by the bot; pushed and reopened by a person, it is trained."""
    pull, git = change(team, "deleted", min_samples_leaf="180"), team.laptop.run
    team.hub.during(
        "model.yml", "publish", "publish", lambda: git("git", "push", "-q", "origin", ":deleted")
    )
    run = of(team.hub.run(), "model")
    assert run.jobs["publish"] == "failure" and run.checks["model gate"] == "failure", said(run)
    assert team.hub.git.tip("deleted") is None
    told(pull, "⛔", "'deleted' has been deleted", "push it again")
    git("git", "push", "-q", "origin", "deleted")
    pull.reopen(team.person)
    is_green(pull, of(team.hub.run(), "model"))
    is_whole(team.hub, "deleted")


def test_a_lock_that_conflicts_with_main_starts_nothing(
    team: Team, trained: Pull, moving: Pull
) -> None:
    """As on GitHub; nothing runs until `make sync` has settled it, and then it is trained."""
    trained.merge(team.person)
    team.hub.run()
    team.laptop.run("git", "checkout", "-q", "-B", "moving", "origin/moving")
    team.update()
    team.laptop.write("README.md", "A word more.\n")
    team.push()
    assert team.hub.run() == [] and "conflicts" in str(moving.refusal())
    team.laptop.make("sync")
    team.laptop.run("git", "push", "-q", "origin", "HEAD")
    is_green(moving, of(team.hub.run(), "model"))
    is_whole(team.hub, "moving")
