"""Gaps, row scores and disagreements by output type: `evaluator.metrics.gaps`, where feedback can reach it, too."""

from evaluator.metrics.gaps import default_delta, disagrees, flagged_class, gap, row_score, scale_ends

__all__ = ["default_delta", "disagrees", "flagged_class", "gap", "row_score", "scale_ends"]
