"""What stands in reStructuredText and Org is what is read, through the general partitioner."""

import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest

from indexes.errors import SourceBroken
from ingest.elements import ParseOptions
from ingest.partition import light_markup
from ingest.partition.general import partition_markup
from tests.ingest.completeness import share_of_words
from tests.ingest.parsing import headings, kinds, losses, parsed

ROOT = Path(__file__).resolve().parent.parent.parent

RST = """
Pump KD-5820
============

:Author: Ada

Wear gloves, also for H\\ :sub:`2`\\ O at 10\\ :sup:`6` volts. See `the site <https://example.org>`_.

.. warning:: Never open the valve under pressure.

Limits
------

.. list-table:: Limits of pumps
   :header-rows: 1

   * - Pump
     - Bar
   * - KD-5820
     - 12

+---------+-------+------+
| Part    | Price        |
|         +-------+------+
|         | Euro  | Yen  |
+=========+=======+======+
| Seal    | 4,311 | 7    |
+---------+-------+------+

#. first
#. second

   - nested

.. code-block:: python

   # no comment
   def open_valve():
       return 1

A note [1]_ here.

.. [1] Read the manual.

.. figure:: valve.png
   :alt: a red valve

   The valve at night.

安全
====

打开阀门之前请戴手套。

.. the mole lives here
   and digs
"""
RST_SAYS = """Pump KD 5820 Author Ada Wear gloves also for at volts See the site Warning Never open the valve under
pressure Limits of pumps Pump Bar KD 12 Part Price Euro Yen Seal 4,311 7 first second nested no comment def open_valve
return 1 A note here Read the manual a red valve The valve at night 安全 打开阀门之前请戴手套"""

ORG = """#+TITLE: Pump KD-5820
#+AUTHOR: Ada
#+OPTIONS: toc:nil

* Safety
Wear gloves, also for H_2O at 10^6 volts. [[https://example.org][The site]].

** TODO Limits
:PROPERTIES:
:CUSTOM_ID: limits
:END:

#+CAPTION: Limits of pumps
| Pump    | Bar |
|---------+-----|
| KD-5820 |  12 |

- [X] oil changed
- [ ] seal changed
1. first
2. second

#+BEGIN_SRC python
# no comment
def open_valve():
    return 1
#+END_SRC

A note[fn:1] here.

[fn:1] Read the manual.

* 安全
打开阀门之前请戴手套。

# the mole lives here
* Old pumps :ARCHIVE:
They rust.
* COMMENT Drafts
Not yet said.
"""
ORG_SAYS = """Pump KD 5820 Ada Safety Wear gloves also for at volts The site TODO Limits of pumps Pump Bar KD 12 oil seal
changed first second no comment def open_valve return 1 A note here Read the manual 安全 打开阀门之前请戴手套 Old pumps
They rust"""


def tables_of(document):
    return [one.table for one in document.elements if one.table is not None]


def test_restructured_text_arrives_whole_with_its_headings(tmp_path):
    document = parsed(tmp_path / "a.rst", RST)
    assert share_of_words(document, RST_SAYS) == 1
    assert headings(document) == [(1, "Pump KD-5820"), (2, "Limits"), (1, "安全")]
    assert document.title == "Pump KD-5820"
    assert document.media_type == "text/x-rst"
    assert document.warnings == ()


def test_restructured_text_keeps_lists_code_and_raised_letters(tmp_path):
    found = kinds(parsed(tmp_path / "a.rst", RST))
    assert [text for kind, text in found if kind == "list"][1:4] == [
        "1. first",
        "2. second",
        "nested",
    ]
    assert ("code", "# no comment\ndef open_valve():\n    return 1") in found
    assert ("text", "Wear gloves, also for H2O at 10^6 volts. See the site.") in found
    assert ("text", "A note[1] here.") in found


def test_tables_of_restructured_text_keep_captions_headers_and_merged_cells(tmp_path):
    listed, drawn = tables_of(parsed(tmp_path / "a.rst", RST))
    assert (listed.caption, listed.header_rows) == ("Limits of pumps", 1)
    assert listed.rows == (("Pump", "Bar"), ("KD-5820", "12"))
    assert drawn.header_rows == 2
    assert drawn.rows == (
        ("Part", "Price", "Price"),
        ("Part", "Euro", "Yen"),
        ("Seal", "4,311", "7"),
    )


def test_org_arrives_whole_with_its_title_and_its_headings(tmp_path):
    document = parsed(tmp_path / "a.org", ORG)
    assert share_of_words(document, ORG_SAYS) == 1
    assert headings(document) == [
        (1, "Pump KD-5820"),
        (2, "Safety"),
        (3, "TODO Limits"),
        (2, "安全"),
        (2, "Old pumps ARCHIVE"),
    ]
    assert (document.title, document.metadata["author"]) == ("Pump KD-5820", "Ada")
    assert document.warnings == ()


def test_org_keeps_lists_check_boxes_code_and_tables(tmp_path):
    document = parsed(tmp_path / "a.org", ORG)
    found = kinds(document)
    assert [text for kind, text in found if kind == "list"] == [
        "[x] oil changed",
        "[ ] seal changed",
        "1. first",
        "2. second",
        "1. Read the manual.",
    ]
    assert ("code", "# no comment\ndef open_valve():\n    return 1") in found
    (table,) = tables_of(document)
    assert (table.caption, table.header_rows) == ("Limits of pumps", 1)
    assert table.rows == (("Pump", "Bar"), ("KD-5820", "12"))


@pytest.mark.parametrize(
    ("name", "text", "comments"),
    [
        ("a.rst", RST, ["the mole lives here"]),
        ("a.org", ORG, ["the mole lives here", "* COMMENT Drafts"]),
    ],
)
def test_comments_are_counted_as_hidden_and_kept_if_that_is_wished(tmp_path, name, text, comments):
    document = parsed(tmp_path / name, text)
    shown = " ".join(text for _, text in kinds(document))
    assert not any(comment in shown for comment in comments)
    assert any("hidden" in loss and "in comments" in loss for loss in losses(document))
    marked = parsed(tmp_path / name, text, ParseOptions(ocr=False, hidden_text="mark"))
    shown = " ".join(text for _, text in kinds(marked))
    assert all(f"[hidden text: {comment}" in shown for comment in comments)


@pytest.mark.parametrize(
    ("name", "line"),
    [("a.rst", ".. include:: /etc/passwd\n"), ("a.org", '#+INCLUDE: "/etc/passwd"\n')],
)
def test_a_file_that_is_to_be_included_is_not_read_and_is_told(tmp_path, name, line):
    document = parsed(tmp_path / name, f"Apples are red.\n\n{line}")
    assert "root:" not in str(document.elements)
    assert any("included file" in loss for loss in losses(document))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("name", ["a.rst", "a.org"])
def test_the_encoding_is_found_before_pandoc_reads(tmp_path, name, encoding):
    text = "阀门\n====\n\n打开阀门之前请戴手套,并关闭电源。\n"
    document = parsed(tmp_path / name, text.encode(encoding))
    assert "打开阀门之前请戴手套" in " ".join(text for _, text in kinds(document))
    assert losses(document) == []


def read_nothing(path, markup):
    return [], ""


def fail(path, markup):
    raise SourceBroken("It cannot be parsed.")


@pytest.mark.parametrize("partition", [read_nothing, fail])
@pytest.mark.parametrize("name", ["a.rst", "a.org"])
def test_what_the_partitioner_cannot_read_is_read_as_plain_text(
    tmp_path, monkeypatch, name, partition
):
    monkeypatch.setattr(light_markup, "partition_markup", partition)
    document = parsed(tmp_path / name, "Apples are red.\n\nPears are green.\n")
    assert kinds(document) == [("text", "Apples are red."), ("text", "Pears are green.")]
    assert "plain text" in document.warnings[0]


def test_a_very_long_text_is_read_plainly_and_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(light_markup, "MAX_CHARS", 10)
    document = parsed(tmp_path / "a.rst", "Apples are red.\n")
    assert kinds(document) == [("text", "Apples are red.")]
    assert "too long" in document.warnings[0]


def test_words_that_the_partitioner_passes_over_are_counted(tmp_path, monkeypatch):

    def lose_one(path, markup):
        elements, page = partition_markup(path, markup)
        return elements, f"{page} forgotten"

    monkeypatch.setattr(light_markup, "partition_markup", lose_one)
    document = parsed(tmp_path / "a.rst", "Apples are red.\n")
    assert losses(document) == ["1 word could not be read: passed over by the general partitioner."]


def test_no_language_model_is_loaded_and_none_can_be():
    script = """
import sys
from ingest.partition import general
general.warm_up()
from unstructured.nlp import tokenize
assert not {"spacy", "thinc", "torch"} & set(sys.modules)
try:
    tokenize._load_spacy_model()
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "No language model is used.\n", done.stderr


def test_confined_workers_read_them_too(world):
    world.write("a.rst", RST)
    world.write("a.org", ORG)
    report = world.ingest(allow=("group:hr",))
    assert report["totals"]["new"] == 2, [f["reason"] for f in report["files"]]
    for name in ("a.rst", "a.org"):
        assert "Limits of pumps\nPump | Bar\nKD-5820 | 12" in world.text(name)
        assert "too few" not in str(report["files"])


def test_a_start_of_the_parsers_does_not_wait_for_what_few_files_need():
    script = """
import sys
from ingest import partition
partition.warm_up()
partition.warm_up_for(".txt")
print("unstructured" in sys.modules)
partition.warm_up_for(".RST")
print("unstructured.partition.html" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_a_markup_attached_to_a_mail_is_read_though_nothing_was_made_ready_for_it(world):
    mail = EmailMessage()
    mail["Subject"] = "Limits"
    mail.set_content("See the file.")
    mail.add_attachment(RST.encode(), maintype="text", subtype="x-rst", filename="limits.rst")
    world.write("a.eml", mail.as_string())
    report = world.ingest(allow=("group:hr",))
    assert report["totals"]["new"] == 1, [f["reason"] for f in report["files"]]
    assert "Pump | Bar" in world.text("a.eml")
