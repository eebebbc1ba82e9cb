"""Debian's Chromium, asked over two pipes: no driver, no port, no library.

The protocol is Chromium's own (`--remote-debugging-pipe`): JSON messages that end in a null byte.
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

FLAGS = (
    *("--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--no-default-browser-check", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic", "--hide-scrollbars"),
    *("--allow-file-access-from-files", "--host-resolver-rules=MAP * ~NOTFOUND"),
)

ATTEMPTS, PATIENCE = 10, 200
"""How often to ask for a page, and to look, twenty times a second, whether it has opened: now and
then Chromium drops what it is asked for while it still draws the page before."""


class Browser:
    """One page, and what a test asks of it."""

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self.commands, self.answers = commands, answers
        self.numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session: str = attached["sessionId"]

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events in between are kept in `events`."""
        number = next(self.numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while True:
            answer = self.read()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def read(self) -> dict[str, Any]:
        message = b""
        while not message.endswith(b"\0"):
            byte = self.answers.read(1)
            assert byte, "Chromium has ended"
            message += byte
        found: dict[str, Any] = json.loads(message[:-1])
        return found

    def show(self, page: Path, width: int, theme: str) -> None:
        """Open a file as on a screen of this width, in a light or a dark system."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", self.session, **screen)
        scheme = [{"name": "prefers-color-scheme", "value": theme}]
        self.ask("Emulation.setEmulatedMedia", self.session, features=scheme)
        address = page.resolve().as_uri()
        for _ in range(ATTEMPTS):
            self.ask("Page.navigate", self.session, url=address)
            for _ in range(PATIENCE):
                if self.is_at(address):
                    return
                time.sleep(0.05)
        raise AssertionError(f"{page} did not open")

    def is_at(self, address: str) -> bool:
        """Whether scripts run in that page already: a navigation is answered before they do."""
        try:
            return bool(self.run("location.href") == address)
        except AssertionError:  # between two pages there is nowhere to run
            return False

    def run(self, script: str) -> Any:
        """What a script answers; a promise is awaited."""
        how = {"awaitPromise": True, "returnByValue": True}
        done = self.ask("Runtime.evaluate", self.session, expression=script, **how)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def picture(self, file: Path) -> None:
        """The whole page as a PNG file."""
        how = {"format": "png", "captureBeyondViewport": True}
        size = self.ask("Page.getLayoutMetrics", self.session)["cssContentSize"]
        shot = self.ask("Page.captureScreenshot", self.session, **how, clip={**size, "scale": 1})
        file.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(home: Path, environment: dict[str, str]) -> Iterator[Browser]:
    """A browser with a profile of its own; the test is skipped where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    to_read, commands = os.pipe()
    answers, to_write = os.pipe()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root with it
    process = subprocess.Popen(
        [program, *FLAGS, *sandbox, f"--user-data-dir={home}", "about:blank"],
        env={**environment, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(3, 4),
        preexec_fn=lambda: move({to_read: 3, to_write: 4}),
    )
    os.close(to_read)
    os.close(to_write)
    with os.fdopen(commands, "wb") as sent, os.fdopen(answers, "rb") as received:
        try:
            yield Browser(sent, received)
        finally:
            process.kill()
            process.wait()


def move(files: dict[int, int]) -> None:
    """Give open files the numbers that Chromium reads from and writes to."""
    safe = {os.dup(old): new for old, new in files.items()}
    for old, new in safe.items():
        os.dup2(old, new)
