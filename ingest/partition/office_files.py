"""Old Word and PowerPoint files: LibreOffice converts them, then the readers of today's read them."""

from pathlib import Path

from ingest.partition import convert
from ingest.partition.context import ParseContext
from ingest.partition.reading import ReadResult
from ingest.partition.slides import read_slides
from ingest.partition.word import read_word


def read_doc(path: Path, work: ParseContext) -> ReadResult:
    return read_word(convert.convert_office_file(path, "doc", work), work)


def read_ppt(path: Path, work: ParseContext) -> ReadResult:
    return read_slides(convert.convert_office_file(path, "ppt", work), work)
