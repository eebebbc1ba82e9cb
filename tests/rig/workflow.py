"""A workflow file: what starts it, and what its jobs may do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from . import pattern

FOLDER = ".github/workflows"
DEFAULT_TYPES = {
    "pull_request": ("opened", "synchronize", "reopened"),
    "pull_request_target": ("opened", "synchronize", "reopened"),
}
DEFAULT_PERMISSIONS = {"contents": "read", "packages": "read"}
SCOPES = (
    *("actions", "artifact-metadata", "attestations", "checks", "contents", "deployments"),
    *("discussions", "id-token", "issues", "models", "packages", "pages", "pull-requests"),
    *("security-events", "statuses"),
)


@dataclass(frozen=True)
class Workflow:
    """One file of a commit."""

    path: str
    text: str
    content: Mapping[Any, Any]

    @staticmethod
    def read(path: str, text: str) -> "Workflow":
        content = yaml.safe_load(text)
        return Workflow(path, text, content if isinstance(content, dict) else {})

    @property
    def file(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def name(self) -> str:
        return str(self.content.get("name", self.path))

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return dict(self.content.get("jobs", {}))

    @property
    def on(self) -> dict[str, Any]:
        """Event and its filters; PyYAML reads the key `on` as true."""
        given = self.content.get("on", self.content.get(True))
        if isinstance(given, str):
            return {given: {}}
        if isinstance(given, list):
            return {name: {} for name in given}
        return {name: value or {} for name, value in dict(given or {}).items()}

    def permissions(self, job: str) -> dict[str, str]:
        """The scopes that a job has: its own, else the workflow's, else reading the repository."""
        given = self.jobs.get(job, {}).get("permissions", self.content.get("permissions"))
        if job not in self.jobs:
            return {}
        if given is None:
            return DEFAULT_PERMISSIONS
        if isinstance(given, str):
            return dict.fromkeys(SCOPES, given.removesuffix("-all"))
        return dict(given)

    def steps(self, job: str) -> list[dict[str, Any]]:
        return list(self.jobs.get(job, {}).get("steps", []))

    def labels(self) -> set[str]:
        """Every word that may become a runner's label."""
        said = [job.get("runs-on", "") for job in self.jobs.values()]
        said += [job.get("outputs", "") for job in self.jobs.values()]
        return words(str(said))

    def starts(
        self, event: str, *, action: str = "", ref: str = "", paths: list[str] | None = None
    ) -> bool:
        """Whether the event starts this workflow: name, type, branch or tag, changed paths.

        The ref is the base branch of a pull request, and the full ref of a push.
        """
        if event not in self.on:
            return False
        filters = self.on[event]
        if not isinstance(filters, dict):  # a list of crons
            return True
        types = filters.get("types", DEFAULT_TYPES.get(event))
        if action and types is not None and action not in listed(types):
            return False
        return ref_fits(filters, ref) and paths_fit(filters, ref, paths)


def words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z0-9][\w.-]*", text))


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def ref_fits(filters: Mapping[str, Any], ref: str) -> bool:
    """A filter for branches alone leaves out tags, and the other way round."""
    is_tag = ref.startswith("refs/tags/")
    kind, other = ("tags", "branches") if is_tag else ("branches", "tags")
    name = ref.removeprefix("refs/tags/").removeprefix("refs/heads/")
    if kind in filters:
        return pattern.matches(listed(filters[kind]), name)
    if f"{kind}-ignore" in filters:
        return not pattern.matches(listed(filters[f"{kind}-ignore"]), name)
    return not {other, f"{other}-ignore"} & filters.keys()


def paths_fit(filters: Mapping[str, Any], ref: str, paths: list[str] | None) -> bool:
    if paths is None or ref.startswith("refs/tags/"):
        return True
    if "paths" in filters:
        return pattern.any_path(listed(filters["paths"]), paths)
    if "paths-ignore" in filters:
        ignored = listed(filters["paths-ignore"])
        return not all(pattern.matches(ignored, path) for path in paths)
    return True
