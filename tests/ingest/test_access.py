"""Who may read a file: the nearest rule wins, and whatever is unclear is for nobody."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.errors import BadInput, NoReaders
from indexes.model import Readers
from indexes.principals import check_rule
from ingest.access import (
    AccessRules,
    ManifestEntry,
    command_line_rule,
    narrow_readers,
    read_access_file,
    read_manifest,
)
from ingest.tree import Tree

HR, FINANCE, ADA = "group:hr", "group:finance", "user:ada"


def allowing(*names: str, deny: tuple[str, ...] = ()) -> Readers:
    return Readers(allow=frozenset(names), deny=frozenset(deny))


def write_rule(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".access.yaml").write_text(text, encoding="utf-8")


def readers(file: Path, top: Path, **rules: object) -> Readers:
    given = AccessRules(**rules)  # type: ignore[arg-type]
    file.parent.mkdir(parents=True, exist_ok=True)
    return given.readers(file, Tree.open(top).rule_of(file.parent.relative_to(top).parts, given))


def test_the_rule_of_the_folder_governs_its_files(tmp_path):
    write_rule(tmp_path, "allow: [group:hr, user:ada]\ndeny: [user:bob]\n")
    assert readers(tmp_path / "a.txt", tmp_path) == allowing(HR, ADA, deny=("user:bob",))


def test_a_nearer_folder_replaces_the_whole_rule_of_its_parent(tmp_path):
    write_rule(tmp_path, "allow: [group:hr]\ndeny: [user:bob]\n")
    write_rule(tmp_path / "pay", "allow: [group:finance]\n")
    assert readers(tmp_path / "pay" / "2025" / "a.txt", tmp_path) == allowing(FINANCE)


def test_a_manifest_line_beats_the_folder_and_the_command_line_beats_both(tmp_path):
    write_rule(tmp_path, "allow: [group:hr]\n")
    file = tmp_path / "a.txt"
    manifest = {file: ManifestEntry(readers=allowing(FINANCE))}
    assert readers(file, tmp_path, manifest=manifest) == allowing(FINANCE)
    assert readers(file, tmp_path, manifest=manifest, command_line=allowing(ADA)) == allowing(ADA)


def test_a_manifest_line_without_readers_leaves_them_to_the_folder(tmp_path):
    write_rule(tmp_path, "allow: [group:hr]\n")
    file = tmp_path / "a.txt"
    assert readers(file, tmp_path, manifest={file: ManifestEntry(title="A")}) == allowing(HR)


def test_no_rule_at_all_is_no_readers(tmp_path):
    with pytest.raises(NoReaders, match="No rule"):
        readers(tmp_path / "a.txt", tmp_path)


def test_rules_above_the_given_folder_are_not_looked_at(tmp_path):
    write_rule(tmp_path, "allow: [public]\n")
    (tmp_path / "inner").mkdir()
    with pytest.raises(NoReaders):
        readers(tmp_path / "inner" / "a.txt", tmp_path / "inner")


BROKEN = {
    "not YAML": "allow: [group:hr",
    "empty file": "",
    "a list": "- group:hr\n",
    "no allow": "deny: [user:bob]\n",
    "null allow": "allow:\n",
    "a word for a list": "allow: group:hr\n",
    "unknown key": "allow: [group:hr]\nalow: [group:finance]\n",
    "repeated key": "allow: [group:hr]\nallow: [public]\n",
    "a name without a kind": "allow: [hr]\n",
    "a space after the colon": "allow:\n- group: hr\n",
    "a number": "allow: [7]\n",
    "everybody by a boolean": "allow: [yes]\n",
    "a bad denied name": "allow: [group:hr]\ndeny: [bob]\n",
    "a removed principal": "allow: ['user:ada#1']\n",
    "aliases": "allow: &a [group:hr]\ndeny: *a\n",
    "two documents": "allow: [group:hr]\n---\nallow: [public]\n",
    "a Python object": "allow: !!python/object/apply:os.system ['true']\n",
    "very deep": "allow: " + "[" * 5_000 + "\n",
    "very long": "allow: [group:hr]\n#" + "x" * 70_000,
    "control characters": "allow: [group:hr]\n\x00",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_rule_that_cannot_be_understood_gives_nobody_and_hides_every_wider_rule(tmp_path, text):
    write_rule(tmp_path, "allow: [public]\n")
    write_rule(tmp_path / "pay", text)
    with pytest.raises(NoReaders, match="cannot be used") as caught:
        readers(tmp_path / "pay" / "deep" / "a.txt", tmp_path)
    assert ".access.yaml" in str(caught.value)
    assert caught.value.remedy


def test_a_rule_that_is_no_plain_utf8_file_is_broken_and_never_hangs(tmp_path):
    for number, make in enumerate(
        (
            lambda path: path.write_bytes(b"allow: [group:\xff\xfe]\n"),
            lambda path: path.mkdir(),
            lambda path: os.mkfifo(path),
            lambda path: path.symlink_to(tmp_path / "nowhere"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        make(folder / ".access.yaml")
        with pytest.raises(NoReaders, match="cannot be used"):
            readers(folder / "a.txt", tmp_path)


@pytest.mark.parametrize(
    "name", [".access.yml", "access.yaml", ".Access.yaml", ".access.json", ".access.yaml.txt"]
)
def test_a_misspelt_rule_file_closes_its_folder_and_is_no_absent_rule(tmp_path, name):
    write_rule(tmp_path, "allow: [public]\n")
    (tmp_path / "pay" / "deep").mkdir(parents=True)
    (tmp_path / "pay" / name).write_text("allow: [group:hr]\n")
    for file in ("a.txt", "deep/a.txt"):
        with pytest.raises(NoReaders, match=r"\.access\.yaml only") as caught:
            readers(tmp_path / "pay" / file, tmp_path)
        assert name in str(caught.value)
        assert "Rename it to .access.yaml" in (caught.value.remedy or "")
    assert readers(tmp_path / "a.txt", tmp_path) == allowing("public")


def test_a_misspelt_rule_file_closes_its_folder_even_beside_the_right_one(tmp_path):
    write_rule(tmp_path, "allow: [public]\n")
    (tmp_path / "access.yaml").write_text("allow: [group:hr]\n")
    with pytest.raises(NoReaders, match="looks like one"):
        readers(tmp_path / "a.txt", tmp_path)


def test_a_nearer_rule_is_not_touched_by_a_misspelt_one_further_away(tmp_path):
    (tmp_path / "access.yaml").write_text("allow: [group:hr]\n")
    write_rule(tmp_path / "pay", "allow: [group:finance]\n")
    assert readers(tmp_path / "pay" / "a.txt", tmp_path) == allowing(FINANCE)


def test_a_rule_that_allows_nobody_is_a_rule(tmp_path):
    write_rule(tmp_path, "allow: [public]\n")
    write_rule(tmp_path / "pay", "allow: []\ndeny: [user:bob]\n")
    assert readers(tmp_path / "pay" / "a.txt", tmp_path) == allowing(deny=("user:bob",))
    (tmp_path / "m.jsonl").write_text('{"file": "a.txt", "allow": []}\n')
    manifest = read_manifest(tmp_path / "m.jsonl")
    assert readers(tmp_path / "a.txt", tmp_path, manifest=manifest) == allowing()


def test_a_rule_may_begin_with_a_byte_order_mark_and_hold_chinese_names(tmp_path):
    (tmp_path / ".access.yaml").write_bytes("\ufeffallow: ['group:人事']\n".encode())
    assert read_access_file(tmp_path / ".access.yaml") == allowing("group:人事")


def test_deny_without_allow_is_wrong_use_of_the_command_line():
    with pytest.raises(BadInput, match="--deny alone"):
        command_line_rule([], ["user:bob"])
    assert command_line_rule([], []) is None
    assert command_line_rule([HR], ["user:bob"]) == allowing(HR, deny=("user:bob",))


def test_a_manifest_names_files_relative_to_its_own_folder(tmp_path):
    (tmp_path / "m.jsonl").write_text(
        '{"file": "a/b.txt", "allow": ["group:hr"], "deny": ["user:bob"], "title": "B", "metadata": {"year": 2025}}\n'
        "\n"
        '{"file": "c.txt", "collection": "laws"}\n'
    )
    entries = read_manifest(tmp_path / "m.jsonl")
    wanted = ManifestEntry(
        readers=allowing(HR, deny=("user:bob",)), title="B", metadata={"year": 2025}
    )
    assert entries[tmp_path / "a" / "b.txt"] == wanted
    assert entries[tmp_path / "c.txt"] == ManifestEntry(collection="laws")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2"),
        ("[]", "line 2"),
        ('{"file": "x", "alow": ["group:hr"]}', "alow"),
        ('{"allow": ["group:hr"]}', "file"),
        ('{"file": "x", "allow": null, "deny": ["user:bob"]}', "without"),
        ('{"file": "x", "allow": "group:hr"}', "allow"),
        ('{"file": "x", "allow": ["hr"]}', "kind"),
        ('{"file": "x", "deny": ["user:bob"]}', "without"),
        ('{"file": "x", "allow": ["group:hr"], "allow": ["public"]}', "twice"),
        ('{"file": "a.txt"}', "named before"),
        ('{"file": "./b/../a.txt"}', "named before"),
        ("[" * 100_000, "line 2"),
    ],
)
def test_a_manifest_with_a_wrong_line_is_refused_whole_and_by_line(tmp_path, line, complaint):
    (tmp_path / "m.jsonl").write_text('{"file": "a.txt", "allow": ["group:hr"]}\n' + line + "\n")
    with pytest.raises(BadInput, match=r"m\.jsonl, line 2") as caught:
        read_manifest(tmp_path / "m.jsonl")
    assert complaint in str(caught.value)


def test_a_manifest_that_cannot_be_read_is_wrong_use(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_manifest(tmp_path / "none.jsonl")
    (tmp_path / "m.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="UTF-8"):
        read_manifest(tmp_path / "m.jsonl")


NAMES = st.sampled_from(["group:a", "group:b", "user:c", "public"])
SETS = st.builds(Readers, allow=st.frozensets(NAMES), deny=st.frozensets(NAMES))
RULES = st.builds(check_rule, st.frozensets(NAMES, min_size=1), st.frozensets(NAMES))
FOLDERS = st.lists(st.one_of(st.none(), st.just("broken"), RULES), min_size=1, max_size=4)


def may_read(who: frozenset[str], readers: Readers) -> bool:
    return bool(who & readers.allow) and not who & readers.deny


@given(levels=FOLDERS, in_manifest=st.none() | RULES, given_rule=st.none() | RULES)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_nearest_rule_wins_whole_and_a_broken_one_never_opens_anything(
    tmp_path_factory, levels, in_manifest, given_rule
):
    top = folder = tmp_path_factory.mktemp("tree")
    for number, level in enumerate(levels):
        folder = folder / f"d{number}" if number else top
        folder.mkdir(exist_ok=True)
        if level == "broken":
            write_rule(folder, "allow: [hr]\n")
        elif level is not None:
            write_rule(folder, f"allow: {sorted(level.allow)}\ndeny: {sorted(level.deny)}\n")
    file = folder / "a.txt"
    manifest = {file: ManifestEntry(readers=in_manifest)}
    nearest = (
        given_rule
        or in_manifest
        or next((level for level in reversed(levels) if level is not None), None)
    )
    if nearest is None or nearest == "broken":
        with pytest.raises(NoReaders):
            readers(file, top, command_line=given_rule, manifest=manifest)
    else:
        assert readers(file, top, command_line=given_rule, manifest=manifest) == nearest


@given(before=SETS, after=SETS, who=st.frozensets(NAMES, min_size=1))
def test_narrowed_readers_may_all_read_under_both_rules(before, after, who):
    if may_read(who, narrow_readers(before, after)):
        assert may_read(who, before)
        assert may_read(who, after)


def test_nobody_who_is_denied_is_forgotten_when_narrowing():
    before = allowing(HR, deny=("user:bob#3", "user:eve"))
    assert narrow_readers(before, allowing(HR)) == allowing(HR, deny=("user:bob#3", "user:eve"))


@pytest.mark.parametrize(
    "metadata", ['{"a\\u0000": 1}', '{"a": "\\ud800"}', '{"a": NaN}', '{"a": 9007199254740993}']
)
def test_metadata_that_no_filter_could_ask_for_is_refused_in_a_manifest(
    tmp_path: Path, metadata: str
) -> None:
    (tmp_path / "list.jsonl").write_text(
        f'{{"file": "a.txt", "allow": ["public"], "metadata": {metadata}}}'
    )
    with pytest.raises(BadInput):
        read_manifest(tmp_path / "list.jsonl")
