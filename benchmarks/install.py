"""What `make demo` costs from nothing: seconds and megabytes of the install, seconds until the first score.

    python -m benchmarks.install

Clones the committed state into an empty folder and runs the README's first command there.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.report import Row, arguments, children_cpu_seconds, repeated, show

HERE = Path(__file__).resolve().parent.parent


def measure() -> dict[str, float]:
    """One clone, one install, one demo."""
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        clone = Path(folder) / "assay"
        subprocess.run(["git", "clone", "--quiet", str(HERE), str(clone)], check=True)
        before, began = children_cpu_seconds(), time.monotonic()
        subprocess.run(["make", "--quiet", ".venv/.ready"], cwd=clone, check=True, capture_output=True)
        installed = time.monotonic() - began
        install_cpu = children_cpu_seconds() - before
        size = sum(
            path.stat().st_size for path in (clone / ".venv").rglob("*") if path.is_file() and not path.is_symlink()
        )
        answer = subprocess.run(
            [".venv/bin/assay", "demo", "--json"], cwd=clone, check=True, capture_output=True, text=True
        )
        demo = json.loads(answer.stdout)
        total = time.monotonic() - began
    return {
        "install, s": installed,
        "install, CPU s": install_cpu,
        "install, MB": size / 1e6,
        "first score after the demo began, s": demo["first_score_seconds"],
        "first score from nothing, s": installed + demo["first_score_seconds"],
        "make demo from nothing, s": total,
    }


def main() -> None:
    """Print the figures."""
    chosen = arguments(__doc__ or "", runs=5)
    rows: list[Row] = [{"figure": name, **values} for name, values in repeated(chosen.runs, measure).items()]
    show("From nothing", rows, as_json=chosen.json)


if __name__ == "__main__":
    main()
