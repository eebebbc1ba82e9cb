"""A wrong parameter is refused with its path, its value and what is allowed."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, change, load


def refusal(tmp_path: Path, path: str, value: Any) -> str:
    """What `load` says when the key at the path has the value."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    *sections, key = path.split(".")
    place = values
    for section in sections:
        place = place[section]
    place[key] = value
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(values))
    with pytest.raises(load("errors").ProjectError) as error:
        load("params").load(file)
    return str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("typo", 1, "typo is not a known key; the keys of the file are task, ingest"),
        ("train.typo", 1, "train.typo is not a known key; the keys of train are environment"),
        ("task.kind", "ranking", "task.kind is 'ranking'; it must be one of binary, regression"),
        ("split.holdout_weeks", 0, "split.holdout_weeks is 0; expected `int` >= 1"),
        ("split.holdout_weeks", "8", "split.holdout_weeks is '8'; expected `int`, got `str`"),
        ("split.holdout_share", float("nan"), "split.holdout_share is nan"),
        ("evaluate.confidence", 95, "evaluate.confidence is 95; expected `float` < 1.0"),
        ("ingest.until", "2013-02-30", "ingest.until is '2013-02-30'; expected a date"),
        ("ingest.until", date(2013, 6, 30), 'DVC cannot read: write "2013-06-30"'),
        ("task.numeric", ["a", 3], "task.numeric[1] is 3; expected `str`, got `int`"),
        ("task.metric", "elo", "task.metric is 'elo'; a"),
        ("train", None, "train is None; expected `object`"),
        ("train.estimator", "rm -rf /", "train.estimator is 'rm -rf /'"),
        ("evaluate.sensitive", ["score"], "evaluate.sensitive names 'score', which the"),
        ("card.risk", "none", "card.risk is 'none'; it must be one of minimal, limited, high"),
        ("card.risk", "unacceptable", "Article 5 of the EU AI Act prohibits"),
        ("card.purpose", " ", "card.purpose is ' '; expected"),
        ("card.oversight", None, "card.oversight is None; expected `str`"),
        ("card.typo", "", "card.typo is not a known key; the keys of card are purpose, owner"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, path: str, value: Any, words: str) -> None:
    """One sentence."""
    sentence = refusal(tmp_path, path, value)
    assert sentence.startswith("params.yaml: ")
    assert words in sentence
    assert "\n" not in sentence


def test_xgboost_needs_its_own_environment(params: Any) -> None:
    """Or its version would be no dependency of the model."""
    wrong = change(params, train={"estimator": "xgboost.XGBRegressor", "environment": "train"})
    with pytest.raises(load("errors").ProjectError, match=r"set train\.environment to xgboost"):
        load("params").agree(wrong)


def test_a_column_has_one_role(tmp_path: Path) -> None:
    """The target is no feature."""
    target = load("params").load(ROOT / "params.yaml").task.target
    assert "twice" in refusal(tmp_path, "task.numeric", [target])


@pytest.mark.parametrize("text", ["a: [", "just words", ""])
def test_a_file_without_sections_is_refused(tmp_path: Path, text: str) -> None:
    """Broken YAML and an empty file too."""
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(load("errors").ProjectError, match=r"params\.yaml"):
        load("params").load(tmp_path / "params.yaml")
