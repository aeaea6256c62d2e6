"""A provider that hangs holds the places of its own rule: others go on, on their providers."""

from __future__ import annotations

from dataclasses import replace

from online_parts import PACE, a_rule, at_work, online
from storing import a_chat, store, until

from evaluator.judges.endpoints import Endpoint
from evaluator.judges.scripted import ScriptedJudge
from evaluator.judges.scripted_faults import hang
from evaluator.metrics.definition import MetricDefinition
from storage.clickhouse.client import Database
from storage.model import Level, MetricKind, OutputType

SPANS = 60
"""More than all lanes hold at once."""


async def test_a_rule_whose_provider_hangs_delays_no_other(fresh_database: Database) -> None:
    """Every span of the other rule is scored while not one answer of the hanging provider has come."""
    async with ScriptedJudge() as hanging:
        hanging.always(hang())
        stuck = Endpoint(name="stuck", model="openai/stuck", base_url=hanging.base_url)
        async with online(fresh_database, endpoints=[stuck]) as parts:
            await parts.scoring.metrics.create(
                MetricDefinition(
                    name="asked_in_vain",
                    kind=MetricKind.JUDGE,
                    levels=(Level.SPAN,),
                    output_type=OutputType.COUNT,
                    prompt="Count {{output}}",
                    model="gateway:/stuck",
                )
            )
            await parts.rules.create(a_rule("a_stuck", metrics=("asked_in_vain",)))
            await parts.rules.create(a_rule("b_fine", metrics=("correctness",)))
            await store(fresh_database, *(a_chat(answer=f"Paris {number}.") for number in range(SPANS)))
            async with at_work(parts, pace=replace(PACE, drain_seconds=0.1)):

                async def asked() -> bool:
                    return hanging.in_flight > 0

                await until(asked)
                await parts.until_results(SPANS, rule="b_fine")
                assert await parts.results(rule="a_stuck") == []
                assert hanging.in_flight > 0
