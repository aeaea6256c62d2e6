"""`assay metric prove`: a judge against the cases whose result is plain to anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.console import USAGE, CommandFailed, Json, Printer
from assay.cli.main import settings
from assay.cli.metrics import metric
from storage.model import Abstention, Failure, Outcome, Score

if TYPE_CHECKING:
    from assay.settings import Settings
    from evaluator.metrics.conclude import Conclusion
    from evaluator.metrics.packs import Case, Pack

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Proof:
    """One case and what the metric concluded."""

    case: Case
    conclusion: Conclusion
    agrees: bool

    def row(self) -> dict[str, Any]:
        """As printed."""
        expected = f"abstains: {self.case.abstains}" if self.case.abstains else self.case.expected
        usage = self.conclusion.usage
        return {
            "case": self.case.name,
            "expected": str(expected).lower() if isinstance(expected, bool) else expected,
            "concluded": _in_words(self.conclusion.outcome),
            "agrees": self.agrees,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cost_usd": usage.cost_usd,
        }


@metric.command("prove")
def prove_metric(
    name: Annotated[str, typer.Argument(help="A metric that ships.")],
    model: Annotated[str, typer.Option(help="A judge model instead of the one in ASSAY_JUDGE_MODEL.")] = "",
    at_least: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share that must agree, else exit with 1.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Hold your judge against a metric's pack of obvious cases; asks the judge, needs no service, stores nothing."""
    chosen = settings()
    proofs = asyncio.run(_proofs(chosen, name, model))
    rows = [proof.row() for proof in proofs]
    agreeing = sum(proof.agrees for proof in proofs)
    if as_json:
        Printer(as_json=True).value({"metric": name, "agreeing": agreeing, "cases": rows}, "")
    else:
        wrong = [row for row in rows if not row["agrees"]]
        columns = {"case": "case", "expected": "expected", "concluded": "concluded"}
        Printer().table(wrong, columns, empty="every case is as it should be", cut="concluded")
        print(f"{agreeing} of {len(rows)} agree{_cost(rows)}")
    if agreeing < at_least * len(rows):
        raise CommandFailed(
            f"{agreeing} of {len(rows)} cases agree, {at_least:.0%} were asked for",
            "read what it concluded, then choose another judge model, or edit the prompt",
        )


async def _proofs(chosen: Settings, name: str, model: str) -> list[Proof]:
    """Every case of a pack, some at the same time, in order."""
    from evaluator.errors import InvalidDefinition, MetricNotFound
    from evaluator.judges.choose import Judges
    from evaluator.metrics import packs
    from evaluator.metrics.catalogue import aliases, builtin_metrics
    from evaluator.metrics.code.plugin import Plugins
    from evaluator.metrics.conclude import Instruments, conclude
    from evaluator.metrics.directory import Directory
    from evaluator.sandbox.sandbox import Sandbox

    shipped = Directory(builtin={each.name: each for each in builtin_metrics()}, custom={}, aliases=aliases())
    try:
        definition = await shipped.get(name)
        pack: Pack = packs.load(definition.name)
    except (InvalidDefinition, MetricNotFound) as error:
        raise CommandFailed(str(error), "assay metric list shows those that ship", exit_code=USAGE) from error
    judges = Judges(
        model=chosen.judge_model,
        small_model=chosen.judge_small_model,
        base_url=chosen.judge_base_url,
        api_key=chosen.judge_api_key,
        endpoints=chosen.judge_endpoints,
    )
    room = asyncio.Semaphore(AT_ONCE)
    found: dict[int, Proof] = {}
    async with judges, Sandbox() as sandbox:
        using = Instruments(judges=judges, secret=b"proof", sandbox=sandbox, plugins=Plugins())

        async def prove(number: int, case: Case) -> None:
            asked = replace(definition, model=model) if model else definition
            if case.arguments:
                asked = replace(asked, arguments=dict(case.arguments), builtin=False)
            async with room:
                conclusion = await conclude(asked, case.material(definition.levels[0]), using=using)
            found[number] = Proof(case, conclusion, case.agrees(conclusion.outcome, tolerance=pack.tolerance))

        async with asyncio.TaskGroup() as tasks:
            for number, case in enumerate(pack.cases):
                tasks.create_task(prove(number, case))
    return [found[number] for number in sorted(found)]


def _in_words(outcome: Outcome) -> str | float | None:
    match outcome:
        case Score():
            return outcome.label or outcome.value
        case Abstention(reason=reason):
            return f"abstains: {reason}"
        case Failure(code=code, message=message):
            return f"failed: {code}: {message}"


def _cost(rows: Sequence[dict[str, Any]]) -> str:
    tokens = sum(row["input_tokens"] + row["output_tokens"] for row in rows)
    if not tokens:
        return ""
    costs = [row["cost_usd"] for row in rows if row["cost_usd"] is not None]
    price = f"{sum(costs):.4g} USD" if len(costs) == len(rows) else "unknown price"
    return f"; {tokens:,} tokens, {price}"
