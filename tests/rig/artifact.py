"""Artifacts of a run: upload and download as the actions do, over a folder.

Files keep their place below the common folder of all patterns; hidden ones stay behind unless asked
for; a name is given once in a run, and another attempt is the same run.
"""

import fnmatch
import glob
import os
import shutil
import sys
from pathlib import Path

STORE = Path(os.environ["RIG_ARTIFACTS"])


def upload() -> None:
    name, hidden = os.environ["NAME"], os.environ["HIDDEN"] == "true"
    lines = [line.strip() for line in os.environ["PATTERNS"].splitlines() if line.strip()]
    files = selected(lines, hidden)
    if not files:
        return none_found(lines)
    place = STORE / os.environ["GITHUB_RUN_ID"] / name
    if place.exists() and os.environ["OVERWRITE"] != "true":
        sys.exit("::error::Failed to CreateArtifact: an artifact with this name already exists")
    shutil.rmtree(place, ignore_errors=True)
    top = common([line for line in lines if not line.startswith("!")])
    for file in files:
        target = place / file.relative_to(top)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    print(f"artifact: {name}, {len(files)} files")
    return None


def selected(lines: list[str], hidden: bool) -> list[Path]:
    found: set[Path] = set()
    for line in lines:
        if line.startswith("!"):
            found -= matching(line[1:].strip(), hidden)
        else:
            found |= matching(line, hidden)
    return sorted(found)


def matching(pattern: str, hidden: bool) -> set[Path]:
    found: set[Path] = set()
    for name in glob.glob(os.path.abspath(pattern), recursive=True, include_hidden=hidden):
        path = Path(name)
        found |= {p for p in path.rglob("*") if p.is_file()} if path.is_dir() else {path}
    above = Path(os.path.abspath(start_of(pattern))).parent
    return {p for p in found if hidden or not is_hidden(p.relative_to(above))}


def is_hidden(path: Path) -> bool:
    """From the last folder that the pattern names without a wildcard on; those above may be."""
    return any(part.startswith(".") for part in path.parts)


def start_of(pattern: str) -> str:
    """The part of a pattern before its first wildcard."""
    parts = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return str(Path(*parts)) if parts else "."


def common(lines: list[str]) -> Path:
    starts = [Path(os.path.abspath(start_of(line))) for line in lines]
    if len(starts) == 1:
        return starts[0].parent if starts[0].is_file() else starts[0]
    top = Path(os.path.commonpath(starts))
    return top.parent if top.is_file() else top


def none_found(lines: list[str]) -> None:
    said = f"No files were found with the provided path: {', '.join(lines)}"
    if os.environ["IF_NONE"] == "error":
        sys.exit(f"::error::{said}")
    if os.environ["IF_NONE"] == "warn":
        print(f"::warning::{said}")


def download() -> None:
    name, pattern = os.environ["NAME"], os.environ["PATTERN"]
    store, target = STORE / os.environ["RUN"], Path(os.environ["TARGET"])
    there = sorted(p for p in store.iterdir() if p.is_dir()) if store.exists() else []
    if name:
        wanted = [place for place in there if place.name == name]
        if not wanted:
            sys.exit(
                f"::error::Unable to download artifact(s): Artifact not found for name: {name}"
            )
    else:
        wanted = [p for p in there if not pattern or fnmatch.fnmatch(p.name, pattern)]
    for place in wanted:
        alone = name or os.environ["MERGE"] == "true"
        shutil.copytree(place, target if alone else target / place.name, dirs_exist_ok=True)
    print(f"artifacts: {len(wanted)}")


if __name__ == "__main__":
    {"upload": upload, "download": download}[sys.argv[1]]()
