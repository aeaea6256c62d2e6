"""A client is in programs of others, and in every command: what it loads is what they wait for."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("chdb", "clickhouse_connect", "jsonschema", "litellm", "numpy", "pydantic_monty", "sqlglot")


def test_a_client_loads_nothing_of_what_stands_behind_the_server() -> None:
    """Judges, statistics, the parser of filters and the store stay where they are."""
    script = f"import json, sys, assay.client; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == []
