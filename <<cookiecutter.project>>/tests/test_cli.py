"""The commands of dvc.yaml are those of the command line, and they run on the sample rows."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from conftest import PACKAGE, ROOT, load


def test_every_stage_is_a_command() -> None:
    """One word, five places: stage, command, module, section of params.yaml, test file."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    sections = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, stage in stages.items():
        words = stage["cmd"].split()
        assert words[:4] == ["python", "-m", PACKAGE, name]
        assert len(words[4:]) == len(load("cli").COMMANDS[name][1])
        assert name in sections
        assert (ROOT / f"src/{PACKAGE}/{name}.py").is_file()
        assert (ROOT / f"tests/test_{name}.py").is_file()


def test_who_stops_a_command_sees_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Its exit code is the shell's own for Ctrl-C."""

    def stopped() -> None:
        raise KeyboardInterrupt

    assert load("cli").attempt("train", stopped) == 130
    assert capsys.readouterr().err == "train: stopped\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is full")
@pytest.mark.parametrize("kind", ["text", "table"])
def test_a_full_disk_is_one_sentence(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever writes; a workflow's comment quotes it, and a bug keeps its traceback."""
    monkeypatch.setenv("PROBLEM_FILE", str(tmp_path / "problem.txt"))
    full, table = Path("/dev/full"), pl.DataFrame({"a": range(10_000)})
    write = {"text": lambda: full.write_text("a"), "table": lambda: table.write_parquet(full)}[kind]
    assert load("cli").attempt("train", write) == 1
    said = capsys.readouterr().err
    assert said.startswith("train: the disk is full") and said.count("\n") == 1
    assert (tmp_path / "problem.txt").read_text() == said
    with pytest.raises(ZeroDivisionError):
        load("cli").attempt("train", lambda: 1 // 0)
