"""What litellm's package knows of models (prices, windows, media), read as a file: litellm itself is not imported."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MODEL_FILE = "model_prices_and_context_window_backup.json"
_MEDIA: Final[tuple[tuple[str, str], ...]] = (
    ("image/", "supports_vision"),
    ("application/pdf", "supports_pdf_input"),
    ("audio/", "supports_audio_input"),
    ("video/", "supports_video_input"),
)


class Prices:
    """USD of calls, and limits of models, by the model's litellm name."""

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
        content = (Path(found.submodule_search_locations[0]) / MODEL_FILE).read_bytes()
        return cls(json.loads(content))

    def cost_usd(self, model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float | None:
        """Cost of one call in USD; None where the model or one of its prices is unknown."""
        entry = self._entry(model)
        price_in, price_out = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
        if not isinstance(price_in, (int, float)) or not isinstance(price_out, (int, float)):
            return None
        cached = min(cached_tokens, input_tokens)
        price_cached = entry.get("cache_read_input_token_cost")
        if not isinstance(price_cached, (int, float)):
            price_cached = price_in
        return float((input_tokens - cached) * price_in + cached * price_cached + output_tokens * price_out)

    def window(self, model: str) -> int | None:
        """Tokens that a model reads at most; None where it is not known."""
        found = self._entry(model).get("max_input_tokens")
        return int(found) if isinstance(found, (int, float)) and found > 0 else None

    def takes(self, model: str, media_type: str) -> bool:
        """Whether a model is known to take media of this type."""
        entry = self._entry(model)
        return any(media_type.startswith(kind) and entry.get(key) is True for kind, key in _MEDIA)

    def _entry(self, model: str) -> Mapping[str, object]:
        """`provider/name` falls back to `name` only if that entry is of the same provider."""
        entry = self._entries.get(model)
        if entry is None:
            provider, _, name = model.partition("/")
            entry = self._entries.get(name, {})
            if entry.get("litellm_provider") != provider:
                return {}
        return entry
