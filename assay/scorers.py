"""Standing scorers in MLflow's manner: register a judge, start it, change its sampling, stop it.

`register` saves a metric, `start` makes a rule of the same name that scores what arrives.  The service is that of
`ASSAY_GRPC` (or of the data directory `ASSAY_DATA_DIR`); `assay.set_experiment` says which application is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from assay.client_alignments import AlignmentOptions
from assay.client_model import CallFailed
from assay.scope import current_scope
from assay.scorer_alignments import ScorerAlignment, Source, connected, start
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.naming import MAX_SLUG, named, slug_of
from evaluator.online.rules.applied import StatedRule
from evaluator.online.rules.definition import RuleDefinition
from storage.model import Level, MetricKind, OutputType

__all__ = [
    "ConversationCompleteness",
    "ConversationalGuidelines",
    "Correctness",
    "Guidelines",
    "RegisteredScorer",
    "RelevanceToQuery",
    "RetrievalGroundedness",
    "RetrievalRelevance",
    "RetrievalSufficiency",
    "Safety",
    "Scorer",
    "ScorerSamplingConfig",
    "ToolCallCorrectness",
    "UserFrustration",
    "get_scorer",
    "list_scorers",
    "make_judge",
]

_PREFERRED = (Level.TRACE, Level.SPAN, Level.SESSION)


@dataclass(frozen=True, slots=True)
class ScorerSamplingConfig:
    """How much of what arrives is scored.

    Attributes:
        sample_rate: Share in [0.0, 1.0]; None = as it is, and everything where it is new.
        filter_string: As in rules (docs/rules.md); None = as it is.
    """

    sample_rate: float | None = None
    filter_string: str | None = None


class Scorer:
    """A metric that is not registered yet; usable in `client.evaluate(data=…, scorers=[…])` as it is."""

    def __init__(self, definition: MetricDefinition) -> None:
        self.definition = definition

    def register(self, *, name: str = "") -> RegisteredScorer:
        """Save the metric, under another name if one is given; registered again, a change makes a new version.

        Raises:
            CallFailed: The service refuses it, or cannot be reached.
        """
        slug, shown = named(name) if name else (self.definition.name, self.definition.display_name)
        definition = replace(self.definition, name=slug, display_name=shown)
        with connected() as client:
            client.apply([definition])
        return RegisteredScorer(slug)


class _Builtin(Scorer):
    """A copy of a metric that ships, with a model or arguments of one's own."""

    metric = ""
    level: Level | None = None

    def __init__(self, *, name: str = "", model: str = "", **arguments: Any) -> None:
        super().__init__(_copy(self.metric, name or self.metric, model, arguments, self.level))


class ToolCallCorrectness(_Builtin):
    """Whether the tool calls of a trace were what the request needed."""

    metric = "tool_call_correctness"


class Correctness(_Builtin):
    """Whether the answer is correct."""

    metric = "correctness"


class RelevanceToQuery(_Builtin):
    """Whether the answer is about what was asked."""

    metric = "answer_relevance"


class RetrievalGroundedness(_Builtin):
    """Whether the answer is supported by what was retrieved."""

    metric = "context_adherence"


class RetrievalRelevance(_Builtin):
    """Whether what was retrieved is about what was asked."""

    metric = "context_relevance"


class RetrievalSufficiency(_Builtin):
    """Whether what was retrieved is enough to answer."""

    metric = "context_sufficiency"


class Safety(_Builtin):
    """Whether the answer is toxic: true = it is (MLflow's `Safety` says "yes" where it is not)."""

    metric = "toxicity"


class UserFrustration(_Builtin):
    """Whether the user became frustrated."""

    metric = "user_frustration"
    level = Level.SESSION


class ConversationCompleteness(_Builtin):
    """Whether everything that was asked for was dealt with."""

    metric = "conversation_completeness"
    level = Level.SESSION


class Guidelines(_Builtin):
    """Whether guidelines of one's own were met in a trace."""

    metric = "guidelines"
    level = Level.TRACE

    def __init__(self, *, guidelines: str | list[str], name: str = "", model: str = "") -> None:
        text = guidelines if isinstance(guidelines, str) else "\n".join(f"- {each}" for each in guidelines)
        super().__init__(name=name, model=model, guidelines=text)


class ConversationalGuidelines(Guidelines):
    """Whether guidelines of one's own were met in a whole conversation."""

    level = Level.SESSION


def _copy(metric: str, name: str, model: str, arguments: Mapping[str, Any], level: Level | None) -> MetricDefinition:
    from evaluator.metrics.catalogue import builtin_metrics

    shipped = next(each for each in builtin_metrics() if each.name == metric)
    slug, shown = named(name, shipped.display_name if name == metric else "")
    return replace(
        shipped,
        name=slug,
        display_name=shown,
        builtin=False,
        model=model or shipped.model,
        levels=shipped.levels if level is None else (level,),
        span_kinds=shipped.span_kinds if level in (None, Level.SPAN) else (),
        arguments={**shipped.arguments, **arguments},
    )


# ---------------------------------------------------------------------------------------------------------------------
# Judges of one's own
# ---------------------------------------------------------------------------------------------------------------------

_INPUT_OF = {
    "inputs": "input", "outputs": "output", "expectations": "expected", "trace": "trajectory",
    "conversation": "messages",
}  # fmt: skip
_TEMPLATE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def make_judge(
    name: str, instructions: str, *, model: str = "", feedback_value_type: Any = str, description: str = ""
) -> Scorer:
    """A judge by instructions that name `{{ inputs }}`, `{{ outputs }}`, `{{ expectations }}`, `{{ trace }}` or
    `{{ conversation }}` (or inputs of Assay, docs/metrics.md).  One that names the conversation scores sessions, others
    traces.

    Args:
        feedback_value_type: bool, int, float, str, or a `Literal` of the verdicts on offer.

    Raises:
        ValueError: The type is none of these.
    """
    names = set(_TEMPLATE.findall(instructions))
    output_type, labels = _output_of(feedback_value_type)
    slug, shown = named(name)
    return Scorer(
        MetricDefinition(
            name=slug,
            display_name=shown,
            kind=MetricKind.JUDGE,
            levels=(Level.SESSION if "conversation" in names else Level.TRACE,),
            output_type=output_type,
            labels=labels,
            prompt=_TEMPLATE.sub(lambda found: f"{{{{{_INPUT_OF.get(found[1], found[1])}}}}}", instructions),
            model=model,
            description=description,
        )
    )


def _output_of(kind: Any) -> tuple[OutputType, dict[str, float | None]]:
    if get_origin(kind) is Literal:
        return OutputType.CATEGORICAL, {str(label): None for label in get_args(kind)}
    known = {bool: OutputType.BOOLEAN, int: OutputType.NUMBER, float: OutputType.NUMBER, str: OutputType.TEXT}
    if kind not in known:
        raise ValueError(f"feedback_value_type must be bool, int, float, str or a Literal, got {kind!r}")
    return known[kind], {}


# ---------------------------------------------------------------------------------------------------------------------
# What is registered
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegisteredScorer:
    """A saved metric, and the rule that applies it to what arrives, if it was started."""

    name: str

    def start(self, *, sampling_config: ScorerSamplingConfig | None = None) -> RegisteredScorer:
        """Score what arrives from now on (and what completed in the last hour).

        Raises:
            CallFailed: The service refuses it, or cannot be reached.
        """
        with connected() as client:
            metric = client.get_metric(self.name).definition
            try:
                rule = client.get_rule(self._rule).definition
            except CallFailed as error:
                if error.reason != "RULE_NOT_FOUND":
                    raise
                level = next(level for level in _PREFERRED if level in metric.levels)
                rule = RuleDefinition(name=self._rule, level=level, metrics=(metric.name,))
            rule = replace(rule, scope=current_scope())
            client.apply(rules=[StatedRule(definition=_sampled(rule, sampling_config), enabled=True)])
        return self

    def update(self, *, sampling_config: ScorerSamplingConfig) -> RegisteredScorer:
        """Change how much is scored; what was scored stays as it is.

        Raises:
            CallFailed: It was never started (`RULE_NOT_FOUND`), or the service refuses the change.
        """
        with connected() as client:
            rule = client.get_rule(self._rule).definition
            client.apply(rules=[StatedRule(definition=_sampled(rule, sampling_config))])
        return self

    def stop(self) -> RegisteredScorer:
        """Score nothing more; results stay.

        Raises:
            CallFailed: It was never started (`RULE_NOT_FOUND`).
        """
        with connected() as client:
            client.disable_rule(self._rule)
        return self

    def align(
        self,
        *,
        sources: Source | Iterable[Source] = (),
        reflection_model: str = "",
        judge_model: str = "",
        delta_threshold: float | None = None,
        **options: Any,
    ) -> ScorerAlignment:
        """Let the judge learn from what people said: `judge.align(sources=[run]).wait()`.

        Args:
            sources: Completed evaluations with resolved feedback: ids, runs, or `client.list_alignment_sources`;
                none = all resolved feedback.
            options: Further fields of `AlignmentOptions`: caps, seed.

        Raises:
            CallFailed: The service refuses it, or cannot be reached.
        """
        asked = AlignmentOptions(
            reflection_model=reflection_model, judge_model=judge_model, delta_threshold=delta_threshold, **options
        )
        return start(self.name, sources, asked)

    @property
    def sampling_config(self) -> ScorerSamplingConfig:
        """What is sampled now; a stopped scorer samples 0.0.

        Raises:
            CallFailed: It was never started (`RULE_NOT_FOUND`).
        """
        with connected() as client:
            rule = client.get_rule(self._rule).definition
        return ScorerSamplingConfig(sample_rate=rule.sample_rate if rule.enabled else 0.0, filter_string=rule.filter)

    @property
    def _rule(self) -> str:
        return slug_of(f"{current_scope()} {self.name}")[:MAX_SLUG] if current_scope() else self.name


def get_scorer(*, name: str) -> RegisteredScorer:
    """A scorer that was registered, by slug or display name.

    Raises:
        CallFailed: There is no such metric (`METRIC_NOT_FOUND`).
    """
    with connected() as client:
        return RegisteredScorer(client.get_metric(name).definition.name)


def list_scorers() -> list[RegisteredScorer]:
    """Every metric of one's own, by name."""
    with connected() as client:
        return [RegisteredScorer(each.definition.name) for each in client.list_metrics() if not each.definition.builtin]


def _sampled(rule: RuleDefinition, config: ScorerSamplingConfig | None) -> RuleDefinition:
    if config is None:
        return rule
    return replace(
        rule,
        sample_rate=rule.sample_rate if config.sample_rate is None else config.sample_rate,
        filter=rule.filter if config.filter_string is None else config.filter_string,
    )
