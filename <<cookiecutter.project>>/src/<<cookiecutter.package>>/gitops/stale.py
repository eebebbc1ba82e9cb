"""Whether anything has to run again before `dvc.lock` tells of this commit."""

import re
import subprocess
import sys
from pathlib import Path


def find(root: Path) -> str:
    """Why the lock does not tell of these files; empty where it does.

    Needs no data: DVC compares what git has, and asks neither the cache nor the store.
    """
    line = [sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing"]
    done = subprocess.run(line, cwd=root, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    # Without data DVC stops at the first stage that has to run: its inputs are absent.
    found = re.findall(r"Running stage '(.+?)'|failed to reproduce '(.+?)'", output)
    if found:
        stages = dict.fromkeys(name for pair in found for name in pair if name)
        return f"stages that have to run: {', '.join(stages)}"
    last = [line.strip() for line in output.splitlines() if line.strip()][-1:]
    return " ".join(last) or "DVC gives no reason" if done.returncode else ""
