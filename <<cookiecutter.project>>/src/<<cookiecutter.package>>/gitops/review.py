"""Hold the working tree's model against the base branch's and production's, on the same rows."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from .. import compare
from ..errors import ProjectError
from ..gate import SKIP, duties
from ..metrics import LOWER_IS_BETTER
from ..params import Gate, Params, flat
from ..text import logged
from . import accept, github, production, supply
from .lock import LOCK, RELEASE, SYSTEM, baseline, digest, git, shipping, show
from .side import HOLDOUT, METRICS, MODEL, PREDICTIONS, Side

RED = ("worse", "blocked")


def run(params: Params, root: Path, revision: str, output: Path) -> None:
    """Write the comparison, whatever its verdict.

    Args:
        revision: the baseline; empty for the merge base with `main`.

    Raises:
        ProjectError: there is no model here, or no such revision.
    """
    root = root.resolve()
    now = Side("this commit", None, root)
    if not now.trained:
        raise ProjectError("dvc.lock names no model yet: `make repro` trains one")
    found = shipped(params, now) if shipping() else merged(params, now, revision)
    base, found = found.pop("against"), dutiful(params, found)
    found["changed"] = {"params": changed(base, now), "files": files(root, base)}
    found["run"] = github.link()
    red = found["verdict"] in RED and not unfilled(found)
    found["accepted"] = accepted(root, now.digest(MODEL)) if red else None
    found["record"] = (
        bool(found["accepted"]) and not shipping() and accept.hand_over(root, found["accepted"])
    )
    part = output.with_name(f".{output.name}.part")
    output.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    part.replace(output)
    print(logged(f"compare: {found['verdict']}: {found['reasons'][0]}"))


def merged(params: Params, now: Side, revision: str) -> dict[str, Any]:
    """The comparison of a change of the base branch: with that, and with production."""
    base, champion = Side(*baseline(now.root, revision), now.root), production.champion(now.root)
    found = judge(params, now, base, champion if champion.trained else None, rules(params, base))
    return found | {"target": base.name, "against": base}


def shipped(params: Params, now: Side) -> dict[str, Any]:
    """The comparison of a promotion: with the champion, by the gate for that; or of a rollback."""
    champion, earlier = production.champion(now.root), production.returning(now.root, now)
    judges = rules(params, champion, shipping=True)
    try:
        found = judge(params, now, champion, None, judges)
    except ProjectError as error:
        if earlier is None:
            raise
        found = compare.empty(params.task, judges[0])
        found["warnings"] = [f"it could not be compared: {error}"]
        found["models"] = facts(now, champion, None)
    if earlier is not None:
        found = production.rollback(params, now, earlier, found)
    return found | {"target": RELEASE, "against": champion}


def dutiful(params: Params, found: dict[str, Any]) -> dict[str, Any]:
    """Blocked where a high-risk system lacks what the EU AI Act asks; a rollback is not asked."""
    rule = duties(params.card)
    if rule.result == SKIP or found["verdict"] == "rollback":
        return found
    found = found | {"rules": [*found["rules"], rule.facts()]}
    if not rule.reason:
        return found
    red = found["verdict"] in RED
    verdict, others = (found["verdict"], found["reasons"]) if red else ("blocked", [])
    return found | {"verdict": verdict, "reasons": [*others, rule.reason]}


def unfilled(found: dict[str, Any]) -> bool:
    """Whether a duty is not done: no label accepts that."""
    return any(rule["name"] == "card" and rule["result"] == "blocks" for rule in found["rules"])


def judge(
    params: Params, now: Side, base: Side, production: Side | None, judges: tuple[Gate, str]
) -> dict[str, Any]:
    """Compare, by the base's gate."""
    gate, source = judges
    if same(now, base):
        found = unchanged(params, gate, now)
    else:
        with tempfile.TemporaryDirectory(prefix="compare-") as name:
            found = scored(params, gate, now, base, production, Path(name))
    found["gate_from"] = source
    own, whose = (params.gate, "the base branch's")
    if shipping():
        own, whose = params.promotion_gate, "production's"
    if source == "base" and gate != own:
        found["warnings"].insert(0, f"this change alters the gate, and {whose} gate has judged it")
    found["models"] = facts(now, base, production)
    return found


def facts(now: Side, base: Side, production: Side | None) -> dict[str, Any]:
    """What the report says of each model."""
    sides = {"now": now, "base": base if base.trained else None, "production": production}
    return {name: side and side.facts() for name, side in sides.items()}


def unchanged(params: Params, gate: Gate, now: Side) -> dict[str, Any]:
    """The base's own model: its figures are in git, and nothing has to be read or compared."""
    known = now.json(METRICS)
    found = compare.empty(params.task, gate) | {
        "verdict": "unchanged",
        "reasons": ["nothing that the model depends on has changed"],
        "rules": [],
        "holdout": known.pop("holdout", None),
    }
    known.pop("fairness", None)
    for name, figures in known.items():
        found["metrics"][name] = {
            "now": figures["value"],
            "base": figures["value"],
            "difference": 0.0,
            "low": None,
            "high": None,
            "detectable": None,
            "lower_is_better": name in LOWER_IS_BETTER,
            "gates": name == params.task.metric,
        }
    return found


def same(now: Side, base: Side) -> bool:
    """Whether nothing is to be judged: the model, its rows, and all that was made of them; of what
    ships also what it costs, which code alone can change."""
    paths = (MODEL, HOLDOUT, PREDICTIONS, METRICS)
    equal = base.trained and all(now.digest(path) == base.digest(path) for path in paths)
    return equal and not (shipping() and now.read(SYSTEM) != base.read(SYSTEM))


def rules(params: Params, base: Side, shipping: bool = False) -> tuple[Gate, str]:
    """The base branch's gate, so that no change loosens the one that judges it.

    Keys that only one of them knows are the change's: a new rule, or one that is gone.
    """
    own = params.promotion_gate if shipping else params.gate
    given = base.params()
    with suppress(msgspec.ValidationError, TypeError):
        if given.get("gate") is not None:
            told = {**given["gate"], **(given.get("promotion") or {} if shipping else {})}
            known = {key: told[key] for key in Gate.__struct_fields__ if key in told}
            return msgspec.convert({**msgspec.structs.asdict(own), **known}, Gate), "base"
    return own, "now"


def scored(
    params: Params, gate: Gate, now: Side, base: Side, production: Side | None, scratch: Path
) -> dict[str, Any]:
    """Get every side's predictions on the rows that are held out now, and compare them."""
    place = params.store
    supply.obtain(now.root, now.files, [PREDICTIONS], place, scratch / "now")
    tables = {
        name: predictions(params, now, side, scratch / name)
        for name, side in (("base", base), ("production", production))
        if side and side.trained
    }
    sides = {"base": base, "production": production}
    return compare.compare(
        pl.read_parquet(scratch / "now" / PREDICTIONS),
        tables.get("base"),
        tables.get("production"),
        task=params.task,
        gate=gate,
        reported=now.json(METRICS),
        system=now.json(SYSTEM),
        base_system=base.json(SYSTEM) if base.trained else None,
        unchanged=False,
        obstacles={name: s.why for name, s in sides.items() if s and s.scored == "no"},
        champion="base" if base.name == RELEASE else "production",
    )


def predictions(params: Params, now: Side, side: Side, folder: Path) -> pl.DataFrame | None:
    """A baseline's predictions for the rows that are held out now; None where it has none.

    Where the rows are the same, they are those that it was judged by. Else its own code scores
    them again in its own environment; where that cannot be done, predictions that it once made for
    the same keys and truths do.
    """
    try:
        if now.digest(HOLDOUT) != side.digest(HOLDOUT):
            return again(params, now, side, folder)
    except ProjectError as error:
        side.why = str(error)
    try:
        supply.obtain(side.root, side.files, [PREDICTIONS], params.store, folder)
    except ProjectError as error:
        side.scored, side.why = "no", side.why or str(error)
        return None
    found = pl.read_parquet(folder / PREDICTIONS)
    if side.why and not covers(found, folder.with_name("now") / PREDICTIONS):
        side.scored = "no"
        return None
    return found


def covers(found: pl.DataFrame, now: Path) -> bool:
    """Whether these are predictions of the same rows with the same truths."""
    rows = [table.select("key", "truth").sort("key") for table in (found, pl.read_parquet(now))]
    return rows[0].equals(rows[1])


def again(params: Params, now: Side, side: Side, folder: Path) -> pl.DataFrame:
    """Let a baseline's own code score today's held-out rows.

    Raises:
        ProjectError: it cannot, with its own words.
    """
    supply.obtain(now.root, now.files, [HOLDOUT], params.store, folder / "rows")
    with checkout(now.root, str(side.commit)) as code:
        supply.obtain(side.root, side.files, [MODEL], params.store, code)
        known = columns(side, code, folder, params)
        rows = pl.scan_parquet(folder / "rows" / HOLDOUT / "*.parquet")
        kept = [name for name in rows.collect_schema().names() if name in known]
        rows.select(kept).sink_parquet(folder / "rows.parquet")
        ask(code, folder / "rows.parquet", folder / "scores.parquet")
    scores = pl.read_parquet(folder / "scores.parquet")
    held = pl.scan_parquet(folder / "rows.parquet").select(pl.len()).collect().item()
    if refused := held - scores.height:
        raise ProjectError(f"its own contract refuses {refused:,} of the {held:,} held-out rows")
    key = side.params()["task"]["key"]
    side.scored, side.why = "again", "the held-out rows changed"
    return (
        pl.read_parquet(folder.with_name("now") / PREDICTIONS)
        .drop("score")
        .join(scores.select(pl.col(key).alias("key"), "score"), on="key", how="left")
    )


def columns(side: Side, code: Path, folder: Path, params: Params) -> list[str]:
    """The columns that the baseline's contract knows: it refuses any other."""
    supply.obtain(side.root, side.files, [HOLDOUT], params.store, folder / "old")
    return pl.scan_parquet(folder / "old" / HOLDOUT / "*.parquet").collect_schema().names()


@contextmanager
def checkout(root: Path, commit: str) -> Iterator[Path]:
    """A commit's files in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="base-") as name:
        code = Path(name) / "code"
        git(root, "worktree", "add", "--quiet", "--detach", str(code), commit)
        try:
            yield code
        finally:
            shutil.rmtree(code, ignore_errors=True)
            git(root, "worktree", "prune")


def ask(code: Path, rows: Path, scores: Path) -> None:
    """Run `make predict` there.

    Raises:
        ProjectError: it fails; its last line says why.
    """
    command = ["make", "--no-print-directory", "predict", f"INPUT={rows}", f"OUTPUT={scores}"]
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "PYTHONPATH")}
    done = subprocess.run(command, cwd=code, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line and not line.startswith("make")]
        raise ProjectError(" ".join(said[-1:]) or f"make predict ended with {done.returncode}")


def changed(base: Side, now: Side) -> list[list[Any]]:
    """Each parameter that differs: its dotted name, the old value and the new one."""
    old, new = flat(base.params()), flat(now.params())
    names = [*new, *(name for name in old if name not in new)]
    return [[n, old.get(n), new.get(n)] for n in names if old.get(n) != new.get(n)]


def files(root: Path, base: Side) -> list[str]:
    """The files that differ from the base, without those that the pipeline generates."""
    listed = git(
        root, "diff", "--name-only", "-z", str(base.commit), "--", ".", ":!reports"
    ).decode()
    return [name for name in listed.split("\0") if name and name != LOCK]


def accepted(root: Path, model: str) -> dict[str, str] | None:
    """Who let this model through, in a pull request's workflow."""
    payload = os.environ.get("GITHUB_EVENT_PATH")
    event = json.loads(Path(payload).read_text(encoding="utf-8")) if payload else {}
    committed = show(root, "HEAD", LOCK)
    if not ours(event) or committed is None or digest(committed, MODEL) != model:
        return None  # what was trained in this run nobody can have judged before
    return accept.find(root, event["pull_request"]["number"], model, event)


def ours(event: dict[str, Any]) -> bool:
    """Whether `publish` can note an acceptance there: not for a fork, and not for Dependabot."""
    pull: dict[str, Any] | None = event.get("pull_request")
    if pull is None or pull["user"]["login"] == "dependabot[bot]":
        return False
    source = pull["head"]["repo"] or {}  # null where the fork is gone
    return bool(source.get("full_name") == os.environ["GITHUB_REPOSITORY"])
