"""A machine that lacks something is told so in one line that says what to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "check-prerequisites"

TOOLS = {
    "python3": 'case "$2" in *version_info*) echo 3.12;; esac',
    "cc": "exit 0",
    "cargo": "echo cargo 1.99.0",
}
"""What a good machine has, as far as the script can see."""


def check(folder: Path, **replaced: str | None) -> subprocess.CompletedProcess[str]:
    """Runs the script where only these tools and the basic ones are in the path; None leaves a tool out."""
    for name in ("sh", "sed", "cut", "sort", "head", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    for name, body in (TOOLS | replaced).items():
        if body is not None:
            (folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (folder / name).chmod(0o755)
    return subprocess.run([SCRIPT, "python3"], env={"PATH": str(folder)}, capture_output=True, text=True, check=False)


def test_a_machine_with_everything_passes_silently(tmp_path: Path) -> None:
    result = check(tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("replaced", "told", "advice"),
    [
        ({"python3": None}, "no 'python3'", "Install Python 3.11"),
        ({"python3": 'case "$2" in *version_info*) echo 3.9;; esac'}, "is Python 3.9", "PYTHON="),
        (
            {"python3": 'case "$2" in *version_info*) echo 3.11;; *) exit 1;; esac'},
            "virtual environments",
            "python3-venv",
        ),
        ({"cc": None}, "no C compiler", "build-essential"),
        ({"cargo": None}, "no cargo", "rustup"),
        ({"cargo": "echo cargo 1.63.0"}, "cargo is 1.63.0", "Install Rust 1."),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, replaced: dict[str, str | None], told: str, advice: str
) -> None:
    result = check(tmp_path, **replaced)
    assert result.returncode != 0
    assert result.stderr.count("\n") == 1
    assert told in result.stderr
    assert advice in result.stderr
