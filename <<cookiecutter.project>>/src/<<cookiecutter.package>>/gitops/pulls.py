"""Pull requests, as workflows open them. Standard library only."""

import os

from ..errors import ProjectError
from . import github

SETTING = "Settings, Actions, General, Allow GitHub Actions to create and approve pull requests"


def create(body: dict[str, str], address: str) -> int:
    """Open one; its number.

    Args:
        body: title, body, head and base.
        address: where a person opens it in a browser.

    Raises:
        ProjectError: GitHub refuses; where its settings do, which one to switch on.
    """
    try:
        return int(github.ask("POST", "/pulls", body)["number"])
    except ProjectError as error:
        if "not permitted to create" not in str(error):
            raise
        raise ProjectError(
            f"GitHub does not let Actions open pull requests here: switch on {SETTING}, and run "
            f"this again; or open it yourself: {address}"
        ) from None


def number(branch: str, base: str) -> int | None:
    """The open pull request of a branch of this repository; None where there is none."""
    owner = os.environ["GITHUB_REPOSITORY"].partition("/")[0]
    found = github.pages("/pulls", f"base={base}&head={owner}:{branch}")
    return int(found[0]["number"]) if found else None
