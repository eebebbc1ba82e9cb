"""The report of a comparison says what was found, for every verdict, and nothing breaks it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import load
from situations import (
    ACCEPTED,
    SITUATIONS,
    Results,
    blocked,
    change,
    comparison,
    failed,
    group,
    lone,
    model,
    rule,
    shadow,
    write,
)

errors, problem, report, text = (
    load("errors"),
    load("reporting.problem"),
    load("reporting.report"),
    load("text"),
)


def told(found: dict[str, Any], folder: Path) -> str:
    """The report of a comparison, with plain spaces."""
    results = Results(folder)
    results.comparison = found
    return results.write().replace(text.NARROW, " ")


@pytest.mark.parametrize(
    ("situation", "line"),
    [
        ("alone", "✅ Better than a linear model"),
        ("better", "✅ Better than `main`, gate passes"),
        ("equal", "⚪ As good as `main`, gate passes"),
        ("worse", "⛔ Worse than `main`"),
        ("blocked", "⛔ Blocked: worse for `carrier` `VX`"),
        ("accepted", "⚠️ Accepted by `octocat` although blocked: worse for `carrier` `VX`"),
        ("undecided", "⛔ Blocked: undecided whether it is worse than `main`"),
        ("first", "🆕 First model: nothing to compare with yet"),
        ("champion", "🆕 First champion: there is none to compare with yet"),
        ("rollback", "↩️ Rollback: this model was in production before"),
        ("unchanged", "⚪ No change to the model"),
        ("regression", "✅ Better than `main`, gate passes"),
    ],
)
def test_the_first_line_is_the_verdict(tmp_path: Path, situation: str, line: str) -> None:
    """Mail and lists show no more than it."""
    assert write(situation, tmp_path).splitlines()[0] == f"### {line}"


def test_the_second_line_is_the_reason(tmp_path: Path) -> None:
    """Old and new value, difference and interval, then what speaks against it."""
    line = told(comparison("better"), tmp_path).splitlines()[2]
    assert line == (
        "**ROC AUC 0.729 → 0.744**, +0.015 (95 % interval +0.007 to +0.023). No metric and none of "
        "2 slices is clearly worse. Against production (`v3`): +0.015 (+0.007 to +0.023)."
    )


def test_what_is_worse_beside_a_better_headline_is_named(tmp_path: Path) -> None:
    """Metrics in their own direction, and slices."""
    found = comparison("better", slices=[group("VX", "worse", -0.03)])
    found["metrics"]["log_loss"] = change(0.5, 0.02, 0.01, lower=True)
    assert "Clearly worse: Log loss, `carrier` `VX`." in told(found, tmp_path)


def test_the_headline_is_first_and_low_is_good_turns_the_drawing(tmp_path: Path) -> None:
    """A fall of the log loss lies on the right of its drawing."""
    rows = [line for line in told(comparison("better"), tmp_path).splitlines() if line[:1] == "|"]
    assert rows[2].startswith("| **ROC AUC** | ▲ better | **0.744** | 0.729 | 0.700 | +0.015 <sub>")
    assert rows[3].startswith("| Log loss ↓ | ▲ better | 0.510 | 0.527 | 0.700 | −0.017 <sub>")
    assert "│├" in rows[3]


def test_a_metric_without_an_interval_is_not_judged(tmp_path: Path) -> None:
    """It is shown, and says why."""
    written = write("regression", tmp_path).replace(text.NARROW, " ")
    assert "| RMSE ↓ | – no interval | 20,346 | 20,400 | 20,400 | −54 |" in written
    assert "**MAE 13,400 → 12,346**, −1,054 (95 % interval −1,488 to −620)" in written
    assert "<sub>−15 % to +15 %</sub>" in written


def test_metrics_without_a_name_are_quoted(tmp_path: Path) -> None:
    """Another kind of task brings its own."""
    written = write("classes", tmp_path).replace(text.NARROW, " ")
    assert "| **`macro_auc`** | ▲ better |" in written
    assert "| `macro_loss` ↓ | – no interval |" in written


def test_a_slice_that_blocks_is_shown_before_all_else(tmp_path: Path) -> None:
    """Then what would unblock it, then the metrics in a closed section."""
    written = told(blocked(), tmp_path)
    opening, rest = written.split("<details>", 1)
    slices = [line for line in opening.splitlines() if line.startswith("| ")][2:]
    assert [line.split()[1] for line in slices] == ["**`VX`**", "`DD`", "`BB`", "`AA`"]
    assert "- Slices against base: bring VX back above 0.676\n- Latency: predict faster" in opening
    assert "Also: A prediction takes 78 ms; 50 are allowed." in opening
    assert "`accept-model`" in opening
    assert "<b>Gate</b>: 1 of 3 rules pass; <code>Slices against base</code>" in rest
    assert "<b>All metrics</b>: 2 of 3 clearly better, 0 worse" in rest
    assert "<b>Slices</b>: 4 checked, 1 better, 1 worse; 1 too small" in rest


def test_an_accepted_model_names_who_when_and_why(tmp_path: Path) -> None:
    """And no longer asks to be unblocked."""
    written = told(blocked(accepted=ACCEPTED), tmp_path)
    assert "`octocat` accepted this model on 2026-11-21 07:30 UTC: VX leaves." in written
    assert "To unblock" not in written


def test_a_slice_whose_difference_may_be_chance_says_so(tmp_path: Path) -> None:
    """Its drawing leaves out 0, its result is corrected for the number of slices."""
    lucky = group("AA", "better", 0.03) | {"result": "unclear"}
    assert "| ≈ maybe chance |" in told(comparison("equal", slices=[lucky]), tmp_path)


def test_worse_than_production_alone_is_told_so(tmp_path: Path) -> None:
    """Small drops from base to base add up."""
    found = comparison("worse", reasons=["ROC AUC is worse than production's."])
    found["production"]["roc_auc"] = change(0.744, -0.03, 0.01)
    assert told(found, tmp_path).startswith("### ⛔ Worse than production, `v3`")


def test_one_baseline_is_shown_once(tmp_path: Path) -> None:
    """Where production is base's model, a column and a section would repeat it."""
    found = comparison("better")
    found["models"]["production"] = model("v3", "b")
    written = told(found, tmp_path)
    assert "Production is the same model as base." in written
    assert "| Production |" not in written
    assert "Against production" not in written


def test_production_stands_in_where_base_could_not_be_scored(tmp_path: Path) -> None:
    """The report says why there is no base."""
    found = comparison("blocked", reasons=["base could not be scored"])
    for one in found["metrics"].values():
        one.update(base=None, difference=None, low=None, high=None)
    found["models"]["base"] = model("main", "b", scored="no", why="its store is gone")
    written = told(found, tmp_path)
    assert "against `v3` in production" in written
    assert "| Metric | Result | Now | Production | Now − production<br>" in written
    assert "Base could not be scored: its store is gone" in written


def test_a_first_model_is_set_beside_the_simple_ones(tmp_path: Path) -> None:
    """Rules that need a baseline wait for one."""
    found = lone("first")
    found["rules"][0]["result"] = "no baseline"
    written = told(found, tmp_path)
    assert "Merging makes this model the baseline." in written
    assert "| Linear | Constant |" in written
    assert "<b>Gate</b>: all 2 rules pass; 1 without a baseline" in written
    assert "<b>Changed</b>" not in written


def test_no_change_is_three_lines_with_the_number(tmp_path: Path) -> None:
    """A repeated non-event must not teach people not to read."""
    written = told(SITUATIONS["unchanged"] or {}, tmp_path)
    assert len([line for line in written.splitlines() if line]) == 3
    assert "ROC AUC stays at **0.744** on 1,000 held-out rows" in written


def test_changes_are_a_diff(tmp_path: Path) -> None:
    """A parameter that came or went has one line."""
    changes = [["train.seed", 0, 1], ["gate.margin", None, 0.02], ["split.group", "a", None]]
    found = comparison("equal", changed={"params": changes, "files": ["src/x/schema.py"]})
    written = told(found, tmp_path)
    assert (
        "```diff\n- train.seed: 0\n+ train.seed: 1\n+ gate.margin: 0.02\n"
        '- split.group: "a"\n```\n\nFiles: `src/x/schema.py`.'
    ) in written
    assert "<b>Changed</b>: 3 parameters, 1 file, same environment" in written
    assert "held out; schema changed, same rows" in written


def test_cost_is_set_against_base(tmp_path: Path) -> None:
    """The title tells the change, or that there is none."""
    written = told(comparison("better"), tmp_path)
    assert "<b>Cost</b>: training +0.8 s, model file unchanged, prediction unchanged" in written
    assert "| Training | 2.8 s | 2.0 s | +0.8 s <sub>×1.4</sub> |" in written
    assert "| GPU | not used | not used |  |" in written


def test_other_data_is_told_in_rows(tmp_path: Path) -> None:
    """How many more than base had."""
    found = comparison("better")
    found["models"]["base"] |= {"train": "x" * 32, "data": {"rows": 4000, "columns": 17}}
    assert "held out; +1,000 rows, schema unchanged" in told(found, tmp_path)


def test_base_is_drawn_beside_the_calibration(tmp_path: Path) -> None:
    """Between its own bins, as it gives them."""
    found = comparison("better")
    bins = [{"predicted": 0.1, "observed": 0.3}, {"predicted": 0.3, "observed": 0.3}]
    found["models"]["base"] |= {"calibration": bins}
    written = told(found, tmp_path)
    assert 'line "base" [30, 50]' in written
    assert 'line "now" [20, 40]' in written


def test_a_run_is_linked_where_there_is_one(tmp_path: Path) -> None:
    """On a laptop there is none, and equal files give equal bytes."""
    found = comparison("better")
    assert "http" not in told(found, tmp_path)
    assert told(found, tmp_path) == told(found, tmp_path)
    run = "https://127.0.0.1:8443/acme/flights/actions/runs/7"
    written = told({**found, "run": run}, tmp_path)
    assert f"[run and log]({run})" in written
    assert f"[`aaaaaaa`](https://127.0.0.1:8443/acme/flights/commit/{'a' * 40})" in written


def test_another_model_s_comparison_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line says so, and the report is that of one model."""
    found = comparison("better")
    found["models"]["now"] = model("change", "x")
    for other in (found, {**found, "models": None}):
        assert told(other, tmp_path).startswith("### ✅ Better than a linear model")
        assert "comparison.json is another model's" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps(comparison("fine"))])
def test_a_damaged_comparison_names_the_command(tmp_path: Path, content: str) -> None:
    """Rather that than half a report."""
    results = Results(tmp_path)
    results.lay()
    results.put("reports/comparison.json", content)
    with pytest.raises(errors.ProjectError, match="make compare"):
        results.report()


def test_a_promotion_tells_whose_decisions_change(tmp_path: Path) -> None:
    """In one line that a reviewer can decide on; behind it are the rows, a chart and the slices."""
    written = write("promotion", tmp_path).replace(text.NARROW, " ")
    assert (
        "<b>Decisions</b>: 2.1 % change (95 % interval 1.7 to 2.5): 0.6 % become "
        "<code>late</code>, 1.5 % no longer are</summary>"
    ) in written
    assert (
        "beside the champion, `release`, on the 1,000 held-out rows in 56 clusters of `date`, the "
        "last 8 weeks, 2013-05-06 to 2013-06-30. "
    ) in written
    assert 'x-axis "Score, now less champion" ["−0.10", "−0.08"' in written
    assert "| `AA` <sub>`carrier`</sub> | 2.1 % <sub>(1.7 to 2.5)</sub> | " in written
    assert "the champion, `v3`" in told(comparison("equal", shadow=shadow()), tmp_path)


def harmless(written: str) -> None:
    """Nothing of the hostile text is outside code spans and blocks, long, or CML's mark."""
    assert not any(bad in written for bad in ("watermark.png", "x" * 1001, "\u202e", "\n# title"))
    outside = re.sub(r"(?s)(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", written)
    outside = re.sub(r"<code>[^<]*</code>", "", outside)
    assert not any(bad in outside for bad in ("@octocat", "<script", "![", "#1", "](y)", "`"))


def test_hostile_text_is_shown_and_does_nothing(tmp_path: Path) -> None:
    """Names of branches, slices, rules, parameters and files, reasons, warnings, who and why."""
    written = write("hostile", tmp_path)
    assert "`@octocat closes #1 <script>alert(1)</script>`" in written
    assert len(written.encode()) <= report.LIMIT
    harmless(written)
    harmless(failed())


@pytest.mark.parametrize(
    ("rule_name", "line"),
    [
        ("jump", "too good to be true"),
        ("latency", "too slow"),
        ("floor of roc_auc", "below the floor of ROC AUC"),
        ("another", "by the rule `another`"),
    ],
)
def test_a_broken_rule_is_told_in_words(tmp_path: Path, rule_name: str, line: str) -> None:
    """The first line stands alone."""
    found = comparison("blocked", reasons=["It is."], rules=[rule(rule_name, "blocks")])
    assert told(found, tmp_path).startswith(f"### ⛔ Blocked: {line}\n")


def test_how_to_be_accepted_is_told_once_and_only_where_it_helps(tmp_path: Path) -> None:
    """Predictions that cannot be judged cannot be accepted either."""
    out = "train longer, or a maintainer accepts this model with the label accept-model"
    rules = [rule("latency", "blocks", out), rule("size", "blocks", out)]
    written = told(comparison("blocked", rules=rules), tmp_path)
    assert (
        "- latency: train longer\n- size: train longer\n\nOr a maintainer accepts this very"
        in written
    )
    rules = [rule("rows", "blocks", "`make repro` writes the predictions anew")]
    found = lone("blocked", rules=rules, reasons=["3 rows have no score"], holdout=None)
    written = told({**found, "metrics": {}}, tmp_path)
    assert written.startswith("### ⛔ Blocked: its predictions cannot be judged\n\n3 rows have no ")
    assert "**To unblock:** `make repro` writes the predictions anew.\n" in written
    assert "accept-model" not in written


def test_an_opening_fits_whatever_it_holds(tmp_path: Path) -> None:
    """Sections can be left out, the opening cannot."""
    long = ["🦊 |" * 1000] * 50
    found = blocked(warnings=long)
    found["slices"] = [group(f"{i}{'|🦊' * 50}", "worse", -0.03) for i in range(50)]
    found |= {"reasons": long, "rules": [rule(one, "blocks", one) for one in ["slices", *long]]}
    written = told(found, tmp_path)
    assert len(written.encode()) <= report.LIMIT
    assert "- and 42 more" in written
    assert "Left out, to stay under 60,000 bytes: " in written


def test_a_problem_is_a_verdict_a_sentence_and_a_next_step() -> None:
    """A table of violations follows as it is; only the first paragraph is told."""
    table = text.table(["Column", "Rows"], "lr", [[text.code("a|b"), "1,204"]])
    written = problem.report(
        "contract", "validate: one row is wrong.\n\nMore.", f"### x\n\n{table}"
    )
    assert written.startswith(
        "### ⛔ Blocked: the data breaks its contract\n\nvalidate: one row is "
    )
    assert "More." not in written
    assert f"\n\n{table}\n\n**Next:** Mend the source" in written


@pytest.mark.parametrize("cell", ["@octocat", "`a | b` @octocat", "![](x)", "<b>", "[x](y)"])
def test_a_table_that_does_more_than_show_becomes_text(cell: str) -> None:
    """The file may be a stranger's."""
    table = f"| a | b |\n| :-- | :-- |\n| {cell} | 1 |"
    assert f"```text\n{table}\n```" in problem.report("contract", "It is broken.", table)


@pytest.mark.parametrize(
    "line",
    ["::set-output name=x::y", "  ::error::x", "said\n::stop-commands::z", "it is ##[error]x"],
)
def test_a_logged_line_is_no_command(line: str) -> None:
    """GitHub's runner takes lines that begin with two colons, and ##[ wherever it stands."""
    logged = text.logged(f"{line} and a::b")
    assert not any(each.strip().startswith("::") for each in logged.splitlines())
    assert "##[" not in logged and logged.endswith("a::b")


def test_a_log_s_end_is_shown_and_an_unknown_job_is_named() -> None:
    """Long lines are cut, and a fence in it ends nothing."""
    log = "\n".join(f"line {i} ```" for i in range(500)) + "\n" + "y" * 5000
    written = problem.report("weird @job", "", log)
    assert written.startswith("### ⛔ Blocked: `weird @job` failed\n\nIt left no sentence behind.")
    assert "````text\nline 441" in written
    assert "y" * 201 not in written


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("ROC AUC fell by 0.010 (−0.020 to 0.000).", "ROC AUC fell by 0.010 (−0.020 to 0.000)."),
        ("see roc_auc, then stop", "see `roc_auc`, then stop"),
        ("@octocat closes #1 now", "`@octocat` closes `#1` now"),
        ("at deadbeef and GH-12 of www.x.com", "at `deadbeef` and `GH-12` of `www.x.com`"),
        ("1. item", "`1`. item"),
        ("- item", "`-` item"),
        ("*a* :smile: $x$ ~~b~~", "`*a* :smile: $x$ ~~b~~`"),
    ],
)
def test_a_stranger_s_sentence_stays_readable(sentence: str, shown: str) -> None:
    """Plain words are plain, and what Markdown or GitHub would read is in code spans."""
    assert text.prose(sentence) == shown
