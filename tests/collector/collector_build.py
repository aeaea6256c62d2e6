"""Builds the Collector that the tests run, with OpenTelemetry's own builder (`ocb`), once per manifest.

    python tests/collector/collector_build.py      prints the path of the binary

Needs Go (1.26 or newer for this manifest) and, the first time, the Go module proxy; docs/collector.md has the times.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import yaml

MANIFEST = Path(__file__).with_name("manifest.yaml")
CACHE = Path(__file__).parents[2] / ".build" / "collector"


def binary() -> Path:
    """Where the Collector of this manifest is, once it is built: another manifest has another place."""
    return CACHE / hashlib.sha256(MANIFEST.read_bytes()).hexdigest()[:16] / "otelcol-assay"


def build() -> Path:
    """Build the Collector unless that was done before; returns where it is.

    Raises:
        subprocess.CalledProcessError: The builder or the compiler failed; what they said went to standard error.
        FileNotFoundError: There is no `go`.
    """
    target = binary()
    if target.exists():
        return target
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="building-") as folder:
        manifest["dist"]["output_path"] = folder
        rendered = Path(folder) / "manifest.yaml"
        rendered.write_text(yaml.safe_dump(manifest), encoding="utf-8")
        builder = f"go.opentelemetry.io/collector/cmd/builder@v{manifest['dist']['version']}"
        subprocess.run(["go", "run", builder, "--config", str(rendered)], check=True, cwd=folder)
        os.replace(Path(folder) / target.name, target)  # appears whole or not at all, also when two builds run
    return target


if __name__ == "__main__":
    print(build())
