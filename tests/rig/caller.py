"""Which job asks: the engine has one token per run, GitHub one with permissions per job.

The request's own process tells. A client that waits for its answer cannot escape, so the look-up
comes before the answer; whoever is not found has no permission.
"""

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def job_of(client_port: int, server_port: int) -> str | None:
    """The GITHUB_JOB of the process, or of a parent, that holds the other end of a connection."""
    inode = socket_inode(client_port, server_port)
    process = inode and next((pid for pid in youngest() if holds(pid, inode)), None)
    while process and process > 1:
        if job := environment(process).get("GITHUB_JOB"):
            return job
        process = parent(process)
    return None


def socket_inode(client_port: int, server_port: int) -> str | None:
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            _, local, remote, *rest = line.split()
            ports = [int(end.rpartition(":")[2], 16) for end in (local, remote)]
            if ports == [client_port, server_port]:
                return rest[6]
    return None


def youngest() -> Iterator[int]:
    yield from sorted((int(name) for name in os.listdir(PROC) if name.isdecimal()), reverse=True)


def holds(pid: int, inode: str) -> bool:
    folder = f"{PROC}/{pid}/fd"
    try:
        return any(link(f"{folder}/{fd}") == f"socket:[{inode}]" for fd in os.listdir(folder))
    except OSError:
        return False  # it ended, or is another user's


def link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def environment(pid: int) -> dict[str, str]:
    try:
        words = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (word.decode(errors="replace").partition("=") for word in words)
    return {name: value for name, _, value in pairs}


def parent(pid: int) -> int:
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def processes(variable: str, value: str) -> Iterator[int]:
    """Every process in whose environment the variable has the value."""
    yield from (pid for pid in youngest() if environment(pid).get(variable) == value)
