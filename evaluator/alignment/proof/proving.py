"""Held-out rows in, a proof out (§5 and §6 of the design)."""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.alignment.model import Optimized, Verdict
from evaluator.alignment.proof.evidence import Evidence, Turned, apart, evidence
from evaluator.alignment.proof.guardrails import agreed_before, guardrails
from evaluator.alignment.proof.proof import ALL, Confused, Guardrail, Proof
from evaluator.alignment.proof.segments import comparisons
from evaluator.alignment.proof.wording import sentence
from evaluator.metrics.agreeing import headline, label_pairs
from evaluator.metrics.definition import MetricDefinition
from evaluator.metrics.gaps import default_delta
from evaluator.statistics.comparing import mcnemar, sign_flip
from evaluator.statistics.estimate import Estimate
from evaluator.statistics.power import BROKEN, rows_for
from evaluator.statistics.resampling import REPLICATES, estimates
from evaluator.statistics.sample import Means
from storage.model import Outcome

ALPHA = 0.01
FEWEST = 5
"""Held-out rows below which nothing is claimed."""
DECISIVE = 10
"""Held-out rows from which on guidelines can be supported; below, numbers are indicative."""
LEAST_GAIN = 0.02
"""Of the mean row score: less does not matter, however sure it is."""
MAX_CONFUSED = 12
"""Values beyond which a table of confusions tells nobody anything."""
MCNEMAR = "exact one-sided McNemar"
FLIPS = "one-sided sign-flip permutation"


def prove(
    definition: MetricDefinition,
    optimized: Optimized,
    *,
    prompt_tokens_before: float | None = None,
    prompt_tokens_after: float | None = None,
    delta: float | None = None,
    alpha: float = ALPHA,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Proof:
    """What the held-out rows say of guidelines.

    Fewer than 5 held-out rows: nothing is claimed.  5 to 9: numbers are indicative.  From 10 on guidelines are
    supported where the test says so (p below alpha), they gain 2 points or more and more than the judge's own noise,
    and every guardrail is kept.

    Args:
        prompt_tokens_before, prompt_tokens_after: Of one evaluation, on average; None = not known.
        delta: The smallest gap that is a disagreement; None = the default of the output type.
        seed: Of resamples and drawn flips: the same gives the same proof.
    """
    found = evidence(definition, optimized, delta=default_delta(definition) if delta is None else delta)
    noise = _noise(found, seed=seed, replicates=replicates)
    if len(found.rows) < FEWEST:
        return _draft(found, optimized, noise, alpha)
    told = comparisons(found, seed=seed, replicates=replicates)
    difference = next(each.difference for each in told if each.name == "row_score" and each.group == ALL)
    kept = guardrails(
        found,
        told,
        guidelines=len(optimized.guidelines),
        tokens_before=prompt_tokens_before,
        tokens_after=prompt_tokens_after,
        seed=seed,
    )
    test, p_value = _tested(found, seed=seed)
    verdict = _verdict(found, optimized, difference, kept, p_value=p_value, noise=noise, alpha=alpha)
    return Proof(
        verdict=verdict,
        sentence=sentence(
            definition, verdict, told, difference, noise, kept, design=optimized.design, rows=len(found.rows)
        ),
        rows=len(found.rows),
        groups=len(set(found.groups)),
        design=optimized.design,
        test=test,
        p_value=p_value,
        alpha=alpha,
        headline=headline(definition),
        difference=difference,
        comparisons=told,
        confusion_before=_confusion(found, [each.before[0] for each in found.rows]),
        confusion_after=_confusion(found, [each.after[0] for each in found.rows]),
        guardrails=kept,
        fixed=found.turned(Turned.FIXED),
        broken=found.turned(Turned.BROKEN),
        agreeing_before=agreed_before(found),
        noise_floor=noise,
        optimism=_optimism(optimized, difference),
        warnings=_warnings(found, noise, difference),
        advice=_advice(found, verdict, difference, alpha),
    )


def _draft(found: Evidence, optimized: Optimized, noise: Estimate, alpha: float) -> Proof:
    verdict = Verdict.INCONCLUSIVE if optimized.guidelines else Verdict.NO_CHANGE
    said = f"{len(found.rows)} held-out rows: nothing can be claimed; the guidelines are a draft to read side by side"
    return Proof(
        verdict=verdict,
        sentence=said if optimized.guidelines else "No guidelines were found, so nothing would change.",
        rows=len(found.rows),
        groups=len(set(found.groups)),
        design=optimized.design,
        alpha=alpha,
        headline=headline(found.definition),
        difference=Estimate(count=len(found.rows), note=f"fewer than {FEWEST} held-out rows"),
        noise_floor=noise,
        warnings=(f"fewer than {FEWEST} held-out rows: no score is claimed",),
        advice=_advice(found, verdict, Estimate(), alpha),
    )


def _tested(found: Evidence, *, seed: int) -> tuple[str, float]:
    """The test of a gain, whole groups at a time: rows of one session turn together."""
    moved = [after - before for before, after in zip(found.before, found.after, strict=True)]
    alone = len(set(found.groups)) == len(found.groups)
    if alone and all(each in (-1.0, 0.0, 1.0) for each in moved):
        return MCNEMAR, mcnemar(moved.count(1.0), moved.count(-1.0))
    of_group: dict[int, float] = {}
    for group, each in zip(found.groups, moved, strict=True):
        of_group[group] = of_group.get(group, 0.0) + each
    return FLIPS if alone else f"{FLIPS} over groups", sign_flip(list(of_group.values()), seed=seed)


def _verdict(
    found: Evidence,
    optimized: Optimized,
    difference: Estimate,
    kept: Sequence[Guardrail],
    *,
    p_value: float,
    noise: Estimate,
    alpha: float,
) -> Verdict:
    if not optimized.guidelines or found.before == found.after:
        return Verdict.NO_CHANGE
    gain = difference.value or 0.0
    if (difference.upper is not None and difference.upper < 0.0) or not all(each.kept for each in kept):
        return Verdict.HARMFUL
    enough = len(found.rows) >= DECISIVE and p_value < alpha
    return Verdict.SUPPORTED if enough and gain >= LEAST_GAIN and gain > (noise.value or 0.0) else Verdict.INCONCLUSIVE


def _noise(found: Evidence, *, seed: int, replicates: int) -> Estimate:
    repeated = apart(found.definition, found.rows)
    if not repeated:
        return Estimate(note="no row was answered twice")
    groups = [found.groups[place] for place, _ in repeated]
    return estimates(Means(mean=[each for _, each in repeated]), groups, seed=seed, replicates=replicates)["mean"]


def _optimism(optimized: Optimized, difference: Estimate) -> float | None:
    if optimized.in_sample_before is None or optimized.in_sample_after is None or difference.value is None:
        return None
    return optimized.in_sample_after - optimized.in_sample_before - difference.value


def _confusion(found: Evidence, answers: Sequence[Outcome]) -> tuple[Confused, ...]:
    pairs = label_pairs(found.definition, [each.row.expected for each in found.rows], answers)
    if len(pairs.classes) > MAX_CONFUSED:
        return ()
    return tuple(
        Confused(expected=each.expected, concluded=each.concluded, count=round(each.count))
        for each in pairs.confusion()
    )


def _warnings(found: Evidence, noise: Estimate, difference: Estimate) -> tuple[str, ...]:
    said = []
    if len(found.rows) < DECISIVE:
        said.append(f"fewer than {DECISIVE} held-out rows: the numbers are indicative and prove nothing")
    if len(set(found.groups)) < len(found.rows):
        said.append(f"{len(found.rows)} rows are {len(set(found.groups))} groups: rows of one group count together")
    if noise.value is not None and difference.value is not None and 0.0 < difference.value <= noise.value:
        said.append(f"the gain is not above the judge's own noise of {noise.value:.1%}")
    return tuple(said)


def _advice(found: Evidence, verdict: Verdict, difference: Estimate, alpha: float) -> str:
    """How many more rows would tell, if what was seen is so."""
    if verdict is not Verdict.INCONCLUSIVE:
        return ""
    rows = len(found.rows)
    gain = difference.value if difference.value is not None and rows >= FEWEST else 0.2
    if gain < LEAST_GAIN:
        return ""
    broken = max(BROKEN, found.turned(Turned.BROKEN) / rows if rows else 0.0)
    wanted = rows_for(gain, broken=broken, alpha=alpha)
    if wanted is None or wanted <= rows:
        return ""
    return f"label about {-(-(wanted - rows) // 5) * 5} more rows: a gain of {gain:.0%} is then proved 8 times in 10"
