"""`enum`: `Enum`, `IntEnum` and `StrEnum` of constants, `auto`; written as a class (see `evaluator.sandbox.enums`)."""

from __future__ import annotations

from typing import Any


class _Auto:
    """Stands for the next value."""


class _Member:
    """One member.  Of an `IntEnum` or `StrEnum`, or beside `int` or `str`, it equals its value."""

    def __init__(self, cls: str, name: str, value: object, plain: bool, shown: bool) -> None:
        self.name = name
        self.value = value
        self._cls = cls
        self._plain = plain
        self._shown = shown

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Member):
            if self._cls == other._cls:
                return self.name == other.name
            return self._plain and other._plain and self.value == other.value
        return self._plain and self.value == other

    def __hash__(self) -> int:
        return hash(self.value) if self._plain else hash(self.name)

    def __str__(self) -> str:
        return str(self.value) if self._shown else f"{self._cls}.{self.name}"

    def __repr__(self) -> str:
        return f"<{self._cls}.{self.name}: {self.value!r}>"


class _Made:
    """What stands for an enum class: its members are attributes."""

    def __init__(self, name: str, members: list[_Member], aliases: dict[str, _Member]) -> None:
        self.__name__ = name
        self._members = members
        self.__members__ = aliases
        for alias, member in aliases.items():
            setattr(self, alias, member)

    def __call__(self, value: object) -> _Member:
        for member in self._members:
            if member is value or member.value == value:
                return member
        raise ValueError(f"{value!r} is not a valid {self.__name__}")

    def __getitem__(self, name: str) -> _Member:
        return self.__members__[name]

    def __iter__(self) -> Any:
        return iter(self._members)

    def __contains__(self, value: object) -> bool:
        return any(member is value or member.value == value for member in self._members)


def auto() -> _Auto:
    """The next value: one more than the last, or the name in lower case for a `StrEnum`."""
    return _Auto()


def unique(made: _Made) -> _Made:
    """Accepted; aliases are not looked for."""
    return made


def make(name: str, bases: tuple[str, ...], pairs: tuple[tuple[str, object], ...]) -> _Made:
    """The enum that `class name(*bases)` with these members would be."""
    text = "StrEnum" in bases or "str" in bases
    plain = text or "IntEnum" in bases or "int" in bases
    shown = "StrEnum" in bases or "IntEnum" in bases
    members: list[_Member] = []
    aliases: dict[str, _Member] = {}
    last = 0
    for label, given in pairs:
        value = given
        if isinstance(given, _Auto):
            value = label.lower() if text else last + 1
        if isinstance(value, int):
            last = value
        known = [member for member in members if member.value == value]
        if known:
            aliases[label] = known[0]
        else:
            members.append(_Member(name, label, value, plain, shown))
            aliases[label] = members[-1]
    return _Made(name, members, aliases)


def _called(base: str, name: str, names: Any) -> _Made:
    if isinstance(names, dict):
        pairs: Any = list(names.items())
    else:
        labels = names.replace(",", " ").split() if isinstance(names, str) else list(names)
        pairs = [each if isinstance(each, (tuple, list)) else (each, _Auto()) for each in labels]
    return make(name, (base,), tuple(pairs))


def Enum(name: str, names: Any) -> _Made:
    """`Enum("Color", "RED GREEN")`."""
    return _called("Enum", name, names)


def IntEnum(name: str, names: Any) -> _Made:
    """As `Enum`."""
    return _called("IntEnum", name, names)


def StrEnum(name: str, names: Any) -> _Made:
    """As `Enum`."""
    return _called("StrEnum", name, names)
