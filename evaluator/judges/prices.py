"""What a call costs, from the price list inside litellm's package, read as a file: litellm itself is not imported."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path

PRICE_FILE = "model_prices_and_context_window_backup.json"


class Prices:
    """USD of calls, by the model's litellm name."""

    def __init__(self, entries: Mapping[str, Mapping[str, object]]) -> None:
        self._entries = entries

    @classmethod
    def bundled(cls) -> Prices:
        """The list that came with the installed litellm: about 3 MB of JSON, some 40 ms.

        Raises:
            FileNotFoundError: litellm is not installed, or no longer brings its list.
        """
        found = importlib.util.find_spec("litellm")
        if found is None or not found.submodule_search_locations:
            raise FileNotFoundError("litellm is not installed")
        content = (Path(found.submodule_search_locations[0]) / PRICE_FILE).read_bytes()
        return cls(json.loads(content))

    def cost_usd(self, model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float | None:
        """Cost of one call in USD; None where the model or one of its prices is unknown.

        `provider/name` falls back to `name` only if that entry is of the same provider.
        """
        entry = self._entries.get(model)
        if entry is None:
            provider, _, name = model.partition("/")
            entry = self._entries.get(name, {})
            if entry.get("litellm_provider") != provider:
                return None
        price_in, price_out = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
        if not isinstance(price_in, (int, float)) or not isinstance(price_out, (int, float)):
            return None
        cached = min(cached_tokens, input_tokens)
        price_cached = entry.get("cache_read_input_token_cost")
        if not isinstance(price_cached, (int, float)):
            price_cached = price_in
        return float((input_tokens - cached) * price_in + cached * price_cached + output_tokens * price_out)
