"""All benchmarks, one after the other: `make bench`."""

import subprocess
import sys

MODULES = (
    "start",
    "latency",
    "evaluate_stream",
    "stages",
    "encode",
    "redaction",
    "normalise",
    "code_metrics",
    "ingest",
    "ingest.servers",
    "ingest.sustained",
    "receiver_memory",
    "install",
)


def main() -> None:
    """Run each in a process of its own, so that none warms another."""
    for name in MODULES:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
