"""Names of metrics: what people write, and the slug that it stands for."""

from __future__ import annotations

import re

_NO_SLUG = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
MAX_SLUG = 64


def slug_of(name: str) -> str:
    """The slug of a display name: `My Custom Metric`, `MyCustomMetric` -> `my_custom_metric`; '' where none is left."""
    return _NO_SLUG.sub("_", _CAMEL.sub("_", name).lower()).strip("_")[:MAX_SLUG]
