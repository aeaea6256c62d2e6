"""A user's scorer on one target: its source in the sandbox, what it read, what it returned."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import keyword
from collections.abc import Iterable, Mapping
from typing import Final

from evaluator.metrics.code.scorer_result import RETURNS, BadResult, Several, score_from
from evaluator.metrics.code.step import EXPORTS, WHOLE, reads_content, step_shape
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.material import Material
from evaluator.metrics.naming import slug_of
from evaluator.sandbox.absent import Absent
from evaluator.sandbox.errors import Raised, SandboxError, SourceRefused
from evaluator.sandbox.prelude import compact, shims
from evaluator.sandbox.sandbox import Sandbox
from evaluator.sandbox.source import ENTRY, PARAMETER, Scorer, compile_scorer
from storage.model import Abstention, Failure, Outcome

_SCORERS_KEPT: Final = 128
_NO_NAMES: Final[Mapping[str, str]] = {}


async def apply_scorer(
    definition: MetricDefinition, material: Material, *, sandbox: Sandbox, names: Mapping[str, str] = _NO_NAMES
) -> Outcome:
    """What the source of a code or composite metric concludes.

    Args:
        names: What `GalileoMetrics` has, each with the slug it stands for.

    Returns:
        A score; `not_applicable: no output` (or `input`) where it read content that was not captured, whatever it made
        of that; else a failure: SCORER_ERROR, SCORER_TIMEOUT, SCORER_MEMORY, SCORER_CRASHED, SCORER_BAD_RESULT.
    """
    try:
        scorer = compiled(definition.source)
    except SourceRefused as error:
        return Failure(code="SCORER_ERROR", message=str(error))
    spellings = spellings_of(
        definition, material, names, scorer.constants | (names.keys() if scorer.words is None else scorer.words)
    )
    if material.kind:
        shape, lacks = step_shape(material, scorer)
    else:  # a trace or session may have thousands of spans: the event loop goes on meanwhile
        shape, lacks = await asyncio.to_thread(step_shape, material, scorer)
    absent = {side: Absent(side) for side in ("input", "output")}
    head = _head(scorer, names, spellings)
    inputs: dict[str, object] = {"_shape": shape, "_spellings": spellings}
    # To hand over an object of the host costs more than all the rest of a small step.
    inputs |= {f"_absent_{side}": each if lacks else None for side, each in absent.items()}
    code = f"{head}{scorer.code}\n_answer({ENTRY}({PARAMETER}=_step))"
    try:
        returned = await sandbox.run(code, inputs, owner=definition.digest)
    except SandboxError as error:
        outcome: Outcome = Failure(code=error.code, message=_told(error, head, scorer))
    else:
        outcome = _outcome(definition, returned)
    return next((Abstention(reason=f"no {side}") for side, each in absent.items() if each.read), outcome)


@functools.lru_cache(maxsize=_SCORERS_KEPT)
def compiled(source: str) -> Scorer:
    """A source, ready to run.

    Raises:
        SourceRefused: It cannot be.
    """
    return compile_scorer(source, exports=EXPORTS)


def needs_content(definition: MetricDefinition) -> bool:
    """Whether a metric may read what was said in its target; a composite that reads results and kinds does not."""
    if definition.roll_up is not None:
        return False
    try:
        return not definition.source or reads_content(compiled(definition.source))
    except SourceRefused:
        return False


def digest_of_step(material: Material, source: str) -> bytes:
    """BLAKE2b-128 of exactly what a source reads of the target, results of required metrics among it; '' = of all."""
    try:
        scorer = compiled(source) if source else WHOLE
    except SourceRefused:
        scorer = WHOLE
    shape, _ = step_shape(material, scorer)
    return hashlib.blake2b(repr(shape).encode("utf-8", "replace"), digest_size=16).digest()


def spellings_of(
    definition: MetricDefinition, material: Material, names: Mapping[str, str], texts: Iterable[str]
) -> dict[str, str]:
    """Everything that `.metrics[…]` takes, each with its slug.

    Args:
        texts: What code may write for one, among other things; those that stand for no required metric are left out.
    """
    spellings = {name: metric.name for name, metric in material.required.items()}
    for entry in definition.required_metrics if not spellings else ():
        written = entry.rpartition("@")[0] or entry
        spellings[written] = _slug(written, names)
    slugs = set(spellings.values())
    for name in (*slugs, *texts):
        if name not in spellings and (slug := _slug(name, names)) in slugs:
            spellings[name] = slug
    return spellings


def _slug(name: str, names: Mapping[str, str]) -> str:
    slug = _slug_of(name)
    return names.get(name) or names.get(slug) or slug


_slug_of = functools.lru_cache(maxsize=8192)(slug_of)
"""Each name of each scorer is asked for at every run."""


def _head(scorer: Scorer, names: Mapping[str, str], spellings: Mapping[str, str]) -> str:
    """What runs before the source."""
    known = {*names, *names.values(), *spellings.values()}
    written = known if scorer.words is None else scorer.words
    members = tuple(sorted(name for name in written if name.isidentifier() and _slug(name, names) in known))
    return _head_of(members, scorer.shims, "_assay" in scorer.code, scorer.names("metrics"))


@functools.lru_cache(maxsize=_SCORERS_KEPT)
def _head_of(members: tuple[str, ...], modules: frozenset[str], imports: bool, metrics: bool) -> str:
    enum = [f"    {name} = {name!r}" for name in members if not keyword.iskeyword(name)]
    own = [f"_assay.{name} = {name}" for name in sorted(EXPORTS)]
    parts = [
        compact("evaluator.metrics.code", "step_classes.py", "" if metrics else "Metrics"),
        "class GalileoMetrics:",
        *(enum or ["    pass"]),
        *(["class _Assay: pass", "_assay = _Assay()", *own] if imports else []),
        shims(modules),
        "_step = made(_shape, _spellings, {'input': _absent_input, 'output': _absent_output})",
        "_answer = answer",
    ]
    return "\n".join(filter(None, parts)) + "\n"


def _told(error: SandboxError, head: str, scorer: Scorer) -> str:
    """The message, with the innermost line that is the author's."""
    if not isinstance(error, Raised):
        return str(error)
    before = head.count("\n")
    own = [line - before for line in error.lines if 0 < line - before <= scorer.code.count("\n") + 1]
    return f"line {own[-1]}: {error}" if own else str(error)


def _outcome(definition: MetricDefinition, answer: object) -> Outcome:
    try:
        return score_from(definition, _read(answer))
    except BadResult as error:
        return Failure(code="SCORER_BAD_RESULT", message=str(error))


def _read(answer: object) -> object:
    """What `answer` of `step_classes.py` handed out; a source may have put anything in its place."""
    match answer:
        case ("value", None | bool() | int() | float() | str() as value):
            return value
        case ("several", [bool() as is_tuple, [*items]]):
            return Several(tuple(_read(item) for item in items), is_tuple)
        case ("mapping", [[*keys], [*items]]) if len(keys) == len(items):
            return {str(key): _read(item) for key, item in zip(keys, items, strict=True)}
        case ("wrong", str() as what):
            raise BadResult(f"returned {what[:200]}; {RETURNS}")
    raise BadResult("returned something that is no result")
