"""Faults on request: what a network and a busy server do."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """From the nth request of a kind on, so many times."""

    kind: str
    nth: int = 1
    times: int = 1
    status: int | None = None
    said: str = "Spoiled"
    """The message beside the status."""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    silence: bool = False
    """Take the request and never answer."""
    cut: bool = False
    """Close the connection instead of an answer."""
    lost: bool = False
    """Do what a request of the REST API asks for, and close the connection then."""
    do: Callable[[], object] | None = None
    """Called before the answer, for what happens at that very moment."""
    seen: int = 0

    def strikes(self, kind: str) -> bool:
        """Count a request of the kind, and say whether this one is struck."""
        if plain(kind) != plain(self.kind):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    def happen(self, closing: threading.Event) -> None:
        if self.do:
            self.do()
        if self.silence or self.delay:
            closing.wait(None if self.silence else self.delay)


def plain(kind: str) -> str:
    """The kind without the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", kind)
