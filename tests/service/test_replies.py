"""Replies that are written without a second look are those that the description promises."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from indexes.model import Hit, PageMark, Row, SearchResult
from service.http.replies import SearchReply, encode_json, search_json

text = st.text(st.characters(exclude_categories=()), max_size=20)
numbers = st.integers(0, 10**9)
pages = st.lists(st.builds(PageMark, numbers, numbers, st.none() | text), max_size=2).map(tuple)
hits = st.builds(
    Hit,
    row=st.just(Row(1)),
    id=text,
    document_id=text,
    title=text,
    path=text,
    media_type=text,
    collection=text,
    language=st.none() | text,
    ordinal=numbers,
    text=text,
    start=numbers,
    end=numbers,
    section=st.lists(text, max_size=2).map(tuple),
    pages=pages,
    page_kind=st.none() | st.sampled_from(["page", "slide", "sheet", "part"]),
    score=st.floats(allow_nan=False, allow_infinity=False),
    header=text,
)
results = st.builds(
    SearchResult,
    hits=st.lists(hits, max_size=3).map(tuple),
    view_id=text,
    exactness=st.sampled_from(["exact", "approximate"]),
    mode=st.sampled_from(["hybrid", "dense", "keyword"]),
)


@given(results)
def test_a_search_is_told_to_the_letter_as_its_description_has_it(result: SearchResult) -> None:
    written = search_json(result)
    assert written == encode_json(SearchReply.of(result))
    told: dict[str, Any] = json.loads(written)
    assert [hit["id"] for hit in told["passages"]] == [
        json.loads(json.dumps(hit.id, ensure_ascii=False).encode("utf-8", "replace"))
        for hit in result.hits
    ]
