"""What was served against what the champion learned: alarms, and what is no alarm."""

import json
import re
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from conftest import change, load
from situations import HOSTILE
from test_predict import lock

monitor, told, log = load("monitor"), load("reporting.monitor"), load("storage.log")
NOW = datetime(2026, 7, 1, tzinfo=UTC)
START = date(2026, 1, 1)
MINE, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def rules(params: Any) -> Any:
    """Numbers for a small table of two features: x, which differs by day, and city."""
    task = load("params").Task(
        **{"kind": "binary", "target": "late", "metric": "roc_auc", "threshold": 0.5, "key": "id"},
        **{"time": "day", "cluster": "day", "numeric": ["x"], "categorical": ["city"]},
    )
    parts = {"evaluate": {"slices": ["city"], "sensitive": [], "min_slice_rows": 50}}
    parts["gate"] = {"min_clusters": 5, "min_slice_clusters": 5}
    parts["drift"] = {"calendar": [], "permutations": 199}
    parts["monitor"] = {"window_days": 7, "past_days": 60, "min_volume": 0.5, "latency_ms": None}
    return msgspec.structs.replace(change(params, **parts), task=task)


def table(first: int, days: int, seed: int, rows: int = 40) -> pl.DataFrame:
    """Rows of days after START, with their labels and a fair score."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(first, first + days), rows)
    x = random.normal(size=len(day)) + np.repeat(random.normal(0, 0.2, days), rows)
    score = 1 / (1 + np.exp(-1.5 * x))
    return pl.DataFrame(
        {
            "id": [f"{seed}-{place}" for place in range(len(day))],
            "day": [START + timedelta(int(each)) for each in day],
            "x": x,
            "city": random.choice(["ams", "bos"], len(day)),
            "late": (random.random(len(day)) < score).astype(np.int64),
            "score": score,
        }
    )


@pytest.fixture(scope="module")
def champion() -> Any:
    """A model of a hundred days that keeps its promises."""
    trained, held = table(0, 100, 1), table(100, 30, 2)
    promised = {"roc_auc": {"value": 0.8, "low": 0.75, "high": 0.85}}
    slices = [{"slice": "city", "group": city, "low": 0.7, "high": 0.9} for city in ("ams", "bos")]
    return monitor.Champion("v3", MINE, trained, held, promised, slices)


def served(rows: pl.DataFrame, at: datetime = NOW, model: str = MINE, **columns: Any) -> Any:
    """The log of rows that were scored an hour before."""
    own = {monitor.KEY: pl.col("id"), monitor.VALUE: pl.col("score")}
    own |= {monitor.VERSION: pl.lit("v3"), monitor.MODEL: pl.lit(model)}
    own[monitor.TIME] = pl.lit(at - timedelta(hours=1), dtype=pl.Datetime("us", "UTC"))
    own[monitor.TOOK] = pl.lit(None, pl.Float64)
    rows = rows.with_columns(**columns)
    return rows.select(**own).hstack(rows.drop("id", "score", "late"))


def look(rules: Any, champion: Any, rows: pl.DataFrame, labels: Any = None, **more: Any) -> Any:
    """What is found; it is plain JSON, and a page can be drawn."""
    found = monitor.judge(monitor.Log(rows.sort(monitor.TIME), []), champion, labels, rules, NOW)
    json.dumps(found, allow_nan=False)
    state = "alarm" if found["alarms"] else "calm"
    found |= {"state": state, "champion": "v3", "model": MINE, "window_days": 7, "promote": False}
    told.page(found)
    return found | more


FRESH = table(130, 7, 3)


def test_rows_like_those_learned_are_no_alarm(rules: Any, champion: Any) -> None:
    """And the quality is as promised."""
    found = look(rules, champion, served(FRESH), FRESH)
    assert found["alarms"] == found["troubles"] == []
    assert found["drift"]["judged"] and found["quality"]["rows"] == FRESH.height
    page = told.page(found)
    assert page.startswith("### ✅") and "as promised" in page


def test_a_shift_is_an_alarm_that_names_the_column(rules: Any, champion: Any) -> None:
    found = look(rules, champion, served(FRESH, x=pl.col("x") + 3))
    assert found["alarms"] == ["what is asked has drifted as it had not before: x"]
    assert "with this reason" in told.page(found)


def test_values_that_are_missing_now_are_an_alarm(rules: Any, champion: Any) -> None:
    found = look(rules, champion, served(FRESH, x=pl.lit(None, pl.Float64)))
    assert found["alarms"] == ["what is asked has drifted as it had not before: x"]
    assert found["missing"] == {"x": [0.0, 1.0]}
    assert "most changed 0 % to 100 %".replace(" %", "\N{NO-BREAK SPACE}%") in told.page(found)


def test_other_predictions_are_an_alarm(rules: Any, champion: Any) -> None:
    found = look(rules, champion, served(FRESH, score=pl.col("score") / 10))
    assert found["alarms"] == ["what is predicted has drifted as it had not before"]


def test_a_model_is_surer_of_what_it_learned_and_that_is_no_alarm(rules: Any) -> None:
    """Predictions are held against those on rows that were held out."""
    sure = table(0, 100, 1).with_columns(pl.col("late").cast(pl.Float64).alias("score"))
    found = look(
        rules, monitor.Champion("v3", MINE, sure, table(100, 30, 2), {}, []), served(FRESH)
    )
    assert found["alarms"] == []


def test_a_table_without_days(rules: Any, champion: Any) -> None:
    """Its rows are independent, as the drift of any such table."""
    plain = msgspec.structs.replace(rules.task, time=None, cluster=None)
    rules = msgspec.structs.replace(rules, task=plain)
    assert look(rules, champion, served(FRESH), FRESH)["alarms"] == []
    found = look(rules, champion, served(FRESH, x=pl.col("x") + 3), FRESH)
    assert "what is asked has drifted as it had not before: x" in found["alarms"]


def test_a_number_that_is_predicted(rules: Any, champion: Any) -> None:
    """Of an error more is worse."""
    task = msgspec.structs.replace(rules.task, kind="regression", metric="mae", target="x")
    rules = msgspec.structs.replace(rules, task=msgspec.structs.replace(task, numeric=[]))
    promised = {"mae": {"value": 1.0, "low": 0.8, "high": 1.2}}
    champion = but(champion, metrics=promised, slices=[])
    assert look(rules, champion, served(FRESH), FRESH)["alarms"] == []
    far = FRESH.with_columns(pl.col("x") + 5)
    (alarm,) = look(rules, champion, served(FRESH), far)["alarms"]
    assert alarm.startswith("its mae on what it scored is 4.")


def test_many_classes(rules: Any, champion: Any) -> None:
    """The log has lists, the champion's scores are arrays."""
    task = msgspec.structs.replace(rules.task, kind="multiclass")
    rules = msgspec.structs.replace(rules, task=task)
    chances = pl.concat_list(1 - pl.col("score"), "score")
    trained, held = (
        rows.with_columns(chances.list.to_array(2).alias("score"))
        for rows in (champion.trained, champion.held)
    )
    champion = but(champion, trained=trained, held=held)
    fresh = FRESH.with_columns(chances.alias("score"))
    assert look(rules, champion, served(fresh), FRESH)["alarms"] == []
    turned = served(fresh, score=pl.col("score").list.reverse())
    found = look(rules, champion, turned, FRESH)
    assert found["alarms"][0].startswith("its roc_auc on what it scored is 0.1")


def test_a_quality_below_its_promise_is_an_alarm(rules: Any, champion: Any) -> None:
    """Overall, and by slice; the group's name, a stranger's, is in the page alone."""
    wrong = FRESH.with_columns((1 - pl.col("late")).alias("late"))
    found = look(rules, champion, served(FRESH), wrong)
    assert found["alarms"][0].startswith("its roc_auc on what it scored is 0.1")
    assert found["alarms"][1] == "its roc_auc is below its promise in 2 groups of city"
    assert "▼ below its promise" in told.page(found)


def test_labels_of_few_days_are_no_alarm(rules: Any, champion: Any) -> None:
    """As for the gate; the numbers are shown."""
    rules = change(rules, gate={"min_clusters": 10, "min_slice_clusters": 10})
    wrong = FRESH.with_columns((1 - pl.col("late")).alias("late"))
    found = look(rules, champion, served(FRESH), wrong)
    assert found["alarms"] == [] and found["quality"]["now"]["value"] < 0.5
    assert "clusters of equal size are too few" in told.page(found)


def test_one_slice_alone_is_an_alarm(rules: Any, champion: Any) -> None:
    ams = pl.when(pl.col("city") == "ams").then(1 - pl.col("late")).otherwise(pl.col("late"))
    found = look(rules, champion, served(FRESH), FRESH.with_columns(ams.alias("late")))
    assert "its roc_auc is below its promise in 1 group of city" in found["alarms"]


def test_groups_that_grew_apart_are_an_alarm(rules: Any, champion: Any) -> None:
    """Of a sensitive column, with n; a group with few rows is counted and not judged."""
    rules = change(rules, evaluate={"sensitive": ["city"]})
    fair = load("fairness").measure(frame(champion.held), rules)
    champion = but(champion, metrics={**champion.metrics, "fairness": fair})
    apart = pl.when(pl.col("city") == "ams").then(0.9).otherwise(0.1)
    found = look(rules, champion, served(FRESH, score=apart), FRESH)
    assert "the groups of city are further apart than was promised" in found["alarms"]
    page = told.page(found)
    assert "**further apart**" in page and "Demographic parity, difference" in page
    few = look(change(rules, evaluate={"min_slice_rows": 10_000}), champion, served(FRESH), FRESH)
    assert "groups have too few rows" in told.page(few)


def frame(rows: pl.DataFrame) -> pl.DataFrame:
    truth = pl.col("late").cast(pl.Float64).alias("truth")
    return rows.with_columns(truth, cluster=pl.col("day"))


def but(champion: Any, **parts: Any) -> Any:
    return monitor.Champion(**{**vars(champion), **parts})


def test_labels_that_are_not_there_are_said(rules: Any, champion: Any) -> None:
    """None at all, none of these rows, or missing ones; no alarm by that."""
    for labels in (
        None,
        table(130, 7, 9),
        FRESH.with_columns(pl.lit(None, pl.Int64).alias("late")),
    ):
        found = look(rules, champion, served(FRESH), labels)
        assert found["quality"]["rows"] == 0 and found["alarms"] == []
        assert any(said.startswith("quality is not judged") for said in found["remarks"])


def test_rows_that_the_champion_learned_say_nothing_of_its_quality(
    rules: Any, champion: Any
) -> None:
    found = look(rules, champion, served(champion.trained.tail(300)), champion.trained)
    assert found["quality"]["rows"] == 0


def test_late_labels_count_for_rows_that_were_scored_weeks_ago(rules: Any, champion: Any) -> None:
    old = served(table(110, 7, 8), NOW - timedelta(days=30))
    found = look(rules, champion, pl.concat([old, served(FRESH)]), table(110, 7, 8))
    assert found["quality"]["rows"] == old.height


def test_another_models_rows_are_counted_and_not_judged(rules: Any, champion: Any) -> None:
    """Where the champion scored none and is no longer new, people have to look: no training
    helps."""
    strange = served(FRESH, model=OTHER, x=pl.lit(99.0))
    both = look(rules, champion, pl.concat([strange, served(FRESH)]))
    assert both["alarms"] == both["troubles"] == []
    assert both["models"] == [{"version": "v3", "md5": OTHER, "rows": FRESH.height}]
    assert look(rules, champion, strange)["troubles"] == []
    fresh = but(champion, since=NOW - timedelta(hours=20))
    assert look(rules, fresh, strange)["troubles"] == []
    known = but(champion, since=NOW - timedelta(days=3))
    alone = look(rules, known, strange)
    assert alone["alarms"] == [] and "the champion, v3, scored nothing" in alone["troubles"][0]


def test_a_key_that_came_again_counts_once(rules: Any, champion: Any) -> None:
    """The last one."""
    before = served(FRESH, NOW - timedelta(hours=5), x=pl.lit(99.0))
    found = look(rules, champion, pl.concat([before, served(FRESH)]))
    assert found["alarms"] == [] and found["repeated"] == FRESH.height


def test_few_days_are_not_judged_and_that_is_said(rules: Any, champion: Any) -> None:
    found = look(rules, champion, served(FRESH.head(80), x=pl.lit(99.0)))
    assert found["alarms"] == [] and not found["drift"]["judged"]
    assert any(said.startswith("drift is not judged: CURRENT has 2") for said in found["remarks"])


def test_a_volume_far_below_the_usual_is_told(rules: Any, champion: Any) -> None:
    """Against the windows before; while the log is young, nothing is usual."""
    weeks = [served(table(100, 7, 20 + w), NOW - timedelta(weeks=w)) for w in range(1, 5)]
    some = served(FRESH).gather_every(4)
    found = look(rules, champion, pl.concat([*weeks, some]))
    assert found["volume"] == {"rows": 70, "earlier": [280, 280, 280], "usual": 280}
    assert "25\N{NO-BREAK SPACE}% of the usual 280" in found["troubles"][0]
    quiet = look(rules, champion, pl.concat(weeks))
    assert "nothing was scored in the last 7 days" in quiet["remarks"]
    young = look(rules, champion, pl.concat([weeks[0], some]))
    assert young["troubles"] == [] and young["volume"]["usual"] is None
    any_ = look(change(rules, monitor={"min_volume": None}), champion, pl.concat([*weeks, some]))
    assert any_["troubles"] == []


def test_slow_answers_are_told(rules: Any, champion: Any) -> None:
    """Requests are counted, not rows; of a batch nothing is known."""
    rows = served(FRESH)
    assert look(rules, champion, rows)["latency"] is None
    minutes = pl.int_range(pl.len()) // 4
    slow = rows.with_columns(
        (pl.col(monitor.TIME) - pl.duration(minutes=minutes)).alias(monitor.TIME),
        pl.when(minutes < 10).then(900.0).otherwise(20.0).alias(monitor.TOOK),
    )
    found = look(change(rules, monitor={"latency_ms": 500}), champion, slow)
    assert found["latency"]["requests"] == FRESH.height // 4
    assert found["latency"]["median_ms"] == 20
    assert found["troubles"] == [
        "nineteen in twenty requests took up to 900 ms, and 500 are allowed"
    ]
    assert look(rules, champion, slow)["troubles"] == []


def test_hostile_names_break_no_page(rules: Any, champion: Any) -> None:
    """Of groups, versions and files; no sentence that leaves this page holds one."""
    cities = pl.Series("city", [HOSTILE[i % len(HOSTILE)] for i in range(FRESH.height)])
    rows = FRESH.with_columns(cities)
    entries = served(rows).with_columns(pl.lit(HOSTILE[0]).alias(monitor.VERSION))
    strange = entries.with_columns(pl.lit(HOSTILE[5]).alias(monitor.MODEL))
    rules = change(rules, evaluate={"min_slice_rows": 1, "sensitive": ["city"]})
    logged = monitor.Log(pl.concat([entries, strange]), [HOSTILE[1]])
    found = monitor.judge(
        logged, champion, rows.with_columns((1 - pl.col("late")).alias("late")), rules, NOW
    )
    assert not [said for said in found["alarms"] if "octocat" in said or "script" in said]
    found |= {"state": "alarm", "champion": "v3", "model": MINE, "window_days": 7, "promote": True}
    page = told.page(found)
    assert "<script>" not in re.sub(r"(`+).+?\1", "", page)
    assert "make promote" in page and max(map(len, page.splitlines())) < 2000


# The log's files


@pytest.fixture
def logged(params: Any, made: Path, tmp_path: Path) -> Path:
    """What batch scoring leaves."""
    rows = tmp_path / "rows.parquet"
    pl.read_parquet(made / "holdout/*.parquet").head(40).write_parquet(rows)
    model, folder = made / "model.skops", tmp_path / "log"
    load("predict").run(
        params, model, lock(model, tmp_path), rows, tmp_path / "out.parquet", folder
    )
    (file,) = folder.iterdir()
    return Path(file)


def test_a_file_is_read_back_with_the_whole_row(params: Any, made: Path, logged: Path) -> None:
    rows, unread = monitor.read([logged], params.task)
    held = pl.read_parquet(made / "holdout/*.parquet").head(40)
    keys = held[params.task.key].cast(pl.String)
    assert unread == [] and rows[monitor.KEY].to_list() == keys.to_list()
    assert set(params.task.features) <= set(rows.columns) and rows[monitor.TOOK].null_count() == 40


def test_what_a_server_logs_is_read_with_its_latency(
    params: Any, made: Path, tmp_path: Path
) -> None:
    """One request of five rows."""
    model, book = made / "model.skops", load("logbook").Logbook(tmp_path / "log")
    body = pl.read_parquet(made / "holdout/*.parquet").head(5).write_csv().encode()
    answers = load("answers").load(params, model, lock(model, tmp_path))
    assert answers.answer(body, "text/csv", book)[0] == 200
    book.close()
    rows, unread = monitor.read(sorted((tmp_path / "log").iterdir()), params.task)
    assert unread == [] and rows.height == 5
    found = monitor.latency(rows)
    assert found["requests"] == 1 and found["p95_ms"] > 0


def test_a_file_from_before_latency_was_logged_is_read(params: Any, logged: Path) -> None:
    old = logged.with_name("old.parquet")
    pl.read_parquet(logged).drop("latency_ms").write_parquet(old)
    rows, unread = monitor.read([logged, old], params.task)
    assert unread == [] and rows.height == 80


def test_what_is_no_file_of_the_log_is_left_out_and_named(params: Any, logged: Path) -> None:
    """Damaged, cut, empty, of other columns or of other types."""
    whole = logged.read_bytes()
    contents = {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"PAR1 no PAR1"}
    for name, content in contents.items():
        logged.with_name(name).write_bytes(content)
    table = pl.read_parquet(logged)
    table.drop("row").write_parquet(logged.with_name("rowless"))
    table.with_columns(pl.lit("high").alias("score")).write_parquet(logged.with_name("words"))
    pl.DataFrame({"@you": [1]}).write_parquet(logged.with_name("others"))
    rows, unread = monitor.read(sorted(logged.parent.iterdir()), params.task)
    assert rows.height == 40
    assert unread == ["cut", "empty", "others", "rowless", "text", "words"]


def test_a_log_without_files_has_no_rows(params: Any) -> None:
    rows, unread = monitor.read([], params.task)
    assert rows.height == 0 and unread == []


# Where it is


def files(folder: Path, *ages: int) -> list[str]:
    """Files of the log, so many days old."""
    folder.mkdir(exist_ok=True)
    names = []
    for place, age in enumerate(ages):
        time = datetime.now(UTC) - timedelta(days=age)
        names.append(f"{time:%Y%m%dT%H%M%S.%fZ}-{place:08x}.parquet")
        (folder / names[-1]).write_text(f"{age}")
    return names


def test_a_folder_gets_what_it_lacks_and_gives_what_is_new_enough(
    params: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second time there is nothing to add; what is not of the log stays where it is."""
    rules = change(params, monitor={"log": str(tmp_path / "far"), "keep_days": 50}).monitor
    new, old, _ = files(tmp_path / "here", 1, 30, 100)
    (tmp_path / "here/notes.txt").write_text("mine")
    root = Path.cwd()
    log.ship(root, tmp_path / "here", params.store, rules)
    log.ship(root, tmp_path / "here", params.store, rules)
    assert "2 files added" in (said := capsys.readouterr().out) and "nothing to add" in said
    assert {file.name for file in (tmp_path / "far").iterdir()} == {new, old}
    (tmp_path / "taken").mkdir()
    since = datetime.now(UTC) - timedelta(days=7)
    log.fetch(root, params.store, rules, since, tmp_path / "taken")
    assert [file.name for file in (tmp_path / "taken").iterdir()] == [new]


def test_a_name_that_is_no_time_is_older_than_everything() -> None:
    names = ["20261340T990000.000000Z-00000000.parquet", "../x.parquet"]
    assert log.since(names, NOW) == []


def test_a_folder_that_is_not_there_has_no_files(params: Any, tmp_path: Path) -> None:
    rules = change(params, monitor={"log": str(tmp_path / "nowhere")}).monitor
    log.fetch(Path.cwd(), params.store, rules, NOW, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_reached_ends_with_one_sentence(params: Any, tmp_path: Path) -> None:
    rules = change(params, monitor={"log": "s3://nowhere/predictions"}).monitor
    with pytest.raises(load("errors").ProjectError, match=r"check monitor\.log"):
        log.fetch(Path.cwd(), params.store, rules, NOW, tmp_path)


@pytest.fixture
def clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two clones of a Git server that is a folder; DVC has no remote of its own."""
    for name in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", "/dev/null")
    git(tmp_path, "init", "-q", "--bare", "server")
    git(tmp_path / "server", "config", "uploadpack.allowFilter", "true")
    found = [tmp_path / name for name in ("one", "two")]
    for clone in found:
        git(tmp_path, "init", "-q", str(clone))
        git(clone, "remote", "add", "origin", str(tmp_path / "server"))
        (clone / ".dvc").mkdir()
        (clone / ".dvc/config").touch()
    return found


def git(folder: Path, *command: str) -> str:
    done = subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def stored(clones: list[Path]) -> list[str]:
    """The names on the ref, whose history is one commit."""
    server = clones[0].parent / "server"
    assert git(server, "rev-list", "--count", log.REF).strip() == "1"
    return git(server, "ls-tree", "--name-only", log.REF, "log/").split()


def test_the_ref_takes_the_files_of_all_and_forgets_the_old(
    params: Any, clones: list[Path]
) -> None:
    rules = change(params, monitor={"log": "store", "keep_days": 50}).monitor
    one, two = clones
    place = msgspec.structs.replace(params.store, remote="origin")
    old = files(one / "predictions", 40)
    log.ship(one, one / "predictions", place, rules)
    new = files(two / "predictions", 1, 2)
    log.ship(two, two / "predictions", place, rules)
    assert stored(clones) == sorted(f"log/{name}" for name in [*old, *new])
    (one / "taken").mkdir()
    log.fetch(one, place, rules, datetime.now(UTC) - timedelta(days=7), one / "taken")
    assert sorted(file.name for file in (one / "taken").iterdir()) == sorted(new)
    assert (one / "taken" / new[0]).read_text() == "1"
    more = files(one / "predictions", 3)
    brief = msgspec.structs.replace(rules, keep_days=10)
    log.ship(one, one / "predictions", place, brief)
    assert stored(clones) == sorted(f"log/{name}" for name in [*new, *more])


def test_who_loses_the_race_for_the_ref_tries_again(
    params: Any, clones: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both files are there in the end."""
    rules = change(params, monitor={"log": "store"}).monitor
    place = msgspec.structs.replace(params.store, remote="origin")
    one, two = clones
    names = files(one / "predictions", 1) + files(two / "predictions", 2)
    whole, first = log.Branchless.whole, [True]

    def overtaken(self: Any, blobs: dict[str, str]) -> Any:
        if first.pop() if first else False:
            log.ship(two, two / "predictions", place, rules)
        return whole(self, blobs)

    monkeypatch.setattr(log.Branchless, "whole", overtaken)
    log.ship(one, one / "predictions", place, rules)
    assert stored(clones) == sorted(f"log/{name}" for name in names)


def test_a_file_that_a_git_host_would_refuse_is_told(params: Any, clones: list[Path]) -> None:
    rules = change(params, monitor={"log": "store"}).monitor
    place = msgspec.structs.replace(params.store, remote="origin", limit_mib=1)
    (name,) = files(clones[0] / "predictions", 1)
    (clones[0] / "predictions" / name).write_bytes(bytes(2**20 + 1))
    with pytest.raises(load("errors").ProjectError, match="name a bucket or a folder"):
        log.ship(clones[0], clones[0] / "predictions", place, rules)


# What follows


class Side:
    """A model of a branch, as far as it is asked here."""

    def __init__(self, model: str, until: str | None) -> None:
        self.model, self.until = model, until

    def digest(self, _: str) -> str:
        return self.model

    def params(self) -> dict[str, Any]:
        return {"ingest": {"until": self.until}}


@pytest.mark.parametrize(
    ("main", "champion", "promote"),
    [
        (Side("a", "2013-06-30"), Side("a", "2013-06-30"), False),
        (Side("b", "2013-07-31"), Side("a", "2013-06-30"), True),
        (Side("b", "2013-06-30"), Side("a", "2013-06-30"), False),
        (Side("b", None), Side("a", None), False),
    ],
)
def test_an_alarm_asks_for_a_night_unless_a_promotion_helps(
    main: Side, champion: Side, promote: bool
) -> None:
    gitops = load("gitops.monitor")
    assert gitops.newer(main, champion) == promote
    found = {"champion": "v3", "alarms": ["one", "two"], "troubles": [], "drift": None}
    asked = gitops.asked(found, promote)
    assert asked["state"] == "alarm"
    assert asked["reason"] == ("" if promote else "monitoring of v3: one; two")


def test_trouble_asks_for_nothing() -> None:
    found = {"champion": "v3", "alarms": [], "troubles": ["slow"], "drift": None}
    assert load("gitops.monitor").asked(found, False) == {"state": "trouble"}


@pytest.mark.parametrize("said", HOSTILE)
def test_a_strangers_sentence_is_one_short_line(said: str) -> None:
    found = load("gitops.alarm").sentence(said)
    assert len(found) <= 300 and "\n" not in found and "\u202e" not in found


@pytest.mark.parametrize("said", [None, 1, ["x"], {}])
def test_what_is_no_sentence_is_none(said: Any) -> None:
    assert load("gitops.alarm").sentence(said) == ""
