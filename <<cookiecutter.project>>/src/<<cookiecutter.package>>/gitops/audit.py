"""Everything that was ever in production, and where one model comes from: from git alone.

Only who approved a release is asked of GitHub, where there is a token for it.
"""

import csv
import hashlib
import io
import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from ..errors import ProjectError
from ..params import flat
from ..text import code, prose, table
from . import laptop
from .history import Release, releases, rollback_of
from .lock import RELEASE, asks, at, dependency, digest, git, show, tip
from .notes import approvals, trailers
from .side import HOLDOUT, METRICS, MODEL, TRAIN

COLUMNS = ("version", "from", "to", "merged by", "model", "data", "metric", "value", "left")
Entry = dict[str, Any]


def run(root: Path, output: Path) -> None:
    """Write the table beside `output` as Markdown, JSON and CSV, the newest release last.

    Raises:
        ProjectError: nothing was ever in production.
    """
    found = entries(root)
    if not found:
        raise ProjectError(f"nothing was in production yet: {RELEASE!r} names no model")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".md").write_text(markdown(found), encoding="utf-8")
    text = json.dumps(found, indent=2, ensure_ascii=False)
    output.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")
    output.with_suffix(".csv").write_text(sheet(found), encoding="utf-8")
    names = ", ".join(str(output.with_suffix(kind)) for kind in (".md", ".json", ".csv"))
    print(f"audit: {len(found)} releases in {names}")


def entries(root: Path) -> list[Entry]:
    """One release each; times are UTC, `to` and `left` are empty for what is in production."""
    known = releases(tip(root, RELEASE) or "", root) if tip(root, RELEASE) else []
    return [entry(root, known, place) for place in range(len(known))]


def entry(root: Path, known: list[Release], place: int) -> Entry:
    release = known[place]
    later = known[place + 1] if place + 1 < len(known) else None
    metric, value = headline(root, release)
    return {
        "version": f"v{release.number}",
        "from": release.when,
        "to": later.when if later else "",
        "merged by": release.who,
        "model": release.model,
        "data": release.lock.get(TRAIN, ""),
        "metric": metric,
        "value": value,
        "left": why(known, place + 1) if later else "",
        "commit": release.commit,
        "pull request": release.pull,
        "holdout": release.lock.get(HOLDOUT, ""),
        "environment": release.environment,
    }


def headline(root: Path, release: Release) -> tuple[str, float | None]:
    """The metric that decided then, and its value."""
    try:
        params = yaml.safe_load(show(root, release.commit, "params.yaml") or b"") or {}
        name = str(params["task"]["metric"])
        value = json.loads(show(root, release.commit, METRICS) or b"{}")[name]["value"]
    except (yaml.YAMLError, ValueError, KeyError, TypeError):
        return "", None
    known = isinstance(value, int | float) and math.isfinite(value)
    return name, float(value) if known else None


def why(known: list[Release], place: int) -> str:
    """Why the release before this one left."""
    release, earlier = known[place], rollback_of(known, place)
    if release.model == known[place - 1].model:
        return f"v{release.number}: other code, the same model"
    if earlier is None:
        return f"replaced by v{release.number}"
    reason = f": {release.reason}" if release.reason else ""
    return f"rolled back to v{earlier.number} by v{release.number}{reason}"


def markdown(found: list[Entry]) -> str:
    lines = [[cell(each[column], column) for column in COLUMNS] for each in found]
    return table([name.capitalize() for name in COLUMNS], "lllllllrl", lines) + "\n"


def cell(value: Any, column: str) -> str:
    """A value as a reader wants it: times to the minute, the first eight digits of a hash."""
    if value is None or value == "":
        return "–"
    if column == "value":
        return f"{value:.4g}"
    if column in ("from", "to"):
        return str(value)[:16].replace("T", " ")
    if column in ("model", "data"):
        return code(str(value)[:8])
    return prose(str(value), 300) if column in ("left", "version", "metric") else code(str(value))


def sheet(found: list[Entry]) -> str:
    """The same as CSV; no cell starts a formula in a spreadsheet."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, [*found[0]])
    writer.writeheader()
    for each in found:
        writer.writerow({name: plain(value) for name, value in each.items()})
    return file.getvalue()


def plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def lineage(root: Path, remote: str, wanted: str) -> None:
    """Print where a model comes from: commit, reviewers, run, data, environment and parameters.

    Args:
        wanted: a release such as v3, or at least the first six digits of a model's MD5.

    Raises:
        ProjectError: no commit of this clone names such a model.
    """
    release, commit, model = origin(root, wanted)
    lock = at(root, commit)["dvc.lock"]
    told = {
        "model": model,
        "release": f"v{release.number}, merged by {release.who}" if release else "none",
        "pull request": f"#{release.pull}" if release and release.pull else "",
        "commit": git(root, "show", "-s", "--format=%H %cI %an: %s", commit).decode().strip(),
        "reviewers": reviewers(root, remote, release) if release else trailers(root, commit),
        "run": run_of(release.identity if release else hashlib.sha256(lock).hexdigest()),
        "training data": digest(lock, TRAIN),
        "held-out data": digest(lock, HOLDOUT),
        "environment": dependency(lock, "train", ".lock"),
    }
    params = flat(yaml.safe_load(show(root, commit, "params.yaml") or b"") or {})
    told |= {f"params.{name}": value for name, value in params.items()}
    print("\n".join(f"{name}: {value}" for name, value in told.items() if value not in ("", None)))


def origin(root: Path, wanted: str) -> tuple[Release | None, str, str]:
    """The release, if it was one, the first commit that names the model, and the model's MD5."""
    known = releases(tip(root, RELEASE) or "", root) if tip(root, RELEASE) else []
    release = next((r for r in known if named(r, wanted)), None)
    model = release.model if release else wanted
    if len(model) >= 6 and model.isalnum():
        line = ("log", "--all", "--reverse", "--format=%H", f"-S{model}", "--", "dvc.lock")
        for commit in (asks(root, *line) or "").split():
            found = digest(at(root, commit).get("dvc.lock", b""), MODEL)
            if found.startswith(model):
                return release, commit, found
    raise ProjectError(
        f"MODEL is {wanted!r}, and no commit of this clone names it: give a release such as v3, or "
        "the first digits of a model's MD5; `git fetch` brings other branches"
    )


def reviewers(root: Path, remote: str, release: Release) -> str:
    """Who approved it, as its commit says and GitHub, where there is a token for it."""
    if "GITHUB_ACTIONS" not in os.environ:
        with suppress(ProjectError):  # then it is said what is not known
            laptop.sign_in(root, remote)
    return approvals(root, release)


def run_of(identity: str) -> str:
    """How MLflow knows what `make track` records of a dvc.lock."""
    return f"{identity[:8]}, which `make track` records with the tag dvc_lock={identity}"


def named(release: Release, wanted: str) -> bool:
    return wanted == f"v{release.number}" or (len(wanted) >= 6 and release.model.startswith(wanted))
