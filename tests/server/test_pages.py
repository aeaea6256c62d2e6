"""Page tokens and cursors."""

from __future__ import annotations

import base64
import uuid

import pytest

from evaluator.server import pages
from evaluator.server.errors import InvalidPageToken, InvalidRequest
from evaluator.v1.evaluator_pb2 import ListResultsRequest, ResultFilter
from evaluator.v1.metrics_pb2 import ListMetricsRequest
from storage.results import ResultCursor

QUERY = pages.query_of(ListResultsRequest())
CURSOR = ResultCursor(inserted_us=1_794_441_600_000_001, evaluation_id=uuid.UUID(int=7), attempt=2)


def test_a_cursor_survives_its_token() -> None:
    """What goes in comes out."""
    assert pages.result_cursor(QUERY, pages.result_token(QUERY, CURSOR)) == CURSOR
    assert pages.name_after(QUERY, pages.to_token(QUERY, ["höflich"])) == "höflich"
    assert pages.version_below(QUERY, pages.to_token(QUERY, [3])) == 3


def test_no_token_is_the_beginning() -> None:
    """The first page needs none."""
    assert (pages.name_after(QUERY, ""), pages.version_below(QUERY, "")) == ("", None)


def test_the_size_of_a_page_is_no_part_of_the_query() -> None:
    """A reader may change it on the way; token and cursor are places, no questions."""
    assert pages.query_of(ListResultsRequest(page_size=5, page_token="x")) == QUERY


@pytest.mark.parametrize(
    "other", [ListResultsRequest(filter=ResultFilter(metrics=["correctness"])), ListMetricsRequest()]
)
def test_a_token_of_another_query_is_refused(other: ListResultsRequest | ListMetricsRequest) -> None:
    """Else the reader would get a mixture of two lists."""
    with pytest.raises(InvalidPageToken, match="belongs to another query"):
        pages.result_cursor(pages.query_of(other), pages.result_token(QUERY, CURSOR))


def test_a_token_of_another_form_is_refused() -> None:
    """A name is no place among results, and the other way round."""
    with pytest.raises(InvalidPageToken):
        pages.result_cursor(QUERY, pages.to_token(QUERY, ["name"]))
    with pytest.raises(InvalidPageToken):
        pages.name_after(QUERY, pages.result_token(QUERY, CURSOR))
    with pytest.raises(InvalidPageToken):
        pages.version_below(QUERY, pages.result_token(QUERY, CURSOR))
    with pytest.raises(InvalidPageToken):
        pages.result_cursor(QUERY, pages.to_token(QUERY, [1, "no uuid", 1]))


@pytest.mark.parametrize("token", ["x", "====", "höflich", "AAAA", base64.urlsafe_b64encode(bytes(40)).decode()])
def test_what_we_did_not_make_is_refused(token: str) -> None:
    """Junk is INVALID_ARGUMENT, never a crash."""
    with pytest.raises(InvalidPageToken):
        pages.result_cursor(QUERY, token)


def test_every_damaged_token_is_refused() -> None:
    """One wrong character anywhere is noticed."""
    token = pages.result_token(QUERY, CURSOR)
    for place in range(len(token)):
        damaged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(InvalidPageToken):
            pages.result_cursor(QUERY, damaged)


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (1000, 1000)])
def test_a_page_has_one_to_a_thousand_items(asked: int, size: int) -> None:
    """0 means a hundred."""
    assert pages.page_size(asked) == size


@pytest.mark.parametrize("asked", [-1, 1001, 2**31 - 1])
def test_a_page_of_any_other_size_is_refused(asked: int) -> None:
    """Said, not silently cut."""
    with pytest.raises(InvalidRequest, match="page_size"):
        pages.page_size(asked)
