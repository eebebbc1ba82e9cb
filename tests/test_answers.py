"""The questions, the answers that are refused, and the answers that must arrive unharmed."""

import ast
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from markdown_it import MarkdownIt

from baking import Oven
from conftest import Bake
from options import REPOSITORY, option_id, option_sets, questions

HOOK = REPOSITORY / "hooks" / "pre_gen_project.py"
TEMPLATE = REPOSITORY / "<<cookiecutter.project>>"

LONG = "x" * 300
NASTY = '"It\'s" 100 % <b>: #1 \\o/ — é'

# One value for each rule, and each value that could leave a folder or end a string early.
REFUSED = [
    *[
        ("project", value)
        for value in ("", ".", "..", "../x", "a/b", "/no/such", "~", "a\\b", LONG)
    ],
    *[("project", value) for value in ("a b", "-rf", "x.git", "é", "pandera", "$(id)", "a\nb")],
    *[("project", "a\udcff"), ("project", '"""'), ("project", "<<7*7>>")],
    *[("package", value) for value in ("", "Flights", "2fast", "a-b", "class", "json", "sklearn")],
    *[("package", value) for value in ("tests", "../x")],
    *[("description", value) for value in ("", " late", "a\nb", "a\u202eb", LONG, "<# gone #>")],
    *[("github_owner", value) for value in ("", "-a", "a--b", "a" * 40)],
    *[("nightly_time", value) for value in ("24:00", "7:5", "noon")],
]

# More values of the same rules, asked of the hook itself because that is quick.
REFUSED_TOO = [
    *[("project", value) for value in ("x.GIT", "x.lock", "x.", ".x", "x-", "a:b", "a*", "'", "`")],
    *[("project", value) for value in ("Scikit.Learn", "x" * 101, "a\tb", "a\u200bb", "#a", "a|b")],
    *[("package", value) for value in ("match", "type", "distutils", "cgi", "conftest", "src")],
    *[("package", value) for value in ("_x", "é", "__init__", "yaml", "pre_commit", "a.b", LONG)],
    *[("description", value) for value in ("late ", "a\tb", "a\r", "\x1b[31m", "a\u2028b", "\x00")],
    *[("description", value) for value in ("x" * 201, "a\u200bb", "\ufeffa", "\udcff", "1 << 3")],
    *[("github_owner", value) for value in ("a-", "a_b", "a.b", "a/b", "é", "a b", "'", "a\n")],
    *[
        ("nightly_time", value)
        for value in ("", "03:60", "3:17", "03:17:00", " 03:17", "\u0660\u0663:17")
    ],
    *[("nightly_time", value) for value in ("03-17", "-1:17", "03:17\n", "+3:17", "0317")],
]

ACCEPTED = [
    *[("project", value) for value in ("a", "A.b_c-1", "x" * 100, "2024")],
    *[("package", value) for value in ("a", "flight_delays", "x2", "keras_like", "x" * 100)],
    *[
        ("description", value)
        for value in (NASTY, "x" * 200, "späté 😀", "延误预测", "{{ x }}", "a < b")
    ],
    *[("github_owner", value) for value in ("a", "a-b-c", "A1", "a" * 39)],
    *[("nightly_time", value) for value in ("00:00", "23:59")],
]

DESCRIPTIONS = [
    NASTY,
    "- not a list",
    "+ not a list",
    "* not a list",
    "1. not a list",
    "12) not a list",
    "# not a heading",
    "> not a quotation",
    "---",
    "===",
    "~~~",
    "`code` ``x`` and ~~struck~~ **bold** *thin* __bold__ _thin_ a_b_c",
    "[text](target) ![image](source) [reference] <https://example.org> <!-- hidden -->",
    "&amp; &#35; &lt;b&gt; R&D",
    "| a | b | $x$ and $5",
    "\\\\ \\n \\u0041 \\",
    "C:\\new\\table 'single' \"double\" \"\"\" '''",
    "{{ x }} ${x} $(id) %s %(x)s @user :emoji: a >> b a < b",
    "é ñ 延误 😀 — “quoted”",
]


@pytest.fixture(scope="session")
def hook() -> ModuleType:
    """The hook as it lies in the repository, told where the template is."""
    spec = importlib.util.spec_from_file_location("pre_gen_project", HOOK)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["TEMPLATE"] = str(REPOSITORY).encode().hex()
    return module


Generate = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def generate(oven: Oven, tmp_path: Path) -> Generate:
    """Run the cookiecutter command as a person does; it writes to the folder `output`."""
    (tmp_path / "output").mkdir()

    def run(*args: str, keys: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cookiecutter", str(REPOSITORY), *args]
        command += ["--config-file", str(oven.config), "--output-dir", "output"]
        return subprocess.run(
            command if keys else [*command, "--no-input"],
            cwd=tmp_path,
            env={**oven.environment, "TMPDIR": str(oven.folder)},
            input=keys,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    return run


def folders(path: Path) -> list[str]:
    return sorted(str(folder.relative_to(path)) for folder in path.rglob("*"))


@pytest.mark.parametrize(("question", "value"), REFUSED)
def test_a_refused_answer_ends_with_one_sentence_and_leaves_no_folder(
    generate: Generate, tmp_path: Path, question: str, value: str
) -> None:
    """The sentence names the question and the value, and quotes a value that would work."""
    result = generate(f"{question}={value}")
    assert result.returncode == 1
    assert result.stderr.startswith(f"{question} {value[:40]!r}".rstrip("'\""))
    assert result.stderr.count("\n") == 1
    assert " is refused: " in result.stderr
    assert result.stderr.endswith(" would work.\n")
    assert folders(tmp_path) == ["output"]
    assert not Path("/no").exists()


@pytest.mark.parametrize(("question", "value"), REFUSED + REFUSED_TOO)
def test_the_hook_refuses(hook: ModuleType, question: str, value: str) -> None:
    """A value that breaks a rule gets a sentence on one line."""
    sentence = hook.refusal(question, value, value)
    assert sentence.endswith("would work.")
    assert sentence.isprintable()


@pytest.mark.parametrize(("question", "value"), ACCEPTED)
def test_the_hook_accepts(hook: ModuleType, question: str, value: str) -> None:
    """A value at the edge of a rule, or of another script, is no reason to refuse."""
    assert hook.refusal(question, value, value) == ""


def test_the_value_that_a_refusal_suggests_would_work(hook: ModuleType) -> None:
    """Each question with rules has an example, and the hook accepts it."""
    assert hook.EXAMPLES.keys() == hook.RULES.keys()
    assert all(hook.refusal(name, value, value) == "" for name, value in hook.EXAMPLES.items())


def test_every_free_answer_has_rules(hook: ModuleType) -> None:
    """A new question without choices needs rules."""
    free = {name for name, default in questions().items() if isinstance(default, str)}
    assert hook.RULES.keys() == free


@pytest.mark.parametrize("start", ["template", "output"])
def test_a_package_is_not_named_like_a_locked_distribution(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    """The hook finds the lock files through the template's path, also when that is relative."""
    locks = tmp_path / "template" / TEMPLATE.name / "requirements"
    locks.mkdir(parents=True)
    (locks / "train.lock").write_text("narwhals==2.0 \\\n    --hash=sha256:0\nray-core[all]==1\n")
    project = tmp_path / "output" / "project"
    project.mkdir(parents=True)
    monkeypatch.chdir(project)
    monkeypatch.setenv("PWD", str(tmp_path if start == "template" else "elsewhere"))
    relative = "template" if start == "template" else "../template"
    monkeypatch.setattr(hook, "TEMPLATE", relative.encode().hex())
    assert not hook.is_no_dependency("narwhals")
    assert not hook.is_no_dependency("ray_core")
    assert hook.is_no_dependency("ray")


def test_a_choice_that_is_not_offered_is_refused(generate: Generate, tmp_path: Path) -> None:
    """Cookiecutter itself names the choices."""
    result = generate("python_version=3.10")
    assert result.returncode != 0
    assert "the choices are ['3.12', '3.11', '3.13']" in result.stderr
    assert folders(tmp_path) == ["output"]


def test_unfinished_template_syntax_leaves_no_folder(generate: Generate, tmp_path: Path) -> None:
    """Cookiecutter renders an answer of the command line before any hook sees it."""
    assert generate("description=1 << 3").returncode != 0
    assert folders(tmp_path) == ["output"]


def test_typed_answers_arrive(generate: Generate, tmp_path: Path) -> None:
    """Each question shows its prompt, takes a typed answer, and derives the package's name."""
    result = generate(keys=f"Bike.rental-2\n\n{NASTY}\nocto-org\n2\n4\n22:05\n3\n")
    assert result.returncode == 0, result.stdout + result.stderr
    assert all(text in " ".join(result.stdout.split()) for text in prompt_texts())
    assert (tmp_path / "output/Bike.rental-2/src/bike_rental_2/errors.py").exists()
    project = (tmp_path / "output/Bike.rental-2/pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(project)["project"]["description"] == NASTY


def prompts() -> dict[str, str | dict[str, str]]:
    context = json.loads((REPOSITORY / "cookiecutter.json").read_text(encoding="utf-8"))
    texts: dict[str, str | dict[str, str]] = context["__prompts__"]
    return texts


def prompt_texts() -> list[str]:
    """Flatten the prompts of questions and choices."""
    return [
        text
        for prompt in prompts().values()
        for text in ([prompt] if isinstance(prompt, str) else prompt.values())
    ]


def test_each_question_and_each_choice_is_explained() -> None:
    """A prompt is one line; a choice's line begins with the choice."""
    assert list(prompts()) == list(questions())
    assert all(20 <= len(text) <= 90 for text in prompt_texts())
    for name, default in questions().items():
        if isinstance(default, list):
            labels = prompts()[name]
            assert isinstance(labels, dict)
            assert ["__prompt__", *default] == list(labels)
            assert all(labels[choice].startswith(f"{choice}: ") for choice in default)


def test_the_option_sets_hold_each_value(bake: Bake) -> None:
    """Each choice and each free answer is changed alone, then all are."""
    sets = list(option_sets())
    for name, default in questions().items():
        others = default[1:] if isinstance(default, list) else [sets[-1][name]]
        assert all({name: value} in sets for value in others)
    assert sets[0] == {}
    assert sets[-1].keys() == questions().keys()
    assert len({option_id(answers) for answers in sets}) == len(sets)
    assert bake(**sets[-1]).path.name == sets[-1]["project"]


def test_a_hook_can_only_refuse() -> None:
    """Its imports reach neither the network nor another process, and it writes no file."""
    assert [path.name for path in HOOK.parent.iterdir() if path.is_file()] == [HOOK.name]
    tree = ast.parse(HOOK.read_text(encoding="utf-8"))
    imported: set[str | None] = set()
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
        elif isinstance(node, ast.Call):
            called.add(ast.unparse(node.func))
    assert imported == {"collections.abc", "keyword", "os", "sys"}
    assert {name for name in called if name.startswith(("os.", "sys."))} <= {
        *("os.path.join", "os.path.isdir", "os.listdir", "os.environ.get", "sys.stderr.write")
    }
    assert not called & {"eval", "exec", "compile", "__import__", "input"}
    assert HOOK.read_text(encoding="utf-8").count("open(path, encoding=") == 1
    assert "open" in called


@pytest.fixture(scope="module")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's questions and hook, with one file for each language that holds answers."""
    template = tmp_path_factory.mktemp("small") / "template"
    project = template / TEMPLATE.name
    project.mkdir(parents=True)
    shutil.copy(REPOSITORY / "cookiecutter.json", template)
    shutil.copytree(HOOK.parent, template / "hooks")
    quoted = '"<< cookiecutter.__description_quoted >>"'
    (project / "answers.toml").write_text(f"description = {quoted}\n")
    (project / "answers.yaml").write_text(
        f"description: {quoted}\ncron: '<< cookiecutter.__cron >>'\n"
        "license: << cookiecutter.__license_expression >>\n"
    )
    (project / "answers.py").write_text(f"DESCRIPTION = {quoted}\n")
    (project / "answers.md").write_text(
        "# Title\n\n<< cookiecutter.__description_markdown >>\n\n"
        "- << cookiecutter.__description_markdown >>\n"
    )
    return template


@pytest.fixture
def small(oven: Oven, small_template: Path, tmp_path: Path) -> Callable[..., Path]:
    """Generate the small template with answers."""
    return lambda **answers: Path(oven.generate(tmp_path, answers, template=small_template))


def paragraphs(markdown: str) -> list[str]:
    """Give the text that a reader sees, one item a paragraph, heading or code block."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = [token for token in parser.parse(markdown) if token.type in ("inline", "fence")]
    return [
        "".join(child.content for child in token.children or [] if child.type == "text")
        for token in tokens
    ]


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_a_description_arrives_unharmed(small: Callable[..., Path], description: str) -> None:
    """TOML, YAML, Python and Markdown each read back what was answered."""
    project = small(description=description)
    toml, data, python, markdown = (
        (project / f"answers.{suffix}").read_text(encoding="utf-8")
        for suffix in ("toml", "yaml", "py", "md")
    )
    assert tomllib.loads(toml)["description"] == description
    assert yaml.safe_load(data)["description"] == description
    assert ast.literal_eval(python.removeprefix("DESCRIPTION = ")) == description
    assert paragraphs(markdown) == ["Title", description, description]


def test_a_description_arrives_in_the_project(bake: Bake) -> None:
    """The package's metadata and the README's first paragraph hold the description."""
    project = bake(description=NASTY)
    assert tomllib.loads(project.read("pyproject.toml"))["project"]["description"] == NASTY
    assert paragraphs(project.read("README.md"))[1] == NASTY


@pytest.mark.parametrize(
    ("time", "cron"),
    [
        ("03:17", "17 3 * * *"),
        ("00:00", "0 0 * * *"),
        ("23:59", "59 23 * * *"),
        ("08:09", "9 8 * * *"),
    ],
)
def test_the_nightly_time_becomes_a_cron_line(
    small: Callable[..., Path], time: str, cron: str
) -> None:
    """Minutes come first, without leading zeros."""
    project = small(nightly_time=time)
    assert yaml.safe_load((project / "answers.yaml").read_text())["cron"] == cron


@pytest.mark.parametrize(
    ("license", "expression"),
    [
        ("MIT", "MIT"),
        ("Apache-2.0", "Apache-2.0"),
        ("BSD-3-Clause", "BSD-3-Clause"),
        ("Proprietary", "LicenseRef-Proprietary"),
    ],
)
def test_the_license_becomes_an_spdx_expression(
    small: Callable[..., Path], license: str, expression: str
) -> None:
    """Package metadata knows SPDX names only."""
    project = small(license=license)
    assert yaml.safe_load((project / "answers.yaml").read_text())["license"] == expression


@pytest.mark.parametrize(
    ("license", "first", "last"),
    [
        ("MIT", "MIT License", "SOFTWARE."),
        ("BSD-3-Clause", "BSD 3-Clause License", "POSSIBILITY OF SUCH DAMAGE."),
        (
            "Proprietary",
            "Copyright (c) The flight-delays authors. All rights reserved.",
            "without a written licence from its authors.",
        ),
    ],
)
def test_the_license_file_is_the_chosen_one(
    bake: Bake, license: str, first: str, last: str
) -> None:
    """It names the project's authors and ends with one newline."""
    text = bake(license=license).read("LICENSE")
    assert text.splitlines()[0] == first
    assert text.endswith(last + "\n")
    assert text.count("Copyright (c) The flight-delays authors") == 1


def test_the_apache_license_is_the_published_text(bake: Bake) -> None:
    """Its sha256 is that of the Apache Software Foundation's own file."""
    text = bake(license="Apache-2.0").read("LICENSE").encode()
    expected = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert hashlib.sha256(text).hexdigest() == expected


def test_the_package_is_copied_as_it_lies(bake: Bake) -> None:
    """The folder gets the package's name; its modules are the template's own, byte for byte."""
    project = bake(package="rentals")
    source = TEMPLATE / "src" / "<<cookiecutter.package>>"
    assert os.listdir(project.path / "src") == ["rentals"]
    assert {path.name for path in source.glob("*.py")} == {
        path.name for path in (project.path / "src/rentals").glob("*.py")
    }
    assert project.read("src/rentals/errors.py").encode() == (source / "errors.py").read_bytes()
