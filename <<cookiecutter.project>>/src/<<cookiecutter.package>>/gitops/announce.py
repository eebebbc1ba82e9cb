"""Tag a release and publish it on GitHub, with its files. Standard library only."""

from pathlib import Path
from typing import Any

from ..errors import ProjectError
from . import github

NOTES, FILES = "notes.md", ("model.skops", "report.md", "datasheet.md")
LIMIT = 120_000
"""Characters of a release's notes; GitHub takes 125,000."""


def run(folder: Path, tag: str, commit: str) -> None:
    """Make what is missing of the release; what is there already stays.

    Args:
        folder: what `delivery` left.
        tag: such as v3.
        commit: the commit of `release` that it names.

    Raises:
        ProjectError: the tag names another commit, or GitHub refuses.
    """
    refuse_other(tag, commit)
    body = (folder / NOTES).read_text(encoding="utf-8")[:LIMIT]
    wanted = {"tag_name": tag, "target_commitish": commit, "name": tag, "body": body}
    found = next((each for each in github.pages("/releases") if each["tag_name"] == tag), None)
    if found is None:
        found = github.ask("POST", "/releases", wanted)
        print(f"announce: {tag} is published")
    elif found["body"] != body:
        github.ask("PATCH", f"/releases/{found['id']}", {"body": body})
    for name in FILES:
        if (folder / name).exists():
            attach(found, folder / name)


def refuse_other(tag: str, commit: str) -> None:
    """Raises: ProjectError: the tag is there and names another commit."""
    for each in github.ask("GET", f"/git/matching-refs/tags/{tag}"):
        if each["ref"] == f"refs/tags/{tag}" and each["object"]["sha"] != commit:
            raise ProjectError(
                f"the tag {tag} names {each['object']['sha'][:7]}, and production's history says "
                f"{commit[:7]}: delete the tag, then run the job again"
            )


def attach(release: dict[str, Any], file: Path) -> None:
    """Upload a file, unless all of it is there."""
    size = file.stat().st_size
    for asset in release["assets"]:
        if asset["name"] == file.name and asset["size"] == size:
            print(f"announce: {release['tag_name']} has {file.name} already")
            return
        if asset["name"] == file.name:  # an upload that was cut off
            github.ask("DELETE", f"/releases/assets/{asset['id']}")
    github.upload(release["upload_url"].partition("{")[0], file)
    print(f"announce: {file.name}, {size:,} bytes, is attached to {release['tag_name']}")
