"""python -m benchmarks.online keep-up | judge | poll | explain [--json]"""

from __future__ import annotations

import argparse

from benchmarks.online import keep_up
from benchmarks.report import show


def main() -> None:
    """Print the figures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("keep-up", "judge"), nargs="?", default="keep-up")
    parser.add_argument("--rate", type=float, default=0.0, help="traces per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.what == "keep-up":
        row = keep_up.measure(chosen.rate or 1000.0, chosen.seconds, 0.0, keep_up.RULES)
    else:
        row = keep_up.measure(chosen.rate or 100.0, chosen.seconds, 200.0, {"judged": ("correctness", 1.0)})
    show("Online", [{"figure": key, "value": value} for key, value in row.items()], as_json=chosen.json)


if __name__ == "__main__":
    main()
