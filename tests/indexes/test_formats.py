"""The table of formats: every row can be used, and whoever looks something up in it loads nothing
else.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from indexes.formats import (
    BY_ENDING,
    FORMATS,
    KNOWN_ENDINGS,
    PICTURE_ENDINGS,
    UNREAD_ENDINGS,
    Family,
    PageKind,
)
from ingest.partition.reading import reader_of

ROOT = Path(__file__).resolve().parent.parent.parent
LOADED = "import sys; before = set(sys.modules); import indexes.formats; print(*set(sys.modules) - before)"


@pytest.mark.parametrize("kind", FORMATS.values(), ids=FORMATS.keys())
def test_every_format_names_a_reader_that_is_there(kind):
    assert callable(reader_of(kind))


def test_no_ending_belongs_to_two_formats():
    counted = Counter(ending for kind in FORMATS.values() for ending in kind.endings)
    assert set(counted.values()) == {1}
    assert counted.keys() == BY_ENDING.keys()


def test_every_format_is_complete():
    for name, kind in FORMATS.items():
        assert name == kind.name
        assert kind.endings
        assert all(ending == ending.lower() and ending.startswith(".") for ending in kind.endings)
        assert kind.media_type.count("/") == 1
        assert kind.family in get_args(Family)
        assert kind.page_kind in (None, *get_args(PageKind))
        assert bool(kind.begins) == (kind.family != "text")
        assert bool(kind.mark) == (kind.family in ("zip", "ole") and name != "zip")


def test_the_endings_that_were_ever_read_are_still_read():
    first = (
        ".bmp .csv .doc .docx .eml .epub .gif .htm .html .jpe .jpeg .jpg .log .markdown .md .mdown .msg .odp .ods"
        " .odt .pdf .png .ppt .pptx .rst .rtf .tab .text .tif .tiff .tsv .txt .webp .xhtml .xls .xlsx"
    )
    since = ".dot .pps .xlt .docm .dotx .dotm .pptm .ppsx .ppsm .potx .potm .xlsm .xltx .xltm"
    assert {*first.split(), *since.split()} <= BY_ENDING.keys()
    assert "Known endings: " + " ".join(sorted(BY_ENDING)) + "." == KNOWN_ENDINGS
    assert {".png", ".jpg", ".tiff"} < set(PICTURE_ENDINGS)


def test_what_is_refused_unread_is_no_ending_that_is_read():
    assert not UNREAD_ENDINGS & set(BY_ENDING)


def test_the_table_loads_nothing_but_the_standard_library():
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded <= {"indexes"} | sys.stdlib_module_names
    assert not [
        name
        for name in done.stdout.split()
        if name.startswith("indexes.") and name != "indexes.formats"
    ]
