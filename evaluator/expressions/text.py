"""What users write as SQL, read: refused with its place where it is none, and never passed on as it came."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from sqlglot import Token, TokenType, exp, tokenize
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.errors import ParseError, TokenError
from sqlglot.parser import Parser

from evaluator.errors import InvalidFilter

MAX_CHARACTERS = 4096
MAX_TOKENS = 1000
MAX_DEPTH = 32
_OPENS = {
    TokenType.L_PAREN: 1, TokenType.L_BRACKET: 1, TokenType.L_BRACE: 1,
    TokenType.R_PAREN: -1, TokenType.R_BRACKET: -1, TokenType.R_BRACE: -1,
}  # fmt: skip


def parsed(text: str, *, what: str, parser: type[Parser] = ClickHouse.Parser) -> exp.Expr:
    """The tree of one expression.

    Args:
        what: What was to be written, for messages: `condition`, say.

    Raises:
        InvalidFilter: With the position (characters from 0) of what is not accepted.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidFilter(
            f"is {len(text)} characters long; at most {MAX_CHARACTERS} are allowed", position=MAX_CHARACTERS
        )
    tokens = _tokens(text)
    _check_tokens(tokens, what)
    try:
        [tree] = parser(dialect=ClickHouse()).parse(tokens, text)
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
    if tree is None:
        raise InvalidFilter(f"there is no {what}", position=0)
    return tree


def refusal(node: exp.Expr, message: str) -> InvalidFilter:
    """The refusal of a node, at its first character; of one without a place of its own, at what it stands in."""
    at: exp.Expr | None = node
    while at is not None:
        if starts := [part.meta["start"] for part in at.walk() if "start" in part.meta]:
            return InvalidFilter(message, position=min(starts))
        at = at.parent
    return InvalidFilter(message, position=0)


def conjuncts(tree: exp.Expr, text: str) -> list[tuple[exp.Expr, str]]:
    """The conditions that must all hold for an expression to hold, each with its text: `a AND b` -> `a`, `b`."""
    tokens = _tokens(text)
    while isinstance(tree, exp.Paren):
        tree, tokens = tree.this, tokens[1:-1]
    if not isinstance(tree, exp.And):
        return [(tree, text[tokens[0].start : tokens[-1].end + 1])]
    texts: list[str] = []
    depth, between, first = 0, False, tokens[0]
    for place, (token, following) in enumerate(zip(tokens, [*tokens[1:], None], strict=True)):
        depth += _OPENS.get(token.token_type, 0)
        between = between or (depth == 0 and token.token_type is TokenType.BETWEEN)
        ends = following is None or (depth == 0 and following.token_type is TokenType.AND and not between)
        if depth == 0 and token.token_type is TokenType.AND:
            between = False
        if ends:
            texts.append(text[first.start : token.end + 1])
            first = tokens[min(place + 2, len(tokens) - 1)]
    return list(zip(tree.flatten(unnest=False), texts, strict=True))


def suggestion(name: str, known: Iterable[str], *, shown: Iterable[str] = ()) -> str:
    """The nearest known name, else all of them (`shown`, where there is more than one spelling)."""
    by_lower = {item.lower(): item for item in known if item}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else f"; known are {', '.join(sorted(shown or known))}"


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


def _check_tokens(tokens: Sequence[Token], what: str) -> None:
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
            raise InvalidFilter(f"one {what} only, without ';'", position=token.start)
        depth += _OPENS.get(token.token_type, 0)
        prefixes = prefixes + 1 if token.token_type in (TokenType.NOT, TokenType.DASH) else 0
        if depth > MAX_DEPTH or prefixes > MAX_DEPTH:
            raise InvalidFilter(f"nested more than {MAX_DEPTH} deep", position=token.start)
