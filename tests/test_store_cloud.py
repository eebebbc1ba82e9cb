"""The buckets: a generated project pushes to one, and a fresh clone pulls, on loopback only.

The address is the one that the template renders; the test says by environment variables where the
server is and who we are, as a runner does. What no loopback server has is the exchange of a
runner's OIDC token for a role, and the buckets' own access rules.
"""

import configparser
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from baking import BakedProject
from options import REPOSITORY

pytestmark = pytest.mark.slow
LOCKED = REPOSITORY / "tests/azurite"
IDENTITY = ["-c", "user.name=Tester", "-c", "user.email=tester@localhost"]
# Azurite's published account: it opens nothing but an Azurite.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
MAKE_CONTAINER = """
import sys
from azure.storage.blob import BlobServiceClient
BlobServiceClient.from_connection_string(sys.argv[1]).create_container(sys.argv[2])
"""

TAKE = """
from datetime import UTC, datetime
from pathlib import Path
from flight_delays import params
from flight_delays.storage import log
values = params.load()
log.fetch(Path(), values.store, values.monitor, datetime(2026, 1, 1, tzinfo=UTC), Path("taken"))
"""


@dataclass
class Cloud:
    """A server on the loopback device, and how a project finds it."""

    variables: dict[str, str]
    make_bucket: Callable[[BakedProject, str], object]


@contextmanager
def server(command: list[str], port: int, log: Path) -> Iterator[None]:
    """Run a server until the test is over; it is there when its port answers."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=log.parent, env=isolated(log.parent), stdout=output, stderr=output
        )
    try:
        wait_for(process, port, log)
        yield
    finally:
        process.terminate()
        process.wait(20)


def isolated(home: Path) -> dict[str, str]:
    """Servers keep their files in the test's folder, too."""
    return os.environ | {"HOME": str(home), "AZURITE_TELEMETRY_LEVEL": "off"}


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"no answer on port {port}: {log.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def s3(folder: Path, _: dict[str, str]) -> Iterator[Cloud]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    variables = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "no secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def make_bucket(_: BakedProject, name: str) -> None:
        request = urllib.request.Request(f"{address}/{name}", method="PUT")
        urllib.request.urlopen(request).close()

    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with server(command, port, folder / "moto.log"):
        yield Cloud(variables, make_bucket)


@contextmanager
def gs(folder: Path, _: dict[str, str]) -> Iterator[Cloud]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # The second asks Google itself for the kind of the bucket, and no emulator knows the answer.
    variables = {
        "STORAGE_EMULATOR_HOST": address,
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }

    def make_bucket(_: BakedProject, name: str) -> None:
        body = b'{"name": "%s"}' % name.encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}/b?project=test", body, headers)
        urllib.request.urlopen(request).close()

    options = ["start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
    command = [sys.executable, "-m", "gcp_storage_emulator", *options]
    with server(command, port, folder / "gcs.log"):
        yield Cloud(variables, make_bucket)


@contextmanager
def azure(folder: Path, environment: dict[str, str]) -> Iterator[Cloud]:
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint={endpoint};"
    )

    def make_bucket(project: BakedProject, name: str) -> None:
        project.run(".venv/bin/python", "-c", MAKE_CONTAINER, connection, name)

    where = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    how = ["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"]
    command = ["node", str(azurite(environment)), *where, *how]
    with server(command, port, folder / "azurite.log"):
        yield Cloud({"AZURE_STORAGE_CONNECTION_STRING": connection}, make_bucket)


def azurite(environment: dict[str, str]) -> Path:
    """Azurite's blob server, installed once for all runs of the tests."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed, and Azurite needs it")
    home = REPOSITORY / ".cache/azurite"
    program = home / "node_modules/azurite/dist/src/blob/main.js"
    if not program.exists():
        # By lock file: of its hundreds of dependencies, one or another is always half-published.
        shutil.copytree(LOCKED, home, dirs_exist_ok=True)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(
            ["npm", "ci", "--prefix", str(home), *quiet],
            env={
                **environment,
                "PATH": os.environ["PATH"],
                "npm_config_cache": str(REPOSITORY / ".cache/npm"),
            },
            check=True,
        )
    return program


CLOUDS = {"s3": s3, "gs": gs, "azure": azure}


def address(project: BakedProject) -> tuple[str, str]:
    """Scheme and bucket of the remote that the template renders."""
    parser = configparser.ConfigParser()
    parser.read_string(re.sub(r"(?m)^ +", "", project.read(".dvc/config")))
    scheme, _, rest = parser["'remote \"store\"'"]["url"].partition("://")
    return scheme, rest.partition("/")[0]


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_project_pushes_to_its_bucket_and_a_clone_pulls(
    kind: str,
    bake: Callable[..., BakedProject],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """`make push` and `make pull` are all that a person types, whatever the store is."""
    project = bake(store=kind)
    project.make("setup")
    scheme, bucket = address(project)
    assert scheme == kind
    project.write("extra/one.csv", "a,b\n1,2\n")
    project.write("extra/in/two.bin", "x" * 3_000_000)
    with CLOUDS[kind](tmp_path, environment) as cloud:
        cloud.make_bucket(project, bucket)
        environment = {**project.environment, **cloud.variables}
        first = BakedProject(project.path, environment)
        first.run(".venv/bin/python", "-m", "dvc", "add", "-q", "extra")
        first.run("git", "add", "--all")
        first.run("git", *IDENTITY, "commit", "-q", "-m", "data")
        assert "3 files pushed" in first.make("push").stdout
        assert "up to date" in first.make("push").stdout
        first.run("git", "clone", "-q", ".", tmp_path / "clone")
        second = BakedProject(tmp_path / "clone", environment)
        assert not second.has("extra")
        second.make("pull")
        assert second.read("extra/one.csv") == "a,b\n1,2\n"
        assert len(second.read("extra/in/two.bin")) == 3_000_000
        assert second.run("git", "status", "--porcelain").stdout == ""
        prediction_log(first)


def prediction_log(project: BakedProject) -> None:
    """It goes beside the objects, where monitoring finds it; a second time nothing is to do."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-0a1b2c3d.parquet"
    project.write(f"predictions/{name}", "rows")
    assert "1 file added" in project.make("log").stdout
    assert "nothing to add" in project.make("log").stdout
    project.write("taken/.keep", "")
    project.run(".venv/bin/python", "-c", TAKE)
    assert project.read(f"taken/{name}") == "rows"


def test_a_bucket_that_is_not_there_ends_with_one_sentence(
    bake: Callable[..., BakedProject], environment: dict[str, str], tmp_path: Path
) -> None:
    """DVC says what is wrong, and `make push` fails."""
    project = bake(store="s3")
    project.make("setup")
    project.write("extra.csv", "a,b\n")
    with s3(tmp_path, environment) as cloud:
        lost = BakedProject(project.path, {**project.environment, **cloud.variables})
        lost.run(".venv/bin/python", "-m", "dvc", "add", "-q", "extra.csv")
        done = lost.make("push", check=False)
    assert done.returncode != 0
    assert "bucket" in done.stderr
    assert "`dvc push` ended with exit code" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_moves_from_git_to_a_bucket(
    bake: Callable[..., BakedProject], environment: dict[str, str], tmp_path: Path
) -> None:
    """By the three steps of its README: STORE in the Makefile, `make lock setup`, the address."""
    project = bake()
    project.write("Makefile", project.read("Makefile").replace("STORE := git", "STORE := s3"))
    project.make("lock", "setup")
    assert project.has("requirements/store.lock")
    project.run(".venv/bin/dvc", "remote", "modify", "store", "url", "s3://bucket")
    project.write("extra.csv", "a,b\n")
    project.run(".venv/bin/dvc", "add", "-q", "extra.csv")
    with s3(tmp_path, environment) as cloud:
        cloud.make_bucket(project, "bucket")
        assert "1 file pushed" in project.make("push", env=cloud.variables).stdout
