"""What the rulesets of the repository forbid: to a push, and to a merge.

Nobody bypasses a ruleset here, and its branches are named in full, as `refs/heads/main`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .account import ACTIONS_BOT
from .bare import NOTHING

if TYPE_CHECKING:
    from .hub import GitHub
    from .pull import Pull

GREEN = {"success", "skipped", "neutral"}
ACTIONS = 15368
"""The app behind GITHUB_TOKEN, as a required check may name it."""


def of(hub: "GitHub", ref: str) -> list[dict[str, Any]]:
    """The rules that apply to a ref."""
    return [rule for ruleset in hub.rulesets if applies(ruleset, ref) for rule in ruleset["rules"]]


def applies(ruleset: dict[str, Any], ref: str) -> bool:
    names = ruleset["conditions"]["ref_name"]
    return (
        ruleset["enforcement"] == "active"
        and ref in names["include"]
        and ref not in names["exclude"]
    )


def parameters(hub: "GitHub", branch: str, kind: str) -> list[dict[str, Any]]:
    """What each rule of a kind asks of a branch."""
    rules = of(hub, f"refs/heads/{branch}")
    return [rule["parameters"] for rule in rules if rule["type"] == kind]


# A merge


def against(pull: "Pull") -> str | None:
    """Why the rules forbid to merge, whatever the method."""
    hub = pull.hub
    for asked in parameters(hub, pull.base, "required_status_checks"):
        for check in asked["required_status_checks"]:
            counted = pull.checks(check.get("integration_id"))
            if reason := missing(check["context"], counted):
                return reason
    for asked in parameters(hub, pull.base, "pull_request"):
        wanted = asked["required_approving_review_count"]
        if len(pull.approvals(asked["dismiss_stale_reviews_on_push"])) < wanted:
            return f"At least {wanted} approving review is required by reviewers with write access."
    return None


def missing(name: str, checks: dict[str, str]) -> str | None:
    """Why a required check does not let a commit pass."""
    if name not in checks:
        return f'Required status check "{name}" is expected.'
    if checks[name] in GREEN:
        return None
    pending = checks[name] in ("pending", "queued", "in_progress")
    return f'Required status check "{name}" is {"pending" if pending else "failing"}.'


def forbids_method(hub: "GitHub", branch: str, method: str) -> bool:
    """Whether a pull request may not be merged in this way."""
    if method == "merge" and not hub.settings["allow_merge_commit"]:
        return True
    asked = parameters(hub, branch, "pull_request")
    return any(method not in each["allowed_merge_methods"] for each in asked)


# A push, by Git or by API


def against_push(hub: "GitHub", ref: str, new: str) -> Iterator[tuple[str, str]]:
    """What may not happen to a ref: creation, update, force or deletion, with GitHub's words."""
    for rule in of(hub, ref):
        if rule["type"] in ("deletion", "creation", "update"):
            yield rule["type"], f"Cannot {rule['type'].removesuffix('ion')}e this branch"
        elif rule["type"] == "non_fast_forward":
            yield "force", "Cannot force-push to this branch"
        elif rule["type"] == "pull_request":
            yield "update", "Changes must be made through a pull request."
        elif rule["type"] == "required_status_checks":
            yield from unchecked(hub, rule["parameters"], new)


def unchecked(hub: "GitHub", asked: dict[str, Any], new: str) -> Iterator[tuple[str, str]]:
    for check in asked["required_status_checks"]:
        counted = hub.checks_of(new, check.get("integration_id"))
        if reason := missing(check["context"], counted):
            yield "update", reason
            if not asked.get("do_not_enforce_on_create"):
                yield "creation", reason


def violations(hub: "GitHub", ref: str, old: str | None, new: str | None) -> list[str]:
    """Why a change of a ref is refused, where its commits are here already."""
    kinds = {"update"}
    if not old or old == NOTHING:
        kinds = {"creation"}
    elif not new or new == NOTHING:
        kinds = {"deletion"}
    elif not hub.git.contains(new, old):
        kinds = {"update", "force"}
    return [said for kind, said in against_push(hub, ref, new or NOTHING) if kind in kinds]


def counts(creator_is: str, integration: int | None) -> bool:
    """Whether a status counts where the check is asked of one app."""
    return integration is None or (integration == ACTIONS and creator_is == ACTIONS_BOT.login)
