"""Asks for scores over gRPC knowing only an address: messages come from server reflection, no code of Assay is used.

    python examples/ask.py 127.0.0.1:4320 TRACE[:SPAN] METRIC [METRIC …]

Needs `grpcio` and `grpcio-reflection`.  The same works with any reflection client, in any language.
"""

import sys
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def evaluate(channel: grpc.Channel, target: str, metrics: list[str]) -> list[dict[str, Any]]:
    """`evaluator.v1.Evaluator/Evaluate` of one target (TRACE or TRACE:SPAN); one result per metric, as JSON has it.

    Raises:
        grpc.RpcError: The service refuses, or cannot be reached.
    """
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName("evaluator.v1.Evaluator").FindMethodByName("Evaluate")
    request_class, response_class = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    trace_id, _, span_id = target.partition(":")
    ref = {"span": {"trace_id": trace_id, "span_id": span_id}} if span_id else {"trace": {"trace_id": trace_id}}
    request = request_class(targets=[ref], metrics=[{"name": name} for name in metrics])
    call = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )
    return [MessageToDict(result, preserving_proto_field_name=True) for result in call(request, timeout=70).results]


def main(address: str, target: str, *metrics: str) -> None:
    """Ask, and print a line for each metric."""
    with grpc.insecure_channel(address) as channel:
        for result in evaluate(channel, target, list(metrics)):
            status = result["status"].removeprefix("RESULT_STATUS_").lower()
            why = result.get("explanation") or result.get("error", {}).get("message", "")
            print(result["metric"], status, result.get("value", "no score"), why, sep="\t")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
