"""A rule's filter: parsed, allow-listed, and written anew as ClickHouse SQL.

Nothing of the user's text reaches the SQL: columns come from `filter_columns`, literals are bound parameters, and what
is not on the list is refused with the place where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import Token, TokenType, exp, parse_one, tokenize
from sqlglot.errors import ParseError, TokenError

from evaluator.errors import InvalidFilter
from evaluator.online.filter_columns import columns_of
from evaluator.online.filter_compiler import MAX_DEPTH, FilterCompiler
from storage.model import Level

MAX_CHARACTERS = 4096
MAX_TOKENS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFilter:
    """A condition over the columns of its level: 1 or 0, never NULL, with its literals as `{f0:String}` and so on."""

    sql: str
    parameters: Mapping[str, object]


def compile_filter(text: str, level: Level) -> CompiledFilter:
    """Compile a filter for spans (over `otel_traces`) or traces (over view `traces` with the columns of the root span).

    A missing attribute is the empty text; compared with a number, an attribute that is none satisfies neither the
    comparison nor its negation.  Empty text lets everything through.

    Raises:
        InvalidFilter: With the position (characters from 0) of what is not accepted.
    """
    if level is Level.SESSION:
        raise InvalidFilter("session rules are not offered yet", position=0)
    if len(text) > MAX_CHARACTERS:
        raise InvalidFilter(
            f"is {len(text)} characters long; at most {MAX_CHARACTERS} are allowed", position=MAX_CHARACTERS
        )
    if not text.strip():
        return CompiledFilter(sql="1", parameters={})
    _check_tokens(_tokens(text))
    compiler = FilterCompiler(names=columns_of(level))
    condition = compiler.condition(_parsed(text), 0)
    sql = f"ifNull({condition.text}, 0)" if condition.nullable else condition.text
    return CompiledFilter(sql=sql, parameters=compiler.parameters)


def _tokens(text: str) -> list[Token]:
    try:
        return tokenize(text, dialect="clickhouse")
    except TokenError:
        raise InvalidFilter("a quote or comment is not closed", position=_open_quote(text)) from None


def _open_quote(text: str) -> int:
    """Where the quoted part begins that is still open at the end."""
    at = opened = 0
    quote = ""
    while at < len(text):
        if not quote and text[at] in "'\"`":
            quote, opened = text[at], at
        elif quote and text[at] == "\\":
            at += 1
        elif text[at] == quote:
            quote = ""
        at += 1
    return opened


def _check_tokens(tokens: Sequence[Token]) -> None:
    """Refuse what the parser would drop or drown in: comments, several statements, size, nesting."""
    if not tokens:
        raise InvalidFilter("there is nothing but a comment", position=0)
    if len(tokens) > MAX_TOKENS:
        raise InvalidFilter(f"more than {MAX_TOKENS} words and signs", position=tokens[MAX_TOKENS].start)
    depth = prefixes = 0
    for token in tokens:
        if token.comments:
            raise InvalidFilter("comments are not allowed", position=token.end + 1)
        if token.token_type is TokenType.SEMICOLON:
            raise InvalidFilter("one condition only, without ';'", position=token.start)
        depth += {TokenType.L_PAREN: 1, TokenType.L_BRACKET: 1, TokenType.L_BRACE: 1}.get(token.token_type, 0)
        depth -= {TokenType.R_PAREN: 1, TokenType.R_BRACKET: 1, TokenType.R_BRACE: 1}.get(token.token_type, 0)
        prefixes = prefixes + 1 if token.token_type in (TokenType.NOT, TokenType.DASH) else 0
        if depth > MAX_DEPTH or prefixes > MAX_DEPTH:
            raise InvalidFilter(f"nested more than {MAX_DEPTH} deep", position=token.start)


def _parsed(text: str) -> exp.Expr:
    try:
        return parse_one(text, dialect="clickhouse")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        lines = text.splitlines(keepends=True)
        before = sum(len(line) for line in lines[: first.get("line", 1) - 1])
        position = before + first.get("col", 0) - len(first.get("highlight", ""))
        missing = str(first.get("description", "")).startswith("Required keyword")
        raise InvalidFilter(
            "something is missing after this" if missing else "this was not expected here",
            position=max(0, min(position, len(text))),
        ) from None
    except RecursionError:
        raise InvalidFilter("nested too deeply", position=0) from None
