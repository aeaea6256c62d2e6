"""What figures and tests of alignment are made with: a simulated world, its rows, and the product's own callers.

Labels of rows that are held out by whoever measures (`split="sealed"`) never reach an optimizer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.align_serving import Setting
from benchmarks.align_sim import World
from evaluator.alignment.model import Row
from evaluator.alignment.running.calls import Book, RunJudge, RunReflector
from evaluator.alignment.running.definition import Caps
from evaluator.alignment.running.spending import Till
from evaluator.judges.choose import Judges
from evaluator.metrics.conclude import Instruments
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.judging.judge_metric import Redact
from storage.model import Level, MetricKind, OutputType, Score, TargetRef

PROMPT = "Is this a good reply, by our policies?\n\n{{input}}\n\n{{output}}"
_FORMS: Mapping[str, Mapping[str, Any]] = {
    "boolean": {"output_type": OutputType.BOOLEAN},
    "categorical": {
        "output_type": OutputType.CATEGORICAL,
        "labels": dict.fromkeys(("none", "billing", "privacy", "safety", "tone")),
    },
    "discrete": {"output_type": OutputType.DISCRETE, "minimum": 1.0, "maximum": 5.0},
    # The simulator writes percentages as 0 to 100, the product reads 0.0 to 1.0: they are offered as labels.
    "percentage": {
        "output_type": OutputType.PERCENTAGE,
        "labels": {"100": 1.0, "67": 0.67, "33": 0.33, "0": 0.0},
    },
    "count": {"output_type": OutputType.COUNT},
}
TYPES = tuple(_FORMS)


def metric(output_type: str = "boolean", *, prompt: str = PROMPT) -> MetricDefinition:
    """A judge of one output type that knows nothing of the hidden policy, unless its prompt says it."""
    return MetricDefinition(
        name="policy", kind=MetricKind.JUDGE, levels=(Level.TRACE,), prompt=prompt, **_FORMS[output_type]
    )


def aligned_prompt(world: World) -> str:
    """A prompt that says the whole policy: nothing can be learnt any more."""
    lines = []
    for concept in world.rules:
        unless = f" unless there is {world.ctx[world.exc[concept]].norms[0]}" if concept in world.exc else ""
        lines.append(f"Responses involving {world.concepts[concept].norms[0]} should fail{unless}.")
    lines += [f"{world.concepts[each].norms[0]} is acceptable, do not penalize it." for each in world.overstrict]
    return "\n".join(["Our policies:", *lines, "", PROMPT])


def rows(world: World, n: int, *, split: str = "labelled", output_type: str = "boolean") -> list[Row]:
    """Items of the world with what people say of them."""
    return [_row(world.item(split, number, output_type), split, number, output_type) for number in range(n)]


def _row(item: Mapping[str, Any], split: str, number: int, output_type: str) -> Row:
    name = f"{split}-{number}"
    return Row(
        row_id=name,
        target=TargetRef(level=Level.TRACE, trace_id=f"{number + 1:032x}"),
        group=name,
        expected=_score(item["expected"], output_type),
        feedback_ids=(f"feedback-{name}",),
        annotators=("ann",),
        rationales=(item["explanation"],),
        inputs={"input": item["input"], "output": item["output"]},
    )


def _score(value: Any, output_type: str) -> Score:
    match output_type:
        case "boolean":
            return Score(value=float(value), label=str(value).lower())
        case "categorical":
            return Score(label=value)
        case "percentage":
            return Score(value=_FORMS[output_type]["labels"][str(value)], label=str(value))
        case _:
            return Score(value=float(value))


class Unstored:
    """Where answers would be stored: a measurement does not come back to them."""

    async def keep_calls(self, run_id: str, calls: Sequence[object]) -> None:
        """They are forgotten."""


class Quiet:
    """Nobody watches."""

    def report(self, done: int, total: int, what: str = "") -> None:
        """Not told."""

    def finalizing(self) -> None:
        """Not told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Judge and reflection model of one world, asked as a run asks them, and what they have taken."""

    judge: RunJudge
    reflector: RunReflector
    till: Till


@asynccontextmanager
async def asked(
    base_url: str,
    definition: MetricDefinition,
    labelled: Sequence[Row],
    *,
    reflection_model: str = "sim-reflect",
    max_calls: int = 0,
    redact: Redact | None = None,
) -> AsyncIterator[Asked]:
    """The product's own path: prompts with fences, the OpenAI wire, retries, parsing, one answer for one question."""
    async with AsyncExitStack() as stack:
        judges = await stack.enter_async_context(Judges(model="sim-judge", base_url=base_url, api_key="none"))
        till = Till(caps=Caps(max_calls=max_calls))
        book = Book(Unstored(), "measured", kept={}, till=till)  # type: ignore[arg-type]  # asks nothing else of it
        recording = asyncio.create_task(book.run())
        stack.callback(recording.cancel)
        instruments = Instruments(judges=judges, secret=b"measured", redact=redact)
        yield Asked(
            judge=RunJudge(definition, using=instruments, book=book, materials={}),
            reflector=RunReflector(reflection_model, judges=judges, book=book, rows=labelled, redact=redact),
            till=till,
        )


def setting_of(kind: str, seed: int, output_type: str) -> Setting:
    """A world of one kind.

    `real`; `null`: labels are drawn; `noise`: 12 % are drawn anew, and `aligned_prompt` leaves nothing to learn;
    `memorising`: the reflection model learns cases by heart.
    """
    return Setting(
        seed=seed,
        output_type=output_type,
        null=kind == "null",
        label_noise=0.12 if kind == "noise" else 0.0,
        memorises=kind == "memorising",
    )
