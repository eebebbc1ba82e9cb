"""Refuse answers that would break a generated file; read only, change nothing, start nothing.

Every generation waits for this script, so it imports no more than it must.
"""

import keyword
import os
import sys
from collections.abc import Callable

# Hexadecimal digits, so that no quote, backslash or newline of an answer can end this string.
# A line is a question, its answer, and what was typed: cookiecutter renders the command line's.
ANSWERS = """
<% for question in ('project', 'package', 'description', 'github_owner', 'nightly_time') %>
<% set answer = cookiecutter.get('__' ~ question, cookiecutter[question]) %>
<< question >>,
<<- answer.encode('utf-8', 'surrogatepass').hex() >>,
<<- (_cookiecutter[question] | string).encode('utf-8', 'surrogatepass').hex() >>
<% endfor %>
"""
TEMPLATE = "<< cookiecutter._repo_dir.encode('utf-8', 'surrogatepass').hex() >>"

# The delimiter is doubled at run time because cookiecutter renders this file too.
REQUIREMENTS = os.path.join("<" * 2 + "cookiecutter.project>>", "requirements")

# Importable names of dependencies whose distribution is called otherwise, which no lock file shows,
# and the direct dependencies, for a template whose lock files are out of reach.
IMPORTED = (
    "antlr4 attr databricks dateutil dotenv dvc evidently flufl git google graphql hydra "
    "markdown_it mlflow mpl_toolkits mypyc opentelemetry pandera polars pre_commit public py "
    "pylab pytest ruamel ruff sklearn skops slugify uv validate xgboost yaml zc zizmor"
)

# Gone from newer Pythons: cookiecutter may run on a newer one than the project.
FORMER_MODULES = (
    "aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap "
    "msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib"
)

# Python imports the customizing two at every start; `type` is a soft keyword only since 3.12.
TAKEN = "tests src conftest sitecustomize usercustomize type"


def main() -> int:
    for line in ANSWERS.split():
        question, answer, typed = line.split(",")
        problem = refusal(question, decoded(answer), decoded(typed))
        if problem:
            sys.stderr.write(problem + "\n")
            return 1
    return 0


def refusal(question: str, answer: str, typed: str) -> str:
    """Say why the answer is refused, in one sentence; say nothing when it is not."""
    for text in (answer,) if question == "package" else (answer, typed):
        if any("<" + second in text for second in ("<", "%", "#")):
            return sentence(question, text, "no answer has '<' before '<', '%' or '#'")
    for accepts, rule in RULES[question]:
        if not accepts(answer):
            return sentence(question, answer, rule)
    return ""


def sentence(question: str, answer: str, rule: str) -> str:
    value = repr(answer if len(answer) <= 60 else answer[:40] + "…")
    return f"{question} {value} is refused: {rule}; {EXAMPLES[question]!r} would work."


def decoded(digits: str) -> str:
    return bytes.fromhex(digits).decode("utf-8", "surrogatepass")


def has_length(most: int) -> Callable[[str], bool]:
    return lambda answer: 1 <= len(answer) <= most


def consists_of(others: str) -> Callable[[str], bool]:
    """Accept ASCII letters, digits and the other characters."""
    return lambda answer: all(c in others or (c.isascii() and c.isalnum()) for c in answer)


def is_time(answer: str) -> bool:
    hour, colon, minute = answer[:2], answer[2:3], answer[3:]
    return (
        colon == ":"
        and hour in {f"{h:02}" for h in range(24)}
        and minute in {f"{m:02}" for m in range(60)}
    )


def is_no_keyword(name: str) -> bool:
    return name not in keyword.kwlist and name not in keyword.softkwlist


def is_no_module(name: str) -> bool:
    return name not in sys.stdlib_module_names and name not in FORMER_MODULES.split()


def is_no_dependency(name: str) -> bool:
    """Compare with the distributions in the lock files, which spell names with hyphens."""
    distribution = name.lower().replace("_", "-").replace(".", "-")
    locked = (f"\n{distribution}{end}" in lock for lock in locks() for end in ("==", "["))
    return distribution.replace("-", "_") not in IMPORTED.split() and not any(locked)


def locks() -> list[str]:
    """Read the template's lock files; a relative path to it starts where cookiecutter did."""
    for start in (os.environ.get("PWD", ""), os.pardir):
        folder = os.path.join(start, decoded(TEMPLATE), REQUIREMENTS)
        if os.path.isdir(folder):
            return ["\n" + read(os.path.join(folder, name)) for name in os.listdir(folder)]
    return []


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


EXAMPLES = {
    "project": "flight-delays",
    "package": "flight_delays",
    "description": "Predicts which flights arrive late.",
    "github_owner": "your-org",
    "nightly_time": "03:17",
}

RULES: dict[str, list[tuple[Callable[[str], bool], str]]] = {
    "project": [
        (has_length(100), "a repository name has 1 to 100 characters"),
        (consists_of("-_."), "a repository name has only letters, digits, '-', '_' and '.'"),
        (
            lambda name: name[0].isalnum() and name[-1].isalnum(),
            "a repository name begins and ends with a letter or digit",
        ),
        (
            lambda name: not name.lower().endswith((".git", ".lock")),
            "a repository name does not end with '.git' or '.lock'",
        ),
        (is_no_dependency, "a project is not named like one of its dependencies"),
    ],
    "package": [
        (has_length(100), "a package name has 1 to 100 characters"),
        (
            lambda name: name == name.lower() and consists_of("_")(name) and name[0].isalpha(),
            "a package name has lower-case letters, digits and '_', and begins with a letter",
        ),
        (is_no_keyword, "a package name is not a word of the Python language"),
        (is_no_module, "a package name is not a module of Python's standard library"),
        (
            lambda name: name not in TAKEN.split(),
            "a package name is not one with a meaning to Python, pytest or the project",
        ),
        (is_no_dependency, "a package is not named like one of the project's dependencies"),
    ],
    "description": [
        (has_length(200), "a description has 1 to 200 characters"),
        (str.isprintable, "a description is one line without control or invisible characters"),
        (lambda text: text == text.strip(), "a description neither begins nor ends with a blank"),
    ],
    "github_owner": [
        (has_length(39), "a GitHub name has 1 to 39 characters"),
        (
            lambda name: consists_of("-")(name) and all(name.split("-")),
            "a GitHub name has letters, digits and single hyphens between them",
        ),
    ],
    "nightly_time": [(is_time, "a time is HH:MM, from 00:00 to 23:59")],
}

if __name__ == "__main__":
    raise SystemExit(main())
