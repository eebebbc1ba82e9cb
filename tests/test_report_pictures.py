"""Every kind of report in Chromium, on the page that `make preview` makes: nothing is cut off.

The pictures are left in `.cache/pictures`, to look at.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baking import BakedProject, Oven
from browser import Browser, chromium
from options import REPOSITORY

pytestmark = pytest.mark.slow

SITUATIONS = (
    *("accepted", "alone", "better", "blocked", "champion", "classes", "equal", "first", "hostile"),
    *("problem", "promotion", "regression", "rollback", "unchanged", "undecided", "worse"),
)
WIDE, NARROW = 906, 390
"""A comment of 880 pixels with the page's margin, and a telephone."""

LOOK = """
new Promise((resolve) => {
  const wait = () => (document.body?.dataset.ready ? resolve() : setTimeout(wait, 50));
  wait();
}).then(() => {
  const all = (what) => [...document.querySelectorAll(what)];
  const article = document.querySelector("article"), edge = article.getBoundingClientRect().right;
  const closed = all("details:not([open])");
  const judged = document.querySelector("th:nth-child(2)")?.textContent == "Result";
  const result = document.querySelector("td:nth-child(2)");
  const first = judged ? result.getBoundingClientRect().right <= edge : null;
  const found = { address: location.href, first };
  closed.forEach((part) => (part.open = true));
  found.sideways = Math.max(
    document.documentElement.scrollWidth - innerWidth, article.scrollWidth - article.clientWidth);
  found.scrolling = all("table").filter((one) => one.scrollWidth > one.clientWidth).length;
  found.broken = all("td code").filter((one) => one.textContent.length == 21
    && /[│●█]/.test(one.textContent) && one.getClientRects().length > 1).length;
  found.charts = all("pre.mermaid").length;
  found.drawn = all("pre.mermaid svg path.line, pre.mermaid svg .plot path").length;
  found.failed = all("pre.mermaid svg[aria-roledescription=error]").length
    + all("pre.mermaid:not(:has(svg))").length;
  found.strange = all("article script, article img, article h1, article h2").length;
  found.links = all("article a").map((one) => one.href);
  closed.forEach((part) => (part.open = false));
  return found;
})
"""


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    """A project in which the preview works."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed, and the preview needs it")
    project = oven.bake(tmp_path_factory.mktemp("pictures"), {})
    project.make("setup")
    install(project)
    return project


def install(project: BakedProject) -> None:
    cache = str(REPOSITORY / ".cache/npm")
    project.make(
        ".venv-preview/.synced", env={"PATH": os.environ["PATH"], "npm_config_cache": cache}
    )


@pytest.fixture(scope="module")
def pages(project: BakedProject) -> Path:
    """A folder with the page of each situation."""
    folder = project.path / "pages"
    project.run(".venv/bin/python", "tests/situations.py", folder)
    for report in [*folder.glob("*/reports/report.md"), folder / "problem.md"]:
        name = report.parts[-3] if report.name == "report.md" else "problem"
        preview(project, report, folder / f"{name}.html")
    return folder


def preview(project: BakedProject, report: Path, output: Path) -> None:
    command = (".venv-preview/bin/python", "-m", "flight_delays", "preview")
    project.run(*command, report, ".venv-preview/node_modules", output)


@pytest.fixture(scope="module")
def browser(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium"), environment) as found:
        yield found


def look(browser: Browser, page: Path, width: int, theme: str) -> dict[str, Any]:
    """Open a page, wait until it is drawn, and measure it."""
    browser.show(page, width, theme)
    found: dict[str, Any] = browser.run(LOOK)
    assert found["address"] == page.resolve().as_uri()
    pictures = REPOSITORY / ".cache/pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    browser.picture(pictures / f"{page.stem}-{width}-{theme}.png")
    return found


def lines(report: Path) -> int:
    """How many lines its charts have."""
    return report.read_text().count("\n  line ") if report.exists() else 0


def test_every_situation_has_a_picture(pages: Path) -> None:
    """A new one gets its name here."""
    assert {page.stem for page in pages.glob("*.html")} == set(SITUATIONS)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_nothing_is_cut_off(
    browser: Browser, pages: Path, situation: str, width: int, theme: str
) -> None:
    """No page scrolls sideways, no chart fails; a table may scroll in its box on a telephone."""
    found = look(browser, pages / f"{situation}.html", width, theme)
    assert found["sideways"] <= 0
    assert found["scrolling"] == 0 or width == NARROW
    assert found["broken"] == found["failed"] == found["strange"] == 0
    assert found["first"] is not False, "the result's word is out of sight"
    assert found["drawn"] == lines(pages / situation / "reports/report.md")
    assert all(link.startswith("https://github.com/acme/") for link in found["links"])


def test_make_preview_writes_the_page(project: BakedProject, browser: Browser) -> None:
    """Of this project's own report, without opening a browser."""
    script = "from pathlib import Path; from situations import *; r = Results(Path('..'));"
    script += "r.comparison = SITUATIONS['better']; r.lay()"
    project.run("sh", "-c", f'cd tests && ../.venv/bin/python -c "{script}"')
    said = project.make("preview", OPEN=0).stdout
    assert "report: ✅ Better than main, gate passes" in said
    assert "preview: reports/preview.html" in said
    assert look(browser, project.path / "reports/preview.html", WIDE, "light")["failed"] == 0


def test_without_node_a_sentence_says_so(project: BakedProject, tmp_path: Path) -> None:
    """And names what can be read instead."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "sh", "sed", "awk", "touch", "rm", "env", "uname", "git"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    (project.path / ".venv-preview/.synced").unlink()
    refused = project.make(".venv-preview/.synced", check=False, env={"PATH": str(tools)})
    assert refused.returncode != 0
    assert refused.stderr.startswith("preview: npm is not on the PATH: install Node.js")
