"""`make github`: what GitHub is to enforce, from files and from what the workflows rely on.

The rulesets of `main` and `release` are files in .github/rulesets. The rest is here: merge commits,
what Actions may do, a label, the environment `production`. Nothing else is touched.

Nobody bypasses a ruleset, and nobody has to: the bot pushes to the heads of pull requests and to
the store's ref, never to `main`, and to `release` only once, to make it, which no rule forbids.
In a person's repository GitHub would not let Actions through either. A head need not contain the
newest base: a promotion's does not move, and two models that were trained side by side conflict in
`dvc.lock` anyway.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from . import github, laptop, rulesets
from .accept import LABEL, LOOK
from .lock import RELEASE
from .rulesets import differences

ENVIRONMENT = "production"
BRANCHES = f"/environments/{ENVIRONMENT}/deployment-branch-policies"
POLICY = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
"""Deployments by a list of branches."""

ACTIONS = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": True}

Request = tuple[str, str, dict[str, Any] | None]
"""Method, path and body."""


@dataclass(frozen=True)
class Step:
    """A part that is not as it should be, and what mends it.

    Attributes:
        lines: what differs; none where the part is missing.
        then: what is to be done after the requests, which only shows then.
    """

    part: str
    lines: list[str]
    requests: list[Request]
    then: Callable[[], Iterator["Step"]] = lambda: iter(())


def run(root: Path, remote: str, mode: str) -> None:
    """Show what differs from what is wanted, then change it; a second time there is nothing to do.

    Args:
        mode: `dry` only shows, `yes` does not ask, anything else asks.

    Raises:
        ProjectError: there is no token, it has no right to do this, or nobody can be asked.
    """
    name = laptop.sign_in(root, remote)
    try:
        steps, notes = plan(root, administered(name))
        show(name, steps, notes)
        if steps and mode != "dry" and (mode == "yes" or agreed()):
            for step in steps:
                apply(step)
    except github.Refusal as refused:
        raise ProjectError(unable(name, refused)) from None


def administered(name: str) -> dict[str, Any]:
    """The repository, as an administrator sees it.

    Raises:
        ProjectError: the token's owner is none.
    """
    found: dict[str, Any] = github.ask("GET", "")
    if not found.get("permissions", {}).get("admin"):
        raise ProjectError(
            f"the token's owner is no administrator of {name}, whose settings are to be changed: "
            "ask one to run `make github`"
        )
    return found


def unable(name: str, refused: github.Refusal) -> str:
    """What helps where GitHub refuses."""
    if refused.status == 401:
        return f"GitHub does not accept the token ({refused.said}): `gh auth login` gets a new one"
    if refused.status in (403, 404) and refused.wait is None:
        return (
            f"the token may not change the settings of {name} (GitHub said {refused.status}: "
            f"{refused.said}): take an administrator's; a fine-grained one needs Administration "
            "and Issues to write, Actions to read"
        )
    return str(refused)


# What is to be done


def plan(root: Path, repository: dict[str, Any]) -> tuple[list[Step], list[str]]:
    """The steps, and what else a person should know."""
    alone = len(rulesets.writers()) < 2
    notes = ["no review is asked for while one person alone may write here"] if alone else []
    parts: dict[str, Callable[[], Iterator[Step]]] = {
        "merge commits": lambda: merge_commits(repository),
        "Actions": actions,
        "label": label,
        "environment": environment,
        "rulesets": lambda: branch_rules(root, alone),
    }
    steps = list[Step]()
    for part, found in parts.items():
        try:
            steps += found()
        except github.Refusal as refused:
            notes.append(unavailable(part, refused))
    return steps, notes


def unavailable(part: str, refused: github.Refusal) -> str:
    """That the account has not got something.

    Raises:
        Refusal: it is something else that GitHub refuses.
    """
    plan = "upgrade to" in refused.said.lower() or "billing plan" in refused.said.lower()
    if plan or (part.startswith("environment") and refused.status == 404):
        return f"{part} skipped: the plan of the account does not allow it ({refused.said})"
    if refused.status == 409:
        return f"{part} skipped: the organisation does not allow it ({refused.said})"
    raise refused


def changed(
    part: str, found: dict[str, Any], wanted: dict[str, Any], method: str, path: str
) -> Iterator[Step]:
    """One request, where something is not as wanted."""
    if lines := list(differences(found, wanted)):
        yield Step(part, lines, [(method, path, wanted)])


def merge_commits(repository: dict[str, Any]) -> Iterator[Step]:
    """`release` takes nothing else, so the repository must allow them."""
    yield from changed("merge commits", repository, {"allow_merge_commit": True}, "PATCH", "")


def actions() -> Iterator[Step]:
    """Actions open pull requests; a workflow's token only reads, unless a job says otherwise."""
    path = "/actions/permissions/workflow"
    yield from changed("Actions", github.ask("GET", path), ACTIONS, "PUT", path)


def label() -> Iterator[Step]:
    part, path = f"label {LABEL}", f"/labels/{LABEL}"
    found = github.find(path)
    if found is None:
        yield Step(part, [], [("POST", "/labels", {"name": LABEL, **LOOK})])
    else:
        yield from changed(part, found, LOOK, "PATCH", path)


def environment() -> Iterator[Step]:
    """It deploys from `release` alone; who has to approve is a setting of the team's."""
    part = f"environment {ENVIRONMENT}"
    answer = github.ask("GET", "/environments?per_page=100")
    found = next((each for each in answer["environments"] if each["name"] == ENVIRONMENT), None)
    if found and found["deployment_branch_policy"] == POLICY["deployment_branch_policy"]:
        yield from branches()
        return
    lines = list(differences(found, POLICY)) if found else []
    put = ("PUT", f"/environments/{ENVIRONMENT}", {**protection(found or {}), **POLICY})
    yield Step(part, lines, [put], branches)


def protection(found: dict[str, Any]) -> dict[str, Any]:
    """What somebody else set, for GitHub resets what a request leaves out.

    What is not set is not named: plans that do not have it refuse even its default.
    """
    body = dict[str, Any]()
    for rule in found.get("protection_rules", []):
        if rule["type"] == "wait_timer":
            body["wait_timer"] = rule["wait_timer"]
        elif rule["type"] == "required_reviewers":
            people = [{"type": r["type"], "id": r["reviewer"]["id"]} for r in rule["reviewers"]]
            body["reviewers"] = people
            body["prevent_self_review"] = rule.get("prevent_self_review", False)
    return body


def branches() -> Iterator[Step]:
    """`release`, and no other, in an environment that goes by a list of branches."""
    answer = github.ask("GET", f"{BRANCHES}?per_page=100")
    known = {each["name"]: each["id"] for each in answer["branch_policies"]}
    others = [("DELETE", f"{BRANCHES}/{known[name]}", None) for name in known if name != RELEASE]
    missing = [] if RELEASE in known else [("POST", BRANCHES, {"name": RELEASE})]
    lines = list(differences({"branches": list(known)}, {"branches": [RELEASE]}))
    if lines:
        yield Step(f"environment {ENVIRONMENT}", lines, [*missing, *others])


def branch_rules(root: Path, alone: bool) -> Iterator[Step]:
    """The rulesets of the files; others stay as they are."""
    known = rulesets.known()
    for wanted in rulesets.wanted(root, alone):
        part, number = f"ruleset {wanted['name']}", known.get(wanted["name"])
        if number is None:
            yield Step(part, [], [("POST", "/rulesets", wanted)])
        else:
            path = f"/rulesets/{number}"
            yield from changed(part, github.ask("GET", path), wanted, "PUT", path)


# What a person sees, and decides


def show(name: str, steps: list[Step], notes: list[str]) -> None:
    """The plan, one line a field."""
    print(f"github: {name}" if steps else f"github: {name} is as it should be: nothing to do")
    for step in steps:
        print(f"  {step.part}: {'will be changed' if step.lines else 'will be made'}")
        for line in step.lines:
            print(f"    {line}")
    for note in notes:
        print(f"  {note}")


def agreed() -> bool:
    """Ask the person at the terminal.

    Raises:
        ProjectError: nobody is there.
    """
    if not sys.stdin.isatty():
        raise ProjectError(
            "nobody is here to be asked, so nothing was changed: YES=1 applies the plan, DRY=1 "
            "only shows it"
        )
    try:
        answer = input("apply this? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() in ("y", "yes"):
        return True
    print("github: nothing was changed")
    return False


def apply(step: Step) -> None:
    """Make the requests; what the account turns out not to have is skipped, and said."""
    try:
        perform(step)
    except github.Refusal as refused:
        print(f"github: {unavailable(step.part, refused)}")
    else:
        print(f"github: {step.part} is set")


def perform(step: Step) -> None:
    for method, path, body in step.requests:
        github.ask(method, path, body)
    for more in step.then():
        perform(more)
