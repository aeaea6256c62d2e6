"""A small application that emits OpenTelemetry, and knows nothing of Assay.

Its endpoint comes from the SDK's own variable, OTEL_EXPORTER_OTLP_ENDPOINT (OTLP/HTTP).  It answers four questions with
a "model" that is a table; the last answer is wrong on purpose.  Prints the trace ids, one a line.
"""

import json
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

ANSWERS = {
    "What is the capital of France?": "The capital of France is Paris.",
    "What is the capital of Japan?": "Tokyo is the capital of Japan.",
    "Who wrote Romeo and Juliet?": "William Shakespeare wrote Romeo and Juliet.",
    "What is the capital of Italy?": "The capital of Italy is Milan.",
}
DOCUMENTS = ["Paris has been the capital of France since 987.", "Tokyo became the capital of Japan in 1868."]


def message(role: str, text: str) -> str:
    """A message list in the official JSON form (gen_ai semantic conventions)."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def answer(tracer: trace.Tracer, question: str, session: str) -> str:
    """One question through an agent, a retriever and a model; returns the trace id."""
    with tracer.start_as_current_span("invoke_agent geography") as agent:
        agent.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "geography"})
        agent.set_attributes({"session.id": session, "user.id": "ada"})
        agent.set_attribute("gen_ai.input.messages", message("user", question))
        with tracer.start_as_current_span("retrieve facts") as retriever:
            retriever.set_attributes({"openinference.span.kind": "RETRIEVER", "input.value": question})
            for i, text in enumerate(DOCUMENTS):
                retriever.set_attribute(f"retrieval.documents.{i}.document.content", text)
        with tracer.start_as_current_span("chat table-1", kind=trace.SpanKind.CLIENT) as call:
            reply = ANSWERS[question]
            call.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "example"})
            call.set_attributes({"gen_ai.request.model": "table-1", "gen_ai.response.model": "table-1"})
            call.set_attributes({"gen_ai.usage.input_tokens": 42, "gen_ai.usage.output_tokens": len(reply.split())})
            call.set_attribute("gen_ai.input.messages", message("user", question))
            call.set_attribute("gen_ai.output.messages", message("assistant", reply))
        agent.set_attribute("gen_ai.output.messages", message("assistant", reply))
        return f"{agent.get_span_context().trace_id:032x}"


def main(questions: Sequence[str] = tuple(ANSWERS)) -> None:
    """Answer all questions and send what happened."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": "geography-bot", "deployment.environment.name": "production"})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("geography")
    for number, question in enumerate(questions):
        print(answer(tracer, question, session=f"tour-{number // 2}"), flush=True)
    provider.shutdown()


if __name__ == "__main__":
    main()
