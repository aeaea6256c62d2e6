"""House rules of the protos (AIP-140, -155, -158, -192): `-m protos.lint [FOLDER]` prints what breaks one and exits 1.

Every element has a comment; enums begin with `*_UNSPECIFIED`; times are named `*_time`; lists are paged; calls that
change something take a `request_id`; an rpc `Do` takes a `DoRequest`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from protos.generate import described

PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
CHANGES = ("Create", "Update", "Delete", "Enable", "Disable", "Evaluate")
MESSAGES, ENUMS, SERVICES = 4, 5, 6
"""Field numbers in `FileDescriptorProto`; a comment's place is a path of such numbers and indexes."""


def complaints(files: FileDescriptorSet) -> list[str]:
    """What breaks a rule, as `file: element: rule`."""
    return [f"{file.name}: {complaint}" for file in files.file for complaint in _of_file(file)]


def _of_file(file: FileDescriptorProto) -> Iterator[str]:
    comments = {tuple(place.path) for place in file.source_code_info.location if place.leading_comments.strip()}
    for number, message in enumerate(file.message_type):
        yield from _of_message(message, (MESSAGES, number), comments)
    for number, enum in enumerate(file.enum_type):
        yield from _of_enum(enum, (ENUMS, number), comments)
    messages = {message.name: message for message in file.message_type}
    for number, service in enumerate(file.service):
        yield from _of_service(service, (SERVICES, number), comments, messages)


def _of_message(message: DescriptorProto, path: tuple[int, ...], comments: set[tuple[int, ...]]) -> Iterator[str]:
    yield from _uncommented(message.name, path, comments)
    if not PASCAL.fullmatch(message.name):
        yield f"{message.name}: messages are PascalCase"
    for number, field in enumerate(message.field):
        name = f"{message.name}.{field.name}"
        yield from _uncommented(name, (*path, 2, number), comments)
        if not SNAKE.fullmatch(field.name):
            yield f"{name}: fields are snake_case"
        if field.type_name == ".google.protobuf.Timestamp" and not field.name.endswith("_time"):
            yield f"{name}: times are named *_time"
    for number, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:  # protoc made it: nobody can comment it
            yield from _of_message(nested, (*path, 3, number), comments)
    for number, enum in enumerate(message.enum_type):
        yield from _of_enum(enum, (*path, 4, number), comments)
    synthetic = {field.oneof_index for field in message.field if field.proto3_optional}
    for number, oneof in enumerate(message.oneof_decl):
        if number not in synthetic:
            yield from _uncommented(f"{message.name}.{oneof.name}", (*path, 8, number), comments)


def _of_enum(enum: EnumDescriptorProto, path: tuple[int, ...], comments: set[tuple[int, ...]]) -> Iterator[str]:
    yield from _uncommented(enum.name, path, comments)
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
    if enum.value[0].name != prefix + "UNSPECIFIED":
        yield f"{enum.name}: begins with {prefix}UNSPECIFIED"
    for number, value in enumerate(enum.value):
        yield from _uncommented(f"{enum.name}.{value.name}", (*path, 2, number), comments)
        if not value.name.startswith(prefix):
            yield f"{enum.name}.{value.name}: values begin with {prefix}"


def _of_service(
    service: ServiceDescriptorProto,
    path: tuple[int, ...],
    comments: set[tuple[int, ...]],
    messages: dict[str, DescriptorProto],
) -> Iterator[str]:
    yield from _uncommented(service.name, path, comments)
    for number, method in enumerate(service.method):
        name = f"{service.name}.{method.name}"
        yield from _uncommented(name, (*path, 2, number), comments)
        request = messages.get(method.name + "Request")
        if request is None or method.input_type.rpartition(".")[2] != request.name:
            yield f"{name}: takes a {method.name}Request"
            continue
        if method.name.startswith(CHANGES) and not _has(request.field, "request_id"):
            yield f"{name}: changes something, so it takes a request_id"
        response = messages.get(method.name + "Response")
        if method.name.startswith("List") and not (
            _has(request.field, "page_size", "page_token")
            and response is not None
            and _has(response.field, "next_page_token")
        ):
            yield f"{name}: lists are paged by page_size, page_token and next_page_token"


def _has(fields: Sequence[FieldDescriptorProto], *names: str) -> bool:
    return set(names) <= {field.name for field in fields}


def _uncommented(name: str, path: tuple[int, ...], comments: set[tuple[int, ...]]) -> Iterator[str]:
    if path not in comments:
        yield f"{name}: has no comment"


if __name__ == "__main__":
    found = complaints(described(Path(sys.argv[1])) if sys.argv[1:] else described())
    print("\n".join(found) or "protos: no complaints")
    sys.exit(bool(found))
