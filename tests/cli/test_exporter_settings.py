"""Settings of the receiver: how many processes, which web pages."""

from __future__ import annotations

import pytest

from assay.settings import InvalidSetting, load


@pytest.mark.parametrize("number", ["0", "-1", "65"])
def test_a_number_of_exporters_that_makes_no_sense_is_refused(number: str) -> None:
    """More than a machine has cores for is a typing error."""
    with pytest.raises(InvalidSetting) as refused:
        load(environment={"ASSAY_EXPORTERS": number})
    assert str(refused.value) == f"ASSAY_EXPORTERS must be 1 to 64, got {number}"


@pytest.mark.parametrize(
    ("written", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        (
            "https://app.example.com, http://localhost:3000,app-id://x",
            ("https://app.example.com", "http://localhost:3000", "app-id://x"),
        ),
    ],
)
def test_origins_are_a_list_with_commas(written: str, origins: tuple[str, ...]) -> None:
    """None by default."""
    assert load(environment={"ASSAY_CORS_ORIGINS": written}).web_origins == origins


@pytest.mark.parametrize(
    "origin", ["app.example.com", "https://app.example.com/", "https://App.example.com", "null", "https://*"]
)
def test_an_origin_that_no_browser_sends_is_refused_with_how_to_write_it(origin: str) -> None:
    """It would never be equal to what comes, and the operator would search for long."""
    with pytest.raises(InvalidSetting) as refused:
        load(environment={"ASSAY_CORS_ORIGINS": f"*,{origin}"})
    assert str(refused.value) == (
        "ASSAY_CORS_ORIGINS must be * or a list like https://app.example.com,http://localhost:3000 (as browsers send "
        f"it: lower case, no path), got {origin!r}"
    )
