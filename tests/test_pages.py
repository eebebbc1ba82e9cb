"""The page: made and published by the executed workflow, and looked at in Chromium.

The tests of the workflow are one story, told in their order. The pictures are left in
`.cache/pictures`, to look at.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baking import Oven
from browser import Browser, chromium
from options import REPOSITORY
from prepared import prepared
from rig import GitHub, Run
from team import Team, commit, of, said

pytestmark = pytest.mark.slow

PULLS = "GET /repos/{owner}/{repo}/pulls"
DAY = 86_400


@pytest.fixture(scope="module")
def team(hub: GitHub, oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with a model on `main`, and nothing in production yet."""
    team = prepared(hub, oven, tmp_path_factory.mktemp("laptop"))
    hub.disabled |= {"release.yml", "model.yml"}
    hub.disabled.discard("pages.yml")
    hub.settings["required_checks"] = []
    return team


def pages(team: Team) -> Run:
    """The run of the workflow that is due."""
    return of(team.hub.run(), "pages")


def again(team: Team) -> Run:
    team.hub.dispatch("pages.yml", "main", by=team.person)
    return pages(team)


def shown(team: Team) -> tuple[str, dict[str, Any]]:
    """The published page and its data."""
    read = team.hub.git.git
    return read("show", "gh-pages:index.html"), json.loads(read("show", "gh-pages:data.json"))


def commits(team: Team) -> list[str]:
    return team.hub.git.lines("rev-list", "gh-pages")


def retrained(team: Team, message: str) -> Any:
    """A pull request of the nightly retraining."""
    team.start("retrain")
    team.laptop.write("night.txt", message)
    commit(team.laptop, message)
    team.laptop.run("git", "push", "-q", "--force", "origin", "HEAD")
    return team.open("retrain")


def test_without_the_variable_nothing_runs(team: Team) -> None:
    run = again(team)
    assert run.jobs == {"build": "skipped", "publish": "skipped"}
    assert team.hub.git.tip("gh-pages") is None


def test_the_first_page_says_what_comes_next(team: Team) -> None:
    """The branch appears, with a page, its data, and nothing else."""
    team.hub.variables["PAGES"] = "true"
    run = again(team)
    assert run.conclusion == "success", said(run)
    page, data = shown(team)
    assert "Nothing is in production yet" in page and len(data["models"]) == 1
    files = team.hub.git.lines("ls-tree", "--name-only", "gh-pages")
    assert files == [".nojekyll", "data.json", "index.html"]


def test_a_second_run_changes_nothing(team: Team) -> None:
    run = again(team)
    assert run.conclusion == "success" and "shows this already" in run.log, said(run)
    assert len(commits(team)) == 1


def test_what_the_retraining_opened_is_counted(team: Team) -> None:
    """One was closed, one merged by a person, whose merge starts the workflow."""
    retrained(team, "One night").close(team.person)
    assert team.hub.run() == []
    retrained(team, "Another night").merge(team.person)
    run = pages(team)
    assert run.event == "push" and run.conclusion == "success", said(run)
    page, data = shown(team)
    assert "1 merged, 1 closed, 0 open" in page and len(data["pulls"]) == 2


def test_a_refusal_of_github_is_said_and_loses_nothing(team: Team) -> None:
    """A merge into `release` starts it; the page is made, and keeps what was known."""
    team.hub.fault(PULLS, status=403)
    team.laptop.run("git", "push", "-q", "origin", "origin/main:refs/heads/release")
    run = pages(team)
    assert run.conclusion == "success", said(run)
    page, data = shown(team)
    assert "v1 is in production" in page and "GitHub could not be asked" in page
    assert "1 merged, 1 closed, 0 open" in page and len(data["pulls"]) == 2
    assert again(team).conclusion == "success"
    assert "GitHub could not be asked" not in shown(team)[0]


def test_of_two_at_once_the_newer_page_stays(team: Team) -> None:
    """While one is about to publish, somebody's laptop publishes a newer state."""
    before = commits(team)

    def meanwhile() -> None:
        team.start("main")
        team.laptop.write("newer.txt", "newer")
        commit(team.laptop, "Newer")
        team.laptop.run("git", "push", "-q", "origin", "HEAD:main")
        team.laptop.make("site", "pages", env={"GITHUB_TOKEN": team.person.token})

    team.hub.during("pages.yml", "publish", "make pages", meanwhile)
    team.hub.dispatch("pages.yml", "main", by=team.person)
    runs = [run for run in team.hub.run() if run.workflow == "pages"]
    assert [run.conclusion for run in runs] == ["success"] * 2, said(runs[0])
    assert "shows a newer state already" in runs[0].log
    assert "shows this already" in runs[1].log, said(runs[1])
    assert commits(team)[1:] == before
    assert shown(team)[1]["main"] == team.hub.git.tip("main")


def test_every_granted_permission_is_used(team: Team) -> None:
    assert not {key for key in team.hub.unused_permissions() if key[0] == "pages"}


# In a browser


@pytest.fixture(scope="module")
def browser(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium"), environment) as found:
        for domain in ("Log", "Network", "Runtime"):
            found.ask(f"{domain}.enable", found.session)
        yield found


def life(data: dict[str, Any]) -> dict[str, Any]:
    """A year of a team's: forty models, every fourth in production, two of them rolled back."""
    (first,) = data["models"]
    start = first["when"] - 365 * DAY
    models = [
        {
            **first,
            "when": start + 9 * DAY * i,
            "model": f"{i:02}" * 16,
            **{key: first[key] + 0.002 * (i % 7) - 0.01 for key in ("value", "low", "high")},
        }
        for i in range(40)
    ]
    line = [3, 7, 11, 7, 15, 19, 23, 27, 23, 31, 35]
    moves = [
        {
            "version": f"v{i + 1}",
            "model": models[model]["model"],
            "since": start + 33.0 * DAY * i,
            "back": model in line[:i],
        }
        for i, model in enumerate(line)
    ]
    (release,) = data["releases"]
    releases = [
        {**release, "version": move["version"], "model": move["model"], "to": release["from"]}
        for move in moves
    ]
    releases[3] |= {"merged by": HOSTILE, "left": HOSTILE}
    releases[-1] |= {"to": ""}
    numbers = [
        each
        if each["value"] is None
        else {**each, "points": [each["value"] * (1 + i % 3) for i in range(12)], "n": 12}
        for each in data["numbers"]
    ]
    told = {"models": models, "moves": moves, "releases": releases, "numbers": numbers}
    aged = ages([each["model"] for each in models[-12:]])
    return {**data, **told, "staleness": aged, "unasked": HOSTILE}


def ages(models: list[str]) -> dict[str, Any]:
    """A model a month, each on all later months, in an order that says how much later."""
    scores = [
        {
            "model": model,
            "until": f"2025-{made + 1:02}-28",
            "month": f"{2025 + month // 12}-{month % 12 + 1:02}",
            "age": 30 * (month - made),
            "value": 0.75 - 0.004 * (month - made) + 0.02 * (month % 3),
            "rows": 30_000,
        }
        for made, model in enumerate(models)
        for month in range(made + 1, 13)
    ]
    decay = {"loss": 0.004, "low": 0.003, "high": 0.005, "months": 11}
    told = {"until": "2026-01-31", "metric": "roc_auc", "margin": 0.01}
    return {**told, "decay": decay, "scores": scores}


TOLD = (
    "Network.requestWillBeSent",
    "Log.entryAdded",
    "Runtime.consoleAPICalled",
    "Runtime.exceptionThrown",
)
"""What Chromium tells of: requests, messages, errors."""

HOSTILE = "</td><script>alert(1)</script> a-very-long-word" + "-without-a-break" * 20

DRAWINGS = {"site-empty": 0, "site-short": 2, "site-long": 3}
"""A night that scored models on later months is in the last."""

LOOK = """new Promise((done) =>
  document.readyState == "complete" ? done() : addEventListener("load", done)).then(() => ({
  crossing: [...document.querySelectorAll("figure svg")].flatMap((drawing) => {
    const boxes = (name) => [...drawing.querySelectorAll(name)]
      .map((one) => [one.textContent || name, one.getBoundingClientRect()])
      .filter(([_, box]) => box.width > 0);
    const level = (a, b) => a.bottom > b.top + 4 && b.bottom > a.top + 4;
    const over = (a, b) => a.right > b.left + 1 && b.right > a.left + 1 && level(a, b);
    const cut = (a, b) => level(a, b) &&
      [b.left, b.right].some((edge) => a.left < edge - 1 && a.right > edge + 1);
    const words = boxes("text");
    return words.flatMap(([said, a], i) => [
      ...words.slice(i + 1).filter(([_, b]) => over(a, b)),
      ...boxes("rect").filter(([_, b]) => cut(a, b)),
    ].map(([other]) => `${said} / ${other}`));
  }),
  sideways: document.documentElement.scrollWidth - innerWidth,
  beyond: [...document.querySelectorAll("main *")].filter((one) =>
    !one.closest("thead") && one.getBoundingClientRect().right > innerWidth + 1).length,
  drawings: [...document.querySelectorAll("figure svg")].filter((one) =>
    one.getBoundingClientRect().width > 0).length,
  unnamed: document.querySelectorAll("svg:not([aria-label])").length,
  scripts: document.querySelectorAll("script").length,
}))"""


@pytest.fixture(scope="module")
def drawn(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages of a team that begins, of this one, and of one after a year."""
    page, data = shown(team)
    folder = tmp_path_factory.mktemp("pages")
    (folder / "site-short.html").write_text(page, encoding="utf-8")
    empty = {"models": [], "moves": [], "releases": [], "release": ""}
    for name, told in {"site-empty": {**data, **empty}, "site-long": life(data)}.items():
        (folder / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
        script = "import json, sys; from flight_delays.page.document import page; "
        script += "open(sys.argv[2], 'w').write(page(json.load(open(sys.argv[1]))))"
        files = (folder / f"{name}.json", folder / f"{name}.html")
        team.laptop.run(".venv/bin/python", "-c", script, *files)
    return folder


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [880, 390])
@pytest.mark.parametrize("name", DRAWINGS)
def test_the_page_fits_and_asks_for_nothing(
    browser: Browser, drawn: Path, name: str, width: int, theme: str
) -> None:
    """Nothing sticks out, no message on the console, no request but the file itself."""
    page = drawn / f"{name}.html"
    browser.events.clear()
    browser.show(page, width, theme)
    found = browser.run(LOOK)
    pictures = REPOSITORY / ".cache/pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    browser.picture(pictures / f"{name}-{width}-{theme}.png")
    assert found["sideways"] <= 0 and found["beyond"] == 0
    assert found["unnamed"] == found["scripts"] == 0
    assert found["drawings"] == DRAWINGS[name]
    assert found["crossing"] == [], "words lie on words"
    events = {kind: [e for e in browser.events if e["method"] == kind] for kind in TOLD}
    requests = {each["params"]["request"]["url"] for each in events.pop(TOLD[0])}
    assert requests <= {page.resolve().as_uri(), "data:,"} and requests
    assert not any(events.values()), events
