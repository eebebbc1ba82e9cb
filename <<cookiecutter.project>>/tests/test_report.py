"""The report tells what the files say, in words that match its pictures, and nothing breaks it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import load
from situations import CLEAR, HOSTILE, SLICES, SYSTEM, Gain, Results, metric

charts, errors, params, report = (
    load("reporting.charts"),
    load("errors"),
    load("params"),
    load("reporting.report"),
)
text, wording = load("text"), load("reporting.wording")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def test_the_first_lines_are_the_verdict_and_its_reason(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    """They stand alone, and the terminal gets one line."""
    lines = results.write().replace(text.NARROW, " ").splitlines()
    assert lines[0] == "### ✅ Better than a linear model"
    assert lines[2].startswith("**ROC AUC 0.744** (95 % interval 0.717 to 0.770) on 1,000 held-out")
    assert "better than a linear model by 0.050 (0.030 to 0.070)" in lines[2]
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.startswith("report: ROC AUC 0.744 (95 % interval 0.717 to 0.770) on 1,000 held-")


@pytest.mark.parametrize(
    ("linear", "dummy", "verdict"),
    [
        ((0.002, -0.01, 0.014), CLEAR, "⚪ Not clearly better than a linear model"),
        ((-0.05, -0.07, -0.03), CLEAR, "⛔ Worse than a linear model"),
        (CLEAR, (0.001, -0.01, 0.012), "⚪ Not clearly better than a constant"),
        (CLEAR, (-0.05, -0.07, -0.03), "⛔ Worse than a constant"),
        ((0.05, None, None), (0.05, None, None), "⚪ Not clearly better than a constant"),
    ],
)
def test_a_verdict_follows_from_the_intervals(
    results: Results, linear: Gain, dummy: Gain, verdict: str
) -> None:
    """Better and worse only where the interval leaves out 0."""
    results.metrics["roc_auc"] = metric((0.744, 0.717, 0.770), linear, dummy)
    assert results.write().startswith(f"### {verdict}")


def test_an_undefined_metric_is_not_judged(results: Results) -> None:
    """Held-out rows of one class have no ROC AUC."""
    nothing = (None, None, None)
    results.metrics["roc_auc"] = metric(nothing, nothing, nothing)
    results.plots["slices"] = SLICES + "carrier,AA,500,50,,,\n"
    results.plots["importance"] = "feature,loss,spread\ndistance,NaN,NaN\n"
    written = results.write()
    assert written.startswith("### ⚪ Not judged: ROC AUC is undefined")
    assert "<b>Slices</b>: none can be judged" in written
    assert "<b>Features</b>" not in written


def test_a_regression_has_units_residuals_and_relative_drawings(results: Results) -> None:
    """Prices and a share of variance meet on one scale, the linear model's error."""
    results.regression()
    written = results.write().replace(text.NARROW, " ")
    assert "**MAE 12,346** (95 % interval 12,000 to 12,700)" in written
    assert "<sub>−15 % to +15 %</sub>" in written
    assert "<b>Residuals</b>: at least 9 in 10 from −10.0 to +10.0" in written
    assert "Rows are treated as independent" in written
    assert "Clusters" not in written


def test_low_is_good_turns_the_slices_round(results: Results) -> None:
    """The weakest slice comes first, and better stays on the right."""
    results.regression()
    results.plots["slices"] = SLICES + "carrier,A,500,500,9000,,\ncarrier,B,500,500,15000,,\n"
    written = results.write()
    assert "weakest <code>B</code> 15,000, strongest <code>A</code> 9,000" in written
    assert text.verbatim("16,000 ──────── 8,000") in written


def test_many_slices_are_shortened(results: Results) -> None:
    """A thousand categories do not crowd out what follows."""
    rows = [f"carrier,C{i},500,50,{0.5 + i / 1000},{i / 1000},0.99" for i in range(300)]
    results.plots["slices"] = SLICES + "\n".join(rows) + "\n"
    assert "275 slices between these are not shown" in results.write()


def test_small_slices_are_counted(results: Results) -> None:
    """What the table leaves out is said below it."""
    assert "Slices under 400 rows are not judged: 20 rows by `carrier`." in results.write()


def test_hostile_text_is_shown_and_does_nothing(results: Results) -> None:
    """It stands in code spans, in titles as HTML code, on one line, and is cut."""
    results.settings["task"]["cluster"] = HOSTILE[0]
    quoted = ['"' + name.replace('"', '""') + '"' for name in HOSTILE]
    results.plots["slices"] = SLICES + "".join(
        f"carrier,{name},500,50,0.{600 + i},0.5,0.9\n" for i, name in enumerate(quoted)
    )
    results.plots["importance"] = "feature,loss,spread\n" + "".join(
        f"{name},0.{900 - i},0.01\n" for i, name in enumerate(quoted)
    )
    written = results.write()
    assert (
        "weakest <code>@octocat closes #1 &lt;script&gt;alert(1)&lt;/script&gt;</code>" in written
    )
    assert "| `@octocat closes #1 <script>alert(1)</script>` <sub>`carrier`</sub> |" in written
    assert r"| `a\|b\\|c` <sub>" in written
    assert "| ``` ``tick`s` ``` <sub>" in written
    assert not any(bad in written for bad in ("watermark.png", "x" * 61, "\u202e", "\n# title"))


def test_what_was_not_measured_here_is_not_shown_as_if_it_was(results: Results) -> None:
    """A model that came out of the run cache has no seconds of its own."""
    assert "<b>Cost</b>: 2.8" in results.write()
    results.system = {**SYSTEM, "model": "b" * 32}
    assert "<b>Cost</b>: not measured here; another model's figures" in results.write()
    (results.folder / "reports/system.json").unlink()
    results.system = None
    assert "<b>Cost</b>: not measured here<" in results.write()


def test_a_gpu_is_named(results: Results) -> None:
    """Its name is a stranger's text too."""
    results.system = SYSTEM | {
        "gpu": {"name": "a|b", "utilization_percent": 87.3, "peak_memory_mib": 12345}
    }
    assert rf"`a\|b`, 87{text.NARROW}% used, 12,345{text.NARROW}MiB" in results.write()


@pytest.mark.parametrize("name", ["reports/metrics.json", "dvc.lock", "reports/plots/slices.csv"])
@pytest.mark.parametrize("content", [None, "<" * 7 + " HEAD\n[1,\n"])
def test_a_missing_or_damaged_file_names_the_command(
    results: Results, name: str, content: str | None
) -> None:
    """A merge conflict is damage."""
    results.lay()
    if content is None:
        (results.folder / name).unlink()
    else:
        results.put(name, content)
    with pytest.raises(errors.ProjectError, match="make repro"):
        results.report()


def test_metrics_of_another_run_are_refused(results: Results) -> None:
    """Otherwise the report would name one model and show another's figures."""
    results.lay()
    results.put("reports/metrics.json", json.dumps(results.metrics) + "\n")
    with pytest.raises(errors.ProjectError, match=r"is not what .*dvc\.lock names"):
        results.report()


def test_equal_files_give_equal_bytes(results: Results) -> None:
    """Nothing in it comes from the clock."""
    assert results.write() == results.write()


def test_the_commit_is_named_and_the_report_itself_is_no_change(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that is committed with its metrics does not make the tree dirty by itself."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    results.lay()

    def git(*command: str) -> str:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", *identity, *command],
            cwd=results.folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("init", "-q")
    assert "| Commit | not committed yet |" in results.report()
    git("add", ".")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "--short=7", "HEAD")
    assert f"| Commit | `{commit}` |" in results.report()
    assert f"| Commit | `{commit}` |" in results.report()
    results.put("params.yaml", "other: 1\n")
    assert f"| Commit | `{commit}` with uncommitted changes |" in results.report()


def test_too_long_a_report_loses_its_last_sections_and_says_so() -> None:
    """GitHub refuses a longer comment."""
    found = [text.Section(name, "answer", "x" * 400) for name in ("Slices", "Data", "Charts")]
    written = report.shed("head", found, "end", 1100)
    assert len(written.encode()) <= 1100
    assert "<b>Data</b>" in written
    assert written.endswith("Left out, to stay under 1,100 bytes: Charts.\n\nend\n")


@pytest.mark.parametrize(
    ("low", "value", "high", "picture"),
    [
        (0.05, 0.1, 0.2, "          │ ├──●────┤"),
        (0.0001, 0.0002, 0.0003, "          │●         "),
        (-0.0003, -0.0002, -0.0001, "         ●│          "),
        (-0.01, 0.0, 0.01, "         ├●┤         "),
        (-0.5, 0.0, 0.5, "◄─────────●─────────►"),
        (None, 0.1, None, "          │    ●     "),
    ],
)
def test_a_drawing_rounds_outwards_but_never_across_zero(
    low: float | None, value: float, high: float | None, picture: str
) -> None:
    """So the picture cannot contradict the words."""
    axis = charts.Axis(-0.2, 0.2, 0)
    drawn = charts.drawing(low, value, high, axis)
    assert drawn == text.verbatim(picture)


@pytest.mark.parametrize(
    ("values", "end"), [([0.077, -0.02], 0.1), ([0.12], 0.15), ([1488, -3], 1500), ([0, None], 1)]
)
def test_a_scale_is_a_round_number(values: list[float | None], end: float) -> None:
    """It is the next one on which every value fits."""
    assert charts.balanced(values) == pytest.approx((-end, end, 0))


def test_points_of_a_chart_have_labels_of_their_own() -> None:
    """Equal categories would fall together in the drawing."""
    assert charts.labels([0.101, 0.102, 0.2]) == ["0.101", "0.102", "0.200"]
    assert charts.labels([0.1, 0.1]) == ["bin 1", "bin 2"]


def test_an_arrow_says_that_low_is_good() -> None:
    """The names agree with the metrics themselves."""
    lower = {name for name in wording.NAMES if wording.lower(name)}
    assert lower == set(load("metrics").LOWER_IS_BETTER)
    assert set(wording.NAMES) == {name for kind in params.METRICS.values() for name in kind}
