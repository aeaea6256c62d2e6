import datetime

from evaluator.v1 import evaluator_pb2 as _evaluator_pb2
from evaluator.v1 import vocabulary_pb2 as _vocabulary_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class When(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WHEN_UNSPECIFIED: _ClassVar[When]
    WHEN_COMPLETE: _ClassVar[When]
    WHEN_INGEST: _ClassVar[When]

class Late(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LATE_UNSPECIFIED: _ClassVar[Late]
    LATE_RESCORE: _ClassVar[Late]
    LATE_IGNORE: _ClassVar[Late]

class ActionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTION_KIND_UNSPECIFIED: _ClassVar[ActionKind]
    ACTION_KIND_WEBHOOK: _ClassVar[ActionKind]
    ACTION_KIND_DATASET: _ClassVar[ActionKind]
    ACTION_KIND_QUEUE: _ClassVar[ActionKind]
    ACTION_KIND_EVENT: _ClassVar[ActionKind]

class RuleStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RULE_STAGE_UNSPECIFIED: _ClassVar[RuleStage]
    RULE_STAGE_RULE: _ClassVar[RuleStage]
    RULE_STAGE_STORED: _ClassVar[RuleStage]
    RULE_STAGE_FILTER: _ClassVar[RuleStage]
    RULE_STAGE_SAMPLE: _ClassVar[RuleStage]
    RULE_STAGE_COMPLETE: _ClassVar[RuleStage]
    RULE_STAGE_CLAIMED: _ClassVar[RuleStage]
    RULE_STAGE_SCORED: _ClassVar[RuleStage]
    RULE_STAGE_READABLE: _ClassVar[RuleStage]
WHEN_UNSPECIFIED: When
WHEN_COMPLETE: When
WHEN_INGEST: When
LATE_UNSPECIFIED: Late
LATE_RESCORE: Late
LATE_IGNORE: Late
ACTION_KIND_UNSPECIFIED: ActionKind
ACTION_KIND_WEBHOOK: ActionKind
ACTION_KIND_DATASET: ActionKind
ACTION_KIND_QUEUE: ActionKind
ACTION_KIND_EVENT: ActionKind
RULE_STAGE_UNSPECIFIED: RuleStage
RULE_STAGE_RULE: RuleStage
RULE_STAGE_STORED: RuleStage
RULE_STAGE_FILTER: RuleStage
RULE_STAGE_SAMPLE: RuleStage
RULE_STAGE_COMPLETE: RuleStage
RULE_STAGE_CLAIMED: RuleStage
RULE_STAGE_SCORED: RuleStage
RULE_STAGE_READABLE: RuleStage

class Rule(_message.Message):
    __slots__ = ("name", "version", "level", "metrics", "sample_rate", "filter", "description", "enabled", "enable_time", "create_time", "source_rates", "scope", "when", "late", "lookback", "session_idle", "retries", "budget", "actions")
    class SourceRatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    ENABLE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_RATES_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    LOOKBACK_FIELD_NUMBER: _ClassVar[int]
    SESSION_IDLE_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    level: _vocabulary_pb2.Level
    metrics: _containers.RepeatedScalarFieldContainer[str]
    sample_rate: float
    filter: str
    description: str
    enabled: bool
    enable_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    source_rates: _containers.ScalarMap[str, float]
    scope: str
    when: When
    late: Late
    lookback: _duration_pb2.Duration
    session_idle: _duration_pb2.Duration
    retries: RuleRetries
    budget: RuleBudget
    actions: _containers.RepeatedCompositeFieldContainer[RuleAction]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., level: _Optional[_Union[_vocabulary_pb2.Level, str]] = ..., metrics: _Optional[_Iterable[str]] = ..., sample_rate: _Optional[float] = ..., filter: _Optional[str] = ..., description: _Optional[str] = ..., enabled: _Optional[bool] = ..., enable_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., source_rates: _Optional[_Mapping[str, float]] = ..., scope: _Optional[str] = ..., when: _Optional[_Union[When, str]] = ..., late: _Optional[_Union[Late, str]] = ..., lookback: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., session_idle: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retries: _Optional[_Union[RuleRetries, _Mapping]] = ..., budget: _Optional[_Union[RuleBudget, _Mapping]] = ..., actions: _Optional[_Iterable[_Union[RuleAction, _Mapping]]] = ...) -> None: ...

class RuleRetries(_message.Message):
    __slots__ = ("attempts", "backoff", "max_age")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    attempts: int
    backoff: _duration_pb2.Duration
    max_age: _duration_pb2.Duration
    def __init__(self, attempts: _Optional[int] = ..., backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RuleBudget(_message.Message):
    __slots__ = ("calls", "tokens", "usd")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    USD_FIELD_NUMBER: _ClassVar[int]
    calls: int
    tokens: int
    usd: float
    def __init__(self, calls: _Optional[int] = ..., tokens: _Optional[int] = ..., usd: _Optional[float] = ...) -> None: ...

class RuleAction(_message.Message):
    __slots__ = ("name", "kind", "when", "metric", "target")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: ActionKind
    when: str
    metric: str
    target: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[ActionKind, str]] = ..., when: _Optional[str] = ..., metric: _Optional[str] = ..., target: _Optional[str] = ...) -> None: ...

class CreateRuleRequest(_message.Message):
    __slots__ = ("rule", "request_id")
    RULE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    rule: Rule
    request_id: str
    def __init__(self, rule: _Optional[_Union[Rule, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetRuleRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListRulesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRulesResponse(_message.Message):
    __slots__ = ("rules", "next_page_token")
    RULES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[Rule]
    next_page_token: str
    def __init__(self, rules: _Optional[_Iterable[_Union[Rule, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateRuleRequest(_message.Message):
    __slots__ = ("rule", "update_mask", "base_version", "request_id")
    RULE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    rule: Rule
    update_mask: _field_mask_pb2.FieldMask
    base_version: int
    request_id: str
    def __init__(self, rule: _Optional[_Union[Rule, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., base_version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteRuleRequest(_message.Message):
    __slots__ = ("name", "base_version", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    base_version: int
    request_id: str
    def __init__(self, name: _Optional[str] = ..., base_version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class EnableRuleRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DisableRuleRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class PreviewRuleRequest(_message.Message):
    __slots__ = ("rule", "samples", "scored")
    RULE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SCORED_FIELD_NUMBER: _ClassVar[int]
    rule: Rule
    samples: int
    scored: int
    def __init__(self, rule: _Optional[_Union[Rule, _Mapping]] = ..., samples: _Optional[int] = ..., scored: _Optional[int] = ...) -> None: ...

class PreviewRuleResponse(_message.Message):
    __slots__ = ("targets", "matches", "sampled", "calls_per_day", "tokens_per_day", "usd_per_day", "unpriced_models", "samples", "results", "exact")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    SAMPLED_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    USD_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    UNPRICED_MODELS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    targets: int
    matches: int
    sampled: int
    calls_per_day: float
    tokens_per_day: float
    usd_per_day: float
    unpriced_models: _containers.RepeatedScalarFieldContainer[str]
    samples: _containers.RepeatedCompositeFieldContainer[_evaluator_pb2.TargetRef]
    results: _containers.RepeatedCompositeFieldContainer[_evaluator_pb2.Result]
    exact: bool
    def __init__(self, targets: _Optional[int] = ..., matches: _Optional[int] = ..., sampled: _Optional[int] = ..., calls_per_day: _Optional[float] = ..., tokens_per_day: _Optional[float] = ..., usd_per_day: _Optional[float] = ..., unpriced_models: _Optional[_Iterable[str]] = ..., samples: _Optional[_Iterable[_Union[_evaluator_pb2.TargetRef, _Mapping]]] = ..., results: _Optional[_Iterable[_Union[_evaluator_pb2.Result, _Mapping]]] = ..., exact: _Optional[bool] = ...) -> None: ...

class GetRuleFunnelRequest(_message.Message):
    __slots__ = ("name", "start_time", "end_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RuleFunnel(_message.Message):
    __slots__ = ("name", "start_time", "end_time", "complete", "filtered_out", "sampled_out", "metrics", "spent", "budget")
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    FILTERED_OUT_FIELD_NUMBER: _ClassVar[int]
    SAMPLED_OUT_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    name: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    complete: int
    filtered_out: int
    sampled_out: int
    metrics: _containers.RepeatedCompositeFieldContainer[MetricFunnel]
    spent: RuleBudget
    budget: RuleBudget
    def __init__(self, name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complete: _Optional[int] = ..., filtered_out: _Optional[int] = ..., sampled_out: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[MetricFunnel, _Mapping]]] = ..., spent: _Optional[_Union[RuleBudget, _Mapping]] = ..., budget: _Optional[_Union[RuleBudget, _Mapping]] = ...) -> None: ...

class MetricFunnel(_message.Message):
    __slots__ = ("metric", "waiting", "running", "succeeded", "not_applicable", "not_computed", "failed", "over_budget", "dependency", "set_aside", "oldest_waiting", "lag_median", "lag_p99", "cancelled", "too_late")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    NOT_APPLICABLE_FIELD_NUMBER: _ClassVar[int]
    NOT_COMPUTED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    OVER_BUDGET_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCY_FIELD_NUMBER: _ClassVar[int]
    SET_ASIDE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_WAITING_FIELD_NUMBER: _ClassVar[int]
    LAG_MEDIAN_FIELD_NUMBER: _ClassVar[int]
    LAG_P99_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    TOO_LATE_FIELD_NUMBER: _ClassVar[int]
    metric: str
    waiting: int
    running: int
    succeeded: int
    not_applicable: int
    not_computed: int
    failed: int
    over_budget: int
    dependency: int
    set_aside: int
    oldest_waiting: _duration_pb2.Duration
    lag_median: _duration_pb2.Duration
    lag_p99: _duration_pb2.Duration
    cancelled: int
    too_late: int
    def __init__(self, metric: _Optional[str] = ..., waiting: _Optional[int] = ..., running: _Optional[int] = ..., succeeded: _Optional[int] = ..., not_applicable: _Optional[int] = ..., not_computed: _Optional[int] = ..., failed: _Optional[int] = ..., over_budget: _Optional[int] = ..., dependency: _Optional[int] = ..., set_aside: _Optional[int] = ..., oldest_waiting: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lag_median: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lag_p99: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cancelled: _Optional[int] = ..., too_late: _Optional[int] = ...) -> None: ...

class TestRuleRequest(_message.Message):
    __slots__ = ("name", "timeout", "target")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    name: str
    timeout: _duration_pb2.Duration
    target: _evaluator_pb2.TargetRef
    def __init__(self, name: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ...) -> None: ...

class TestRuleResponse(_message.Message):
    __slots__ = ("stage", "passed", "detail", "elapsed", "target")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    stage: RuleStage
    passed: bool
    detail: str
    elapsed: _duration_pb2.Duration
    target: _evaluator_pb2.TargetRef
    def __init__(self, stage: _Optional[_Union[RuleStage, str]] = ..., passed: _Optional[bool] = ..., detail: _Optional[str] = ..., elapsed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., target: _Optional[_Union[_evaluator_pb2.TargetRef, _Mapping]] = ...) -> None: ...
