"""Who is measured: one function each.  Run in the environment that the contender lives in:

python -m benchmarks.judges.contenders NAME BASE_URL COUNT IN_FLIGHT
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.judges.drive import INSTRUCTION, Contender, Row, Score, run

MODEL = "scripted"
LITELLM_MODEL = "hosted_vllm/scripted"
LABELS = {"good": 1.0, "bad": 0.0}
PROMPT = INSTRUCTION + "Question: {{input}}\n\nAnswer: {{output}}"
SCHEMA = {
    "type": "object",
    "properties": {"rationale": {"type": "string"}, "verdict": {"type": "string", "enum": ["good", "bad"]}},
    "required": ["rationale", "verdict"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": SCHEMA}}


def prompt(row: Row) -> str:
    """The prompt of those that have no templates."""
    return PROMPT.replace("{{input}}", row.question).replace("{{output}}", row.answer)


@asynccontextmanager
async def bare(base_url: str) -> AsyncIterator[Score]:
    """A loop over aiohttp: the floor.  It retries nothing and checks nothing but the label."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def score(row: Row) -> float:
            body = {"model": MODEL, "messages": [{"role": "user", "content": prompt(row)}], "response_format": FORM}
            async with session.post(base_url + "/chat/completions", json=body) as response:
                response.raise_for_status()
                said = await response.json()
            return LABELS[json.loads(said["choices"][0]["message"]["content"])["verdict"]]

        yield score


@asynccontextmanager
async def _ours(base_url: str, model: str) -> AsyncIterator[Score]:
    from evaluator.judges.choose import Judges
    from evaluator.metrics.conclude import Instruments, conclude
    from evaluator.metrics.definition import MetricDefinition
    from evaluator.metrics.material import Material
    from evaluator.targets.record import SpanRecord
    from storage.model import Level, MetricKind, OutputType, TargetRef
    from storage.model import Score as Scored

    metric = MetricDefinition(
        name="bench",
        kind=MetricKind.JUDGE,
        levels=(Level.SPAN,),
        output_type=OutputType.CATEGORICAL,
        prompt=PROMPT,
        labels=LABELS,
    )
    ref = TargetRef(level=Level.SPAN, trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331")
    record = SpanRecord(trace_id=ref.trace_id, span_id=ref.span_id, kind="llm")
    async with Judges(model=model, base_url=base_url, api_key="none", max_in_flight=512) as judges:
        using = Instruments(judges=judges, secret=b"s" * 32)

        async def score(row: Row) -> float | None:
            inputs = {"input": row.question, "output": row.answer}
            found = await conclude(metric, Material(ref=ref, kind="llm", inputs=inputs, record=record), using=using)
            if not isinstance(found.outcome, Scored):
                raise RuntimeError(str(found.outcome))
            return found.outcome.value

        yield score


@asynccontextmanager
async def assay(base_url: str) -> AsyncIterator[Score]:
    """A judge metric over the thin adapter: fence, render, ask with limits and retries, read, keep the exchange."""
    async with _ours(base_url, f"openai/{MODEL}") as score:
        yield score


@asynccontextmanager
async def assay_litellm(base_url: str) -> AsyncIterator[Score]:
    """The same over litellm."""
    async with _ours(base_url, LITELLM_MODEL) as score:
        yield score


@asynccontextmanager
async def litellm_alone(base_url: str) -> AsyncIterator[Score]:
    """`litellm.acompletion` and `json.loads`."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm: Any = importlib.import_module("litellm")

    async def score(row: Row) -> float:
        said = await litellm.acompletion(
            model=LITELLM_MODEL,
            api_base=base_url,
            api_key="none",
            messages=[{"role": "user", "content": prompt(row)}],
            response_format=FORM,
        )
        return LABELS[json.loads(said.choices[0].message.content)["verdict"]]

    yield score


@asynccontextmanager
async def autoevals(base_url: str) -> AsyncIterator[Score]:
    """`LLMClassifier` with a client of its own."""
    client = importlib.import_module("openai").AsyncOpenAI(base_url=base_url, api_key="none")
    evals: Any = importlib.import_module("autoevals")
    evals.init(client=client)
    scorer = evals.LLMClassifier(
        name="bench", prompt_template=PROMPT, choice_scores=LABELS, model="gpt-4o-mini", use_cot=True
    )

    async def score(row: Row) -> float:
        found = await scorer.eval_async(output=row.answer, input=row.question)
        return float(found.score)

    yield score


@asynccontextmanager
async def openevals(base_url: str) -> AsyncIterator[Score]:
    """`create_async_llm_as_judge` with the OpenAI client."""
    client = importlib.import_module("openai").AsyncOpenAI(base_url=base_url, api_key="none")
    evals: Any = importlib.import_module("openevals.llm")
    scorer = evals.create_async_llm_as_judge(
        prompt=INSTRUCTION + "Question: {inputs}\n\nAnswer: {outputs}", judge=client, model="gpt-4o-mini"
    )

    async def score(row: Row) -> object:
        found = await scorer(inputs=row.question, outputs=row.answer)
        return found["score"]

    yield score


@asynccontextmanager
async def phoenix(base_url: str) -> AsyncIterator[Score]:
    """`create_classifier` of phoenix-evals, its own rate limiter included."""
    evals: Any = importlib.import_module("phoenix.evals")
    llm = evals.LLM(provider="openai", model="gpt-4o-mini", client="openai", base_url=base_url, api_key="none")
    scorer = evals.create_classifier(
        name="bench", llm=llm, prompt_template=INSTRUCTION + "Question: {input}\n\nAnswer: {output}", choices=LABELS
    )

    async def score(row: Row) -> object:
        (found,) = await scorer.async_evaluate({"input": row.question, "output": row.answer})
        return found.score

    yield score


CONTENDERS: Mapping[str, Contender] = {
    "bare aiohttp": bare,
    "assay": assay,
    "litellm alone": litellm_alone,
    "assay, litellm": assay_litellm,
    "autoevals": autoevals,
    "openevals": openevals,
    "phoenix-evals": phoenix,
}

if __name__ == "__main__":
    run(CONTENDERS[sys.argv[1]], sys.argv[2:])
