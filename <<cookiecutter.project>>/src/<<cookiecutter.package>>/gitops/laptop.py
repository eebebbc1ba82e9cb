"""GitHub, asked from a laptop: which repository it is about, and with whose token.

In a workflow the runner says both. Here the Git remote says the first, GitHub's own command line
or a variable the second.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from ..errors import ProjectError
from .lock import asks

HOST = r"(?P<host>[A-Za-z0-9][\w.-]*)"
NAME = r"(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
ADDRESSES = (
    rf"https://(?:[^@/]*@)?{HOST}(?P<port>:\d+)?/{NAME}",
    rf"ssh://(?:[^@/]*@)?{HOST}(?::\d+)?/{NAME}",
    rf"(?:[^@/:]+@)?{HOST}:{NAME}",
)
"""The three ways in which Git writes the address of a repository on GitHub."""


def sign_in(root: Path, remote: str) -> str:
    """Put what `github.ask` needs into the environment: OWNER/NAME, which it returns, and a token.

    Raises:
        ProjectError: the remote is not on GitHub, or there is no token.
    """
    host, name = place(root, remote)
    os.environ |= {"GITHUB_API_URL": api(host), "GITHUB_REPOSITORY": name}
    if not os.environ.get("GITHUB_TOKEN"):
        os.environ["GITHUB_TOKEN"] = token(host)
    return name


def api(host: str) -> str:
    """Where a GitHub answers: the public one, one of ghe.com, or a company's own server."""
    if host == "github.com" or host.endswith(".ghe.com"):
        return f"https://api.{host}"
    return f"https://{host}/api/v3"


def place(root: Path, remote: str) -> tuple[str, str]:
    """Host and OWNER/NAME of the remote.

    Raises:
        ProjectError: there is no such remote, or its address is none of GitHub's.
    """
    address = asks(root, "remote", "get-url", remote)
    if address is None:
        raise ProjectError(
            f"there is no Git remote {remote!r}: add the repository's with `git remote add`"
        )
    for form in ADDRESSES:
        if found := re.fullmatch(form, address):
            parts = found.groupdict()
            return parts["host"].removeprefix("ssh.") + (parts.get("port") or ""), parts["name"]
    raise ProjectError(
        f"the Git remote {remote!r} is {hidden(address)!r}, and no repository on GitHub is there: "
        "an address looks like https://github.com/OWNER/NAME.git"
    )


def web(root: Path, remote: str) -> str:
    """The remote's page in a browser, without anybody's password."""
    address = str(asks(root, "remote", "get-url", remote)).removesuffix(".git")
    if address.startswith("git@"):
        return "https://" + address.removeprefix("git@").replace(":", "/", 1)
    return hidden(address)


def hidden(address: str) -> str:
    return re.sub(r"//[^@/]*@", "//", address)


def token(host: str) -> str:
    """The token of GitHub's command line, if it is here and logged in.

    Raises:
        ProjectError: it is not.
    """
    if program := shutil.which("gh"):
        command = [program, "auth", "token", "--hostname", host]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    raise ProjectError(
        f"there is no token for {host}: `gh auth login` gets one, or put one into the variable "
        "GITHUB_TOKEN"
    )
