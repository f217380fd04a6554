"""Paths of uploads: what is accepted stays below its source and is seen by a run."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.errors import BadInput
from indexes.file_names import is_ignored, taken_for, upload_path
from indexes.lookalikes import ACCESS_FILE, find_lookalikes


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from([*"ab./\\~$:", "..", ".access", "yaml", "\u0301"])).map("".join)
)
def test_what_is_accepted_leads_nowhere_else(path):
    try:
        parts = upload_path(path)
    except BadInput:
        return
    assert parts
    assert upload_path("/".join(parts)) == parts
    for part in parts:
        assert part not in ("", ".", "..", ACCESS_FILE)
        assert not set(part) & set("/\\:\0")
        assert not is_ignored(part)
        assert find_lookalikes([part]) == []
    assert PurePosixPath("/top", *parts).is_relative_to("/top")


@pytest.mark.parametrize("path", ["a.txt", "a/b c.pdf", "报告/三月.docx", "Ünïcode.md", "a.b.c/d"])
def test_ordinary_paths_are_accepted(path):
    assert "/".join(upload_path(path)) == path


def test_a_name_is_taken_for_one_that_looks_like_it():
    assert taken_for("bill.txt", ["biII.txt", "a.txt"]) == "biII.txt"
    assert taken_for("a.txt", ["A.TXT"]) == "A.TXT"
    assert taken_for("a.txt", ["a.txt", "b.txt"]) is None
