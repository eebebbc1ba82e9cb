"""What a pipeline and a comparison leave behind, in every situation that a report must tell.

`python tests/situations.py FOLDER` writes the report of each, to look at.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from conftest import load

params, problem, report = load("params"), load("reporting.problem"), load("reporting.report")
text = load("text")

HOSTILE = [
    "@octocat closes #1 <script>alert(1)</script>",
    "a|b\\|c",
    "``tick`s`",
    "x" * 10_000,
    "\u202egnirts\u2066 ![](https://host/watermark.png)",
    "</summary></details>\n\n# title",
    "",
]
SETTINGS: dict[str, Any] = {
    "task": {
        "kind": "binary",
        "target": "late",
        "metric": "roc_auc",
        "threshold": 0.5,
        "key": "id",
        "time": "date",
        "cluster": "date",
        "numeric": ["distance"],
        "categorical": ["carrier"],
    },
    "ingest": {"until": "2013-06-30"},
    "validate": {"examples": 3},
    "split": {"holdout_weeks": 8, "min_train_days": 28, "holdout_share": 0.2, "group": None},
    "train": {
        "environment": "train",
        "estimator": "library.Estimator",
        "arguments": {},
        "encoding": "ordinal",
        "seed": 0,
        "importance_rows": 500,
        "importance_repeats": 3,
    },
    "evaluate": {
        "slices": ["carrier"],
        "sensitive": [],
        "min_slice_rows": 400,
        "confidence": 0.95,
        "bins": 10,
    },
    "predict": {"bad_rows": "reject", "rows_at_once": 100},
    "gate": {
        "margin": 0.01,
        "confidence": 0.95,
        "min_clusters": 10,
        "floors": {},
        "min_slice_rows": 200,
        "min_slice_class": 25,
        "min_slice_clusters": 10,
        "beat_linear": 0.0,
        "latency_ms": 100,
        "latency_times": 5,
        "size_mib": 50,
        "jump": 0.1,
    },
    "promotion": {},
    "retrain": {"min_new_share": 0.05, "max_age_days": 90},
    "drift": {
        "alarm": 0.01,
        "effect": 0.1,
        "times": 2,
        "windows": 3,
        "min_current": 5,
        "min_reference": 30,
        "calendar": [],
        "permutations": 99,
        "rows": 500_000,
        "seed": 0,
    },
    "monitor": {
        "log": "store",
        "window_days": 7,
        "past_days": 60,
        "keep_days": 200,
        "min_volume": 0.5,
        "latency_ms": None,
    },
    "store": {"remote": "origin", "ref": "refs/dvc/store", "limit_mib": 100},
    "card": {
        "purpose": "Ranks flights by risk.",
        "owner": "acme",
        "risk": "minimal",
        "limits": ["Weather is as observed."],
        "data_licence": "CC0-1.0",
        "oversight": "",
        "data_governance": "",
        "record_keeping": "",
    },
}
SYSTEM = {
    "model": "a" * 32,
    "fit_seconds": 2.82,
    "train_seconds": 5.28,
    "peak_memory_bytes": 340_000_000,
    "model_bytes": 905_327,
    "latency_median_ms": 16.7,
    "latency_p95_ms": 18.6,
    "batch_rows_per_second": 288_948,
    "gpu": None,
}
SLICES = "slice,group,rows,clusters,value,low,high\n"
PLOTS = {
    "slices": SLICES + "carrier,AA,500,50,0.7,0.65,0.75\ncarrier,BB,480,50,0.8,0.75,0.85\n",
    "importance": "feature,loss,spread\ndistance,0.1,0.01\ncarrier,-0.001,0.01\n",
    "calibration": "predicted,observed,rows\n0.1,0.2,500\n0.5,0.4,500\n",
    "residuals": "residual,rows\n-15,10\n-5,440\n5,540\n15,10\n",
}
ACCEPT = ", or a maintainer accepts this model with the label accept-model"
Gain = tuple[float | None, float | None, float | None]
Interval = tuple[float | None, float | None, float | None]
CLEAR: Gain = (0.05, 0.03, 0.07)


def metric(own: Interval, linear: Gain = CLEAR, dummy: Gain = CLEAR) -> dict[str, Any]:
    """A metric as `evaluate` writes it; the simple models' values follow from the gains."""
    found: dict[str, Any] = dict(zip(("value", "low", "high"), own, strict=True))
    for name, gain in (("linear", linear), ("dummy", dummy)):
        known = own[0] is not None and gain[0] is not None
        found[name] = {"value": own[0] - gain[0] if known else None}  # type: ignore[operator]
        found[name] |= dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
    return found


class Results:
    """A folder with what the pipeline leaves; change its parts, then `write()` the report.

    Without a comparison the report tells of one model alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = json.loads(json.dumps(SETTINGS))
        self.metrics: dict[str, Any] = {
            "holdout": {"rows": 1000, "clusters": 56, "effective_clusters": 55.6},
            "roc_auc": metric((0.744, 0.717, 0.770)),
        }
        self.data: dict[str, Any] = {"rows": 5000, "columns": 17, "files": 6}
        self.data |= {"from": "2013-01-01", "until": "2013-06-30"}
        self.system: dict[str, Any] | None = dict(SYSTEM)
        self.plots = dict(PLOTS)
        self.comparison: dict[str, Any] | None = None

    def regression(self) -> None:
        self.settings["task"] |= {"kind": "regression", "metric": "mae", "cluster": None}
        self.metrics = {
            "holdout": {"rows": 1000, "clusters": 1000, "effective_clusters": 1000.0},
            "mae": metric((12345.6, 12000.0, 12700.0), (1054.4, 620.0, 1488.0)),
            "r2": metric((0.8, 0.78, 0.82), (-0.003, -0.009, 0.003)),
        }

    def put(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    def lay(self) -> None:
        """Write the files that a report reads."""
        metrics = self.put("reports/metrics.json", json.dumps(self.metrics))
        self.put("reports/data.json", json.dumps(self.data))
        if self.system is not None:
            self.put("reports/system.json", json.dumps(self.system))
        for name, content in self.plots.items():
            self.put(f"reports/plots/{name}.csv", content)
        out = hashlib.md5(metrics.read_bytes(), usedforsecurity=False).hexdigest()
        model = {"path": "models/model.skops", "md5": "a" * 32}
        stages = {
            "split": {
                "outs": [{"path": f"data/{n}", "md5": n[0] * 32} for n in ("train", "holdout")]
            },
            "train": {
                "deps": [{"path": "requirements/train.lock", "md5": "e" * 32}],
                "outs": [model],
            },
            "evaluate": {"outs": [{"path": "reports/metrics.json", "md5": out}]},
        }
        self.put("dvc.lock", yaml.safe_dump({"stages": stages}))
        if self.comparison is not None:
            self.put("reports/comparison.json", json.dumps(self.comparison))
        self.put("params.yaml", yaml.safe_dump(self.settings))

    def report(self) -> str:
        reports, output = self.folder / "reports", self.folder / "reports/report.md"
        settings = params.convert(self.settings, params.Params)
        files = (reports / "metrics.json", reports / "data.json", reports / "system.json")
        lock, compared = self.folder / "dvc.lock", reports / "comparison.json"
        report.run(settings, *files, reports / "plots", lock, compared, output)
        return output.read_text(encoding="utf-8")

    def write(self) -> str:
        self.lay()
        return self.report()


def change(
    now: float, difference: float, half: float | None, lower: bool = False
) -> dict[str, Any]:
    """A metric of two models, in its own direction, as `compare` writes it."""
    return {
        "now": now,
        "base": round(now - difference, 6),
        "difference": difference,
        "low": None if half is None else round(difference - half, 6),
        "high": None if half is None else round(difference + half, 6),
        "detectable": None if half is None else round(1.4 * half, 6),
        "lower_is_better": lower,
        "gates": half is not None,
    }


def group(name: str, result: str, difference: float, rows: int = 500) -> dict[str, Any]:
    """A slice of the held-out rows."""
    half = 0.02 if result in ("better", "worse") else abs(difference) + 0.02
    found = change(0.7, difference, half)
    return {**found, "slice": "carrier", "group": name, "rows": rows, "p": 0.5, "result": result}


def model(name: str | None, letter: str, **facts: Any) -> dict[str, Any]:
    """Where a model comes from."""
    hashes = {"model": letter * 32, "train": "t" * 32, "holdout": "h" * 32, "environment": "e" * 32}
    system = {**SYSTEM, "model": letter * 32, "fit_seconds": 2.0, "model_bytes": 905_327}
    data = {"rows": 5000, "columns": 17, "files": 6}
    found = {"commit": letter * 40, "name": name, **hashes, "scored": "own", "why": ""}
    return {**found, "system": system, "data": data, **facts}


def rule(name: str, result: str = "passes", unblock: str = "") -> dict[str, Any]:
    return {"name": name, "limit": "0.6", "found": "0.7", "result": result, "unblock": unblock}


def comparison(verdict: str, **parts: Any) -> dict[str, Any]:
    """A comparison with a base and a production, as `review` writes it."""
    metrics = {
        "log_loss": change(0.51, -0.017, 0.008, lower=True),
        "roc_auc": change(0.744, 0.015, 0.008),
        "accuracy": change(0.756, 0.005, 0.006),
    }
    found = {
        "verdict": verdict,
        "reasons": [],
        "accepted": None,
        "kind": "binary",
        "metric": "roc_auc",
        "confidence": 0.95,
        "holdout": {"rows": 1000, "clusters": 56, "effective_clusters": 55.6, "sha256": "9" * 64},
        "metrics": metrics,
        "production": {name: {**one, "base": 0.7} for name, one in metrics.items()},
        "slices": [group("AA", "better", 0.03), group("BB", "unclear", 0.01)],
        "slices_production": [group("AA", "unclear", 0.0)],
        "rules": [rule("ROC AUC against base"), rule("Slices against base"), rule("Latency")],
        "warnings": [],
        "gate": {},
        "gate_from": "base",
        "models": {
            "now": model("change", "a"),
            "base": model("main", "b"),
            "production": model("v3", "c"),
        },
        "changed": {"params": [["train.seed", 0, 1]], "files": ["params.yaml"]},
        "run": None,
    }
    return {**found, **parts}


def blocked(**parts: Any) -> dict[str, Any]:
    """A model that is worse on one slice, and too slow."""
    return comparison(
        "blocked",
        reasons=["carrier VX lost 0.033 of ROC AUC.", "A prediction takes 78 ms; 50 are allowed."],
        slices=[
            group("AA", "better", 0.03),
            group("BB", "unclear", 0.01),
            group("DD", "unclear", 0.0),
            group("VX", "worse", -0.033),
            group("TINY", "small", 0.2, rows=12),
        ],
        rules=[
            rule("ROC AUC against base"),
            rule("Slices against base", "blocks", f"bring VX back above 0.676{ACCEPT}"),
            rule("Latency", "blocks", "predict faster"),
        ],
        **parts,
    )


def lone(verdict: str, **parts: Any) -> dict[str, Any]:
    """A comparison that found no other model."""
    found = comparison(verdict, production=None, slices=[], slices_production=[], **parts)
    for one in found["metrics"].values():
        one.update(base=None, difference=None, low=None, high=None, detectable=None)
    found["models"] |= {"base": None, "production": None}
    return found


def shadow(kind: str = "binary", names: list[str] | None = None, **parts: Any) -> dict[str, Any]:
    """Which decisions of the champion change, as `compare` writes it."""
    ordered = kind != "multiclass"
    share: dict[str, Any] = {
        "rows": 1000,
        "clusters": 56,
        "changed": 21,
        "share": 0.021,
        "low": 0.017,
    }
    share |= {"high": 0.025, "up": 0.006 if ordered else None}
    slices = [{**share, "slice": "carrier", "group": name} for name in names or ["AA", "BB"]]
    found = {
        **share,
        "against": "production",
        "limit": {"binary": 0.5, "regression": 1234.5}.get(kind),
        "right": 12,
        "right_before": 9,
        "moves": [] if ordered else [{"from": 0, "to": 2, "rows": 15}],
        "mean": 0.002,
        "quantiles": {"0.01": -0.07, "0.05": -0.04, "0.5": 0.0, "0.95": 0.04, "0.99": 0.05},
        "largest": 0.17,
        "rank_correlation": 0.989,
        "width": 0.02,
        "bars": [3, 9, 27, 73, 162, 306, 317, 87, 13, 2, 1],
        "slices": slices,
        "slices_judged": 14,
    }
    return {**found, **parts}


def promotion() -> dict[str, Any]:
    """A comparison with the champion, on the way to `release`."""
    beside = shadow(against="base")
    found = comparison("better", target="release", production=None, shadow=beside)
    found["models"] |= {"base": model("release", "b"), "production": None}
    return {**found, "slices_production": []}


def in_units() -> dict[str, Any]:
    """A comparison of two regressions, one of whose metrics has no interval."""
    metrics = {
        "mae": change(12345.6, -1054.4, 434.0, lower=True),
        "rmse": change(20345.6, -54.4, None, lower=True),
        "r2": change(0.8, -0.003, 0.006),
    }
    production = {name: {**one} for name, one in metrics.items()}
    found = comparison("better", kind="regression", metric="mae", metrics=metrics)
    found |= {"production": production, "slices": [], "slices_production": []}
    units: dict[str, Any] = {"mean": 12.0, "largest": 9345.6, "width": 500.0}
    ends = {"0.01": -2345.6, "0.05": -1234.5, "0.5": 3.2, "0.95": 987.6, "0.99": 2345.6}
    return {**found, "shadow": shadow("regression", **units, quantiles=ends)}


def classes() -> dict[str, Any]:
    """A comparison of models for many classes, with metrics that have no name here."""
    metrics = {
        "macro_auc": change(0.81, 0.02, 0.01),
        "macro_loss": change(0.6, -0.1, None, lower=True),
    }
    found = comparison("better", kind="multiclass", metric="macro_auc", metrics=metrics)
    return {**found, "production": None, "shadow": shadow("multiclass", against="base")}


def hostile() -> dict[str, Any]:
    """A comparison in which every text is a stranger's."""
    bad = HOSTILE[0]
    found = blocked(
        warnings=HOSTILE,
        accepted={"by": bad, "when": HOSTILE[1], "why": HOSTILE[4], "model": "a" * 32},
        changed={"params": [[name, name, {name: name}] for name in HOSTILE], "files": HOSTILE},
        run="https://host/[x](y)",
    )
    found["reasons"] = HOSTILE
    found["slices"] = [group(name, "worse", -0.03) | {"slice": name} for name in HOSTILE]
    found["rules"] += [
        rule(name, "blocks", name) | {"limit": name, "found": name} for name in HOSTILE
    ]
    found["shadow"] = shadow(names=HOSTILE)
    found["models"]["base"] = model(HOSTILE[2], "b", scored="again", why=bad)
    found["models"]["production"] = model(HOSTILE[5], "c", scored="no", why=HOSTILE[3])
    return found


WORSE = {"roc_auc": change(0.714, -0.03, 0.01), "accuracy": change(0.75, -0.001, 0.006)}
ACCEPTED = {"by": "octocat", "when": "2026-11-21T07:30:00Z", "why": "VX leaves", "model": "a" * 32}
SITUATIONS: dict[str, dict[str, Any] | None] = {
    "alone": None,
    "better": comparison("better", run="https://github.com/acme/flights/actions/runs/9"),
    "equal": comparison("equal", warnings=["The margin is below what these rows can show."]),
    "worse": comparison("worse", metrics=WORSE, reasons=["ROC AUC is worse."]),
    "blocked": blocked(),
    "accepted": blocked(accepted=ACCEPTED),
    "undecided": comparison("blocked", reasons=["undecided: the interval is too wide."]),
    "first": lone("first"),
    "champion": lone("first", target="release"),
    "promotion": promotion(),
    "rollback": comparison("rollback", reasons=["its model was in production as v1"]),
    "unchanged": comparison("unchanged"),
    "regression": in_units(),
    "classes": classes(),
    "hostile": hostile(),
}


def write(name: str, folder: Path) -> str:
    """The report of one situation, in a folder of its own."""
    results = Results(folder / name)
    results.comparison = SITUATIONS[name]
    if name == "regression":
        results.regression()
    return results.write()


def failed() -> str:
    """The report of data that break their contract, in a stranger's words."""
    cells = [[name, name, "3", name] for name in map(text.cell, HOSTILE)]
    table = text.table(["Column", "Check", "Rows", "Examples"], "llrl", cells)
    said = f"validate: the data breaks its contract: {HOSTILE[0]}"
    found: str = problem.report("contract", said, table)
    return found


if __name__ == "__main__":
    for situation in SITUATIONS:
        write(situation, Path(sys.argv[1]))
    Path(sys.argv[1], "problem.md").write_text(failed(), encoding="utf-8")
