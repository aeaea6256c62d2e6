"""Rows for the test of derived columns: captures, hostile ones, mutants of both; and what ClickHouse answers."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from storage.clickhouse.client import Database
from storage.dialects.derive import Derived, Sent, Together
from storage.dialects.kind_sql import kind_numbers
from storage.dialects.sql import INPUT_FIELDS, READ, derived_columns, numbers, rows_of_fields
from storage.dialects.table import table
from storage.otlp import native
from storage.otlp.columns import TRACES
from storage.otlp.reference import SpanRow, span_rows

FIXTURES = Path(__file__).parent / "fixtures"
STORED = [column for column in derived_columns() if column.default == "MATERIALIZED"]
SENT = [column for column in TRACES if column.name not in {stored.name for stored in STORED}]
FILLERS = (b"", b'""', b"()", b"null", b"None", b"undefined", b"NaN", b"[]", b"{}", b"[Scrubbed due to x]", b"null\n")
NUMBERS = (
    b"5", b"+5", b"-5", b" 5", b"5 ", b"5.0", b"007", b"-0", b"+0", b"+", b"1e5", b"1E+5", b".5", b"5.", b".", b"1e",
    b"18446744073709551615", b"18446744073709551616", b"36893488147419103233", b"0" * 40 + b"9", b"9" * 400, b"1e400",
    b"-1e400", b"1e-400", b"inf", b"-inf", b"nan", b"infinity", b"0.30000000000000004", b"0x10", b"1_000", b"1,5",
    b"5\0", b"5\n", b"\xd9\xa3", b"-2.5", b"--5", b"+-5", b"4.9e-324", b"0." + b"0" * 340 + b"1e340", b"9" * 6000,
)  # fmt: skip
TEXTS = (
    b"gpt-4o", b"gpt-4o-2024-08-06", b"openai/gpt-4o", b"m-0613", b"m-001\n", b"m-001", b"2024-08-061", b"2024-08-06_",
    b"20240806\xff", b"x 2024-0806-y", b"/gpt-4o", b"GPT-4o", b"OpenAI", b" openai ", b"azure.openai.chat",
    b"openai.chat", b"openai.CHAT", b"openai.chat\n", b"\xff.chat", b"\xed\xa0\x80.chat", b"\xc0\x80.chat",
    b"\xf4\x90\x80\x80.chat", b"\xe0\x80\x80.chat", b"\xf0\x80\x80\x80.chat", b"\xf5\x80\x80\x80.chat",
    b"\xe2\x82.chat", b"\x80.chat", b"a\nb.responses", b"\xc3\x9cber.chat", b"langchain", b"LangChain",
    b"vertexai/gemini", b"a/b/c", b"a.b.c", b"google.generative-ai", b"\t openai", b"\xc2\xa0openai", b"ERROR",
    b"error", b"WARNING", b"ValueError", b"True", b"'quoted'", b'"quoted"', b'""quoted', b'"', b'"""', b'" llm "',
    b"llm", b" LLM ", b'" LLM"', b'session 0123456789"', b"s" * 127, b"s" * 128, b"\tllm", b"LLM\n", b"tool", b"TOOL",
    b"span", b"task", b"response", b"client", b"action", b"Util", b"ai.generateText", b"ai.generateText.doGenerate",
    b"\xc3\x84", b"\xff\xfe", b"\0", b"a\0", b"x" * 3000, b"chroma", b"Pinecone", b"OpenAIGenerator", b"Generator",
    b"MyAgent", b"Add", b"DELETE", b"other", b"brother", b"execute_tool", b"chat",
)  # fmt: skip
NAMES = (
    b"", b"x", b"invoke_agent ", b"invoke_agent  Bob ", b"invoke_agent\tBob", b"Invoke_agent Bob", b"execute_tool f",
    b"execute_tool", b"execute_tool \xff ", b"chat gpt", b"chat ", b"embeddings e", b"invoke_workflow w",
    b"haystack.agent.step", b"haystack.agent.step.llm ", b"haystack.agent.step.tool", b"call_llm", b"invocation",
    b"Foo.Retriever.*", b"ARetriever.bRetriever.*", b"ARerank*.task", b"XTool.task", b"db.query*", b"db.query",
    b"search*", b"vector search",
)  # fmt: skip
SCOPES = (
    b"", b"opentelemetry.instrumentation.llamaindex", b"opentelemetry.instrumentation.llamaindex.x", b"litellm",
    b"litellm.x", b"Litellm", b"gcp.vertex.agent", b"openinference",
)  # fmt: skip
CODES = (b"Unset", b"Ok", b"Error", b"")


def known_keys() -> list[bytes]:
    """Every span or resource attribute that a derived column reads, and a few that none does."""
    read = [row.key for fields in (*READ.values(), INPUT_FIELDS) for row in rows_of_fields(*fields)]
    read += [key for _, key in numbers()] + [*kind_numbers(), "exception.type"]
    read += [row.key for row in table().fields["echoes_request_model"]]
    return [key.encode() for key in dict.fromkeys(read)] + [b"", b"http.method", b"session.id ", b"Model", b"\xff"]


def captured() -> list[SpanRow]:
    """The spans of every capture."""
    paths = [path for folder in ("otlp", "unseen") for path in sorted((FIXTURES / folder).rglob("*.pb"))]
    return [row for path in paths if not path.name.endswith(".logs.pb") for row in span_rows(path.read_bytes())[0]]


def row(**fields: Any) -> SpanRow:
    """A row with nothing in it but `fields`."""
    empty: dict[str, Any] = dict.fromkeys(SpanRow._fields, b"") | {
        "timestamp": 1_790_000_000_000_000_000, "resource_attributes": [], "attributes": [], "duration": 0,
        "request_digest": bytes(16), "request_rows": 0, "derived": None,
        **{name: [] for name in SpanRow._fields if name.startswith(("event_", "link_"))},
    }  # fmt: skip
    return SpanRow(**{name: (empty | fields)[name] for name in SpanRow._fields})


def every_value_of_every_key() -> Iterator[SpanRow]:
    """Each key alone, on either carrier; each number, filler and text under each key of a span."""
    for key in known_keys():
        yield row(resource_attributes=[(key, b"v")])
        yield row(attributes=[(key, b"v"), (key, b"a")], status_code=b"Error")
        for value in (*FILLERS, *NUMBERS, *TEXTS):
            yield row(attributes=[(key, value)])
        for value in FILLERS:
            yield row(attributes=[(key, value)], resource_attributes=[(key, b"lower")], name=b"chat x")
    for name in NAMES:
        for scope in SCOPES:
            yield row(name=name, scope_name=scope)
            yield row(name=name, scope_name=scope, attributes=[(b"db.system", b"Chroma"), (b"gen_ai.system", b"x")])


def mutants(rows: Sequence[SpanRow], count: int, seed: int) -> Iterator[SpanRow]:
    """Rows with values swapped, replaced, doubled, moved to another carrier, and known keys put in."""
    dice, keys = random.Random(seed), known_keys()
    for _ in range(count):
        changed = dice.choice(rows)
        attributes, resource = list(changed.attributes), list(changed.resource_attributes)
        if dice.random() < 0.3:
            attributes, resource = [], []
        for _ in range(dice.randrange(1, 12)):
            holder = resource if dice.random() < 0.1 else attributes
            _mutate(holder, keys, dice)
        events = [(dice.choice((b"exception", b"x")), _some(keys, dice)) for _ in range(dice.choice((0, 0, 1, 2, 3)))]
        yield changed._replace(
            attributes=attributes,
            resource_attributes=resource,
            name=dice.choice((changed.name, changed.name, dice.choice(NAMES))),
            scope_name=dice.choice((changed.scope_name, dice.choice(SCOPES))),
            status_code=dice.choice(CODES),
            event_times=[1] * len(events),
            event_names=[name for name, _ in events],
            event_attributes=[pairs for _, pairs in events],
        )


def revalued(rows: Sequence[SpanRow], count: int, seed: int) -> Iterator[SpanRow]:
    """Rows with the keys that they had, in the same order, and a few other values under known ones."""
    dice, known = random.Random(seed), set(known_keys())
    rows = [each for each in rows if known & {key for key, _ in each.attributes}]
    for _ in range(count):
        changed = dice.choice(rows)
        attributes = list(changed.attributes)
        places = [place for place, (key, _) in enumerate(attributes) if key in known]
        for place in dice.sample(places, min(len(places), dice.randrange(4))):
            attributes[place] = (attributes[place][0], _value(dice))
        code = dice.choice((changed.status_code, dice.choice(CODES)))
        yield changed._replace(attributes=attributes, status_code=code)


def _mutate(holder: list[tuple[bytes, bytes]], keys: Sequence[bytes], dice: random.Random) -> None:
    at = dice.randrange(len(holder) + 1)
    if at == len(holder) or dice.random() < 0.4:
        holder.insert(at, (dice.choice(keys), _value(dice)))
        return
    key, value = holder[at]
    match dice.randrange(6):
        case 0:
            other = dice.randrange(len(holder))
            holder[at], holder[other] = (key, holder[other][1]), (holder[other][0], value)
        case 1:
            holder.insert(dice.randrange(len(holder) + 1), (key, _value(dice)))
        case 2:
            holder[at] = (key, dice.choice((b'"%s"', b" %s ", b"%s\n", b"\xff%s", b"%s\xff")) % value)
        case 3:
            holder[at] = (dice.choice(keys), value)
        case 4:
            holder[at] = (key, value.swapcase())
        case _:
            holder[at] = (key, _value(dice))


def _some(keys: Sequence[bytes], dice: random.Random) -> list[tuple[bytes, bytes]]:
    return [(dice.choice((b"exception.type", dice.choice(keys))), _value(dice)) for _ in range(dice.randrange(3))]


def _value(dice: random.Random) -> bytes:
    return dice.choice(dice.choice((FILLERS, NUMBERS, TEXTS, TEXTS)))


def sent(of: SpanRow) -> Sent:
    """What the columns are derived from."""
    events = list(zip(of.event_names, of.event_attributes, strict=True))
    return Sent(of.name, of.scope_name, of.status_code, of.resource_attributes, of.attributes, events)


async def computed(database: Database, rows: Sequence[SpanRow]) -> list[Derived]:
    """What ClickHouse derives from rows that come without the columns, in the order of the rows."""
    await database.execute("CREATE OR REPLACE TABLE foreign_rows AS otel_traces")
    numbered = [
        of._replace(timestamp=1_790_000_000_000_000_000, request_rows=n, request_digest=bytes(16))[: len(SENT)]
        for n, of in enumerate(rows)
    ]
    for at in range(0, len(rows), 5_000):
        await database.insert_native("foreign_rows", [native.block(SENT, numbered[at : at + 5_000])], settings={})
    names = ", ".join(column.name for column in STORED)
    raw = await database.text(f"SELECT {names} FROM foreign_rows ORDER BY RequestRows", output_format="RowBinary")
    return list(_read(memoryview(raw)))


def _read(raw: memoryview) -> Iterator[Derived]:
    at = 0

    def text() -> bytes:
        nonlocal at
        size = shift = 0
        while True:
            byte, at = raw[at], at + 1
            size, shift = size | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        at += size
        return bytes(raw[at - size : at])

    def number(letter: str) -> Any:
        nonlocal at
        at += 8
        return struct.unpack_from(f"<{letter}", raw, at - 8)[0]

    while at < len(raw):
        yield Derived(
            text(), text(), text(), text(), number("Q"), number("Q"), number("d"), text(),
            Together(text(), text(), text(), text(), text(), text(), text(), number("Q"), number("Q")),
        )  # fmt: skip
