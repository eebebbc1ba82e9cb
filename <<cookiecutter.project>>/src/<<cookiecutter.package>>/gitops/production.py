"""What a pull request to `release` is held against: the champion, by a stricter gate.

A pull request that names a model which was in production before is a rollback: it is judged only
by whether that model is still there, and whole.
"""

import tempfile
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from ..gate import Rule
from ..params import Params
from . import supply
from .history import Release, releases
from .lock import RELEASE, tip
from .side import MODEL, Side

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's name for a folder without files: what `release` is before it exists."""


def champion(root: Path) -> Side:
    """The model in production; it is not trained where there was none yet."""
    return Side(RELEASE, tip(root, RELEASE) or EMPTY_TREE, root)


def returning(root: Path, now: Side) -> Release | None:
    """The newest release of this model, where a later one is in production."""
    commit = tip(root, RELEASE)
    known = releases(commit, root) if commit else []
    digest = now.digest(MODEL)
    if not known or known[-1].model == digest:
        return None
    return next((entry for entry in reversed(known) if entry.model == digest), None)


def rollback(params: Params, now: Side, earlier: Release, found: dict[str, Any]) -> dict[str, Any]:
    """The verdict on a model that comes back; the comparison stays, for information."""
    rule = whole(params, now)
    back = f"its model was in production as v{earlier.number}, and goes back as it was"
    return found | {
        "verdict": "blocked" if rule.reason else "rollback",
        "reasons": [rule.reason or back],
        "rules": [rule.facts()],
    }


def whole(params: Params, now: Side) -> Rule:
    """The object is in the store, has the lock's hash, and loads under the allow-list."""
    from .. import model  # no other comparison reads a model here

    limit = "the store holds the model, and it loads"
    try:
        with tempfile.TemporaryDirectory(prefix="rollback-") as name:
            supply.obtain(now.root, now.files, [MODEL], params.store, Path(name))
            model.load(Path(name) / MODEL, now.digest(MODEL))
    except ProjectError as error:
        return Rule("model", limit, str(error), "blocks", "bring the object back", str(error))
    return Rule("model", limit, "so it is", "passes")
