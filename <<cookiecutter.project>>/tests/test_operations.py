"""The operational numbers of histories that were made by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import load
from histories import History

operations = load("gitops.operations")
HOUR = 3600


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def figures(history: History, system: dict[str, Any]) -> None:
    """What the training of a model leaves beside its lock."""
    (history.root / "reports").mkdir(exist_ok=True)
    (history.root / "params.yaml").write_text("task: {metric: roc_auc}\n")
    judged = {"roc_auc": {"value": 0.75, "low": 0.7, "high": 0.8}}
    (history.root / "reports/metrics.json").write_text(json.dumps(judged))
    (history.root / "reports/system.json").write_text(json.dumps(system))


def train(history: History, model: str, hours: float = 0, branch: str = "x") -> None:
    """A pull request with a model, merged so many hours after its first commit."""
    history.git("checkout", "-q", "-B", "work", "main")
    history.commit("An idea")
    history.commit("Train the model", model)
    history.git("checkout", "-q", "main")
    history.clock += int(hours * HOUR) - 120
    history.git(
        "merge", "-q", "--no-ff", "-m", f"Merge pull request #{ord(model)} from o/{branch}", "work"
    )
    history.clock += 60


def ship(history: History, what: str = "main", after: float = 0) -> None:
    history.clock += int(after * HOUR) - 60
    history.merge("Merge pull request #9 from o/promote/1", what)


def numbers(
    history: History, pulls: dict[int, dict[str, str]] | None = None, merged: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Each number by its name."""
    known = load("gitops.history").releases("release", history.root)
    came = load("gitops.models").models("main", history.root)
    found = operations.numbers(known, came, pulls, set(merged))
    return {each.name: each for each in found}


def test_before_there_is_anything_no_number_stands(history: History) -> None:
    """Each says why; none is a zero that was made up."""
    found = numbers(history)
    assert len(found) == 8
    assert [(each.value, each.low, each.high, each.n) for each in found.values()] == [
        (None, None, None, 0)
    ] * 8
    assert all(each.note and each.definition for each in found.values())


def test_lead_time_begins_with_the_first_commit_and_production_with_the_merge(
    history: History,
) -> None:
    """Each ends with the merge into `release`; the median of two lies between them."""
    train(history, "a", hours=5)
    ship(history, after=3)
    train(history, "b", hours=1)
    ship(history, after=1)
    found = numbers(history)
    assert found["Lead time for a model change"].points == [8 * HOUR, 2 * HOUR]
    assert found["Lead time for a model change"].value == 5 * HOUR
    time = found["Time to production"]
    assert (time.value, time.low, time.high, time.n) == (2 * HOUR, HOUR, 3 * HOUR, 2)
    assert found["Model deployment frequency"].points == [2 * HOUR + 60]


def test_code_alone_is_no_deployment_of_a_model(history: History) -> None:
    """Nor does a model that `main` never had tell how long it took."""
    train(history, "a")
    ship(history)
    history.git("checkout", "-q", "main")
    history.commit("Code alone")
    ship(history)
    history.git("checkout", "-q", "release")
    history.commit("A model from elsewhere", "z")
    found = numbers(history)
    assert found["Model deployment frequency"].n == found["Time to production"].n == 1
    assert found["Change failure rate"].n == 2


def test_where_release_was_only_moved_no_time_is_made_up(history: History) -> None:
    """There is a model in production, and no merge that put it there."""
    train(history, "a")
    history.git("branch", "-f", "release", "main")
    found = numbers(history)
    assert found["Time to production"].value is found["Lead time for a model change"].value is None
    assert "git does not tell" in found["Time to production"].note
    assert found["Change failure rate"].n == 1


def test_a_rollback_is_a_failure_that_was_restored(history: History) -> None:
    """From the bad release on, whatever code was shipped meanwhile."""
    train(history, "a")
    ship(history)
    train(history, "b")
    ship(history, after=1)
    history.git("checkout", "-q", "main")
    history.commit("Code alone")
    ship(history, after=1)
    ship(history, "release~2", after=1)
    found = numbers(history)
    rate = found["Change failure rate"]
    assert (rate.value, rate.n, rate.note) == (0.5, 2, "1 rolled back")
    assert found["Time to restore"].points == [2 * HOUR + 60]


def test_twice_back_are_two_failures_and_promoted_again_is_none(history: History) -> None:
    """Back is only where production came from, as `make rollback` counts."""
    for model in "abc":
        train(history, model)
        ship(history)
    for back in ("release^1", "release~3", "main"):
        ship(history, back)
    known = load("gitops.history").releases("release", history.root)
    assert "".join(each.model[0] for each in known) == "abcbac"
    moves = [(each.release.number, each.back) for each in operations.steps(known)]
    assert moves == [(1, False), (2, False), (3, False), (4, True), (5, True), (6, False)]
    found = numbers(history)
    assert (found["Change failure rate"].value, found["Change failure rate"].n) == (0.5, 4)
    assert found["Time to production"].n == 3


def test_a_share_has_wilsons_interval() -> None:
    """As published tables have it, and never beyond none and all."""
    found = [operations.share("x", part, 10, "", "", "", "") for part in (0, 3, 10)]
    ends = [(round(each.low, 4), round(each.high, 4)) for each in found]
    assert ends == [(0.0, 0.2775), (0.1078, 0.6032), (0.7225, 1.0)]


def test_figures_of_another_model_do_not_count(history: History) -> None:
    """Only what was measured with the model that the lock names."""
    systems: dict[str, dict[str, Any]] = {
        "a": {"train_seconds": 60, "gpu": None},
        "b": {"train_seconds": 1, "model": "another"},
        "c": {"train_seconds": 80, "gpu": {"utilization_percent": 55.5}},
        "d": {"train_seconds": "nan", "gpu": "none"},
    }
    for model, system in systems.items():
        figures(history, {"model": model * 32} | system)
        history.train(model, model)
    found = numbers(history)
    assert found["Training time"].points == [60, 80]
    assert found["GPU utilisation"].points == [55.5]


def test_without_a_gpu_none_is_made_up(history: History) -> None:
    figures(history, {"model": "a" * 32, "train_seconds": 60, "gpu": None})
    history.train("a", "a")
    found = numbers(history)["GPU utilisation"]
    assert found.value is None and "no model of main was trained on a GPU" in found.note


def test_a_model_of_main_has_its_metric_and_its_interval(history: History) -> None:
    """A report that nobody can read leaves it unknown; the same model again is no other."""
    figures(history, {})
    history.train("a", "a")
    history.train("a once more", "a")
    (history.root / "reports/metrics.json").write_text("{")
    history.train("b", "b")
    first, second = load("gitops.models").models("main", history.root)
    assert (first.metric, first.value, first.low, first.high) == ("roc_auc", 0.75, 0.7, 0.8)
    assert (second.metric, second.value, second.model) == ("", None, "b" * 32)


def pull(closed: str = "", merged: str = "") -> dict[str, str]:
    return {"opened": "2026-01-01T00:00:00Z", "closed": closed, "merged": merged}


def test_experiments_are_known_by_git_and_by_github(history: History) -> None:
    """What GitHub has forgotten git still knows as merged; what is open is said."""
    when = "2026-01-02T00:00:00Z"
    known = {2: pull(when, when), 3: pull(when), 4: pull()}
    found = numbers(history, known, merged=(1, 2))["Experiment success rate"]
    assert (found.value, found.n) == (0.5, 4)
    assert found.note == "2 merged, 1 closed, 1 open"
    assert numbers(history, {})["Experiment success rate"].value is None


def test_where_github_was_never_asked_no_rate_stands(history: History) -> None:
    found = numbers(history, None, merged=(1, 2))["Experiment success rate"]
    assert found.value is None and found.note.startswith("git knows of 2 that were merged")


def test_git_names_the_retraining_that_was_merged(history: History) -> None:
    """By the branch in the subject of GitHub's merge commit, and by no other."""
    train(history, "a", branch="retrain")
    train(history, "b", branch="not-retrain")
    train(history, "c", branch="retrain-not")
    module = load("gitops.history")
    chain = module.first_parents(module.commits(history.root, "main"))
    assert load("gitops.retraining").in_git(chain) == {ord("a")}
