"""What breaks around a run in the rig: the store, the disk; and what the store holds then."""

from pathlib import Path

import yaml

from rig import GitHub, caller

STORE = "refs/dvc/store"
TRAIN = "make unpack fetch repro pack"


def unreachable(
    hub: GitHub, workflow: str, job: str, command: str, kind: str = "git-upload-pack"
) -> None:
    """Git's server is out of order from the beginning of a step, for one request."""
    hub.during(workflow, job, command, lambda: hub.fault(kind, status=503))


def full_disk(hub: GitHub, workflow: str, job: str, command: str, path: str) -> None:
    """As far as a file goes: what is written to it meets the kernel's own error."""

    def fill() -> None:
        pid = next(caller.processes("GITHUB_JOB", job))
        file = Path(caller.environment(pid)["GITHUB_WORKSPACE"], path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.symlink_to("/dev/full")

    hub.during(workflow, job, command, fill)


def kept(hub: GitHub) -> dict[str, str]:
    """Name and blob of each object in the store."""
    listed = (line.split() for line in hub.git.lines("ls-tree", "-r", STORE, "files/md5/"))
    return {"".join(path.split("/")[-2:]): blob for _, _, blob, path in listed}


def is_whole(hub: GitHub, branch: str) -> None:
    """The store holds every object that the branch's dvc.lock names."""
    lock = yaml.safe_load(hub.git.git("show", f"{branch}:dvc.lock"))
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    assert {out["md5"] for out in outs if not out["path"].startswith("reports/")} <= set(kept(hub))
