"""Serving over real HTTP: thousands of requests at once, a restart under load, hostile bodies."""

import contextlib
import hashlib
import http.client
import json
import re
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from baking import BakedProject, Oven
from team import commit, set_params
from test_predict import POISON
from tracking import free_port, running

pytestmark = pytest.mark.slow

REQUESTS, AT_ONCE, CLIENTS = 2400, 8, 4
JSON, CSV = "application/json", "text/csv"
PATIENCE = 300

Reply = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def project(oven: Oven, tmp_path_factory: pytest.TempPathFactory) -> BakedProject:
    """A project whose model learned from the sample rows, as the release v1."""
    project = oven.bake(tmp_path_factory.mktemp("serve"), {})
    set_params(project, max_iter="20")
    project.make("setup", ".venv-tracking/.synced")
    call(project, "validate", "tests/sample", "data/valid", "reports/data.json", "reports/bad.md")
    call(project, "split", "data/valid", "data/train", "data/holdout")
    train(project)
    judged = ("data/predictions.parquet", "reports/metrics.json", "reports/plots")
    call(project, "evaluate", "data/holdout", "data/scores.parquet", "data/gains.parquet", *judged)
    commit(project, "The first model")
    project.run("git", "tag", "v1")
    return project


def call(project: BakedProject, *words: str) -> None:
    project.run(".venv/bin/python", "-m", "flight_delays", *words)


def train(project: BakedProject) -> None:
    """Fit the model anew, and name it in dvc.lock."""
    made = ("models/model.skops", "data/scores.parquet", "data/gains.parquet")
    call(project, "train", "data/train", "data/holdout", *made, "reports/system.json")
    md5 = hashlib.md5((project.path / "models/model.skops").read_bytes()).hexdigest()
    outs = [{"path": "models/model.skops", "md5": md5}]
    project.write("dvc.lock", json.dumps({"stages": {"train": {"outs": outs}}}))


@pytest.fixture
def kept(project: BakedProject) -> Iterator[Callable[[], None]]:
    """Puts the first model back, as it is done after the test."""
    model = (project.path / "models/model.skops").read_bytes()

    def back() -> None:
        project.run("git", "checkout", "-q", "--detach", "--force", "v1")
        (project.path / "models/model.skops").write_bytes(model)

    yield back
    back()


@dataclass(frozen=True)
class Server:
    """`make serve`, and what a client asks it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, body: bytes, kind: str = JSON, path: str = "/invocations") -> Reply:
        """One request on a connection of its own."""
        with contextlib.closing(self.connect()) as connection:
            return asked(connection, body, kind, path)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def stop(self) -> str:
        """SIGTERM to make, as a supervisor sends it; what the server said until its end."""
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)
        return self.log.read_text()


def asked(connection: http.client.HTTPConnection, body: Any, kind: str, path: str) -> Reply:
    method = "POST" if body else "GET"
    connection.request(method, path, body or None, {"Content-Type": kind} if body else {})
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, json.loads(content)


@contextlib.contextmanager
def served(project: BakedProject, log: Path, port: int = 0) -> Iterator[Server]:
    """The server, as soon as it says that it answers."""
    command = ("make", "serve", f"PORT={port}")
    with running(project, *command, env={}, log=log) as process:
        while not (found := re.search(r"answers on http://127\.0\.0\.1:(\d+)\n", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield Server(process, int(found[1]), log)


@pytest.fixture(scope="module")
def server(project: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(project, tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture(scope="module")
def rows(project: BakedProject) -> pl.DataFrame:
    return pl.read_parquet(project.path / "data/holdout/*.parquet").drop("late")


def batch(project: BakedProject, rows: pl.DataFrame, kind: str = "parquet") -> dict[str, Any]:
    """What batch scoring writes for each key, but for the time."""
    file, output = project.path / f"rows.{kind}", project.path / "scores.parquet"
    rows.write_csv(file) if kind == "csv" else rows.write_parquet(file)
    project.make("predict", INPUT=file, OUTPUT=output)
    found = pl.read_parquet(output).drop("scored_at")
    for left in (file, output):
        left.unlink()
    return {row["flight_id"]: row for row in found.to_dicts()}


def records(rows: pl.DataFrame) -> bytes:
    return json.dumps({"dataframe_records": json.loads(rows.write_json())}).encode()


def split(rows: pl.DataFrame) -> bytes:
    data = [list(row.values()) for row in json.loads(rows.write_json())]
    return json.dumps({"dataframe_split": {"columns": rows.columns, "data": data}}).encode()


def csv(rows: pl.DataFrame) -> bytes:
    return rows.write_csv().encode()


SHAPES = [(split, JSON), (records, JSON), (csv, CSV)]


def test_training_batch_scoring_and_serving_agree_to_the_last_bit(
    project: BakedProject, server: Server, rows: pl.DataFrame
) -> None:
    """The held-out scores by which the model was judged, and the same rows through every door."""
    judged = pl.read_parquet(project.path / "data/predictions.parquet")
    expected = dict(judged.select("key", "score").iter_rows())
    assert len(expected) == rows.height > 100
    for kind in ("csv", "parquet"):
        scored = batch(project, rows, kind)
        assert {key: row["score"] for key, row in scored.items()} == expected
    for shape, media in SHAPES:
        found = [
            row
            for part in rows.iter_slices(300)
            for row in server.ask(shape(part), media)[1]["predictions"]
        ]
        assert {row["flight_id"]: row["score"] for row in found} == expected


@dataclass(frozen=True)
class Asked:
    """A request, and what must be answered: keys in their order, or words of a refusal."""

    body: bytes
    kind: str
    keys: list[str]
    reasons: list[dict[str, Any]]


def mixed(rows: pl.DataFrame) -> Iterator[Asked]:
    """Good and bad requests in turn, of one row and of some, in every shape."""
    for number in range(REQUESTS):
        shape, kind = SHAPES[number % 3]
        some = rows.slice(number % (rows.height - 5), 5 if number % 7 == 0 else 1)
        if number % 10 < 7:
            yield Asked(shape(some), kind, some["flight_id"].to_list(), [])
        elif number % 10 == 7:
            bad = {"row": 0, "column": "temp", "rule": "in_range(-30, 120)", "value": "451.0"}
            yield Asked(shape(some.head(1).with_columns(temp=pl.lit(451.0))), kind, [], [bad])
        elif number % 10 == 8:
            lost = {"row": None, "column": "dest", "rule": "column is there", "value": None}
            yield Asked(shape(some.drop("dest")), kind, [], [lost])
        else:
            yield Asked(b'{"dataframe_split": {"columns": [', JSON, [], [])


def at_once(server: Server, wanted: list[Asked]) -> list[tuple[float, Reply]]:
    """Seconds and answer of each request; each client keeps its connection."""
    own = threading.local()

    def ask(request: Asked) -> tuple[float, Reply]:
        if not hasattr(own, "connection"):
            own.connection = server.connect()
        began = time.perf_counter()
        reply = asked(own.connection, request.body, request.kind, "/invocations")
        return time.perf_counter() - began, reply

    with ThreadPoolExecutor(AT_ONCE) as clients:
        return list(clients.map(ask, wanted))


def test_thousands_of_requests_at_once_are_all_answered_right(
    project: BakedProject, rows: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each good one as batch scoring answers, each bad one with its reasons; all are in the log."""
    expected, wanted = batch(project, rows), list(mixed(rows))
    before = set((project.path / "predictions").iterdir())
    with served(project, tmp_path / "log") as started:
        began = time.perf_counter()
        replies = at_once(started, wanted)
        took = time.perf_counter() - began
        said = started.stop()
    for request, (_, (status, answer)) in zip(wanted, replies, strict=True):
        if request.keys:
            found = [{**row, "scored_at": None} for row in answer["predictions"]]
            assert status == 200
            assert found == [{**expected[key], "scored_at": None} for key in request.keys]
        else:
            assert (status, answer.get("reasons", [])) == (400, request.reasons)
    assert "Traceback" not in said
    new = sorted(set((project.path / "predictions").iterdir()) - before)
    logged = Counter(pl.read_parquet(new)["key"].to_list())
    assert logged == Counter(key for request in wanted for key in request.keys)
    seconds = sorted(second for second, _ in replies)
    shown = [f"{share} % {seconds[len(seconds) * share // 100] * 1e3:.0f} ms" for share in (50, 99)]
    with capsys.disabled():
        print(f"\nserve: {REQUESTS} requests, {AT_ONCE} at a time, in {took:.0f} s: {shown}")


def test_a_new_champion_is_taken_up_by_a_restart(
    project: BakedProject, rows: pl.DataFrame, tmp_path: Path, kept: Callable[[], None]
) -> None:
    """No request of four clients that ask again fails, and none sees the old model after the new;
    a request that is under way when the server is told to stop is answered."""
    replies: list[list[Reply]] = [[] for _ in range(CLIENTS)]
    port, old, done = free_port(), batch(project, rows), threading.Event()
    set_params(project, max_iter="30")
    train(project)
    commit(project, "A better model")
    project.run("git", "tag", "v2")
    new, model = batch(project, rows), project.path / "models/model.skops"
    better = model.read_bytes()
    kept()

    def go_on(place: int) -> None:
        while not done.is_set():
            body = records(rows[len(replies[place]) % rows.height])
            with contextlib.suppress(OSError, http.client.HTTPException):
                replies[place].append(started.ask(body))

    def reached(count: list[int]) -> None:
        while any(len(found) < least for found, least in zip(replies, count, strict=True)):
            assert all(client.is_alive() for client in clients)
            time.sleep(0.05)

    clients = [threading.Thread(target=go_on, args=(n,), daemon=True) for n in range(CLIENTS)]
    with served(project, tmp_path / "old", port) as started:
        for client in clients:
            client.start()
        reached([20] * CLIENTS)
        project.run("git", "checkout", "-q", "v2")
        model.write_bytes(better)
        late = half_sent(port, records(rows[0]))
        started.process.terminate()
        refused(port)
        assert finished(late)["predictions"][0]["model_version"] == "v1"
        started.process.wait(timeout=PATIENCE)
    with served(project, tmp_path / "new", port):
        reached([len(found) + 20 for found in replies])
        done.set()
        for client in clients:
            client.join()
    assert new.keys() == old.keys() and new != old
    for found in replies:
        assert {status for status, _ in found} == {200}
        answers = [answer["predictions"][0] for _, answer in found]
        versions = [answer["model_version"] for answer in answers]
        assert versions == sorted(versions) and set(versions) == {"v1", "v2"}
        for row in answers:
            champion = {"v1": old, "v2": new}[row["model_version"]]
            assert row | {"scored_at": None} == champion[row["flight_id"]] | {"scored_at": None}
    assert "Traceback" not in (tmp_path / "old").read_text() + (tmp_path / "new").read_text()


def half_sent(port: int, body: bytes) -> tuple[socket.socket, bytes]:
    """A request of which the server has the head, and waits for the body."""
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    head = f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    client.sendall(b"POST /invocations HTTP/1.1\r\nHost: here\r\n" + head.encode())
    assert client.recv(1000).startswith(b"HTTP/1.1 100")
    return client, body


def finished(late: tuple[socket.socket, bytes]) -> dict[str, Any]:
    client, body = late
    client.sendall(body)
    answer = http.client.HTTPResponse(client)
    answer.begin()
    with client:
        assert answer.status == 200
        return dict(json.loads(answer.read()))


def refused(port: int) -> None:
    """Wait until nobody is let in any more."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
        except OSError:
            return


def test_who_answers(project: BakedProject, server: Server) -> None:
    """The release, the model's hash and the commit; on loopback alone."""
    status, said = server.ask(b"", path="/ping")
    model = (project.path / "models/model.skops").read_bytes()
    assert status == 200 and said["status"] == "ok" and said["log"]["lost"] == 0
    assert said["model_version"] == "v1"
    assert said["model_md5"] == hashlib.md5(model).hexdigest()
    assert said["commit"] == project.run("git", "rev-parse", "HEAD").stdout.strip()
    assert server.ask(b"", path="/health")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), timeout=PATIENCE)


def test_what_is_no_request_is_one_sentence(server: Server, rows: pl.DataFrame) -> None:
    """Too large, of another kind, sent in pieces, or of a method that nobody asked for."""
    large = records(rows[0]) + b" " * 2**23
    for body, kind, status, words in (
        (large, JSON, 413, "has more than 8,388,608 bytes"),
        (b"PAR1", "application/vnd.apache.parquet", 415, "send application/json or text/csv"),
        (b"{}", "application/json; charset=latin-1", 415, "in utf-8"),
        (b"{", JSON, 400, "is not understood"),
        (b" ", JSON, 400, "the body is empty"),
        (b" ", CSV, 400, "the body is empty"),
    ):
        answered, said = server.ask(body, kind)
        assert answered == status and words in said["message"], said
        assert "Traceback" not in str(said) and "stack_trace" not in said
    assert server.ask(b"", path="/invocations")[0] == 405
    assert server.ask(b"", path="/docs/..")[0] == 404
    with contextlib.closing(server.connect()) as connection:
        pieces = iter([records(rows[0])[:9], records(rows[0])[9:]])
        assert asked(connection, pieces, JSON, "/invocations")[0] == 200


def test_a_port_that_is_taken_is_one_sentence(project: BakedProject, server: Server) -> None:
    """And so is one that is none; the server that has it goes on."""
    second = project.make("serve", PORT=server.port, check=False)
    assert second.returncode != 0 and "Traceback" not in second.stderr
    assert f"PORT '{server.port}' cannot be had" in second.stderr
    assert server.ask(b"", path="/ping")[0] == 200


def test_a_poisoned_model_is_refused_before_it_runs(
    project: BakedProject, kept: Callable[[], None]
) -> None:
    """By its hash; and where the lock was forged too, by the type that it holds."""
    project.run(".venv/bin/python", "-c", POISON)
    for sentence in ("is not the model that dvc.lock names", "holds the type posix.system"):
        stopped = project.make("serve", PORT=0, check=False)
        assert stopped.returncode != 0
        assert sentence in stopped.stderr and "Traceback" not in stopped.stderr
        assert not project.has("owned")
        md5 = hashlib.md5((project.path / "models/model.skops").read_bytes()).hexdigest()
        forged = re.sub('"md5": "[0-9a-f]+"', f'"md5": "{md5}"', project.read("dvc.lock"))
        project.write("dvc.lock", forged)
