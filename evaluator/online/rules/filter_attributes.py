"""Metadata and tags in SQL: where the table of dialects says that they stand, and then where an attribute stands."""

from __future__ import annotations

from functools import cache

from storage.dialects.facts_sql import quoted
from storage.dialects.table import table

_SPAN, _RESOURCE = "`SpanAttributes`", "`ResourceAttributes`"
_TAG_PREFIXES = ("tags.", "tag.", "mlflow.tag.", "mlflow.traceTag.")

TAGS = (
    "arrayFilter(tag -> tag != '', arrayFlatten(arrayMap(said -> if(startsWith(said, '['), "
    "JSONExtract(said, 'Array(String)'), arrayMap(tag -> trimBoth(tag), splitByChar(',', said))), "
    f"arrayConcat(mapValues(mapFilter((key, said) -> key = 'tags' OR endsWith(key, '.tags'), {_SPAN})), "
    f"[JSONExtractRaw({_SPAN}['metadata'], 'tags'), JSONExtractRaw({_SPAN}['metadata'], 'labels')]))))"
)
"""Every tag that any vendor's attribute lists: JSON, or separated by commas."""


def metadata(key: str, bound: str) -> str:
    """SQL of an entry of the metadata: normalised, else a span attribute, else a resource attribute, of this key.

    Args:
        bound: The key as a parameter.
    """
    places = [*_metadata_places(bound), f"{_SPAN}[{bound}]", f"{_RESOURCE}[{bound}]"]
    if key.lower() == "environment":
        places.append("toString(`Environment`)")
    return f"firstNonDefault({', '.join(places)})"


def tag(key: str, bound: str) -> str:
    """SQL of a tag that has a value: as `metadata`, below vendors' prefixes of tags first."""
    places = [f"{_SPAN}[concat('{prefix}', {bound})]" for prefix in _TAG_PREFIXES]
    return f"firstNonDefault({', '.join(places)}, {metadata(key, bound)})"


def _metadata_places(bound: str) -> list[str]:
    return [place.replace("{key}", bound) for place in _metadata_templates()]


@cache
def _metadata_templates() -> tuple[str, ...]:
    """Rows of the table in their order, the key as `{key}`."""
    places: list[str] = []
    for row in table().fields["metadata"]:
        if row.is_glob:
            ending = quoted(f"{row.key.removeprefix('*')}.")
            found = f"arrayFirst(key -> endsWith(key, concat({ending}, {{key}})), mapKeys({_SPAN}))"
            places.append(f"{_SPAN}[{found}]")
        elif row.prefix:
            places.append(f"{_SPAN}[concat({quoted(f'{row.key}.')}, {{key}})]")
        elif not row.at:
            said = f"{_SPAN}[{quoted(row.key)}]"
            places.append(
                f"if(JSONType({said}, {{key}}) = 'String', JSONExtractString({said}, {{key}}), "
                f"if(JSONType({said}, {{key}}) = 'Null', '', JSONExtractRaw({said}, {{key}})))"
            )
    return tuple(places)
