"""Reports to render: one with a little of everything, and texts that mean harm."""

from __future__ import annotations

from datetime import UTC, datetime

from evaluator.alignment.model import Verdict
from evaluator.alignment.proof.proof import Comparison, Confused
from evaluator.alignment.reporting.report import Flip, GuidelineLine, Report, Running, Spent
from evaluator.alignment.running.outcome import Counts
from evaluator.statistics.estimate import Estimate
from storage.model import Level, OutputType, Score, TargetRef

SCRIPT = "</dd></pre></svg><script>alert(1)</script><img src=x onerror=alert(2)>"
LINK = "[click](javascript:alert(3)) ![x](https://evil.example/p.png) <https://evil.example> @everyone `x` | y"
TERMINAL = "\x1b[2J\x1b]0;owned\x07 \u202egnorw\u202c \r overwritten"
HOSTILE = f"{SCRIPT} {LINK} {TERMINAL}"
SPAN = TargetRef(level=Level.SPAN, trace_id="a" * 32, span_id="b" * 16)
SESSION = TargetRef(level=Level.SESSION, session_id=f"s'; rm -rf / {SCRIPT}")
TRUE, FALSE = Score(value=1.0, label="true"), Score(value=0.0, label="false")


def compared(name: str, before: float, after: float, *, group: str = "all", half: float = 0.1) -> Comparison:
    """A statistic of 80 rows, with intervals of so much on either side."""

    def estimate(value: float) -> Estimate:
        return Estimate(value=value, lower=value - half, upper=value + half, count=80)

    return Comparison(
        name=name, group=group, before=estimate(before), after=estimate(after), difference=estimate(after - before)
    )


def report(text: str = HOSTILE) -> Report:
    """Everything that a report can have; `text` stands wherever people, models and applications write."""
    return Report(
        alignment_id="7f0b0c5e-0000-4000-8000-000000000000",
        metric="tone",
        metric_version=1,
        active_version=2,
        output_type=OutputType.BOOLEAN,
        verdict=Verdict.SUPPORTED,
        sentence=f"The guidelines help: κ 0.21 → 0.74. {text}",
        lines=(
            GuidelineLine(guideline_id="aa11", text=f"Flag a dosage. {text}", support=9, fixed=7, broken=1),
            GuidelineLine(guideline_id="aa12", text="Keep this.", base=True, origin="human"),
            GuidelineLine(guideline_id="aa13", text="Never.", included=False, needs_decision=f"aa11 opposes {text}"),
            GuidelineLine(guideline_id="aa14", text="Edited.", origin="human", edited_from=text),
            GuidelineLine(guideline_id="aa15", text="Gone.", base=True, included=False),
        ),
        prompt_before=f"Is it safe?\n```\n{text}\n{{{{output}}}}",
        prompt_after=f"Is it safe?\n```\n{text}\n{{{{output}}}}\n\n1. Flag a dosage. {text}",
        agreement=(
            compared("cohen_kappa", 0.21, 0.74),
            compared("agreement", 0.6, 0.91),
            compared("mae", 0.4, 0.1),
            compared("recall", 0.4, 0.9, group="class=true"),
            compared("agreement", 0.5, 0.9, group=f"annotator={text}"),
        ),
        human_agreement=(("cohen_kappa", Estimate(value=0.8, lower=0.7, upper=0.9, count=20)),),
        confusion_before=(
            Confused(expected="true", concluded="false", count=24),
            Confused(expected="true", concluded="true", count=16),
            Confused(expected="false", concluded=text, count=40),
        ),
        confusion_after=(
            Confused(expected="true", concluded="true", count=36),
            Confused(expected="true", concluded="false", count=4),
            Confused(expected="false", concluded="false", count=40),
        ),
        flips=(
            Flip(
                target=SPAN,
                expected=TRUE,
                before=TRUE,
                before_explanation=text,
                after=FALSE,
                after_explanation=text,
                fixed=False,
                people=(text, "it names a dosage"),
                feedback_ids=("1" * 32,),
            ),
            Flip(
                target=SESSION,
                expected=FALSE,
                before=None,
                before_explanation="JUDGE_TIMEOUT: 30 s",
                after=FALSE,
                after_explanation="fine",
                fixed=True,
            ),
        ),
        noise_floor=Estimate(value=0.02, lower=0.0, upper=0.06, count=80),
        optimism=Estimate(value=0.04, count=80),
        p_value=0.0003,
        test="exact one-sided McNemar",
        design="cross-fit, 4 folds",
        failed_guardrails=(f"broken rows: {text}",),
        counts=Counts(
            annotations=96,
            disagreements=34,
            disagreements_rerun=32,
            skipped_agreeing=48,
            conflicts=3,
            stale=5,
            excluded={text: 2},
            sampled=80,
        ),
        spent=Spent(
            judge_calls=812,
            reflection_calls=31,
            remembered=120,
            input_tokens=312_000,
            output_tokens=21_000,
            cost_usd=0.41,
        ),
        running=Running(tokens_before=275.0, tokens_after=443.0, usd_before=0.12, usd_after=None),
        candidates=14,
        seed=7,
        judge_model="openai/gpt-4o-mini",
        reflection_model=text,
        delta=0.0,
        fingerprint="abcd" * 8,
        sources=("rule:demo@2026-11-22",),
        warnings=(f"few rows {text}",),
        notes=(f"edited {text}",),
        created=datetime(2026, 11, 22, 3, 4, tzinfo=UTC),
    )
