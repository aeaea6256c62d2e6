"""Whether the output is JSON, and JSON of a given schema."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from evaluator.metrics.functions.answers import truth
from evaluator.metrics.functions.function import Arguments, CodeFunction, Form, Parameter
from evaluator.metrics.material import Material
from storage.model import Abstention, Outcome, OutputType
from storage.redaction.pattern import NoPattern, Pattern

_TOO_DEEP = Abstention(reason="nested too deep")
_MAX_SAID = 300


def json_valid(material: Material, arguments: Arguments) -> Outcome:
    """Whether the whole output is one JSON value (RFC 8259: no NaN, no trailing comma, no fence around it)."""
    try:
        _parsed(material.inputs["output"])
    except ValueError as error:
        return truth(False, str(error)[:_MAX_SAID])
    except RecursionError:
        return _TOO_DEEP
    return truth(True)


def json_schema(material: Material, arguments: Arguments) -> Outcome:
    """Whether the output is JSON and fits the definition's schema (draft 2020-12)."""
    try:
        value = _parsed(material.inputs["output"])
        error = next(_validator(arguments["schema"]).iter_errors(value), None)
    except ValueError as error:
        return truth(False, f"no JSON: {error}"[:_MAX_SAID])
    except RecursionError:
        return _TOO_DEEP
    return truth(True) if error is None else truth(False, f"{error.json_path}: {error.message}"[:_MAX_SAID])


def _parsed(text: str) -> object:
    return json.loads(text.strip(), parse_constant=_refuse)


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _validator(schema: object) -> Any:
    from referencing import Registry

    registry: Registry[object] = Registry()  # knows no address: a schema cannot make the evaluator fetch anything
    return _linear()(schema, registry=registry)


@functools.cache
def _linear() -> Any:
    # imported here: it takes 0.3 s of CPU, which an evaluator that uses no schema should not pay at its start
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    return extend(Draft202012Validator, {"pattern": _pattern, "uniqueItems": _unique_items})  # type: ignore[no-untyped-call]


def _pattern(validator: Any, pattern: str, instance: object, schema: object) -> Iterator[Any]:
    """`pattern` in linear time, whatever the output is: RE2."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not Pattern(pattern).is_in(instance.encode("utf-8", "replace")):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _unique_items(validator: Any, wanted: bool, instance: object, schema: object) -> Iterator[Any]:
    """`uniqueItems` in linear time; the library compares each with each where items are objects."""
    from jsonschema import ValidationError

    if not wanted or not isinstance(instance, list):
        return
    if len({json.dumps(_number(item), sort_keys=True) for item in instance}) < len(instance):
        yield ValidationError("has equal items")


def _number(value: object) -> object:
    """Numbers that are equal in JSON, such as 1 and 1.0, as one."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_number(item) for item in value]
        case dict():
            return {key: _number(item) for key, item in value.items()}
    return value


def _check_schema(schema: object) -> None:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(cast(Mapping[str, Any], schema))
        for keyword, value in _keywords(schema):
            if keyword == "patternProperties":
                raise ValueError("patternProperties is not offered: use propertyNames with a pattern")
            if keyword in ("$ref", "$dynamicRef") and not str(value).startswith("#"):
                raise ValueError(f"{keyword} may only point into the schema itself, with #, got {value!r}")
            if keyword == "pattern" and isinstance(value, str):
                Pattern(value)
        next(_validator(schema).iter_errors(None), None)
    except SchemaError as error:
        raise ValueError(f"is no JSON schema: {error.json_path}: {error.message}") from error
    except NoPattern as error:
        raise ValueError(f"a pattern is no expression of RE2: {error}") from error
    except RecursionError as error:
        raise ValueError("refers to itself without end") from error
    except ValueError:
        raise
    except Exception as error:  # `jsonschema` raises what its parts raise, such as a reference to nothing
        raise ValueError(f"is no JSON schema: {error}") from error


def _keywords(schema: object) -> Iterator[tuple[str, object]]:
    waiting = [schema]
    while waiting:
        match waiting.pop():
            case Mapping() as fields:
                for name, value in fields.items():
                    yield str(name), value
                    waiting.append(value)
            case [*items]:
                waiting.extend(items)


STRUCTURE: Mapping[str, CodeFunction] = {
    "json_valid": CodeFunction(inputs=("output",), output_type=OutputType.BOOLEAN, score=json_valid),
    "json_schema": CodeFunction(
        inputs=("output",),
        output_type=OutputType.BOOLEAN,
        parameters={
            "schema": Parameter(
                form=Form.MAPPING,
                description="A JSON schema, draft 2020-12, without references to other documents.",
                required=True,
                check=_check_schema,
            )
        },
        score=json_schema,
    ),
}
