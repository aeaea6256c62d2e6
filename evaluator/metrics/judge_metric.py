"""Judge metrics: render, ask, read.  Whatever goes wrong at the judge is a `Failure` with a code."""

from __future__ import annotations

from collections.abc import Mapping

from evaluator.judges import fence
from evaluator.judges.port import AsksJudges, BadAnswer, InputTooLong, JudgeError, Question
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.template import Template
from evaluator.metrics.verdict import schema_of, score_of
from storage.model import Abstention, Failure, Outcome, Usage

SYSTEM = (
    "You evaluate one recorded output of an application, by the criteria of the user's message and nothing else. "
    "First write the rationale, then the verdict, in the form that is asked for."
)


async def judge_metric(
    definition: MetricDefinition,
    template: Template,
    inputs: Mapping[str, str],
    *,
    nonce: str,
    judges: AsksJudges,
    deadline: float | None,
) -> tuple[Outcome, Usage, str]:
    """Outcome, what it cost, and the model that answered (the one that was asked, where none did)."""
    missing = template.first_missing(inputs)
    if missing is not None:
        return Abstention(reason=f"no {missing}"), Usage(), ""
    question = Question(
        system=f"{SYSTEM}\n\n{fence.rule(nonce)}",
        user=template.render(inputs, nonce=nonce),
        schema=schema_of(definition),
        model=definition.model,
        parameters=definition.parameters,
    )
    try:
        answer = await judges.ask(question, deadline=deadline)
    except InputTooLong as error:
        return Abstention(reason="too_long"), error.usage, judges.model_for(definition.model)
    except JudgeError as error:
        return _failure(error), error.usage, judges.model_for(definition.model)
    try:
        return score_of(definition, answer.text), answer.usage, answer.model
    except BadAnswer as error:
        cut = " (cut at the model's token limit: raise `max_tokens` in the metric's parameters)" if answer.cut else ""
        failure = Failure(code=error.code, message=f"{error}{cut}", retryable=error.retryable)
        return failure, answer.usage, answer.model


def _failure(error: JudgeError) -> Failure:
    return Failure(code=error.code, message=str(error), retryable=error.retryable)
