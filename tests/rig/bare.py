"""A bare Git repository, as GitHub keeps one."""

import contextlib
import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

NOTHING = "0" * 40

# What a push may not do. GitHub documents the exception for a file that another branch has.
UPDATE_HOOK = """#!/bin/bash
ref=$1 old=$2 new=$3
if test -n "$RIG_RULES"; then
    kind=update
    git merge-base --is-ancestor "$old" "$new" 2>/dev/null || kind=force
    test "${old//0/}" || kind=creation
    test "${new//0/}" || kind=deletion
    said=$(while IFS=$'\\t' read -r of what why; do
        test "$of" = "$ref" || continue
        if test "$what" = $kind || test $what-$kind = update-force; then echo "- $why"; fi
    done <<<"$RIG_RULES")
    test -z "$said" || {
        printf '%s\\n' "error: GH013: Repository rule violations found for $ref." "$said" >&2
        exit 1
    }
fi
case $ref in refs/pull/*)
    echo "refusing to update a hidden ref: $ref" >&2
    exit 1 ;;
esac
test -n "$RIG_NO_WORKFLOWS" || exit 0
test "${new//0/}" || exit 0
git ls-tree -r "$new" .github/workflows/ | while IFS=$' \\t' read -r _ _ blob path; do
    git for-each-ref --format='%(refname)' refs/heads | while read -r branch; do
        test "$(git rev-parse -q --verify "$branch:$path")" != "$blob" || echo known
    done | grep -q known || {
        echo "refusing to allow a GitHub App to create or update workflow \\`$path\\`" \\
            "without \\`workflows\\` permission" >&2
        exit 1
    }
done
"""


class Conflict(Exception):
    """Two commits that cannot be merged."""


class Bare:
    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self.path = path
        who = {"NAME": "GitHub", "EMAIL": "noreply@example.org"}
        self.environment = dict(environment) | {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in who.items()
        }

    def create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["git", "init", "-q", "--bare", "-b", "main", self.path],
            env=self.environment,
            check=True,
        )
        for setting in ("uploadpack.allowFilter", "uploadpack.allowReachableSHA1InWant"):
            self.git("config", setting, "true")
        self.git("config", "gc.auto", "0")
        hook = self.path / "hooks/update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(UPDATE_HOOK)
        hook.chmod(0o755)

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> bytes:
        done = subprocess.run(
            ["git", *command],
            cwd=cwd or self.path,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        if done.returncode:
            raise GitError(done.returncode, done.stdout.decode(), done.stderr.decode())
        return done.stdout

    def git(
        self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> str:
        return self.run(*command, env=env, cwd=cwd).decode(errors="replace").rstrip("\n")

    def lines(self, *command: str) -> list[str]:
        return self.git(*command).splitlines()

    def commit(self, revision: str) -> str | None:
        """The commit that a branch, tag or abbreviated name stands for."""
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            with contextlib.suppress(GitError):
                return self.git("rev-parse", "-q", "--verify", f"{name}^{{commit}}")
        return None

    def tip(self, branch: str) -> str | None:
        with contextlib.suppress(GitError):
            return self.git("rev-parse", "-q", "--verify", f"refs/heads/{branch}")
        return None

    def refs(self) -> dict[str, str]:
        listed = self.lines("for-each-ref", "--format=%(refname) %(objectname)")
        return {name: commit for name, commit in map(str.split, listed)}

    def set(self, ref: str, commit: str) -> None:
        self.git("update-ref", ref, commit)

    def delete(self, ref: str) -> None:
        self.git("update-ref", "-d", ref)

    def fetch(self, other: "Bare", commit: str, ref: str) -> None:
        self.git("fetch", "-q", str(other.path), f"+{commit}:{ref}")

    def merged(self, base: str, head: str, message: str, author: str = "GitHub") -> str:
        """A new commit that merges the head into the base; it moves no branch.

        Raises:
            Conflict: they cannot be merged.
        """
        tree, who = self.merged_tree(base, head), {"GIT_AUTHOR_NAME": author}
        return self.git("commit-tree", tree, "-p", base, "-p", head, "-m", message, env=who)

    def squashed(self, base: str, head: str, message: str, author: str) -> str:
        tree, who = self.merged_tree(base, head), {"GIT_AUTHOR_NAME": author}
        return self.git("commit-tree", tree, "-p", base, "-m", message, env=who)

    def merged_tree(self, base: str, head: str) -> str:
        try:
            return self.git("merge-tree", "--write-tree", base, head).splitlines()[0]
        except GitError as error:
            raise Conflict(error.said) from error

    def rebased(self, base: str, head: str) -> str:
        """The tip of the head's commits on top of the base."""
        with tempfile.TemporaryDirectory() as name:
            place = Path(name, "work")
            self.git("worktree", "add", "-q", "--detach", str(place), head)
            try:
                self.git("rebase", "-q", base, cwd=place)
                return self.git("rev-parse", "HEAD", cwd=place)
            except GitError as error:
                raise Conflict(error.said) from error
            finally:
                self.git("worktree", "remove", "--force", str(place))

    def merge_base(self, base: str, head: str) -> str | None:
        with contextlib.suppress(GitError):
            return self.git("merge-base", base, head)
        return None

    def contains(self, commit: str, ancestor: str) -> bool:
        try:
            self.git("merge-base", "--is-ancestor", ancestor, commit)
        except GitError:
            return False
        return True

    def changed(self, before: str | None, after: str) -> list[tuple[str, str]]:
        """Status letter and path of each file that differs; all files where nothing was before."""
        if not before or before == NOTHING:
            return [("A", path) for path in self.lines("ls-tree", "-r", "--name-only", after)]
        listed = self.lines("diff", "--no-renames", "--name-status", before, after)
        return [(line[0], line.split("\t", 1)[1]) for line in listed]

    def message(self, commit: str) -> str:
        return self.git("log", "-1", "--format=%B", commit)

    def files(self, commit: str, folder: str) -> dict[str, str]:
        """Path and text of each file in a folder."""
        listed = self.lines("ls-tree", "-r", "--name-only", commit, "--", f"{folder}/")
        return {path: self.git("show", f"{commit}:{path}") for path in listed}

    def export(self, commit: str, path: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        archive = io.BytesIO(self.run("archive", commit, path))
        with tarfile.open(fileobj=archive) as files:
            files.extractall(folder, filter="data")

    def json(self, commit: str) -> dict[str, object]:
        """A commit as GitHub's events and answers show it."""
        form = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
        found = self.git("log", "-1", f"--format={form}", commit).split("\0")
        sha, tree, parents, *people, message = found
        author, committer = (
            dict(zip(("name", "email", "date"), each, strict=True))
            for each in (people[:3], people[3:])
        )
        return {
            "sha": sha,
            "id": sha,
            "message": message.strip(),
            "author": author,
            "committer": committer,
            "tree": {"sha": tree},
            "parents": [{"sha": each} for each in parents.split()],
        }


class GitError(Exception):
    def __init__(self, code: int, output: str, said: str) -> None:
        super().__init__(f"{code}: {said}{output}")
        self.code = code
        self.said = said + output


def executable(name: str) -> str:
    """Git's own program, such as http-backend."""
    path = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    return os.path.join(path.stdout.strip(), name)
