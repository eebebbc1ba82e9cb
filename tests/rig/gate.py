"""Lets a test act at the moment when a step begins; the step waits until it is done."""

import socket
import socketserver
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .hub import GitHub

Moment = tuple[str, str, str, Callable[[], object]]


class Gate:
    """A port that the shell of each step asks; it speaks one line each way."""

    def __init__(self, hub: "GitHub") -> None:
        self.hub = hub
        self.waiting: list[Moment] = []
        self.used = False  # then later runs ask too: what one moment does may wait for another
        gate = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                gate.asked(*self.rfile.readline().decode().split())
                self.wfile.write(b"go\n")

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def add(self, moment: Moment) -> None:
        self.used = True
        self.waiting.append(moment)

    def asked(self, run: str, job: str, step: str) -> None:
        """Do what the test wants done now, once."""
        found = next(
            (r for r in self.hub.runs if str(r.id) == run and r.status == "in_progress"), None
        )
        if found is None:  # a question to the engine, before the run begins
            return
        names = step_names(found.file.steps(job), step)
        for moment in list(self.waiting):
            workflow, its_job, its_step, do = moment
            its_run = workflow in (found.workflow, found.file.file) and its_job == job
            if its_run and its_step in names:
                self.waiting.remove(moment)
                do()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    address_family = socket.AF_INET


def step_names(steps: list[dict[str, Any]], action: str) -> set[str]:
    """What the step may be called: GITHUB_ACTION is its id, or else its place."""
    for place, step in enumerate(steps):
        if action in (step.get("id"), str(place)):
            return {str(step[key]) for key in ("id", "name", "run") if key in step}
    return set()
