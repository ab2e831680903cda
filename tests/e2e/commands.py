"""``spinn-edge`` as a user types it: a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tracing import untraced_environment

PROGRAM = str(Path(sys.executable).with_name("spinn-edge"))


def run(
    *arguments: str, expect: int = 0, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command line and check its exit code; never a traceback."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=cwd,
        env=untraced_environment(),
        check=False,
    )
    assert done.returncode == expect, f"{arguments}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done
