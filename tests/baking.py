"""Generated projects, and the environment that keeps them away from the developer's own files."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from cookiecutter.main import cookiecutter  # type: ignore[import-untyped]  # it ships no types

from options import REPOSITORY

# What a command needs of the machine. All else (credentials, an active virtual environment, a
# tracking server, the make or git that calls the tests) stays outside.
KEPT = {
    *("PATH", "LANG", "LANGUAGE", "TERM", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("PYENV_VERSION", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NODE_EXTRA_CA_CERTS"),
}
KEPT_PREFIXES = ("LC_", "PIP_", "UV_", "NVIDIA_")
DROPPED = {
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
}

IDENTITY = {
    f"GIT_{who}_{what}": "somebody@example.org"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}
"""Who commits in the tests."""


def isolated_environment(home: Path, cache: Path) -> dict[str, str]:
    """Build the environment of a user who owns nothing but the download cache of the tests."""
    (home / "gitconfig").touch()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if (name in KEPT or name.startswith(KEPT_PREFIXES)) and name not in DROPPED
    }
    return inherited | {
        "PATH": path_without_virtual_environment(),
        "PYENV_ROOT": os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "DVC_SITE_CACHE_DIR": str(home / "dvc/site-cache"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc/global"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc/system"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PRE_COMMIT_HOME": str(home / "pre-commit"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "UV_CACHE_DIR": str(cache / "uv"),
        "PIP_CACHE_DIR": str(cache / "pip"),
    }


def path_without_virtual_environment() -> str:
    """Leave out an active virtual environment: a project must find its own tools."""
    active = os.environ.get("VIRTUAL_ENV")
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(f for f in folders if not active or Path(f) != Path(active, "bin"))


def write_user_config(folder: Path) -> Path:
    """Write a cookiecutter configuration that keeps its replay files out of HOME."""
    config = folder / "cookiecutter.yaml"
    config.write_text(
        f"replay_dir: '{folder / 'replay'}'\ncookiecutters_dir: '{folder / 'templates'}'\n"
    )
    return config


@dataclass(frozen=True)
class BakedProject:
    """A generated project, and what a person does in it."""

    path: Path
    environment: Mapping[str, str]

    def run(
        self,
        *args: str | Path,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        timeout: float = 900,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; a failure shows what it printed."""
        result = subprocess.run(
            [str(arg) for arg in args],
            cwd=self.path,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and result.returncode:
            command = " ".join(map(str, args))
            raise AssertionError(
                f"{command} ended with {result.returncode}:\n{result.stdout}{result.stderr}"
            )
        return result

    def make(
        self,
        *targets: str,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        **variables: object,
    ) -> subprocess.CompletedProcess[str]:
        """Run make with variables such as UNTIL='2013-12-31'."""
        values = (f"{name}={value}" for name, value in variables.items())
        return self.run("make", *targets, *values, check=check, env=env)

    def read(self, path: str) -> str:
        return (self.path / path).read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(text, encoding="utf-8")

    def has(self, path: str) -> bool:
        return (self.path / path).exists()

    def copy(self, folder: Path) -> "BakedProject":
        """Copy the project into a folder; its environment takes no more space on the disk."""
        copy = shutil.copytree(
            self.path, folder / self.path.name, symlinks=True, copy_function=copy_or_link
        )
        return replace(self, path=copy)


def copy_or_link(source: str, target: str) -> None:
    """Copy a file; one of an environment, which nobody changes in place, is linked."""
    if f"{os.sep}.venv{os.sep}" in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def copy_template(folder: Path) -> Path:
    """Copy what a clone would have, without the caches that tools leave in a working tree."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        if (REPOSITORY / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, folder / name)
    return folder


class Oven:
    """Bakes each set of answers once and hands out copies."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.config = write_user_config(folder)
        self.template = copy_template(folder / "template")
        self.pristine: dict[tuple[tuple[str, str], ...], Path] = {}

    def bake(self, folder: Path, answers: Mapping[str, str]) -> BakedProject:
        """Put a fresh copy of the project into the folder."""
        key = tuple(sorted(answers.items()))
        if key not in self.pristine:
            output = self.folder / str(len(self.pristine))
            self.pristine[key] = Path(self.generate(output, answers))
        source = self.pristine[key]
        copy = shutil.copytree(source, folder / source.name, symlinks=True)
        return BakedProject(copy, self.environment)

    def generate(
        self, output: Path, answers: Mapping[str, str], template: Path | None = None
    ) -> str:
        # Cookiecutter leaves each rendered hook behind in the folder for temporary files.
        with mock.patch.object(tempfile, "tempdir", str(self.folder)):
            path: str = cookiecutter(
                str(template or self.template),
                no_input=True,
                extra_context=dict(answers),
                output_dir=str(output),
                config_file=str(self.config),
            )
        return path
