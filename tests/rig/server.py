"""HTTPS on loopback: the REST API below /api/v3, and Git's smart protocol."""

import base64
import contextlib
import json
import socket
import threading
import traceback
import urllib.parse
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from . import caller, rest, smart
from .account import Token
from .fault import Fault

if TYPE_CHECKING:
    from .hub import GitHub

API = "/api/v3"
LONGEST_WAIT = 120


class Cut(Exception):
    """The connection ends here."""


class Server:
    def __init__(self, hub: "GitHub") -> None:
        handler = type("Handler", (Handler,), {"hub": hub})
        self.http = Listener(("127.0.0.1", 0), handler)
        self.http.context = hub.trust.context
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    context: Any

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a slow client holds up nobody."""
        request.settimeout(LONGEST_WAIT)
        with contextlib.suppress(OSError):  # a client that was killed
            encrypted = self.context.wrap_socket(request, server_side=True)
            super().finish_request(encrypted, client_address)
            with contextlib.suppress(OSError):
                encrypted.unwrap()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nobody listens any more."""


class Handler(BaseHTTPRequestHandler):
    hub: "GitHub"
    protocol_version = "HTTP/1.1"

    def do(self) -> None:
        body = self.body()
        path, _, query = self.path.partition("?")
        try:
            if path.startswith(API):
                self.api(path.removeprefix(API), query, body)
            elif path == "/identity":
                self.identity()
            else:
                smart.serve(self, path, query, body)
        except Cut:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            self.close_connection = True  # the client was killed
        except Exception:
            self.hub.violations.append(traceback.format_exc())
            self.reply(500, b"{}", {})

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self.chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def binary(self) -> bool:
        return self.headers.get("Content-Type") == "application/octet-stream"

    def chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def api(self, path: str, query: str, body: bytes) -> None:
        asked = rest.Asked(
            method=self.command,
            path=path,
            query=dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
            body=json.loads(body) if body and not self.binary() else None,
            raw=body,
            token=self.token(),
            secret=self.secret(),
            job=self.job(),
            strike=self.strike,
        )
        answer = self.hub.answer(asked)
        if answer.lost:
            raise Cut
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.reply(answer.status, content, {"Content-Type": "application/json", **answer.headers})

    def identity(self) -> None:
        """The token by which a job proves to a cloud which job it is."""
        token, job = self.token(), self.job()
        given = token.run.permissions(job or "") if token and token.run else {}
        status = 200 if given.get("id-token") == "write" else 403
        self.hub.log("GET /identity", status, token, job, ("id-token",), "write")
        value = f"repo:{self.hub.name}:job:{job}"
        self.reply(status, json.dumps({"value": value}).encode(), {})

    def strike(self, kind: str) -> Fault | None:
        """Let the faults of a kind happen; the one that is left for the answer.

        Raises:
            Cut: one ends the connection.
        """
        last = None
        for last in self.hub.faults_of(kind):
            last.happen(self.hub.closing)
            if last.cut or last.silence:
                raise Cut
        return last

    def secret(self) -> str:
        """The token as it was sent: `token T`, `Bearer T`, or the password of `Basic`."""
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            user, _, value = base64.b64decode(value).decode().partition(":")
            value = value or user
        return value.strip()

    def token(self) -> Token | None:
        return self.hub.authenticated(self.secret())

    def job(self) -> str | None:
        """The job that asks, if a workflow's token is shown."""
        token = self.token()
        if token is None or token.run is None:
            return None
        return caller.job_of(self.client_address[1], self.hub.server.port)

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status, HTTPStatus(status).phrase)
        for name, value in headers.items():
            self.send_header(name, value)
        if status == HTTPStatus.NO_CONTENT:
            content = b""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
