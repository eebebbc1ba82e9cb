"""The page of made histories, and how it comes to its branch."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import load
from histories import History

site, pages, errors = load("gitops.site"), load("gitops.pages"), load("errors")
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)> {0} `&amp;"
VOID = {"meta", "link"}
Answer = Callable[[Any], None]


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """A repository without a model, whose empty remote is not GitHub's."""
    for name in ("GITHUB_ACTIONS", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "clone").mkdir()
    found = History(tmp_path / "clone")
    found.git("init", "-q", "--bare", str(tmp_path / "remote"))
    found.git("remote", "add", "origin", str(tmp_path / "remote"))
    return found


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """What GitHub says of the retraining's pull requests, or a sentence of why it does not."""

    def set_to(said: Any) -> None:
        def asked(*_: Any) -> Any:
            if isinstance(said, str):
                raise errors.ProjectError(said)
            return said

        monkeypatch.setattr(load("gitops.retraining"), "asked", asked)

    set_to({})
    return set_to


def live(history: History) -> None:
    """Two champions and a rollback."""
    (history.root / "reports").mkdir()
    (history.root / "params.yaml").write_text("task: {metric: roc_auc}\n")
    for model, value in (("a", 0.71), ("b", 0.74)):
        judged = {"roc_auc": {"value": value, "low": value - 0.02, "high": value + 0.02}}
        (history.root / "reports/metrics.json").write_text(json.dumps(judged))
        history.train(model, model)
        history.merge(f"Merge pull request #{ord(model)} from o/x")
    history.merge("Merge pull request #3 from o/r\n\nReason: too many alerts", "release^1")


def built(history: History) -> tuple[str, dict[str, Any]]:
    """The page and its data."""
    folder = history.root / "site"
    site.run(history.root, "origin", folder)
    return (folder / "index.html").read_text(), json.loads((folder / "data.json").read_text())


def published(history: History) -> list[str]:
    """The commits of the page's branch on the remote, the newest first."""
    pages.run(history.root, "origin", history.root / "site")
    return history.git("-C", remote(history), "rev-list", "gh-pages").split()


def remote(history: History) -> str:
    return history.git("remote", "get-url", "origin")


class Reader(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.open = list[tuple[str, dict[str, str | None]]](), list[str]()
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_project_without_a_model_is_told_what_comes_next(
    history: History, answer: Answer
) -> None:
    page, data = built(history)
    assert "Nothing is in production yet" in page and "<code>make promote</code>" in page
    assert "main has no model with a metric yet" in page and "<svg" not in page
    assert data["models"] == data["releases"] == data["moves"] == []
    assert page.count("not known") >= 8


def test_the_page_tells_of_models_champions_and_rollbacks(history: History, answer: Answer) -> None:
    """Each drawing in two sizes, each with its table; the rollback is seen."""
    live(history)
    page, data = built(history)
    words = Reader(page).words
    assert "v3 is in production" in words and "by a rollback" in words
    assert "rolled back to v1 by v3: too many alerts" in words
    assert words.count("↩ v3") == 2
    assert "ROC AUC 0.740 (0.720 to 0.760), in production as v2" in words
    assert [each["back"] for each in data["moves"]] == [False, False, True]
    assert page.count("<figure>") == page.count(", as a table</summary>") - 1 == 2


def ages(*until: str) -> dict[str, Any]:
    """What a night records: a model a month, each on all later months, 0.02 worse for each."""
    scores = [
        {
            "model": f"{made}" * 32,
            "until": day,
            "month": f"2013-{month:02}",
            "age": 30 * (month - made),
            "value": 0.9 - 0.02 * (month - made),
            "rows": 100,
        }
        for made, day in enumerate(until, 1)
        for month in range(made + 1, len(until) + 2)
    ]
    decay = {"loss": 0.02, "low": 0.01, "high": 0.03, "months": 3}
    told = {"until": "2013-06-30", "metric": "roc_auc", "margin": 0.03}
    return {**told, "reasons": [], "staleness": scores, "decay": decay}


def remember(history: History, night: object) -> None:
    (history.root / "reports").mkdir(exist_ok=True)
    (history.root / "reports/night.json").write_text(json.dumps(night))
    history.train("A night", "a")


def test_the_page_tells_what_age_costs(history: History, answer: Answer) -> None:
    """In words, and as a cell for each month of each model: shaded by its distance to the best."""
    remember(history, ages("2013-01-31", "2013-02-28", "2013-03-31"))
    page, data = built(history)
    found = Reader(page)
    assert "A model loses 0.0200 ROC AUC in 30 days" in found.words
    assert "the gate's margin of 0.03 in 45 days" in found.words
    assert "on 2013-04, 90 days later: 0.840, 0.0400 behind the best" in found.words
    shades = [each.get("class") for tag, each in found.tags if tag == "rect"]
    assert {shade: shades.count(shade) for shade in shades} == {"heat0": 6, "heat1": 4, "heat2": 2}
    assert len(data["staleness"]["scores"]) == 6


@pytest.mark.parametrize(
    "night", ["{", [], {"staleness": 1}, ages(), ages("2013-01-31") | {"margin": "x"}]
)
def test_a_night_that_tells_no_ages_is_no_error(
    history: History, answer: Answer, night: object
) -> None:
    """The first one of a project, and one that somebody wrote by hand."""
    remember(history, night)
    page, data = built(history)
    assert "No night has scored a model" in page and data["staleness"] == {}


def test_the_page_needs_no_network_and_runs_nothing(history: History, answer: Answer) -> None:
    """No script, no source, no style but the one that its policy names."""
    live(history)
    page, _ = built(history)
    found = Reader(page)
    assert found.open == []
    for tag, attributes in found.tags:
        assert tag not in ("script", "img", "iframe", "object", "base", "form")
        assert not {"src", "style", "srcset"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
    (policy,) = (each["content"] for _, each in found.tags if each.get("http-equiv"))
    assert policy and policy.startswith("default-src 'none';") and "unsafe" not in policy
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    named = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{named}'" in policy and "url(" not in style


def test_a_strangers_words_stay_words(history: History, answer: Answer) -> None:
    """Whatever somebody is called, whatever a reason, a metric or GitHub says."""
    live(history)
    remember(history, ages("2013-01-31", "2013-02-28", "2013-03-31"))
    _, data = built(history)
    tags = [tag for tag, _ in Reader(load("page.document").page(data)).tags]

    def spoil(found: Any, key: str = "") -> Any:
        if isinstance(found, dict):
            return {name: spoil(value, name) for name, value in found.items()}
        if isinstance(found, list):
            return [spoil(value) for value in found]
        kept = key in ("from", "to", "metric", "unit", "source", "model")
        return HOSTILE + found if isinstance(found, str) and not kept else found

    for each in [*data["models"], *data["releases"]]:
        each["metric"] = "<i>"
    for each in data["releases"]:
        each["model"] = "<b>" + each["model"]
    page = load("page.document").page({**spoil(data), "unasked": HOSTILE})
    spoiled = Reader(page)
    assert "<script" not in page and "<img" not in page and "onerror=alert(1)&gt;" in page
    assert {tag for tag, _ in spoiled.tags} == set(tags)
    assert not [each for each in spoiled.tags if "onerror" in each[1]]


def test_the_same_history_gives_the_same_bytes(history: History, answer: Answer) -> None:
    """Published once more nothing is committed; a change is one commit more."""
    live(history)
    assert built(history) == built(history)
    assert len(published(history)) == 1
    assert built(history) == built(history)
    assert len(published(history)) == 1
    history.train("c", "c")
    built(history)
    assert len(published(history)) == 2
    listed = history.git("ls-tree", "--name-only", "origin/gh-pages").split()
    assert listed == [".nojekyll", "data.json", "index.html"]


def pull(merged: str = "") -> dict[str, str]:
    return {"opened": "2026-01-01T00:00:00Z", "closed": merged, "merged": merged}


def test_what_github_once_said_is_kept(history: History, answer: Answer) -> None:
    """Where it cannot be asked the page says so; what it forgot stays."""
    answer({1: pull("2026-01-02T00:00:00Z"), 2: pull()})
    built(history)
    published(history)
    answer("GitHub answered GET /pulls with 403 (rate limit <b>)")
    page, data = built(history)
    assert set(data["pulls"]) == {"1", "2"} and "1 merged, 0 closed, 1 open" in page
    assert "GitHub could not be asked" in page and "rate limit &lt;b&gt;" in page
    published(history)
    answer({3: pull()})
    page, data = built(history)
    assert set(data["pulls"]) == {"1", "2", "3"} and "could not be asked" not in page


def test_where_github_was_never_asked_the_rate_is_not_known(
    history: History, answer: Answer
) -> None:
    answer("there is no token")
    page, data = built(history)
    assert "it never was" in page and data["asked"] == "" and data["pulls"] == {}
    assert "how many were opened, GitHub alone does" in page


def test_a_page_that_keeps_what_nobody_can_read_is_not_replaced(
    history: History, answer: Answer
) -> None:
    """What it kept would be lost."""
    built(history)
    (tip,) = published(history)
    history.git("checkout", "-q", "--detach", tip)
    for content in ("{", "[]", '{"format": 1, "pulls": {"x": {}}}', '{"format": 2, "pulls": {}}'):
        (history.root / "data.json").write_text(content)
        history.git("commit", "-q", "-a", "-m", "Break it")
        history.git("push", "-q", "origin", "HEAD:gh-pages")
        with pytest.raises(errors.ProjectError, match="revert the commit that changed it"):
            site.before(history.root, "origin")


def test_a_newer_page_is_not_replaced_by_an_older_one(history: History, answer: Answer) -> None:
    """Two runs at once: whichever pushes last, the newest state stays."""
    older = history.root / "older"
    site.run(history.root, "origin", older)
    live(history)
    history.git("push", "-q", "origin", "main", "release")
    built(history)
    (tip,) = published(history)
    pages.run(history.root, "origin", older)
    assert history.git("-C", remote(history), "rev-parse", "gh-pages") == tip


def test_a_push_that_another_was_before_is_made_again(
    history: History, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On top of it, with the pull requests that it alone heard of."""
    live(history)
    history.git("push", "-q", "origin", "main", "release")
    answer({1: pull()})
    other = history.root / "other"
    site.run(history.root, "origin", other)
    answer({2: pull()})
    built(history)
    write, turns = pages.write, list[str]()

    def late(*given: Any) -> str:
        """The other run is first, while ours makes its first commit."""
        made: str = write(*given)
        turns.append(made)
        if len(turns) == 1:
            pages.run(history.root, "origin", other)
        return made

    monkeypatch.setattr(pages, "write", late)
    assert len(published(history)) == 2 and len(turns) == 3
    kept = json.loads(history.git("show", "origin/gh-pages:data.json"))
    assert set(kept["pulls"]) == {"1", "2"}


@pytest.mark.parametrize("what", ["missing", "link", "data"])
def test_what_is_no_page_is_not_published(history: History, answer: Answer, what: str) -> None:
    built(history)
    file = history.root / "site/data.json"
    if what == "data":
        file.write_text("[]")
    else:
        file.unlink()
    if what == "link":
        file.symlink_to("/etc/passwd")
    with pytest.raises(errors.ProjectError):
        pages.run(history.root, "origin", history.root / "site")
    assert history.git("-C", remote(history), "for-each-ref") == ""


def test_the_rows_of_one_instant_are_drawn(history: History, answer: Answer) -> None:
    """A history in which everything happened at once, and one metric without an interval."""
    live(history)
    _, data = built(history)
    for each in data["moves"]:
        each["since"] = data["as_of"]
    for each in data["models"]:
        each.update(low=None, high=None, when=data["as_of"])
    assert "nan" not in load("page.document").page(data)


def test_what_is_in_production_is_drawn_among_many(history: History, answer: Answer) -> None:
    """Of more models than there are rows, the newest in production, not the newest made."""
    live(history)
    _, data = built(history)
    line = [*(f"{i:032x}" for i in range(20)), f"{0:032x}"]
    data["moves"] = [
        {"version": f"v{i}", "model": model, "since": 86_400.0 * i, "back": i == 20}
        for i, model in enumerate(line)
    ]
    page = load("page.document").page({**data, "as_of": 86_400 * 30})
    drawn = page.split("<h2")[2].split("<details")[0]
    assert "v20, model 00000000" in drawn and "v1, model" not in drawn
    assert drawn.count('class="now"') == 2 and drawn.count("tick hash") == 2 * 12
