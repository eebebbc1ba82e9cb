"""Models that must not reach production although a team got them as far as a pull request to it.

Nothing trains there: each was trained, or made to look so, on a laptop. Production's own gate
judges, by what the section `promotion` asks beyond the gate of `main`. All are judged in one go.
"""

import polars as pl
import pytest

from baking import BakedProject, Oven
from judged import PACKAGE, Judged, Mutants, edit, refused
from mutants import edit_metric, record, replace, train_labels
from prepared import prepared
from rig import GitHub
from team import Team, of, said, set_params

pytestmark = pytest.mark.slow

SMALL = {
    "metric": "log_loss",  # in which so small a model is better than a linear one
    "floors": "{}",
    "margin": "0.04",
    "latency_ms": "null",
}
ASKED = """promotion:
  latency_ms: 100
  latency_times: null
  size_mib: 0.2
  beat_linear: 0.0
  floors: {accuracy: 0.6}
"""
"""What the gate of `main` does not ask."""
SPLIT = "2013-04-02"
"""The last day to train on."""

MUTANTS = Mutants()
mutant = MUTANTS.add


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """The model of `main` is in production."""
    team = prepared(hub, oven, tmp_path_factory.mktemp("laptop"), ASKED, **SMALL)
    hub.disabled.add("release.yml")
    team.laptop.run("git", "push", "-q", "origin", "main:release")
    assert hub.run() == []
    return team


@pytest.fixture(scope="module")
def judged(team: Team) -> dict[str, Judged]:
    """Every mutant after its run, by name."""
    return MUTANTS.judged(team, "release")


def trained(project: BakedProject) -> None:
    """Bring a change as far as a team can: trained, committed, and in the store."""
    project.make("repro", "push")


def learn_the_opposite(project: BakedProject) -> None:
    train_labels(project, "pl.when(old).then(~late).otherwise(late)", SPLIT)


def test_nothing_trains_on_the_way_to_production(judged: dict[str, Judged]) -> None:
    for name, found in judged.items():
        assert found.run.jobs["train"] == found.run.jobs["publish"] == "skipped", name
        assert "Running stage" not in found.run.log, name


# What the gate refuses


@mutant
def worse(project: BakedProject) -> None:
    learn_the_opposite(project)
    trained(project)


def test_worse_than_the_champion(judged: dict[str, Judged]) -> None:
    refused(judged["worse"], "Worse than `release`", "slices are worse")


@mutant
def lenient(project: BakedProject) -> None:
    """Nearly every flight counts as late; the model itself is the champion's."""
    set_params(project, threshold="0.05")
    trained(project)


def test_a_floor_that_only_promotion_has(judged: dict[str, Judged]) -> None:
    refused(judged["lenient"], "Accuracy is 0.281, and gate.floors asks for at least 0.6")


@mutant
def linear(project: BakedProject) -> None:
    text = project.read("params.yaml")
    start, end = text.index("  estimator:"), text.index("  seed:")
    simple = "  estimator: sklearn.linear_model.LogisticRegression\n"
    simple += "  arguments: {max_iter: 1000}\n  encoding: onehot\n"
    project.write("params.yaml", text[:start] + simple + text[end:])
    trained(project)


def test_no_better_than_the_linear_model(judged: dict[str, Judged]) -> None:
    words = "the gain in Log loss over the linear model is"
    refused(judged["linear"], words, "`gate.beat_linear` asks for more than 0")


@mutant
def slow(project: BakedProject) -> None:
    """The same model, but each answer waits for something else first."""
    line = "    frame = features(table, task)\n"
    edit(project, f"{PACKAGE}/model.py", line, f"    time.sleep(0.15)\n{line}")
    edit(project, f"{PACKAGE}/model.py", "import json\n", "import json\nimport time\n")
    trained(project)


def test_too_slow_for_production(judged: dict[str, Judged]) -> None:
    """Code alone does it: model and scores are the champion's, byte for byte."""
    refused(judged["slow"], "Blocked: too slow", "the gate asks for at most 100 ms")


@mutant
def heavy(project: BakedProject) -> None:
    set_params(project, max_leaf_nodes="31")
    trained(project)


def test_too_large_for_production(judged: dict[str, Judged]) -> None:
    refused(judged["heavy"], "Blocked: too large", "the gate asks for at most 0.2 MiB")


@mutant
def one_slice(project: BakedProject) -> None:
    """One carrier reports its delays the wrong way round."""
    wrong = 'pl.when(old & (pl.col("carrier") == "US")).then(~late).otherwise(late)'
    train_labels(project, wrong, SPLIT)
    trained(project)


def test_worse_on_one_slice_only(judged: dict[str, Judged]) -> None:
    refused(judged["one_slice"], "worse for", "1 slice is worse than base's: carrier 'US'")


@mutant
def looser(project: BakedProject) -> None:
    """A section that lets anything pass, and a model that needs it."""
    learn_the_opposite(project)
    text = project.read("params.yaml")
    loose = "promotion:\n  margin: 9\n  floors: {}\n  beat_linear: null\n"
    project.write("params.yaml", text.replace(ASKED, loose))
    trained(project)


def test_a_gate_loosened_together_with_a_worse_model(judged: dict[str, Judged]) -> None:
    """Production's gate judges, and the report says so before all else."""
    words = "this change alters the gate, and production's gate has judged it"
    refused(judged["looser"], "Worse than `release`", words, "promotion.margin")


# What does not hold together


@mutant
def metres(project: BakedProject) -> None:
    """A month in another unit, in place of the one that was brought in."""
    path = "data/raw/2013-04.parquet"
    table = pl.read_parquet(project.path / path)
    replace(project, path, table.with_columns(pl.col("distance") * 1609))
    record(project)


def test_data_that_breaks_the_contract(judged: dict[str, Judged]) -> None:
    """The comment has the table of what is broken."""
    words = "| `distance` | `in_range(10, 6000)` |"
    refused(judged["metres"], "the data breaks its contract", words, "| Examples |")


@mutant
def metric_edited(project: BakedProject) -> None:
    edit_metric(project, "log_loss", 0.1)


def test_a_metric_edited_by_hand(judged: dict[str, Judged]) -> None:
    words = "is not what the predictions of this commit gives"
    refused(judged["metric_edited"], "does not hold together", "reports/metrics.json", words)


@mutant
def not_pushed(project: BakedProject) -> None:
    """Trained on a laptop, and `make push` forgotten."""
    set_params(project, max_iter="21")
    project.make("repro")


def test_an_object_that_the_store_lacks(judged: dict[str, Judged]) -> None:
    words = "the store lacks what `dvc.lock` names"
    refused(judged["not_pushed"], words, "`make push`")


@mutant
def stale(project: BakedProject) -> None:
    set_params(project, max_iter="28")


def test_a_stale_lock(judged: dict[str, Judged]) -> None:
    """The report says where training is done."""
    refused(judged["stale"], "train it on main, then promote that")


# On `main` already


def test_what_main_let_through_is_judged_again(judged: dict[str, Judged], team: Team) -> None:
    """The workflow opens the pull request, and its statuses say no."""
    hub, laptop = team.hub, team.laptop
    hub.settings["actions_may_open_pull_requests"] = True
    laptop.run("git", "push", "-q", "origin", f"{judged['looser'].pull.head_sha}:main")
    hub.run()
    hub.dispatch("promote.yml", "main", {}, by=team.person)
    run = of(hub.run(), "promote")
    assert run.conclusion == "success", said(run)
    pull = hub.pulls()[-1]
    words = "this change alters the gate, and production's gate has judged it"
    found = Judged(pull, run, pull.comments[-1].body, pull.checks()["model gate"])
    refused(found, "Worse than `release`", words)
    assert hub.git.tip("main") == pull.head_sha != hub.git.tip("release")


def test_a_maintainer_accepts_what_a_workflow_opened(team: Team) -> None:
    """By a label on this very pull request; the status that said no says yes then."""
    pull = team.hub.pulls()[-1]
    pull.comment("The old source is gone on Monday.", team.person)
    pull.label("accept-model", team.person)
    run = of(team.hub.run(), "model")
    assert run.conclusion == "success" and pull.refusal() is None, said(run)
    assert pull.comments[0].body.startswith("### ⚠️ Accepted by `alice` although worse than")
    assert pull.checks()["model gate"] == "success"
