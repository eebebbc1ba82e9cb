"""A runner: git, make, a shell and Node, none of the tests' tools, and no identity."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pythons import pythons

HERE = Path(__file__).resolve().parent
DROPPED = ("GIT_AUTHOR", "GIT_COMMITTER", "GIT_CONFIG_GLOBAL", "DVC_", "GITHUB_", "ACTIONS_")

# A step may have to wait until the test has done what it wants to do at that moment.
BASH = """#!{bash}
if [ -n "$RIG_GATE" ] && [ -n "$GITHUB_ACTION" ] && [ -z "$GITHUB_ACTION_PATH$RIG_TOLD" ]; then
    export RIG_TOLD=1
    exec 3<>"/dev/tcp/127.0.0.1/$RIG_GATE"
    echo "$GITHUB_RUN_ID $GITHUB_JOB $GITHUB_ACTION" >&3
    read -r _ <&3
    exec 3<&-
fi
exec {bash} "$@"
"""

# CML is not on the registry: `npm ci` in .github/cml would fetch it from GitHub.
NPM = """#!{bash}
folder=$PWD
words=("$@")
for at in "${{!words[@]}}"; do
    case ${{words[at]}} in
    --prefix=*) folder=${{words[at]#--prefix=}} ;;
    --prefix | -C) folder=${{words[at + 1]}} ;;
    esac
done
folder=$(realpath "$folder")
if [[ " $* " == *" ci "* && $folder == */.github/cml ]]; then
    refuse() {{ echo "npm: $1" >&2; exit 1; }}
    test -f "$folder/package-lock.json" || refuse "package-lock.json is missing"
    [[ " $* " == *" --ignore-scripts "* ]] || refuse "scripts of packages would run"
    mkdir -p "$folder/node_modules/.bin"
    ln -sf {cml} "$folder/node_modules/.bin/cml"
    exit 0
fi
exec {npm} "$@"
"""
CML = """#!{bash}
exec {python} -I {here}/cml.py "$@"
"""


class Machine:
    """Its tools lie in a folder that comes first on the PATH of each job."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.tools = folder / "tools"
        self.tools.mkdir(parents=True)
        self.node = Path(sys.executable).with_name("node")
        names = {
            "bash": shutil.which("bash", path=environment["PATH"]),
            "cml": real_cml(environment) or self.tools / "cml-stand-in",
            "here": HERE,
            "npm": Path(sys.executable).with_name("npm"),
            "python": sys.executable,
        }
        for name, text in {"bash": BASH, "npm": NPM, "cml-stand-in": CML}.items():
            self.write(name, text.format_map(names))
        self.install(environment)
        self.environment = self.surroundings(environment)

    def write(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def install(self, environment: Mapping[str, str]) -> None:
        (self.tools / "node").symlink_to(self.node)  # runners have one, and hashFiles needs it
        (self.folder / "uv").mkdir()
        (self.folder / "uv/uv").symlink_to(Path(sys.executable).with_name("uv"))
        (self.folder / "pythons").mkdir()
        for version, interpreter in pythons().items():
            (self.folder / "pythons" / version).symlink_to(interpreter.parent)

    def surroundings(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Every variable of the engine reaches every step."""
        own = Path(sys.executable).parent
        folders = environment["PATH"].split(os.pathsep)
        path = [str(self.tools), *(folder for folder in folders if Path(folder) != own)]
        kept = {k: v for k, v in environment.items() if not k.startswith(DROPPED)}
        return kept | {
            "PATH": os.pathsep.join(path),
            "TERM": "dumb",  # steps run on a terminal, and GitHub's do not
            "RIG_ACTIONS": str(HERE / "actions"),
            "RIG_HOME": str(HERE),
            "RIG_PYTHON": sys.executable,
            "RIG_PYTHONS": str(self.folder / "pythons"),
            "RIG_UV": str(self.folder / "uv"),
        }


def real_cml(environment: Mapping[str, str]) -> str | None:
    """CML itself, where the machine has it: CML_BIN, or on the PATH."""
    return os.environ.get("CML_BIN") or shutil.which("cml", path=environment["PATH"])
