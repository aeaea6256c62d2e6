"""Names of results on the wire.  Source: OpenTelemetry semantic conventions for GenAI, `gen_ai.evaluation.result`
(Development)."""

from __future__ import annotations

# The convention's.
EVENT = "gen_ai.evaluation.result"
NAME = "gen_ai.evaluation.name"
VALUE = "gen_ai.evaluation.score.value"
LABEL = "gen_ai.evaluation.score.label"
EXPLANATION = "gen_ai.evaluation.explanation"
ERROR = "error.type"
RESPONSE_ID = "gen_ai.response.id"
SESSION_ID = "session.id"
SERVICE = "service.name"

# Ours.
RESULT_ID = "assay.result.id"
ATTEMPT = "assay.result.attempt"
EVALUATOR = "assay.evaluator.id"
EVALUATOR_KIND = "assay.evaluator.kind"
METRIC_VERSION = "assay.metric.version"
METRIC_DIGEST = "assay.metric.digest"
LEVEL = "assay.level"
TARGET = "assay.target.id"
SCOPE = "assay.scope"
RULE = "assay.rule.id"
RUN = "assay.run.id"

# Other people's.
OPENLIT_KEY = "openlit.score.idempotency_key"
