"""What the READMEs say is compared with the code."""

import json
import re

import pytest

from baking import BakedProject
from conftest import Bake
from options import REPOSITORY, questions

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def project(bake: Bake) -> BakedProject:
    return bake()


def tree(text: str) -> set[str]:
    """The paths of the captioned tree, the files of the package with their folder."""
    block = text.split("\n## What is where")[1].split("```")[1]
    found, folder = set(), ""
    for line in block.strip().splitlines():
        if line.startswith("  "):
            found.add(folder + line.split()[0])
            continue
        folder = line.split()[0] if line.rstrip().endswith("/") else ""
        names = line.split("  ")[0].split()
        found |= set() if folder else set(names)
    return found


def exists(project: BakedProject, path: str) -> bool:
    made = {"dvc.lock", "reports/", "predictions/"}  # by its commands, not by the template
    return path in made or project.has(path.replace("<package>", "flight_delays"))


def test_every_path_in_the_trees_exists(project: BakedProject) -> None:
    """The captioned tree of the template's README and that of the project's."""
    for text in (README, project.read("README.md")):
        paths = tree(text)
        assert len(paths) > 15
        assert [path for path in paths if not exists(project, path)] == []


def test_every_module_is_in_the_tree(project: BakedProject) -> None:
    """A new module gets its line."""
    package = project.path / "src/flight_delays"
    files = (file for file in package.rglob("*.py") if not file.name.startswith("__"))
    modules = {f"src/<package>/{file.relative_to(package)}" for file in files}
    assert modules == {path for path in tree(README) if path.endswith(".py")}


def test_the_questions_are_those_of_the_template() -> None:
    """Names and defaults, in their order."""
    table = README.split("| question |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.MULTILINE)
    assert [name for name, _ in rows] == list(questions())
    for name, shown in rows:
        default = questions()[name]
        default = default[0] if isinstance(default, list) else default
        assert shown.strip("`") == default or shown in ("derived", "of the example"), name


@pytest.mark.parametrize("where", ["template", "project"])
def test_every_make_target_that_is_named_exists(project: BakedProject, where: str) -> None:
    """And the project's table names each target that a person types."""
    folder = REPOSITORY if where == "template" else project.path
    makefiles = (folder / "Makefile").read_text() + project.read("Makefile")
    targets = set(re.findall(r"^([a-z-]+):", makefiles, re.MULTILINE))
    files = ["README.md", "CONTRIBUTING.md"] if where == "template" else ["README.md"]
    for name in files:
        text = (folder / name).read_text(encoding="utf-8")
        for command in re.findall(r"(?:`|^)make ([a-z -]+)", text, re.MULTILINE):
            assert set(command.split()) <= targets, command
    if where == "project":
        table = text.split("\n## Commands")[1].split("\n\n")[1]
        typed = set(re.findall(r"^([a-z-]+):.*## ", project.read("Makefile"), re.MULTILINE))
        assert typed == typed & set(re.findall(r"`make ([a-z-]+)", table))


def test_the_parameters_that_a_readme_names_exist(project: BakedProject) -> None:
    """`section.key` is a key of params.yaml."""
    text = project.read("params.yaml")
    sections = re.findall(r"^(\w+):", text, re.MULTILINE)
    for section, key in re.findall(r"`(\w+)\.(\w+)(?:`|:)", project.read("README.md")):
        if section in sections:
            body = text.split(f"\n{section}:")[1].split("\n\n")[0]
            assert f"\n  {key}:" in body, f"{section}.{key}"


def test_pythons_are_named_alike_everywhere(project: BakedProject) -> None:
    """The README, the prompts, CI's matrix and a project's `requires-python`."""
    versions = sorted(questions()["python_version"])
    assert "Python 3.11, 3.12 or 3.13" in README and versions == ["3.11", "3.12", "3.13"]
    workflow = (REPOSITORY / ".github/workflows/ci.yml").read_text()
    assert f"python: {json.dumps(versions)}" in workflow
    assert 'requires-python = ">=3.11,<3.14"' in project.read("pyproject.toml")
