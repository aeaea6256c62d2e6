"""Prices, against a list that is small enough to check by hand."""

from __future__ import annotations

import pytest

from evaluator.judges.prices import Prices

PRICES = Prices(
    {
        "gpt-x": {
            "litellm_provider": "openai",
            "input_cost_per_token": 2e-6,
            "output_cost_per_token": 8e-6,
            "cache_read_input_token_cost": 1e-6,
        },
        "anthropic/claude-x": {
            "litellm_provider": "anthropic",
            "input_cost_per_token": 3e-6,
            "output_cost_per_token": 15e-6,
        },
        "half": {"litellm_provider": "openai", "input_cost_per_token": 1e-6},
    }
)


@pytest.mark.parametrize(
    ("model", "tokens", "usd"),
    [
        ("gpt-x", (1000, 100, 0), 0.0028),  # 1000 · 2e-6 + 100 · 8e-6
        ("openai/gpt-x", (1000, 100, 0), 0.0028),
        ("gpt-x", (1000, 100, 600), 0.0022),  # 400 · 2e-6 + 600 · 1e-6 + 100 · 8e-6
        ("gpt-x", (1000, 0, 5000), 0.001),  # more cached than sent: all of it is cached
        ("anthropic/claude-x", (1000, 100, 600), 0.0045),  # no cache price: cached tokens cost what others do
        ("azure/gpt-x", (1000, 100, 0), None),  # another provider's price is no price
        ("half", (1000, 100, 0), None),
        ("scripted", (1000, 100, 0), None),
    ],
)
def test_a_call_costs_tokens_times_price_or_nothing_is_known(
    model: str, tokens: tuple[int, int, int], usd: float | None
) -> None:
    """An unknown price is None, never 0."""
    cost = PRICES.cost_usd(model, *tokens)
    assert cost == (None if usd is None else pytest.approx(usd))
