"""What an administrator sets: rulesets, environments, what Actions may do."""

from collections.abc import Iterator
from typing import Any

from .. import rules
from ..pull import Refused
from .repository import ADMIN
from .route import Asked, route

REPO = "/repos/{owner}/{repo}"
RULESETS = f"{REPO}/rulesets"
RULESET = f"{RULESETS}/{{ruleset_id}}"
ENVIRONMENTS = f"{REPO}/environments"
ENVIRONMENT = f"{ENVIRONMENTS}/{{environment_name}}"
POLICIES = f"{ENVIRONMENT}/deployment-branch-policies"
WORKFLOW = f"{REPO}/actions/permissions/workflow"
UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."
METHODS = ["merge", "squash", "rebase"]


# Rulesets


def allowed(asked: Asked) -> None:
    if not asked.hub.settings["plan_has_rules"]:
        raise Refused(403, UPGRADE)


def ruleset(asked: Asked) -> dict[str, Any]:
    allowed(asked)
    for each in asked.hub.rulesets:
        if each["id"] == asked.number("ruleset_id"):
            return each
    raise Refused(404, "Not Found")


def filled(given: dict[str, Any]) -> dict[str, Any]:
    """A ruleset with what GitHub adds to it."""
    rules = [dict(rule) for rule in given.get("rules", [])]
    for rule in rules:
        if rule["type"] == "pull_request":
            more = {"allowed_merge_methods": METHODS, "required_reviewers": []}
            rule["parameters"] = more | rule["parameters"]
    return {"target": "branch", "bypass_actors": [], "conditions": {}} | given | {"rules": rules}


@route(f"GET {RULESETS}")
def list_rulesets(asked: Asked) -> list[dict[str, Any]]:
    """Without their rules, as a list has them."""
    allowed(asked)
    left_out = ("bypass_actors", "conditions", "rules")
    return [
        {key: value for key, value in each.items() if key not in left_out}
        for each in asked.hub.rulesets
    ]


@route(f"POST {RULESETS}", ADMIN, 201)
def create_ruleset(asked: Asked) -> dict[str, Any]:
    allowed(asked)
    hub = asked.hub
    ours = [each for each in hub.rulesets if each["source_type"] == "Repository"]
    if any(each["name"] == asked.given("name") for each in ours):
        raise Refused(422, "Validation Failed", "Name must be unique")
    number = 1 + max((each["id"] for each in hub.rulesets), default=0)
    source = {"id": number, "source_type": "Repository", "source": hub.name}
    hub.rulesets.append(filled(asked.body) | source)
    return hub.rulesets[-1]


@route(f"GET {RULESET}")
def get_ruleset(asked: Asked) -> dict[str, Any]:
    return ruleset(asked)


@route(f"PUT {RULESET}", ADMIN)
def update_ruleset(asked: Asked) -> dict[str, Any]:
    found = ruleset(asked)
    found.update(filled({"name": found["name"], **asked.body}))
    return found


@route(f"GET {REPO}/rules/branches/{{branch}}")
def branch_rules(asked: Asked) -> list[dict[str, Any]]:
    return rules.of(asked.hub, f"refs/heads/{asked.parameters['branch']}")


# Environments


def environment(asked: Asked) -> dict[str, Any]:
    known(asked)
    found = asked.hub.environments.get(asked.parameters["environment_name"])
    if found is None:
        raise Refused(404, "Not Found")
    return found


def known(asked: Asked) -> None:
    """Where the plan has no environments, there are none."""
    if not asked.hub.settings["plan_has_rules"]:
        raise Refused(404, "Not Found")


def shown(found: dict[str, Any]) -> dict[str, Any]:
    policy = found["deployment_branch_policy"]
    return {
        "name": found["name"],
        "protection_rules": list(protection(found)),
        "deployment_branch_policy": policy,
    }


def protection(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if found.get("wait_timer"):
        yield {"type": "wait_timer", "wait_timer": found["wait_timer"]}
    if found.get("reviewers"):
        people = [{"type": r["type"], "reviewer": {"id": r["id"]}} for r in found["reviewers"]]
        itself = found.get("prevent_self_review", False)
        yield {"type": "required_reviewers", "prevent_self_review": itself, "reviewers": people}
    if found["deployment_branch_policy"]:
        yield {"type": "branch_policy"}


@route(f"GET {ENVIRONMENTS}", "actions:read")
def list_environments(asked: Asked) -> dict[str, Any]:
    known(asked)
    found = [shown(each) for each in asked.hub.environments.values()]
    return {"total_count": len(found), "environments": found}


@route(f"PUT {ENVIRONMENT}", ADMIN)
def put_environment(asked: Asked) -> dict[str, Any]:
    """What is not given is as in a new environment; branches outlive it."""
    known(asked)
    name, policy = asked.parameters["environment_name"], asked.given("deployment_branch_policy")
    if policy and policy["protected_branches"] == policy["custom_branch_policies"]:
        raise Refused(422, "protected_branches and custom_branch_policies cannot be the same")
    before = asked.hub.environments.get(name, {"branches": {}})
    kept = {"name": name, "branches": before["branches"], "deployment_branch_policy": policy}
    asked.hub.environments[name] = {**(asked.body or {}), **kept}
    return shown(asked.hub.environments[name])


@route(f"GET {POLICIES}", "actions:read")
def list_policies(asked: Asked) -> dict[str, Any]:
    branches = custom(asked)
    found = [{"id": number, "name": name} for number, name in branches.items()]
    return {"total_count": len(found), "branch_policies": found}


def custom(asked: Asked) -> dict[int, str]:
    """The branches by number, of an environment that goes by names."""
    found = environment(asked)
    if not (found["deployment_branch_policy"] or {}).get("custom_branch_policies"):
        raise Refused(404, "Not Found")
    branches: dict[int, str] = found["branches"]
    return branches


@route(f"POST {POLICIES}", ADMIN)
def create_policy(asked: Asked) -> dict[str, Any]:
    branches = custom(asked)
    number = 1 + max(branches, default=0)
    branches[number] = asked.given("name")
    return {"id": number, "name": branches[number]}


@route(f"DELETE {POLICIES}/{{branch_policy_id}}", ADMIN, 204)
def delete_policy(asked: Asked) -> None:
    if custom(asked).pop(asked.number("branch_policy_id"), None) is None:
        raise Refused(404, "Not Found")


# Actions


@route(f"GET {WORKFLOW}", ADMIN)
def get_workflow(asked: Asked) -> dict[str, Any]:
    settings = asked.hub.settings
    return {
        "default_workflow_permissions": settings["default_workflow_permissions"],
        "can_approve_pull_request_reviews": settings["actions_may_open_pull_requests"],
    }


@route(f"PUT {WORKFLOW}", ADMIN, 204)
def put_workflow(asked: Asked) -> None:
    now = get_workflow(asked) | asked.body
    settings = asked.hub.settings
    settings["default_workflow_permissions"] = now["default_workflow_permissions"]
    settings["actions_may_open_pull_requests"] = now["can_approve_pull_request_reviews"]
