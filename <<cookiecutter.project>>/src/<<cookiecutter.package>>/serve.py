"""Answer requests with the champion: MLflow's scoring server, under the contract of batch scoring.

The server is MLflow's own; what reads a request and what answers it is ours (`answers.py`), as is
what loads the model: MLflow's loader trusts the list of types inside the file. Unlike stages this
module runs in MLflow's own environment.
"""

import asyncio
import signal
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel, scoring_server
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from threadpoolctl import threadpool_limits

from . import answers
from .answers import LARGEST, Answer, Champion, refusal
from .errors import ProjectError
from .logbook import Logbook
from .params import Params
from .payload import CSV, JSON

PATIENCE = 30
"""Seconds that requests under way have when the server is told to stop."""
DRAINED = 4 * LARGEST
"""Bytes of a body that are read before a client is told that it is too large."""


def run(params: Params, model: Path, lock: Path, log: Path, host: str, port: str) -> None:
    """Answer until SIGTERM or Ctrl-C; requests that are under way then are answered first.

    The port opens when the model is loaded. 0 takes a free one.

    Args:
        log: a folder; what was scored is added to it, as `predict` does.

    Raises:
        ProjectError: the model is missing, not that of `lock` or cannot be loaded, or the port
            or the log cannot be had.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    champion = answers.load(params, model, lock)
    with closing(Logbook(log)) as logbook, listen(host, port) as door:
        at = "http://{}:{}".format(*door.getsockname()[:2])
        print(f"serve: the model {champion.identity.model_version} answers on {at}", flush=True)
        config = uvicorn.Config(
            application(champion, logbook),
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
        )
        uvicorn.Server(config).run(sockets=[door])


def stop(*_: object) -> None:
    """What uvicorn calls once more when all is answered."""
    raise SystemExit(0)


def listen(host: str, port: str) -> socket.socket:
    """The open port.

    Raises:
        ProjectError: it is taken, or none of this machine's.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=2048)
    except (OSError, OverflowError, ValueError) as error:
        raise ProjectError(
            f"HOST {host!r} and PORT {port!r} cannot be had ({error}): name others, such as "
            "PORT=0, which takes a free one"
        ) from None


def application(champion: Champion, log: Logbook) -> Any:
    """MLflow's application, in which three routes are ours."""
    app = scoring_server.init(PyFuncModel(Model(), champion.pipeline))
    # One at a time: most of an answer is Python, so that more would only wait for each other.
    worker = ThreadPoolExecutor(1, "answer", alone)

    async def about(_: Request) -> Response:
        return reply(200, msgspec.json.encode(champion.about(log)))

    async def invocations(request: Request) -> Response:
        kind, charset = media(request.headers.get("content-type", ""))
        if kind not in (JSON, CSV) or charset != "utf-8":
            said = f"the content type is {kind!r}, {charset!r}: send {JSON} or {CSV}, in utf-8"
            return reply(415, refusal(said, code="UNSUPPORTED_MEDIA_TYPE"))
        if (content := await body(request)) is None:
            said = f"the body has more than {LARGEST:,} bytes: send fewer rows, or `make predict`"
            return reply(413, refusal(said, code="REQUEST_TOO_LARGE"))
        loop = asyncio.get_running_loop()
        return reply(*await loop.run_in_executor(worker, guarded, champion, content, kind, log))

    ours = {"/ping": about, "/health": about, "/invocations": invocations}
    methods = {"/invocations": ["POST"]}
    kept = [route for route in app.router.routes if getattr(route, "path", "") not in ours]
    app.router.routes[:] = kept
    for path, answer in ours.items():
        app.router.routes.append(Route(path, answer, methods=methods.get(path, ["GET"])))
    return app


def media(header: str) -> tuple[str, str]:
    """The content type and the character set that a header names."""
    kind, *rest = (part.strip().lower() for part in header.split(";"))
    named = dict(part.partition("=")[::2] for part in rest)
    return kind, named.get("charset", "utf-8").strip('"')


async def body(request: Request) -> bytes | None:
    """The body; None where it is too large. What is too large is read and forgotten, as far as is
    sensible: who still sends does not listen."""
    kept, size = bytearray(), 0
    async for piece in request.stream():
        size += len(piece)
        if size <= LARGEST:
            kept += piece
        elif size > DRAINED:
            break
    return bytes(kept) if size <= LARGEST else None


def alone() -> None:
    """Let a model compute in this thread alone: those of OpenMP would meet after each tree, which
    for few rows takes many times as long as the trees. It changes no score of a tree."""
    threadpool_limits(1)


def guarded(champion: Champion, content: bytes, kind: str, log: Logbook) -> Answer:
    """The answer; what nobody foresaw is shown on the terminal, and not to the client."""
    try:
        return champion.answer(content, kind, log)
    except Exception:
        traceback.print_exc()
        said = "the server failed, and its log says why: report it to the model's owner"
        return 500, refusal(said, code="INTERNAL_ERROR")


def reply(status: int, content: bytes) -> Response:
    return Response(content, status, media_type="application/json")
