"""A maintainer lets a blocked model through, with the label `accept-model`; nobody else does.

The tests of this file are one story, told in their order.
"""

import json
from collections.abc import Callable

import pytest
import yaml

from baking import BakedProject, Oven
from judged import Judged, propose
from prepared import prepared
from rig import GitHub, Pull
from rig.account import Account
from team import Team, of, said, set_params

pytestmark = pytest.mark.slow

LABEL, RECORD = "accept-model", "reports/accepted.json"
TRAIN = "make unpack fetch repro pack"
WHY = "The old model leaves with its data source on Monday; the next one is better."


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    team = prepared(hub, oven, tmp_path_factory.mktemp("laptop"), margin="0.01")
    assert hub.run() == []
    return team


@pytest.fixture(scope="module")
def pulls(team: Team) -> dict[str, Pull]:
    """Pull requests with a worse model, judged: `trained` by the runner, the others on a laptop."""
    names = ("trained", "regretted", "reader", "robot")
    found = {name: propose(team, name, worse(place)) for place, name in enumerate(names)}
    team.hub.run(at_once=2)
    return found


def worse(place: int) -> Callable[[BakedProject], None]:
    """A change to a model that learned next to nothing; each another one."""

    def change(project: BakedProject) -> None:
        set_params(project, max_iter="2", seed=str(place))
        if place:
            project.make("repro", "push")

    return change


def show(pull: Pull, path: str) -> str:
    return pull.hub.git.git("show", f"{pull.head_sha}:{path}")


def has_record(pull: Pull) -> bool:
    return bool(pull.hub.git.git("ls-tree", "--name-only", pull.head_sha, RECORD))


def is_blocked(pull: Pull) -> None:
    """Red, not mergeable, and the report names nobody."""
    assert pull.checks()["model gate"] == "failure"
    assert pull.refusal() == 'Required status check "model gate" is failing.'
    assert pull.comments[0].body.startswith("### ⛔"), pull.comments[0].body


def test_a_blocked_model_makes_the_label_known(hub: GitHub, pulls: dict[str, Pull]) -> None:
    """`report` creates it, and the comment says what it does."""
    assert LABEL in hub.labels
    for pull in pulls.values():
        is_blocked(pull)
        assert f"with the label `{LABEL}`" in pull.comments[0].body


@pytest.fixture(scope="module")
def labelled(hub: GitHub, team: Team, pulls: dict[str, Pull]) -> dict[str, Judged]:
    """Each pull request after somebody commented on it and set the label."""
    ruth, robot = hub.person("ruth", permission="read"), Account("helper[bot]", "write", "Bot")
    hub.add(robot)
    people = {"reader": ruth, "robot": robot}
    for name, pull in pulls.items():
        who = people.get(name, team.person)
        pull.comment(WHY, who)
        pull.label(LABEL, who)
    runs = hub.run(at_once=2)
    return {name: Judged.of(pull, runs) for name, pull in pulls.items()}


@pytest.mark.parametrize("name", ["trained", "regretted"])
def test_a_maintainer_accepts_a_blocked_model(labelled: dict[str, Judged], name: str) -> None:
    """It is green, without training, and the report names who, when and why."""
    found = labelled[name]
    assert found.gate == "success" and found.pull.refusal() is None, said(found.run)
    assert not found.trained
    report = found.pull.comments[0].body
    assert report.startswith("### ⚠️ Accepted by `alice` although worse than `main`"), report
    when = found.pull.events[-1]["created_at"]
    assert f"`alice` accepted this model on {when[:10]}" in report and WHY in report
    assert LABEL in found.pull.labels


def test_publish_commits_who_accepted_it(labelled: dict[str, Judged]) -> None:
    """For this model; the bot's commit holds nothing else, and carries the required checks."""
    pull = labelled["trained"].pull
    record = json.loads(show(pull, RECORD))
    outs = yaml.safe_load(show(pull, "dvc.lock"))["stages"]["train"]["outs"]
    (model,) = [out["md5"] for out in outs if out["path"] == "models/model.skops"]
    when = pull.events[-1]["created_at"]
    assert record == {"by": "alice", "when": when, "why": WHY, "model": model}
    changed = pull.hub.git.changed(f"{pull.head_sha}^", pull.head_sha)
    assert changed == [("A", RECORD)]
    assert pull.checks() == {"ci": "success", "model gate": "success"}


@pytest.mark.parametrize("name", ["reader", "robot"])
def test_a_label_of_others_does_not_count(labelled: dict[str, Judged], name: str) -> None:
    """Of a person without write access, or of a bot that has it: it is taken off."""
    pull = labelled[name].pull
    is_blocked(pull)
    assert pull.labels == [] and not has_record(pull)
    assert pull.events[-1]["actor"]["login"] == "github-actions[bot]"


def test_a_fork_cannot_be_accepted(hub: GitHub, team: Team, pulls: dict[str, Pull]) -> None:
    """Nobody could commit the acceptance there: blocked it stays, and `make take` is the way."""
    eve = hub.person("eve", permission="read")
    name = hub.fork(eve)
    theirs = f"{pulls['reader'].head_sha}:refs/heads/gift"
    team.laptop.run("git", "push", "-q", hub.url(eve, name), theirs)
    pull = hub.open_pull("gift", eve, title="gift", fork=True)
    assert of(hub.run(), "model").checks["model gate"] == "failure"
    pull.comment(WHY, team.person)
    pull.label(LABEL, team.person)
    run = of(hub.run(), "model")
    assert run.checks["model gate"] == "failure" and pull.refusal() is not None
    assert run.jobs["compare"] == "success", said(run)
    assert run.summary["compare"].startswith("### ⛔ Worse than `main`")


@pytest.fixture(scope="module")
def later(hub: GitHub, team: Team, labelled: dict[str, Judged]) -> dict[str, Judged]:
    """One gets a push with another model, from one the label is taken off."""
    team.laptop.run("git", "checkout", "-q", "trained")
    team.update()
    set_params(team.laptop, max_iter="1")
    team.push()
    labelled["regretted"].pull.unlabel(LABEL, team.person)
    runs = hub.run(at_once=2)
    return {name: Judged.of(labelled[name].pull, runs) for name in ("trained", "regretted")}


def test_another_model_drops_the_label(later: dict[str, Judged]) -> None:
    """It was set on a model that is gone: red again, and no record is left."""
    found = later["trained"]
    assert found.trained
    is_blocked(found.pull)
    assert found.pull.labels == [] and not has_record(found.pull)


def test_taken_off_it_does_not_count(later: dict[str, Judged]) -> None:
    """Whatever git has noted."""
    pull = later["regretted"].pull
    assert has_record(pull)
    is_blocked(pull)


def test_set_before_the_model_is_there_it_does_not_count(hub: GitHub, team: Team) -> None:
    """Nobody can have judged what is still being trained."""
    pull = propose(team, "early", lambda project: set_params(project, max_iter="1", seed="9"))
    hub.during("model", "train", TRAIN, lambda: pull.label(LABEL, team.person))
    hub.run()
    assert [event["event"] for event in pull.events][-2:] == ["labeled", "unlabeled"]
    is_blocked(pull)
    assert pull.labels == [] and not has_record(pull)


def test_accepted_on_main_it_is_judged_again_on_the_way_to_production(
    hub: GitHub, team: Team, labelled: dict[str, Judged]
) -> None:
    """What was noted there counts for nothing here: a label of its own would."""
    hub.git.set("refs/heads/release", str(hub.git.tip("main")))
    pull = team.open("regretted", base="release")
    hub.run()
    assert has_record(pull)
    is_blocked(pull)
    assert pull.comments[0].body.startswith("### ⛔ Worse than `release`")


def test_the_other_permissions_are_used_here(hub: GitHub) -> None:
    """With those of the story, each job's permissions are all used by some request of it."""
    unused = {(job, scope, level) for _, job, scope, level in hub.unused_permissions()}
    assert unused.isdisjoint(
        {
            ("compare", "issues", "read"),
            ("compare", "pull-requests", "read"),
            ("report", "issues", "write"),
        }
    )
