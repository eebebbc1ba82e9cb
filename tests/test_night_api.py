"""What GitHub's API may answer a night, call by call: one sentence, and the next attempt mends it.

The functions that ask it are called here as the jobs call them, on a loopback GitHub.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nights import TITLE, texts
from options import REPOSITORY
from outages import STORE
from rig import GitHub, Pull
from rig.account import ACTIONS_BOT, Token, new_token
from rig.fault import Fault
from rig.pull import Issue

SOURCE = REPOSITORY / "<<cookiecutter.project>>/src/<<cookiecutter.package>>"
ISSUES = "/repos/{owner}/{repo}/issues"
COMMENTS = f"{ISSUES}/{{issue_number}}/comments"
PULLS = "/repos/{owner}/{repo}/pulls"
STATUSES = "POST /repos/{owner}/{repo}/statuses/{sha}"
LABELS = "GET /repos/{owner}/{repo}/labels"
ALWAYS = 1000
FORBIDDEN = "GitHub Actions is not permitted to create or approve pull requests."
LIMIT = "You have exceeded a secondary rate limit. Please wait a few minutes."
BETTER = {"verdict": "better", "reasons": ["roc_auc rose"], "accepted": None, "record": False}

WAYS = [*({"status": status} for status in (403, 422, 429, 500)), {"cut": True}]
HOW = pytest.mark.parametrize("how", WAYS, ids=lambda how: str(how.get("status", "no answer")))


# What the tests stand on


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """The template's package under a name that Python knows; a copy, for its byte code."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.copytree(SOURCE, folder / "asks", ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield lambda name: import_module(f"asks.{name}")


@pytest.fixture
def github(package: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What asks GitHub, again at once."""
    found = package("gitops.github")
    monkeypatch.setattr(found, "PAUSES", (0, 0))
    return found


@pytest.fixture(autouse=True)
def surroundings(hub: GitHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A job of a night on `retrain`, whose token may do what `retrain` and `model` grant."""
    granted = ("actions", "contents", "issues", "pull-requests", "statuses")
    hub.tokens[token := new_token("ghs")] = Token(
        ACTIONS_BOT, scopes=dict.fromkeys(granted, "write")
    )
    tree = hub.git.git("mktree")
    main = hub.git.git("commit-tree", tree, "-m", "main")
    hub.git.set("refs/heads/main", main)
    hub.git.set("refs/heads/retrain", hub.git.git("commit-tree", tree, "-p", main, "-m", "Train"))
    values = {
        "GITHUB_API_URL": hub.api_url,
        "GITHUB_SERVER_URL": f"https://{hub.host}",
        "GITHUB_REPOSITORY": hub.name,
        "GITHUB_RUN_ID": "41",
        "GITHUB_TOKEN": token,
        "SSL_CERT_FILE": hub.environment["SSL_CERT_FILE"],
        "TITLE": "Retrain on data until 2013-05-31",
        "REASON": "2,000 rows are new",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    yield
    hub.faults.clear()
    hub.issues.clear()
    hub.statuses.clear()


@pytest.fixture
def propose(
    hub: GitHub, package: Callable[[str], Any], github: Any, tmp_path: Path
) -> Callable[[], None]:
    """What the job `report` does where the model is better."""
    (comparison := tmp_path / "comparison.json").write_text(json.dumps(BETTER))
    commit = hub.git.git("rev-parse", "retrain")

    def report() -> None:
        package("gitops.propose").run(comparison, tmp_path / "report.md", "retrain")
        package("gitops.conclude").run(comparison, "", "", "skipped", commit)

    return report


@pytest.fixture
def incident(package: Callable[[str], Any], github: Any) -> Any:
    return package("gitops.incident")


def refused(call: Callable[[], Any]) -> str:
    """The one sentence of an expected failure."""
    with pytest.raises(Exception) as caught:
        call()
    assert [kind.__name__ for kind in type(caught.value).__mro__[:3]].count("ProjectError") == 1
    sentence = str(caught.value)
    assert sentence.count("\n") == 0
    return sentence


def proposals(hub: GitHub) -> list[Pull]:
    return [pull for pull in hub.pulls("open") if pull.head == "retrain"]


def issues(hub: GitHub) -> list[Issue]:
    return [issue for issue in hub.issues if issue.title == TITLE]


def ask(github: Any) -> Any:
    return github.ask("GET", "/labels")


def spoil(hub: GitHub, kind: str, **how: Any) -> Fault:
    """Spoil it as often as it is asked."""
    return hub.fault(kind, times=ALWAYS, **how)


# One request


@pytest.mark.parametrize(
    ("status", "step", "attempts"),
    [
        (401, "the job's token is not valid", 1),
        (403, "the job's permissions or the repository's settings forbid it", 1),
        (404, "there is no such thing", 1),
        (410, "it is switched off: Settings, General, Features", 1),
        (422, "GitHub could not use what was sent", 1),
        (429, "these were too many requests: run the job again later", 3),
        (500, "run the job again", 3),
        (503, "run the job again", 3),
    ],
)
def test_a_refusal_is_one_sentence_with_githubs_words_and_the_next_step(
    hub: GitHub, github: Any, status: int, step: str, attempts: int
) -> None:
    """What may be better next time is asked again, and what will not be is not."""
    fault = spoil(hub, LABELS, status=status, said="In its words")
    said = refused(lambda: ask(github))
    assert said.startswith(f"GitHub answered GET /labels with {status} (In its words); {step}")
    assert fault.seen == attempts


@pytest.mark.parametrize("how", ["silence", "cut"])
def test_an_api_that_does_not_answer_is_given_up(
    hub: GitHub, github: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(github, "PATIENCE", 1)
    fault = spoil(hub, LABELS, **{how: True})
    said = refused(lambda: ask(github))
    assert said.startswith("GitHub did not answer GET /labels (") and "run the job again" in said
    assert fault.seen == 3


@pytest.mark.parametrize("how", [{"status": 429}, {"status": 502}, {"cut": True}], ids=str)
def test_a_further_attempt_may_be_enough(hub: GitHub, github: Any, how: dict[str, Any]) -> None:
    hub.fault(LABELS, times=2, **how)
    assert ask(github) == []


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("named", ["Retry-After", "X-RateLimit-Reset"])
def test_a_rate_limit_is_waited_for_as_long_as_github_says(
    hub: GitHub, github: Any, monkeypatch: pytest.MonkeyPatch, status: int, named: str
) -> None:
    """It comes with 403 as well as with 429."""
    waited: list[float] = []
    clock = SimpleNamespace(sleep=waited.append, time=time.time)
    monkeypatch.setattr(github, "time", clock)
    value = "30" if named == "Retry-After" else str(int(time.time()) + 30)
    headers = {named: value, "X-RateLimit-Remaining": "0"}
    hub.fault(LABELS, status=status, said=LIMIT, headers=headers)
    assert ask(github) == []
    assert len(waited) == 1 and 20 < waited[0] <= 30


@pytest.mark.parametrize("status", [403, 429])
def test_a_long_rate_limit_is_for_another_run(hub: GitHub, github: Any, status: int) -> None:
    """No job sleeps for an hour."""
    headers = {"Retry-After": "1800"}
    fault = spoil(hub, LABELS, status=status, said=LIMIT, headers=headers)
    said = refused(lambda: ask(github))
    assert said.endswith("these were too many requests: run the job again in 30 min")
    assert fault.seen == 1


def test_a_secondary_rate_limit_is_known_by_its_words(hub: GitHub, github: Any) -> None:
    fault = spoil(hub, LABELS, status=403, said=LIMIT)
    assert refused(lambda: ask(github)).endswith("run the job again later")
    assert fault.seen == 3


def test_a_store_that_is_silent_is_given_up(
    hub: GitHub, package: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By itself Git waits until the job's limit, on a machine with a GPU for six hours."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_SSL_CAINFO"):
        monkeypatch.setenv(name, hub.environment[name])
    monkeypatch.setenv("GIT_HTTP_LOW_SPEED_TIME", "1")  # seconds: it goes before the setting
    clone, gitref = hub.clone(tmp_path / "clone", hub.person("alice")), package("storage.gitref")
    (workshop := tmp_path / "workshop").mkdir()
    store = gitref.Store(gitref.Git(clone, workshop, "origin"), STORE)
    spoil(hub, "git-upload-pack", silence=True)
    said = refused(store.tip)
    assert said.startswith(f"the store ({STORE} of 'origin') cannot be read") and "slow" in said


# The issue


@HOW
@pytest.mark.parametrize("kind", [f"GET {ISSUES}", f"POST {ISSUES}"])
def test_an_issue_that_cannot_be_written_is_written_by_the_next_attempt(
    hub: GitHub, incident: Any, kind: str, how: dict[str, Any]
) -> None:
    spoil(hub, kind, **how)
    assert "GitHub" in refused(lambda: incident.tell("It failed"))
    assert issues(hub) == []
    hub.faults.clear()
    incident.tell("It failed")
    assert [texts(issue)[0].split("\n")[0] for issue in issues(hub)] == ["It failed"]


@HOW
def test_what_cannot_be_added_is_added_by_the_next_attempt(
    hub: GitHub, incident: Any, how: dict[str, Any]
) -> None:
    incident.tell("It failed")
    spoil(hub, f"POST {COMMENTS}", **how)
    assert "GitHub" in refused(lambda: incident.tell("Another reason"))
    hub.faults.clear()
    incident.tell("Another reason")
    (issue,) = issues(hub)
    assert len(texts(issue)) == 2 and "Another reason" in texts(issue)[1]


@pytest.mark.parametrize("kind", [f"POST {ISSUES}", f"POST {COMMENTS}"])
def test_an_answer_that_is_lost_doubles_nothing(hub: GitHub, incident: Any, kind: str) -> None:
    """GitHub did it, and nobody heard so: what is there is looked for before it is asked again."""
    fault = hub.fault(kind, lost=True)
    incident.tell("It failed")
    incident.tell("Another reason")
    assert fault.seen == 1
    (issue,) = issues(hub)
    assert [text.split("\n")[0] for text in texts(issue)] == ["It failed", "Another reason"]


def test_a_run_says_the_same_thing_once(
    hub: GitHub, incident: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its job is run again; the next night's run says it once more."""
    for run in ("41", "41", "42"):
        monkeypatch.setenv("GITHUB_RUN_ID", run)
        incident.tell("It failed")
    (issue,) = issues(hub)
    assert ["/runs/41" in texts(issue)[0], "/runs/42" in texts(issue)[1]] == [True, True]
    assert len(texts(issue)) == 2


@HOW
@pytest.mark.parametrize("kind", [f"POST {COMMENTS}", f"PATCH {ISSUES}/{{issue_number}}"])
def test_an_issue_that_cannot_be_closed_is_closed_by_the_next_attempt(
    hub: GitHub, incident: Any, kind: str, how: dict[str, Any]
) -> None:
    incident.tell("It failed")
    spoil(hub, kind, **how)
    assert "GitHub" in refused(incident.close)
    hub.faults.clear()
    incident.close()
    (issue,) = issues(hub)
    assert issue.state == "closed" and len(texts(issue)) == 2
    assert texts(issue)[1].startswith("A good night")


def test_a_persons_issue_of_that_title_is_left_alone(hub: GitHub, incident: Any) -> None:
    alice = hub.person("alice")
    with_token = Token(alice)
    hub.tokens[alice.token] = with_token
    incident.tell("It failed")
    (ours,) = issues(hub)
    ours.author = alice
    incident.tell("It failed again")
    assert [issue.author.login for issue in issues(hub)] == ["alice", ACTIONS_BOT.login]
    incident.close()
    assert [issue.state for issue in issues(hub)] == ["open", "closed"]


@pytest.mark.parametrize("job", ["look", "start"])
def test_a_job_that_its_time_limit_ended_is_told(
    hub: GitHub, incident: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    """GitHub calls it cancelled, and it leaves no sentence."""
    hub.disabled.add("retrain.yml")
    needs = {"look": {"result": "success", "outputs": {"train": "true"}}, "start": {}}
    needs |= {"start": {"result": "skipped"}, job: {"result": "cancelled", "outputs": {}}}
    incident.run(json.dumps(needs), tmp_path, tmp_path / "reports/report.md")
    (issue,) = issues(hub)
    assert "by its time limit" in issue.body and issue.body.startswith("### ⛔ Blocked")
    assert "retrain.yml" not in hub.disabled


# The pull request


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *((f"POST {PULLS}", how) for how in WAYS),
        (f"GET {PULLS}", {"status": 500}),
        (f"GET {ISSUES}", {"status": 429}),
        (f"GET {COMMENTS}", {"cut": True}),
        (f"POST {COMMENTS}", {"status": 403}),
        (f"PATCH {ISSUES}/{{issue_number}}", {"status": 500}),
        (STATUSES, {"status": 422}),
    ],
)
def test_what_cannot_be_proposed_is_proposed_by_the_next_attempt(
    hub: GitHub, incident: Any, propose: Callable[[], None], kind: str, how: dict[str, Any]
) -> None:
    """Wherever it died: one pull request, the issue closed, one status, and no text twice."""
    incident.tell("An earlier night failed")
    spoil(hub, kind, **how)
    assert "GitHub" in refused(propose)
    assert hub.statuses == []
    hub.faults.clear()
    propose()
    (pull,), (issue,), (status,) = proposals(hub), issues(hub), hub.statuses
    assert pull.title == "Retrain on data until 2013-05-31" and status.state == "success"
    assert issue.state == "closed" and len(set(texts(issue))) == len(texts(issue))


def test_a_pull_request_that_cannot_be_opened_is_in_the_issue(
    hub: GitHub, propose: Callable[[], None]
) -> None:
    """With a link by which a person opens it."""
    spoil(hub, f"POST {PULLS}", status=500)
    refused(propose)
    (issue,) = issues(hub)
    assert "A better model is on the branch `retrain`" in issue.body and "500" in issue.body
    assert f"{hub.html_url}/compare/main...retrain" in issue.body


def test_without_the_setting_the_issue_names_it(hub: GitHub, propose: Callable[[], None]) -> None:
    spoil(hub, f"POST {PULLS}", status=403, said=FORBIDDEN)
    said = refused(propose)
    assert "Allow GitHub Actions to create and approve pull requests" in said
    assert f"{hub.html_url}/compare/main...retrain" in issues(hub)[0].body


def test_where_no_issue_can_be_written_either_the_log_has_both(
    hub: GitHub, propose: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(hub, f"POST {PULLS}", status=422, said="No commits")
    spoil(hub, f"POST {ISSUES}", status=410, said="Issues are disabled for this repo")
    assert "Settings, General, Features" in refused(propose)
    assert "POST /pulls with 422 (No commits)" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [f"POST {PULLS}", f"POST {COMMENTS}", STATUSES])
def test_a_lost_answer_doubles_no_pull_request(
    hub: GitHub, incident: Any, propose: Callable[[], None], kind: str
) -> None:
    incident.tell("An earlier night failed")
    hub.fault(kind, lost=True)
    propose()
    (pull,), (issue,) = proposals(hub), issues(hub)
    assert pull.number == issue.number + 1
    assert issue.state == "closed" and len(texts(issue)) == 2


def test_an_open_pull_request_says_what_the_newest_night_trained_on(
    hub: GitHub, propose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither doubled nor left with the title of an older night."""
    propose()
    monkeypatch.setenv("TITLE", "Retrain on data until 2013-06-30")
    monkeypatch.setenv("REASON", "9,000 rows are new")
    propose()
    (pull,) = proposals(hub)
    assert pull.title == "Retrain on data until 2013-06-30" and "9,000 rows" in pull.body
    assert issues(hub) == []
