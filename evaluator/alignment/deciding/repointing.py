"""Rules that compute a metric, and how they are made to compute another one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from evaluator.errors import RuleNotFound
from evaluator.metrics.naming import BUILTIN
from evaluator.online.rules.catalogue import Rules
from evaluator.online.rules.definition import RuleDefinition
from storage.errors import VersionMoved

EVERY = "*"
_ATTEMPTS = 5
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Repointing:
    """Every method may raise `storage.errors.Unavailable`."""

    rules: Rules

    async def using(self, metric: str) -> list[str]:
        """Names of rules that compute a metric."""
        found: list[str] = []
        after = ""
        while page := await self.rules.live(after=after, limit=_PAGE):
            found += [each.definition.name for each in page if _computes(each.definition, metric)]
            after = page[-1].definition.name
        return found

    async def chosen(self, metric: str, wanted: Collection[str], *, to: str) -> list[str]:
        """The rules that are meant, also those that compute `to` already; `*` = all that compute the metric.

        Raises:
            RuleNotFound: A name is no rule's, or that of one that computes something else.
        """
        using = await self.using(metric)
        if EVERY in wanted:
            return using
        already = await self.using(to)
        for name in wanted:
            if name not in using and name not in already:
                there = ", ".join(using) or "no rule does"
                raise RuleNotFound(f"no rule {name[:100]!r} computes {metric!r}; these do: {there}")
        return [name for name in using if name in wanted]

    async def repoint(self, names: Sequence[str], *, metric: str, to: str) -> list[str]:
        """Make rules compute `to` instead; each becomes a new version.  Those that do so already stay as they are.

        Whether and since when a rule is enabled stays, so nothing is scored again because of it.

        Raises:
            VersionMoved: Somebody edits a rule all the time.
            LevelMismatch, InvalidDefinition, …: As `Rules.update`; rules before it are repointed.
        """
        return [name for name in names if await self._repoint(name, metric=metric, to=to)]

    async def _repoint(self, name: str, *, metric: str, to: str) -> bool:
        for attempt in range(1, _ATTEMPTS + 1):
            rule = (await self.rules.get(name)).definition
            if not _computes(rule, metric):
                return False
            try:
                await self.rules.update(_repointed(rule, metric, to), base_version=rule.version)
            except VersionMoved:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return True
        raise AssertionError("the last attempt returns or raises")


def _computes(rule: RuleDefinition, metric: str) -> bool:
    return not {metric, f"{BUILTIN}{metric}"}.isdisjoint(rule.metrics)


def _repointed(rule: RuleDefinition, metric: str, to: str) -> RuleDefinition:
    names = {metric: to, f"{BUILTIN}{metric}": to}
    metrics = tuple(dict.fromkeys(names.get(each, each) for each in rule.metrics))
    actions = tuple(replace(each, metric=names.get(each.metric, each.metric)) for each in rule.actions)
    return replace(rule, metrics=metrics, actions=actions)
