"""Open the pull request to `release` that ships a commit, or brings an earlier champion back.

Its head does not move when `main` does, and merging it gives exactly the tree that was reviewed.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from ..errors import ProjectError
from . import github, laptop, pulls
from .history import Release, releases
from .lock import LOCK, RELEASE, asks, at, digest, git, tip
from .publish import BOT, head, login
from .side import MODEL

MAIN = "main"
WORKFLOWS = ".github/workflows"


class Plan(NamedTuple):
    """A pull request to `release`.

    Attributes:
        kind: promote or rollback; the first part of the branch's name.
        commit: the one whose tree ships.
        branch: the pull request's head.
        version: the release that comes back, such as v3; else empty.
        reason: why it does.
    """

    kind: str
    commit: str
    branch: str
    title: str
    body: str
    version: str = ""
    reason: str = ""


def plan(root: Path, remote: str, commit: str, version: str, reason: str) -> Plan | None:
    """A rollback where a version is named, or `previous`; else a promotion.

    Raises:
        ProjectError: as `promotion` and `rollback`.
    """
    refresh(root, remote)
    if version:
        return rollback(root, "" if version == "previous" else version, reason)
    return promotion(root, commit)


def promotion(root: Path, revision: str) -> Plan | None:
    """What ships a commit; None, with a printed sentence, where it is in production already.

    Args:
        revision: empty for the newest commit of `main` on the remote.

    Raises:
        ProjectError: there is no such commit, or it has no model.
    """
    wanted = revision or str(tip(root, MAIN))
    commit = asks(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{wanted}^{{commit}}"
    )
    if commit is None:
        raise ProjectError(f"{wanted!r} is no commit: name one of main with COMMIT=<commit>")
    if asks(root, "merge-base", "--is-ancestor", commit, str(tip(root, MAIN))) is None:
        raise ProjectError(f"{wanted!r} is not on main: merge it there first, then promote it")
    model = digest(at(root, commit).get(LOCK, b""), MODEL)
    if not model:
        raise ProjectError(f"{commit[:7]} has no model yet: a pull request to main trains one")
    champion = tip(root, RELEASE)
    if champion and tree(root, champion) == tree(root, commit):
        print(f"promote: {commit[:7]} is in production already, so nothing was opened")
        return None
    subject = str(asks(root, "show", "-s", "--format=%s", commit))
    body = f"Ships {commit} with the model {model[:8]}. The report comes as a comment. Merge it "
    body += "with a merge commit: the history of `release` is the history of production."
    return Plan(
        "promote", commit, f"promote/{commit[:7]}", f"Promote {commit[:7]}: {subject}", body
    )


def rollback(root: Path, version: str, reason: str) -> Plan:
    """What brings an earlier release back.

    Args:
        version: a tag such as v3; empty for the champion before the present one.
        reason: why, in one line; it becomes part of the history.

    Raises:
        ProjectError: there is no such release, or it is in production.
    """
    champion = tip(root, RELEASE)
    known = releases(champion, root) if champion else []
    chosen = named(known, version) if version else before(known)
    if tree(root, chosen.commit) == tree(root, str(champion)):
        raise ProjectError(f"v{chosen.number} is in production already: name another with TO=<tag>")
    told = " ".join(reason.split())[:300]
    tag = f"v{chosen.number}"
    title = f"Roll back to {tag}"
    body = f"Brings {tag} back ({chosen.commit}, model {chosen.model[:8]}), as it was. "
    body += f"Nothing trains. Why: {told or 'no reason was given'}"
    return Plan("rollback", chosen.commit, f"rollback/{tag}", title, body, tag, told)


def named(known: list[Release], version: str) -> Release:
    """The release of a tag.

    Raises:
        ProjectError: there is none.
    """
    for release in known:
        if version == f"v{release.number}":
            return release
    last = f"v1 to v{len(known)}" if known else "there is none yet"
    raise ProjectError(f"TO is {version!r}, and no release is called so: {last}")


def before(known: list[Release]) -> Release:
    """The newest champion before the present one that was not itself rolled back.

    Raises:
        ProjectError: there was none.
    """
    line: list[Release] = []
    for release in known:
        models = [each.model for each in line]
        if release.model in models:
            del line[models.index(release.model) :]
        line.append(release)
    if len(line) < 2:
        raise ProjectError("no other champion came before the present one: there is no way back")
    return line[-2]


def open_(root: Path, remote: str, plan: Plan) -> tuple[int | None, str]:
    """Push the head and open its pull request, or bring up to date the one that is open.

    Returns:
        Its number, None where GitHub could not be asked; and its head.

    Raises:
        ProjectError: the remote refuses the branch, or GitHub the pull request.
    """
    commit = made(root, remote, plan)
    push(root, remote, plan, commit)
    if why := unasked(root, remote):
        print(f"{plan.kind}: {plan.branch!r} is pushed, and {why}; open its pull request yourself:")
        print(f"      {address(root, remote, plan)}")
        return None, commit
    return pull(root, remote, plan), commit


def unasked(root: Path, remote: str) -> str:
    """Why GitHub cannot be asked, on a laptop without its token; empty where it can."""
    try:
        if "GITHUB_ACTIONS" not in os.environ:
            laptop.sign_in(root, remote)
    except ProjectError as error:
        return str(error)
    return ""


def made(root: Path, remote: str, plan: Plan) -> str:
    """The head: the commit itself where merging it gives its tree, else one with its tree.

    A merge brings nothing back that was merged before and then reverted, so that commit has
    `release` as a parent.
    """
    champion = tip(root, RELEASE) or begin(root, remote)
    result = asks(root, "merge-tree", "--write-tree", champion, plan.commit)
    if plan.kind == "promote" and result == tree(root, plan.commit):
        return plan.commit
    parents = ["-p", champion, *(["-p", plan.commit] if plan.kind == "promote" else [])]
    text = f"{plan.title}\n" + (f"\nReason: {plan.reason}\n" if plan.reason else "")
    when = str(asks(root, "show", "-s", "--format=%cI", champion))
    env = os.environ | ({} if asks(root, "var", "GIT_AUTHOR_IDENT") else BOT)
    env |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    line = ["commit-tree", tree(root, plan.commit), *parents, "-m", text]
    return git(root, *line, env=env).decode().strip()


def begin(root: Path, remote: str) -> str:
    """Make the branch `release`, where nothing is in production yet.

    It starts at the first commit of `main`, before there was a model. Where that names one already,
    or has other workflows, which a workflow's token may not push, it starts with a history of its
    own: whatever model `release` names, and its first parents, was in production.
    """
    main = str(tip(root, MAIN))
    first = str(asks(root, "rev-list", "--max-parents=0", main)).split()[-1]
    same = asks(root, "diff", "--quiet", first, main, "--", WORKFLOWS) is not None
    if digest(at(root, first).get(LOCK, b""), MODEL) or not same:
        first = unmodelled(root, main)
    git(root, "push", "--quiet", "--no-verify", remote, f"{first}:refs/heads/{RELEASE}")
    git(root, "fetch", "--quiet", remote, f"+refs/heads/{RELEASE}:refs/remotes/origin/{RELEASE}")
    print(f"promote: made the branch {RELEASE!r}, which names no model yet")
    return first


def unmodelled(root: Path, commit: str) -> str:
    """A commit without parents that has another's files, but for its dvc.lock."""
    listed = git(root, "ls-tree", "-z", commit).split(b"\0")[:-1]
    kept = [entry for entry in listed if not entry.endswith(f"\t{LOCK}".encode())]
    files = git(root, "mktree", "-z", stdin=b"".join(entry + b"\0" for entry in kept))
    when = str(asks(root, "show", "-s", "--format=%cI", commit))
    env = os.environ | BOT | {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    line = ["commit-tree", files.decode().strip(), "-m", "Nothing is in production yet"]
    return git(root, *line, env=env).decode().strip()


def push(root: Path, remote: str, plan: Plan, commit: str) -> None:
    """Put the head on its branch; an older one of the same name was merged or is out of date.

    Raises:
        ProjectError: the remote refuses.
    """
    known = head(root, remote, plan.branch)
    if known == commit:
        return
    lease = f"--force-with-lease=refs/heads/{plan.branch}:{known}"
    target = f"{commit}:refs/heads/{plan.branch}"
    try:
        git(root, "push", "--quiet", "--no-verify", lease, remote, target)
    except ProjectError as error:
        same = asks(root, "diff", "--quiet", f"{commit}^", commit, "--", WORKFLOWS) is not None
        if same or not os.environ.get("GITHUB_ACTIONS"):
            raise
        raise ProjectError(
            f"GitHub refused the branch {plan.branch!r} ({error}): a workflow's token may push no "
            f"new commit that changes {WORKFLOWS}; run `make {plan.kind}` on a laptop, or set up "
            "the GitHub App"
        ) from None


def pull(root: Path, remote: str, plan: Plan) -> int:
    """The number of the open pull request of this branch, after others of its kind are closed.

    Raises:
        ProjectError: GitHub refuses; where its settings do, which one to switch on.
    """
    ours = [each for each in github.pages("/pulls", f"base={RELEASE}") if local(each)]
    found = [each["number"] for each in ours if each["head"]["ref"] == plan.branch]
    number = int(found[0]) if found else create(root, remote, plan)
    if found:
        github.ask("PATCH", f"/pulls/{number}", {"title": plan.title, "body": plan.body})
    for each in ours:
        if each["head"]["ref"] != plan.branch and each["head"]["ref"].startswith(f"{plan.kind}/"):
            github.ask("PATCH", f"/pulls/{each['number']}", {"state": "closed"})
            print(f"{plan.kind}: #{each['number']} is out of date and closed")
    print(f"{plan.kind}: #{number} is {'up to date' if found else 'open'}: {plan.title}")
    return number


def local(found: dict[str, Any]) -> bool:
    """Whether a pull request comes from this repository, not from a fork."""
    source = found["head"]["repo"] or {}  # null where the fork is gone
    return bool(source.get("full_name") == found["base"]["repo"]["full_name"])


def create(root: Path, remote: str, plan: Plan) -> int:
    body = {"title": plan.title, "body": plan.body, "head": plan.branch, "base": RELEASE}
    return pulls.create(body, address(root, remote, plan))


def address(root: Path, remote: str, plan: Plan) -> str:
    """Where a person opens the pull request in a browser."""
    return f"{laptop.web(root, remote)}/compare/{RELEASE}...{quote(plan.branch)}?expand=1"


def refresh(root: Path, remote: str) -> None:
    """Know where the remote's branches are."""
    if "GITHUB_ACTIONS" in os.environ:
        os.environ.update(login())
    for branch, needed in ((MAIN, True), (RELEASE, False)):
        if needed or head(root, remote, branch):
            refspec = f"+refs/heads/{branch}:refs/remotes/origin/{branch}"
            git(root, "fetch", "--quiet", remote, refspec)


def tree(root: Path, commit: str) -> str:
    return str(asks(root, "rev-parse", f"{commit}^{{tree}}"))
