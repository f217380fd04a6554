"""A file that somebody took for a rule closes its folder; a document that merely speaks of access
is a document.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.confusables import edit_distance
from indexes.lookalikes import ACCESS_FILE, find_lookalikes

RULES_GONE_WRONG = [
    ".Access.yaml", "access.yaml", ".acces.yaml", ".access.json", ".access.yaml.txt", ".access.yml", "_access.yaml",
    "Access.yaml", "ACCESS.YAML", "access.yml", "access.json", "access.yaml.txt", ".access", ".access.txt",
    "．access．yaml", "․access.yaml", ".аccess.yaml", ".ａccess.yaml", "\ufeff.access.yaml", ".access\u200b.yaml",
    ".access.yaml ", " .access.yaml", ".access.yaml.", "..access.yaml", ".accss.yaml", ".acccess.yaml", ".acsess.yaml",
    ".accses.yaml", ".aces.yaml", ".access.yalm", ".access.yam", ".access.yaml5", ".accessyaml", ".access-yaml",
    ".access_yaml", "access-yaml", ".access,yaml", ".access.toml", ".access yaml", "access.yaml.bak",
    ".access.yaml.bak",
    ".access.yaml.orig", ".access.yaml.old", ".access.old.yaml", ".access.yaml.1", ".access (1).yaml",
    "access (2).yaml",
    ".access - Copy.yaml", "Copy of .access.yaml", ".access2.yaml", ".access.yaml.disabled", ".access.hr.yaml",
    ".access.yaml.example", "#access.yaml", "~.access.yaml",
]  # fmt: skip
DOCUMENTS = [
    "access-control-policy.md", "access.log", "access.md", "access.txt", "access", "Access.docx", "access.pdf",
    "Access 2024.pdf", "accessories.yaml", "accessibility.yaml", ".accessibility.yaml", "success.yaml", "process.yaml",
    "remote-access.yaml", "access-points.csv", "accession.json", "assess.yaml", "index.yaml", "readers.yaml",
    ".gitignore", ".env", ".access.log", ".DS_Store", "docker-compose.yaml", "mkdocs.yml", ".travis.yml", "acl.txt",
    "access_log", "data-access.json", "zugang.yaml", "人事.yaml", "", "...", "1.yaml", "access yaml explained.md",
]  # fmt: skip
KEPT_BY_EDITORS = [".access.yaml~", "#.access.yaml#", ".#.access.yaml", "..access.yaml.swp"]


@pytest.mark.parametrize("name", RULES_GONE_WRONG)
def test_a_name_that_looks_like_a_rule_is_found_with_and_without_the_rule_beside_it(name):
    assert find_lookalikes([name, "a.txt"]) == [name]
    assert find_lookalikes([name, "a.txt", ACCESS_FILE]) == [name]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_no_rule_whatever_it_speaks_of(name):
    assert find_lookalikes([name, ACCESS_FILE]) == []


@pytest.mark.parametrize("name", KEPT_BY_EDITORS)
def test_what_an_editor_keeps_while_the_rule_is_open_is_no_rule_gone_wrong(name):
    assert find_lookalikes([name, ACCESS_FILE]) == []
    assert find_lookalikes([name]) == [name]


def test_the_rule_itself_is_none_and_several_are_named_in_order():
    assert find_lookalikes([ACCESS_FILE]) == []
    assert find_lookalikes(["b.txt", "access.yaml", ".Access.yaml"]) == [
        ".Access.yaml",
        "access.yaml",
    ]


@given(st.lists(st.text(max_size=12), max_size=3))
@settings(max_examples=30, deadline=None)
def test_no_name_breaks_the_search_for_rules_gone_wrong(names):
    assert set(find_lookalikes(names)) <= set(names) - {ACCESS_FILE}


@given(st.text("acesy", max_size=7), st.text("acesy", max_size=7))
def test_the_distance_is_bounded_symmetric_and_zero_for_equals_only(one, other):
    assert edit_distance(one, other, 2) == edit_distance(other, one, 2) <= 3
    assert (edit_distance(one, other, 2) == 0) == (one == other)
