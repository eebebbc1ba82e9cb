"""An MLflow server on loopback, from a project's own environment, and what stands before it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from baking import BakedProject

EXPERIMENT = "flight_delays"


@dataclass(frozen=True)
class Server:
    """An MLflow server, asked over its own REST API."""

    address: str

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str = "") -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, method=method or None)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
        return content

    def call(self, method: str, **body: Any) -> dict[str, Any]:
        return dict(json.loads(self.ask(f"/api/2.0/mlflow/{method}", body)))

    def experiment(self) -> str | None:
        try:
            path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={EXPERIMENT}"
            found = json.loads(self.ask(path))["experiment"]
        except urllib.error.HTTPError:
            return None
        return str(found["experiment_id"])

    def runs(self) -> list[dict[str, Any]]:
        """The runs that a person sees, the newest first."""
        experiments = [self.experiment()]
        found = self.call("runs/search", experiment_ids=experiments) if experiments[0] else {}
        return list(found.get("runs", []))

    def run(self) -> dict[str, Any]:
        """The only run, which is finished."""
        (found,) = self.runs()
        assert found["info"]["status"] == "FINISHED"
        return found

    def artifact(self, run: dict[str, Any], name: str) -> bytes:
        place = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        return self.ask(f"/api/2.0/mlflow-artifacts/artifacts/{place}/{name}")

    def forget(self) -> None:
        """Put the experiment away, so that the next test finds a new server."""
        if experiment := self.experiment():
            name = f"old-{uuid.uuid4()}"
            self.call("experiments/update", experiment_id=experiment, new_name=name)


def named(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """MLflow's lists of keys and values."""
    return {entry["key"]: entry["value"] for entry in entries}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def running(
    project: BakedProject, *command: str, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a process group of its own, which ends with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=project.path,
            env={**project.environment, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server that this test is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> bytes:
    """The page, as soon as something answers."""
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=30) as page:
            content: bytes = page.read()
            return content
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer: {log.read_text()}")


@contextlib.contextmanager
def mlflow_server(
    project: BakedProject, folder: Path, database: str, **env: str
) -> Iterator[Server]:
    """MLflow's own server, with its files in a folder."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = (
        *(".venv-tracking/bin/python", "-m", "mlflow", "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", database),
        *("--artifacts-destination", str(folder / "artifacts")),
    )
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "DO_NOT_TRACK": "1"}
    log = folder / "log"
    with running(project, *command, env=quiet | env, log=log) as process:
        assert wait_for(f"{address}/health", process, log) == b"OK"
        yield Server(address)


class Between(BaseHTTPRequestHandler):
    """A server that passes on what it does not refuse."""

    server_address = ""

    def do_GET(self) -> None:
        self.pass_on(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if answer := self.refuses():
            self.reply(400, answer)
        else:
            self.pass_on(body)

    do_PUT = do_PATCH = do_DELETE = do_POST

    def refuses(self) -> bytes | None:
        """What a write is refused with."""
        return None

    def pass_on(self, body: bytes | None) -> None:
        kind = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
        address = self.server_address + self.path
        request = urllib.request.Request(address, body, kind, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.reply(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self.reply(error.code, error.read())

    def reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
