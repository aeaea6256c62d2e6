"""All benchmarks, one after the other: `make bench`."""

import subprocess
import sys

MODULES = (
    "start",
    "latency",
    "evaluate",
    "evaluate_stream",
    "run_memory",
    "composite",
    "stages",
    "encode",
    "redaction",
    "judging",
    "normalise",
    "judges",
    "code_metrics",
    "sql_metric",
    "ingest",
    "ingest.servers",
    "ingest.sustained",
    "receiver_memory",
    "online",
    "alignment",
    "install",
)


def main() -> None:
    """Run each in a process of its own, so that none warms another."""
    for name in MODULES:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
