"""A judge metric made of a name and a prompt, in one call."""

from __future__ import annotations

import asyncio

from running_front import running_front

from assay.client import AsyncClient, Client
from storage.clickhouse.client import Database
from storage.model import MetricKind, OutputType


async def test_a_judge_is_made_of_a_prompt_in_one_call(database: Database) -> None:
    """By either client; the name is shown as it was written."""
    async with running_front(database) as front:
        async with AsyncClient(front.address) as client:
            made = await client.create_judge_metric("Polite Enough", "Is it polite?\n{{output}}", threshold=1.0)

        def blocking() -> tuple[str, OutputType]:
            with Client(front.address) as other:
                prompt, labels = "How?\n{{output}}", {"good": 1.0, "bad": 0.0}
                record = other.create_judge_metric("Grade 2", prompt, output_type="categorical", labels=labels)
                return record.definition.name, record.definition.output_type

        assert await asyncio.to_thread(blocking) == ("grade_2", OutputType.CATEGORICAL)
    definition = made.definition
    assert (definition.name, definition.display_name, definition.kind) == (
        "polite_enough",
        "Polite Enough",
        MetricKind.JUDGE,
    )
    assert (definition.output_type, definition.threshold, definition.version) == (OutputType.BOOLEAN, 1.0, 1)
