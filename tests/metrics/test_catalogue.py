"""The built-in metrics: what there is, what it is called, and that its files agree with each other."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
import yaml

from evaluator.metrics.catalogue import LOADER, aliases, builtin_metrics, groups, variants, written_aliases
from evaluator.metrics.catalogue_pages import FOLDER, pages
from evaluator.metrics.check import check
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.functions.shipped import FUNCTIONS
from evaluator.metrics.judging.template import parse
from evaluator.metrics.naming import slug_of
from storage.model import Level, MetricKind, OutputType

METRICS = {metric.name: metric for metric in builtin_metrics()}
JUDGES = sorted(name for name, metric in METRICS.items() if metric.kind is MetricKind.JUDGE)
SPAN, TRACE, SESSION = Level.SPAN, Level.TRACE, Level.SESSION
PROMISED = [
    "correctness", "completeness", "instruction_adherence", "groundedness", "context_adherence", "context_relevance",
    "context_sufficiency", "chunk_attribution", "chunk_utilization", "answer_relevance", "action_completion",
    "action_advancement", "agent_efficiency", "tool_selection", "tool_argument_correctness", "tool_call_correctness",
    "tool_error_rate", "agent_flow", "plan_quality", "conversation_quality", "user_frustration", "role_adherence",
    "knowledge_retention", "conversation_completeness", "toxicity", "bias", "sexism", "input_pii", "output_pii",
    "prompt_injection", "refusal", "guidelines", "expected_match", "exact_match", "contains", "regex", "json_valid",
    "json_schema", "levenshtein", "bleu", "rouge", "latency", "cost", "tokens", "response_length", "language",
    "readability", "tool_call_f1", "tool_call_order", "tool_call_precision", "tool_call_recall",
]  # fmt: skip
GALILEO = [
    "action_advancement", "action_advancement_luna", "action_completion", "action_completion_luna",
    "agent_efficiency", "agent_flow", "chunk_attribution_utilization", "chunk_attribution_utilization_luna",
    "chunk_relevance", "completeness", "completeness_luna", "context_adherence", "context_adherence_luna",
    "context_precision", "context_relevance", "context_relevance_luna", "conversation_quality", "correctness",
    "ground_truth_adherence", "input_pii", "input_pii_luna", "input_sexism", "input_sexism_luna", "input_tone",
    "input_tone_luna", "input_toxicity", "input_toxicity_luna", "instruction_adherence", "output_pii",
    "output_pii_luna", "output_sexism", "output_sexism_luna", "output_tone", "output_tone_luna", "output_toxicity",
    "output_toxicity_luna", "precision_at_k", "prompt_injection", "prompt_injection_luna", "reasoning_coherence",
    "sql_adherence", "sql_correctness", "sql_efficiency", "sql_injection", "tool_error_rate", "tool_error_rate_luna",
    "tool_selection_quality", "tool_selection_quality_luna", "user_intent_change",
]  # fmt: skip
"""Every member of `GalileoMetrics` in galileo 2.7.0."""


def resolved(name: str) -> str:
    """The slug that a name stands for."""
    slug = aliases().get(name) or slug_of(name)
    return aliases().get(slug, slug)


def test_every_promised_metric_is_there() -> None:
    """Each by its slug or as another name of one."""
    assert {name: resolved(name) in METRICS for name in PROMISED} == dict.fromkeys(PROMISED, True)


def test_every_name_of_the_galileo_enum_stands_for_a_metric() -> None:
    """Scorers that were written for it find all of their metrics."""
    assert [name for name in GALILEO if resolved(name) not in METRICS] == []


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("ToolCallCorrectness", "tool_call_correctness"),
        ("ConversationalGuidelines", "guidelines"),
        ("Guidelines", "guidelines"),
        ("Correctness", "correctness"),
        ("Safety", "toxicity"),
        ("RelevanceToQuery", "answer_relevance"),
        ("RetrievalGroundedness", "context_adherence"),
        ("Retrieval Groundedness", "context_adherence"),
        ("UserFrustration", "user_frustration"),
        ("groundedness", "context_adherence"),
        ("Context Adherence (SLM)", "context_adherence_luna"),
    ],
)
def test_names_of_other_products_find_the_metric_that_means_the_same(name: str, slug: str) -> None:
    """As they write them, or as slugs of that."""
    assert resolved(name) == slug


def test_no_alias_hides_a_metric_and_each_leads_to_one() -> None:
    """A slug or display name always comes first."""
    taken = {*METRICS, *(metric.display_name for metric in METRICS.values())}
    assert taken & set(written_aliases()) == set()
    assert set(aliases().values()) <= set(METRICS)
    assert len({metric.display_name for metric in METRICS.values()}) == len(METRICS)


@pytest.mark.parametrize(
    ("name", "levels", "span_kinds"),
    [
        ("conversation_quality", {SESSION}, ()),
        ("action_completion", {TRACE, SESSION}, ()),
        ("action_completion_luna", {TRACE, SESSION}, ()),
        ("agent_efficiency", {TRACE, SESSION}, ()),
        ("action_advancement", {TRACE}, ()),
        ("context_adherence", {SPAN, TRACE}, ("llm",)),
        ("context_adherence_luna", {SPAN, TRACE}, ("llm",)),
        ("context_relevance", {SPAN}, ("retriever", "reranker")),
        ("tool_error_rate", {SPAN}, ("tool",)),
        ("correctness", {SPAN, TRACE}, ("llm", "agent")),
        ("completeness", {SPAN, TRACE}, ("llm", "agent")),
        ("output_pii", {SPAN, TRACE}, ("llm", "agent")),
    ],
)
def test_metrics_that_scorers_average_are_between_0_and_1_where_they_are_read(
    name: str, levels: set[Level], span_kinds: tuple[str, ...]
) -> None:
    """Composite metrics add and divide them, at these levels and on these kinds of span."""
    metric = METRICS[name]
    assert metric.output_type in (OutputType.BOOLEAN, OutputType.PERCENTAGE)
    assert (set(metric.levels), metric.span_kinds) == (levels, span_kinds)


def test_a_clean_output_is_falsy_and_better() -> None:
    """`if not has_pii` must hold where there is none."""
    assert (METRICS["output_pii"].output_type, METRICS["output_pii"].higher_is_better) == (OutputType.BOOLEAN, False)


@pytest.mark.parametrize("name", sorted(variants()))
def test_a_luna_metric_asks_the_small_model_the_same_and_has_results_of_its_own(name: str) -> None:
    """Another digest, and nothing else that differs but what people call it."""
    luna, base = METRICS[name], METRICS[variants()[name]]
    assert luna == replace(base, name=luna.name, display_name=luna.display_name, model="@small")
    assert luna.digest != base.digest


def test_no_two_metrics_are_the_same() -> None:
    """Equal digests would be one metric under two names."""
    assert [digest for digest, n in Counter(metric.digest for metric in METRICS.values()).items() if n > 1] == []


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_metric_says_what_it_measures_when_it_abstains_and_where_it_comes_from(name: str) -> None:
    """In words, in its own file."""
    metric = METRICS[name]
    assert (metric.version, metric.builtin, bool(metric.display_name), bool(metric.reference)) == (1, True, True, True)
    assert "bstains" in metric.description


@pytest.mark.parametrize("name", JUDGES)
def test_a_prompt_explains_every_verdict_and_what_does_not_matter(name: str) -> None:
    """Each label stands with its meaning; bias towards length and style is ruled out in words where it could matter."""
    metric = METRICS[name]
    verdicts = metric.prompt.split("Verdict")[-1]
    unexplained = [label for label in metric.labels if f"- {label}: " not in metric.prompt]
    assert unexplained == []
    if not metric.labels:
        assert ("true" in verdicts and "false" in verdicts) or ("0.0" in verdicts and "1.0" in verdicts)
    assert "How to judge:" in metric.prompt


def test_a_definition_and_the_function_that_it_names_agree_on_the_type() -> None:
    """`check` says so for each; here for all functions: none of them lies idle."""
    used = {metric.function for metric in METRICS.values() if metric.function}
    assert used == set(FUNCTIONS)


def test_a_metric_that_needs_arguments_ships_without_and_says_so() -> None:
    """Blank: whoever asks the built-in one is told what is missing."""
    assert METRICS["guidelines"].arguments == {"guidelines": ""}
    assert parse(METRICS["guidelines"].prompt, {"guidelines": ""}).first_missing({"output": "x"}) == "guidelines"


def test_every_metric_is_under_one_heading_of_the_index() -> None:
    """Variants stand with what they are variants of."""
    listed = [name for names in groups().values() for name in names]
    assert Counter(listed) == Counter(set(METRICS) - set(variants()))


def test_the_pages_are_those_of_the_data_files() -> None:
    """After a change: `python -m evaluator.metrics.catalogue_pages`."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")} == pages()


def test_the_catalogue_is_read_by_the_loader_in_c() -> None:
    """At every start: 0.03 s of CPU, and ten times as much without."""
    assert LOADER is yaml.CSafeLoader


def test_every_example_of_a_metric_of_ones_own_can_be_saved() -> None:
    """One for each kind, in about ten lines."""
    examples = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    definitions = [MetricDefinition.from_body(yaml.safe_load(example)) for example in examples]
    for definition in definitions:
        check(definition)
    assert [str(each.kind) for each in definitions] == ["judge", "judge", "code", "code", "composite", "composite"]
    assert max(len(example.splitlines()) for example in examples) <= 11
