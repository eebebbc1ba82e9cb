"""The template's own files pass the tools as they lie, delimiters and all."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from options import REPOSITORY

PROJECT = REPOSITORY / "<<cookiecutter.project>>"
PACKAGE = PROJECT / "src/<<cookiecutter.package>>"

CRON = re.compile(r'- cron: "<<cookiecutter\.__(monitor_)?cron>>" # UTC')
"""The one answer that a workflow holds."""


def tool(*command: str | Path, cwd: Path = REPOSITORY) -> None:
    """Run a tool of the tests' environment; it must find nothing."""
    clean = {name: value for name, value in os.environ.items() if name not in ("GH_TOKEN",)}
    result = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=clean, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def yaml_files() -> list[Path]:
    found = subprocess.run(
        ["git", "ls-files", "-z", "*.yml", "*.yaml"], cwd=REPOSITORY, capture_output=True, text=True
    ).stdout
    return [REPOSITORY / name for name in found.split("\0") if name]


def test_ruff_finds_nothing() -> None:
    """Style and formatting of every Python file, the project's too."""
    tool(sys.executable, "-m", "ruff", "check", "-q", "--no-cache", ".")
    tool(sys.executable, "-m", "ruff", "format", "-q", "--no-cache", "--check", ".")


def test_mypy_finds_nothing_in_the_tests() -> None:
    """Types of the hook and the tests, strictly."""
    tool(sys.executable, "-m", "mypy", "hooks", "tests")


def test_no_python_file_of_a_project_holds_template_syntax() -> None:
    """So the template's own code is the generated code."""
    for file in [*PROJECT.rglob("*.py"), *PROJECT.glob(".github/**/*.yml")]:
        text = CRON.sub("", file.read_text(encoding="utf-8"))
        assert not any(mark in text for mark in ("<<", "<%", "<#")), file


@pytest.mark.parametrize("file", yaml_files(), ids=lambda f: str(f.relative_to(REPOSITORY)))
def test_yaml_parses_as_it_lies(file: Path) -> None:
    """Tools that know nothing of the template can read it."""
    assert yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", [REPOSITORY, PROJECT], ids=["template", "project"])
def test_zizmor_finds_nothing(folder: Path, tmp_path: Path) -> None:
    """Workflows and actions at the strictest persona, without a network."""
    copy = shutil.copytree(folder / ".github", tmp_path / ".github")
    tool("zizmor", "-q", "--offline", "--persona", "auditor", copy)


def test_pins_are_the_listed_ones() -> None:
    """Every action is pinned to a full commit, the same one everywhere, with its tag beside it."""
    pins: dict[str, set[str]] = {}
    for file in yaml_files():
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, pin = line.strip().removeprefix("- ").removeprefix("uses: ").partition("@")
            if re.match(r" *(- )?uses: ", line) and not name.startswith("./"):
                pins.setdefault(name, set()).add(pin)
    for name, found in pins.items():
        assert len(found) == 1, name
        sha, _, tag = found.pop().partition(" # v")
        assert len(sha) == 40 and tag, name
