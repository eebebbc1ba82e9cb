"""`make github`: branch rules and settings as code, and that GitHub then really refuses."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from baking import IDENTITY, BakedProject, Oven
from options import REPOSITORY
from rig import GitHub, Pull, Refused
from rig.account import ACTIONS_BOT, Account
from rig.openapi import complaints
from rig.record import Check, Status
from team import commit, with_a_python

PROJECT = REPOSITORY / "<<cookiecutter.project>>"
RULESETS = sorted((PROJECT / ".github/rulesets").glob("*.json"))
EACH = pytest.mark.parametrize("file", RULESETS, ids=lambda file: file.stem)
CREATE = "POST /repos/{owner}/{repo}/rulesets"
WORKFLOW = "/repos/{owner}/{repo}/actions/permissions/workflow"


def content(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))


def parameters(ruleset: dict[str, Any], kind: str) -> dict[str, Any]:
    (rule,) = [rule for rule in ruleset["rules"] if rule["type"] == kind]
    return dict(rule["parameters"])


def required(ruleset: dict[str, Any]) -> list[str]:
    checks = parameters(ruleset, "required_status_checks")["required_status_checks"]
    return [check["context"] for check in checks]


# The files


@EACH
def test_a_ruleset_is_what_github_takes(file: Path) -> None:
    """As its OpenAPI description says; a slip in it is found."""
    path = {"owner": "o", "repo": "r"}
    assert complaints(CREATE, path, {}, content(file)) == []
    slip = file.read_text(encoding="utf-8").replace('"merge"', '"fast-forward"')
    assert complaints(CREATE, path, {}, json.loads(slip)) != []


@EACH
def test_required_checks_are_jobs_that_every_pull_request_has(file: Path) -> None:
    """By the names that GitHub shows, of jobs that always run."""
    jobs = [
        job
        for workflow in (PROJECT / ".github/workflows").glob("*.yml")
        for parsed in [yaml.safe_load(workflow.read_text(encoding="utf-8"))]
        if "pull_request" in parsed[True]
        for job in parsed["jobs"].values()
    ]
    for name in required(content(file)):
        (job,) = [job for job in jobs if job["name"] == name]
        assert job["if"] == "always()"


@EACH
def test_required_checks_are_what_the_bot_posts_on_its_commit(file: Path) -> None:
    """No run starts there: a name that it does not post would block for ever."""
    code = PROJECT / "src/<<cookiecutter.package>>/gitops/conclude.py"
    posted = re.findall(r'status\(commit, "([^"]+)"', code.read_text(encoding="utf-8"))
    assert required(content(file)) == posted == ["ci", "model gate"]


@EACH
def test_nobody_pushes_deletes_or_goes_round(file: Path) -> None:
    ruleset = content(file)
    kinds = ["deletion", "non_fast_forward", "pull_request", "required_status_checks"]
    assert [rule["type"] for rule in ruleset["rules"]] == kinds
    assert ruleset["bypass_actors"] == [] and ruleset["enforcement"] == "active"
    assert ruleset["conditions"]["ref_name"]["include"] == [f"refs/heads/{file.stem}"]
    assert parameters(ruleset, "required_status_checks")["do_not_enforce_on_create"]


def test_release_takes_merge_commits_and_a_review() -> None:
    main, release = (parameters(content(file), "pull_request") for file in RULESETS)
    assert release["allowed_merge_methods"] == ["merge"]
    assert release["required_approving_review_count"] == 1
    assert main["required_approving_review_count"] == 0


# What the other tests stand on


@dataclass(frozen=True)
class Laptop:
    """An administrator's, beside the repository on GitHub."""

    hub: GitHub
    person: Account
    project: BakedProject

    def github(self, check: bool = True, **variables: str) -> str:
        """What `make github` says; where it has to fail, its one sentence."""
        env = {"GITHUB_TOKEN": self.person.token, **variables}
        done = self.project.make("github", check=check, env=env)
        if check:
            return done.stdout
        assert done.returncode != 0, done.stdout
        (sentence,) = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        return sentence

    def apply(self) -> str:
        return self.github(YES="1")

    def writes(self) -> list[str]:
        """The requests that may change something, since the last time."""
        made = [r.kind for r in self.hub.requests if not r.kind.startswith(("GET ", "git-"))]
        self.hub.requests.clear()
        return made


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    project = with_a_python(oven.bake(tmp_path_factory.mktemp("laptop"), {}))
    project.make("setup")
    commit(project, "Generated")
    project.run("git", "remote", "add", "origin", "nowhere")
    return project


@pytest.fixture
def hub(environment: dict[str, str], tmp_path: Path) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github", environment | IDENTITY, "alice/flight-delays") as hub:
        yield hub
    assert hub.violations == []


@pytest.fixture
def alone(hub: GitHub, project: BakedProject) -> Laptop:
    """The owner, whose repository nobody else may write to."""
    person = hub.person("alice", "admin")
    project.run("git", "remote", "set-url", "origin", hub.url(person))
    env = {**hub.environment, "PATH": project.environment["PATH"]}
    return Laptop(hub, person, replace(project, environment=env))


@pytest.fixture
def laptop(alone: Laptop) -> Laptop:
    """The owner's, who has a colleague."""
    alone.hub.person("bob")
    return alone


def ruleset(hub: GitHub, name: str) -> dict[str, Any]:
    (found,) = [each for each in hub.rulesets if each["name"] == name]
    return found


# The plan, and applying it


@pytest.mark.slow
def test_everything_is_set_once(laptop: Laptop) -> None:
    """The second run finds nothing to do, and asks GitHub to change nothing."""
    hub = laptop.hub
    hub.settings |= {"default_workflow_permissions": "write", "allow_merge_commit": False}
    said = laptop.apply()
    assert "ruleset main: will be made\n" in said
    assert '    default_workflow_permissions: is "write", will be "read"\n' in said
    assert "github: ruleset release is set\n" in said
    for file in RULESETS:
        ours, theirs = content(file), ruleset(hub, file.stem)
        assert required(theirs) == required(ours) and len(theirs["rules"]) == len(ours["rules"])
    assert hub.settings["actions_may_open_pull_requests"]
    assert hub.settings["default_workflow_permissions"] == "read"
    assert hub.settings["allow_merge_commit"]
    assert hub.labels["accept-model"]["color"] == "d93f0b"
    (branches,) = [each["branches"] for each in hub.environments.values()]
    assert list(hub.environments) == ["production"] and list(branches.values()) == ["release"]
    assert laptop.writes()
    assert laptop.apply() == "github: alice/flight-delays is as it should be: nothing to do\n"
    assert laptop.writes() == []


@pytest.mark.slow
def test_what_is_changed_by_hand_comes_back(laptop: Laptop) -> None:
    """The plan names each field; GitHub's own order and its empty fields are no difference."""
    hub = laptop.hub
    laptop.apply()
    release, main = ruleset(hub, "release"), ruleset(hub, "main")
    before = json.dumps([main, release])
    main["rules"].reverse()
    main["bypass_actors"] = [{"actor_type": "RepositoryRole", "actor_id": 5}]
    release["rules"] = [r for r in release["rules"] if r["type"] != "deletion"]
    for rule in release["rules"]:
        if rule["type"] == "pull_request":
            rule["parameters"]["allowed_merge_methods"] = ["merge", "squash"]
        if rule["type"] == "required_status_checks":
            rule["parameters"]["required_status_checks"].pop()
    hub.labels["accept-model"]["color"] = "ffffff"
    said = laptop.apply()
    for line in (
        'bypass_actors.RepositoryRole 5: is {"actor_type": "RepositoryRole", "actor_id": 5}, '
        "will be absent",
        'rules.deletion: is absent, will be {"type": "deletion"}',
        "rules.pull_request.parameters.allowed_merge_methods: "
        'is ["merge", "squash"], will be ["merge"]',
        "rules.required_status_checks.parameters.required_status_checks.model gate: is absent, "
        'will be {"context": "model gate", "integration_id": 15368}',
        'color: is "ffffff", will be "d93f0b"',
    ):
        assert f"    {line}\n" in said
    assert json.dumps([ruleset(hub, "main"), ruleset(hub, "release")]) == before
    assert "nothing to do" in laptop.apply()


@pytest.mark.slow
def test_what_is_not_ours_stays(laptop: Laptop) -> None:
    """Other rulesets, labels and environments, and who approves a deployment."""
    hub = laptop.hub
    theirs = {"id": 7, "name": "tags", "source_type": "Repository", "enforcement": "active"}
    theirs |= {"conditions": {"ref_name": {"include": [], "exclude": []}}, "rules": []}
    above = {**theirs, "id": 8, "name": "main", "source_type": "Organization"}
    hub.rulesets += [theirs, above]
    hub.labels["bug"] = {"name": "bug", "color": "000000"}
    policy = {"protected_branches": False, "custom_branch_policies": True}
    staging: dict[str, Any] = {"name": "staging", "branches": {}, "deployment_branch_policy": None}
    reviewers = [{"type": "User", "id": laptop.person.id}]
    production = {**staging, "name": "production", "branches": {3: "main"}}
    production |= {"wait_timer": 30, "reviewers": reviewers}
    hub.environments |= {"staging": dict(staging), "production": production}
    kept = json.dumps([theirs, above])
    laptop.apply()
    assert json.dumps(hub.rulesets[:2]) == kept and len(hub.rulesets) == 4
    assert hub.labels["bug"]["color"] == "000000" and hub.environments["staging"] == staging
    ours = hub.environments["production"]
    assert (ours["wait_timer"], ours["reviewers"]) == (30, reviewers)
    assert ours["deployment_branch_policy"] == policy
    assert list(ours["branches"].values()) == ["release"]


@pytest.mark.slow
def test_a_plan_can_be_read_first(laptop: Laptop) -> None:
    """DRY=1 shows it; without a terminal nobody is asked, and nothing happens."""
    assert "ruleset main: will be made" in laptop.github(DRY="1")
    sentence = laptop.github(check=False)
    assert "nobody is here to be asked, so nothing was changed: YES=1 applies" in sentence
    assert laptop.writes() == []


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "done"), [(b"y\n", True), (b"\n", False), (b"\4", False)])
def test_a_person_at_a_terminal_is_asked(laptop: Laptop, answer: bytes, done: bool) -> None:
    """Only yes means yes."""
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    env = {**laptop.project.environment, "GITHUB_TOKEN": laptop.person.token}
    command = ["make", "github"]
    run = subprocess.run(
        command, cwd=laptop.project.path, env=env, stdin=theirs, capture_output=True, text=True
    )
    os.close(ours)
    os.close(theirs)
    assert run.returncode == 0, run.stderr
    assert "apply this? [y/N]" in run.stdout
    assert ("nothing was changed" in run.stdout) != done
    assert bool(laptop.writes()) == done


@pytest.mark.slow
def test_a_free_private_repository_gets_the_rest(laptop: Laptop) -> None:
    """What the plan of the account does not have is said and skipped, each time."""
    laptop.hub.settings |= {"plan_has_rules": False, "private": True}
    said = laptop.apply()
    assert "rulesets skipped: the plan of the account does not allow it (Upgrade to" in said
    assert "environment skipped: the plan of the account does not allow it" in said
    assert laptop.hub.settings["actions_may_open_pull_requests"] and laptop.hub.labels
    assert laptop.writes()
    again = laptop.apply()
    assert "nothing to do" in again and "rulesets skipped" in again
    assert laptop.writes() == []


@pytest.mark.slow
def test_an_organisation_may_forbid_actions_to_open_pull_requests(laptop: Laptop) -> None:
    """Then the rest is set all the same."""
    laptop.hub.fault(f"PUT {WORKFLOW}", status=409)
    assert "Actions skipped: the organisation does not allow it" in laptop.apply()
    assert len(laptop.hub.rulesets) == 2


@pytest.mark.slow
def test_a_run_that_broke_off_is_finished_by_the_next(laptop: Laptop) -> None:
    laptop.hub.fault(CREATE, nth=2, status=422)
    assert "422" in laptop.github(check=False, YES="1")
    said = laptop.apply()
    assert "ruleset release: will be made" in said and "ruleset main" not in said
    assert len(laptop.hub.rulesets) == 2


@pytest.mark.slow
def test_an_exported_ruleset_replaces_ours(laptop: Laptop) -> None:
    """What GitHub's page adds to it is left out; a file that is none is refused."""
    file = laptop.project.path / ".github/rulesets/main.json"
    text = file.read_text()
    exported = {"id": 7, "source_type": "Repository", "source": "alice/another", **content(file)}
    try:
        file.write_text(json.dumps(exported))
        assert "ruleset main is set" in laptop.apply()
        file.write_text("[]")
        assert "main.json is no ruleset" in laptop.github(check=False, YES="1")
    finally:
        file.write_text(text)
    assert "nothing to do" in laptop.apply()


# Who may do it


@pytest.mark.slow
def test_only_an_administrator_can(laptop: Laptop) -> None:
    """One sentence, nothing half done."""
    bob = replace(laptop, person=laptop.hub.people["bob"])
    said = bob.github(check=False, YES="1")
    assert "the token's owner is no administrator of alice/flight-delays" in said
    assert laptop.writes() == []


@pytest.mark.slow
@pytest.mark.parametrize("status", [403, 404])
def test_a_token_without_the_right_is_told_which(laptop: Laptop, status: int) -> None:
    """An administrator's fine-grained token may lack one; GitHub hides some things with 404."""
    laptop.hub.fault(f"GET {WORKFLOW}", status=status)
    said = laptop.github(check=False, YES="1")
    assert f"may not change the settings of alice/flight-delays (GitHub said {status}" in said
    assert "Administration and Issues to write" in said
    assert laptop.writes() == []


@pytest.mark.slow
def test_a_token_comes_from_githubs_command_line(laptop: Laptop, tmp_path: Path) -> None:
    """Or from GITHUB_TOKEN; a missing one and a wrong one are said in one sentence."""
    assert "no token for 127.0.0.1" in laptop.github(check=False, GITHUB_TOKEN="")
    assert "GitHub does not accept the token" in laptop.github(check=False, GITHUB_TOKEN="wrong")
    gh = tmp_path / "bin/gh"
    gh.parent.mkdir()
    expected = f"auth token --hostname {laptop.hub.host}"
    gh.write_text(f'#!/bin/sh\ntest "$*" = "{expected}" && echo {laptop.person.token}\n')
    gh.chmod(0o755)
    path = f"{gh.parent}{os.pathsep}{laptop.project.environment['PATH']}"
    assert "ruleset main" in laptop.github(DRY="1", GITHUB_TOKEN="", PATH=path)


@pytest.mark.slow
def test_the_repository_is_the_one_of_the_remote(alone: Laptop) -> None:
    """In each way in which Git writes its address; one that is not GitHub's is refused."""
    script = """
import json, pathlib, subprocess, sys
from flight_delays.gitops.laptop import api, place
from flight_delays.errors import ProjectError
for address in json.loads(sys.argv[1]):
    subprocess.run(["git", "remote", "set-url", "origin", address], check=True)
    try:
        host, name = place(pathlib.Path(), "origin")
        print(api(host), name)
    except ProjectError as error:
        print(error)
"""
    addresses = [
        "https://github.com/o/r.git",
        "https://me:secret@github.com/o/r.x",
        "git@github.com:o/r.git",
        "ssh://git@ssh.github.com:443/o/r.git",
        "https://git.example.org:8443/o/r/",
        "https://team.ghe.com/o/r",
        "/srv/git/o/r.git",
        "https://me:secret@example.org/r.git",
    ]
    words = (".venv/bin/python", "-c", script, json.dumps(addresses))
    *found, folder, short = alone.project.run(*words).stdout.splitlines()
    public = "https://api.github.com"
    assert found[:4] == [f"{public} o/r", f"{public} o/r.x", f"{public} o/r", f"{public} o/r"]
    assert found[4:] == ["https://git.example.org:8443/api/v3 o/r", "https://api.team.ghe.com o/r"]
    assert "'/srv/git/o/r.git', and no repository on GitHub is there" in folder
    assert "'https://example.org/r.git'" in short


# What GitHub then refuses


@pytest.fixture
def governed(laptop: Laptop, tmp_path: Path) -> tuple[GitHub, BakedProject]:
    """A repository with our rules, and a clone of it with a branch `change`."""
    hub = laptop.hub
    laptop.apply()
    return hub, started(laptop, tmp_path)


def started(laptop: Laptop, folder: Path) -> BakedProject:
    """The first push of `main` and `release`, and a clone that is one commit ahead."""
    for branch in ("main", "release"):
        laptop.project.run("git", "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
    path = laptop.hub.clone(folder / "clone", laptop.person)
    clone = BakedProject(path, {**laptop.hub.environment, **IDENTITY})
    clone.write("CHANGE.md", "A change\n")
    commit(clone, "A change")
    clone.run("git", "push", "-q", "origin", "HEAD:refs/heads/change")
    return clone


def refused(clone: BakedProject, *push: str) -> str:
    done = clone.run("git", "push", "-q", "origin", *push, check=False)
    assert done.returncode != 0
    return done.stderr


def judge(hub: GitHub, pull: Pull, *names: str) -> None:
    """These checks are green."""
    hub.checks += [Check(name, pull.head_sha, "completed", "success") for name in names]


def reason(pull: Pull, by: Account, method: str = "merge") -> str:
    with pytest.raises(Refused) as caught:
        pull.merge(by, method)
    assert caught.value.status == 405
    return caught.value.message


@pytest.mark.slow
@pytest.mark.parametrize("branch", ["main", "release"])
def test_a_branch_changes_by_pull_request_alone(
    governed: tuple[GitHub, BakedProject], branch: str
) -> None:
    """No push, no force push, no deletion, whoever it is."""
    hub, clone = governed
    before = hub.git.tip(branch)
    assert "Changes must be made through a pull request." in refused(clone, f"HEAD:{branch}")
    other = clone.run("git", "commit-tree", "HEAD^{tree}", "-m", "Another past").stdout.strip()
    assert "Cannot force-push to this branch" in refused(clone, "--force", f"{other}:{branch}")
    words = {"main": "deleting the current branch is denied"}  # GitHub's own rule for the default
    assert words.get(branch, "Cannot delete this branch") in refused(clone, f":{branch}")
    assert hub.git.tip(branch) == before
    clone.run("git", "push", "-q", "--force", "origin", f"{other}:change")  # a head is free


@pytest.mark.slow
def test_release_can_be_made_before_anything_was_checked(laptop: Laptop) -> None:
    """The first promotion does; without the file's word for it GitHub would refuse."""
    hub, push = laptop.hub, ("git", "push", "origin", "HEAD:refs/heads/release")
    laptop.apply()
    (checks,) = [
        rule["parameters"]
        for rule in ruleset(hub, "release")["rules"]
        if rule["type"] == "required_status_checks"
    ]
    checks["do_not_enforce_on_create"] = False
    assert 'check "ci" is expected' in laptop.project.run(*push, check=False).stderr
    assert "do_not_enforce_on_create: is false, will be true" in laptop.apply()
    laptop.project.run(*push)


@pytest.mark.slow
def test_main_asks_for_both_checks(governed: tuple[GitHub, BakedProject]) -> None:
    """`model gate` missing, then red; a status that is not from Actions does not count."""
    hub, _ = governed
    alice = hub.people["alice"]
    pull = hub.open_pull("change", alice)
    assert 'check "ci" is expected' in reason(pull, alice)
    judge(hub, pull, "ci")
    assert 'check "model gate" is expected' in reason(pull, alice)
    hub.statuses.append(status(pull, "success", alice))
    assert 'check "model gate" is expected' in reason(pull, alice)
    hub.statuses.append(status(pull, "failure", ACTIONS_BOT))
    assert 'check "model gate" is failing' in reason(pull, alice)
    hub.statuses.append(status(pull, "success", ACTIONS_BOT))
    pull.merge(alice, "squash")


def status(pull: Pull, state: str, by: Account) -> Status:
    return Status(pull.head_sha, "model gate", state, "", "", by)


@pytest.mark.slow
def test_release_takes_a_reviewed_merge_commit_and_nothing_else(
    governed: tuple[GitHub, BakedProject],
) -> None:
    """Its first-parent history is the history of production; a later push drops the review."""
    hub, clone = governed
    alice, bob = hub.people["alice"], hub.people["bob"]
    pull = hub.open_pull("change", alice, base="release")
    judge(hub, pull, "ci", "model gate")
    assert "At least 1 approving review is required" in reason(pull, alice)
    pull.approve(bob)
    assert "Squash merges are not allowed" in reason(pull, alice, "squash")
    assert "Rebase merges are not allowed" in reason(pull, alice, "rebase")
    clone.write("CHANGE.md", "Another\n")
    commit(clone, "Another")
    clone.run("git", "push", "-q", "origin", "HEAD:change")
    judge(hub, pull, "ci", "model gate")
    assert "At least 1 approving review is required" in reason(pull, alice)
    pull.approve(bob)
    assert len(list(hub.git.json(pull.merge(alice))["parents"])) == 2  # type: ignore[call-overload]


@pytest.mark.slow
def test_a_lone_owner_ships_without_a_review(alone: Laptop, tmp_path: Path) -> None:
    """Nobody else could give one; it is asked for once a second person may write."""
    hub, alice = alone.hub, alone.person
    assert "no review is asked for while one person alone may write here" in alone.apply()
    started(alone, tmp_path)
    pull = hub.open_pull("change", alice, base="release")
    judge(hub, pull, "ci", "model gate")
    assert "Squash merges are not allowed" in reason(pull, alice, "squash")
    hub.person("reader", "read")
    assert "nothing to do" in alone.apply()
    pull.merge(alice)
    hub.person("bob")
    count = "rules.pull_request.parameters.required_approving_review_count"
    assert f"    {count}: is 0, will be 1\n" in alone.apply()
