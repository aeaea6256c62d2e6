"""Generate `evaluator/v1` from the protos beside this file: `make protos`, or `generate.py --out DIRECTORY`.

The messages of OTLP and `google.rpc` that our protos import are described by the installed packages; no copy of them is
kept here.
"""

from __future__ import annotations

import argparse
import importlib.resources
import tempfile
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import status_pb2
from grpc_tools import protoc  # type: ignore[import-untyped]  # ships no types
from opentelemetry.proto.trace.v1 import trace_pb2

PROTOS = Path(__file__).parent
PACKAGE = "evaluator/v1"
NOTICE = '"""Generated from protos/evaluator/v1 by protos/generate.py: change the protos, then run `make protos`."""\n'


class GenerationFailedError(Exception):
    """protoc refused the protos; it has said why on standard error."""


def generate(out: Path) -> list[Path]:
    """Write the generated package under `out`/evaluator/v1 and return its files, by name.

    Raises:
        GenerationFailedError: The protos are not valid.
    """
    package = out / PACKAGE
    package.mkdir(parents=True, exist_ok=True)
    _protoc(f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}")
    (package / "__init__.py").write_text(NOTICE)
    return sorted(path for path in package.iterdir() if path.is_file())


def described(protos: Path = PROTOS) -> FileDescriptorSet:
    """The protos with their comments, for the lint.

    Raises:
        GenerationFailedError: The protos are not valid.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "described.pb"
        _protoc("--include_source_info", f"--descriptor_set_out={file}", protos=protos)
        return FileDescriptorSet.FromString(file.read_bytes())


def _protoc(*outputs: str, protos: Path = PROTOS) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        imported = Path(scratch) / "imported.pb"
        imported.write_bytes(_files_behind(trace_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR).SerializeToString())
        arguments = [
            "protoc",
            f"--proto_path={protos}",
            f"--proto_path={importlib.resources.files('grpc_tools') / '_proto'}",
            f"--descriptor_set_in={imported}",
            *outputs,
            *(f"{PACKAGE}/{proto.name}" for proto in sorted((protos / PACKAGE).glob("*.proto"))),
        ]
        if protoc.main(arguments) != 0:
            raise GenerationFailedError(" ".join(arguments))


def _files_behind(*descriptors: FileDescriptor) -> FileDescriptorSet:
    """These files and everything that they import, each once, imported ones first."""
    ordered: dict[str, FileDescriptor] = {}

    def visit(file: FileDescriptor) -> None:
        if file.name not in ordered:
            for dependency in file.dependencies:
                visit(dependency)
            ordered[file.name] = file

    for descriptor in descriptors:
        visit(descriptor)
    files = FileDescriptorSet()
    for file in ordered.values():
        file.CopyToProto(files.file.add())
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PROTOS.parent, help="folder that gets evaluator/v1")
    for path in generate(parser.parse_args().out):
        print(path)
