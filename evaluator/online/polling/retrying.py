"""Whether a failed attempt is followed by another, and when.

Transport retries (429, 5xx, time-outs) are the judges' and belong to one attempt.  What is decided here is whether a
target is evaluated anew after an attempt ended in a failure, whatever the failure: a rule's policy, off by default.
"""

from __future__ import annotations

from evaluator.online.rules.policy import Retries


def next_attempt_ms(policy: Retries, *, attempt: int, first_ms: int, now_ms: int) -> int:
    """When the attempt after a failed one is due; 0 = the policy is spent, and the failure final.

    Args:
        attempt: The one that failed, from 1.
        first_ms: When the first one failed: the greatest age counts from there, so that a long pause costs no attempt.
    """
    if attempt >= policy.attempts:
        return 0
    due_ms = now_ms + int(policy.backoff_seconds * 1000 * 2.0 ** (attempt - 1))
    return due_ms if due_ms <= first_ms + policy.max_age_seconds * 1000 else 0


def spent(policy: Retries, *, attempt: int, first_ms: int, now_ms: int) -> str:
    """Why an attempt that is due now is not made after all; '' = it is.

    The policy may have been edited, and every evaluator stopped, since it was planned.
    """
    if attempt > policy.attempts:
        return f"the rule allows {policy.attempts} attempt{'s' if policy.attempts > 1 else ''} now"
    age_seconds = (now_ms - first_ms) / 1000
    if age_seconds > policy.max_age_seconds:
        return f"attempt {attempt} would have come {age_seconds:.0f} s after the first, later than the rule allows"
    return ""
