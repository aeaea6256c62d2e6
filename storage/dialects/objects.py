"""Python objects that an emitter stringified with `repr`: `ChatMessage(role=<MessageRole.USER: 'user'>, …)`."""

from __future__ import annotations

import ast
import re
from typing import Final

from storage.dialects.message import ROLES, Message

_MAX_CHARACTERS: Final = 256 * 1024
_MAX_BRACKETS: Final = 80
"""The parser's own stack is not to be tried."""
_PLACEHOLDER: Final = re.compile(r"<[^<>]{1,200}>")
_OBJECT: Final = re.compile(r"<?[A-Za-z_][\w.]*(?:\(|<|\s+object at 0x)")
_FIELDS: Final = re.compile(
    r"[a-z_]\w*=(?:'|\"|None |\d|\[|\{|<)[^\n]{0,400}? [a-z_]\w*=(?:'|\"|None\b|\d|\[|\{|<|[a-z.]+\()"
)
"""How pydantic prints a model: `id='1' source='user' content='…'`."""
_ROLE: Final = re.compile(r"\b(?:_?role|source)=(?:<\w+\.(\w+)[:>]|'(\w+)'|\"(\w+)\")")
_QUOTED: Final = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_TEXT: Final = re.compile(rf"\b_?(?:text|content)=({_QUOTED})")


def is_object_repr(text: str) -> bool:
    """Whether `text` is how Python shows an object, rather than something that was said."""
    if text[:1] == "<" and _PLACEHOLDER.fullmatch(text):
        return True
    if _FIELDS.match(text) and text.count("='") >= 2:
        return True
    closes = text.rstrip()[-1:] in (")", ">") or text.endswith("...")
    return closes and bool(_OBJECT.match(text)) and "=" in text[:400]


def message_of_repr(text: str) -> Message | None:
    """The message in the `repr` of one message object; None when it is none, or was cut off."""
    if len(text) > _MAX_CHARACTERS or text.endswith("...") or not is_object_repr(text):
        return None
    role = _ROLE.search(text)
    if role is None:
        return None
    spelled = next(group for group in role.groups() if group).lower()
    if spelled not in ROLES:
        return None
    texts = [read for found in _TEXT.findall(text) if (read := _literal(found))]
    return Message(role=ROLES[spelled], content="\n".join(texts)) if texts else None


def text_of_repr(text: str, names: tuple[str, ...]) -> str:
    """Text of the first of these keywords in the `repr` of an object; '' when there is none, or it was cut off."""
    if len(text) > _MAX_CHARACTERS or text.count("(") + text.count("[") > _MAX_BRACKETS:
        return ""
    if _FIELDS.match(text):
        matches = (re.search(rf"(?:^|\s){name}=({_QUOTED})", text) for name in names)
        return next((literal for match in matches if match and (literal := _literal(match.group(1)))), "")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    if not isinstance(tree, ast.Call):
        return ""
    given = {word.arg: word.value.value for word in tree.keywords if isinstance(word.value, ast.Constant)}
    return next((said for name in names if isinstance(said := given.get(name), str) and said), "")


def _literal(quoted: str) -> str:
    try:
        value = ast.literal_eval(quoted)
    except (ValueError, SyntaxError):
        return ""
    return value if isinstance(value, str) else ""
