"""Names of metrics: what people write, and the slug that it stands for."""

from __future__ import annotations

import re

_NO_SLUG = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SLUG = re.compile(r"[a-z0-9_]{1,64}")
MAX_SLUG = 64
BUILTIN = "builtin/"
"""Before a name: the metric that ships, also where a custom one has taken its name."""


def slug_of(name: str) -> str:
    """The slug of a display name: `My Custom Metric`, `MyCustomMetric` -> `my_custom_metric`; '' where none is left."""
    return _NO_SLUG.sub("_", _CAMEL.sub("_", name).lower()).strip("_")[:MAX_SLUG]


def named(name: str, display_name: str = "") -> tuple[str, str]:
    """Slug and display name of a metric, of what its author wrote: a name that is no slug is a display name.

    A name of which no slug can be made comes back as it is, to be refused with the rules for names.
    """
    if _SLUG.fullmatch(name) or not (slug := slug_of(name or display_name)):
        return name, display_name
    return slug, display_name or name
