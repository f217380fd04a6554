"""From a kind of file to its reader."""

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image

from indexes.errors import SourceBroken, SourceEmpty, SourceError
from indexes.model import Scalar
from ingest.elements import Element
from ingest.partition import convert, mail, ocr, odf, office, ooxml, pdf, text, web
from ingest.partition.kinds import Kind, identify
from ingest.partition.recover import merged
from ingest.partition.work import Work

Read = tuple[list[Element], dict[str, Scalar]]
_UNSAFE = re.compile(r"[^\w.\- ]+")


def read(path: Path, kind: Kind, work: Work) -> Read:
    """The elements of a file of this kind and what it says of itself (`title`, `author`, …)."""
    return _READERS[kind.name](path, work)


def _pdf(path: Path, work: Work) -> Read:
    elements, about, attached = pdf.partition(path, work)
    return elements + list(_attachments([mail.Attachment(name, data) for name, data in attached], work)), about


def _office(path: Path, work: Work, reader: Callable[[Path], list[Element]]) -> Read:
    """unstructured's reading, with what our own reading of the XML finds beside it; our own alone where it gives up."""
    usual = ooxml.transitional(path, work.scratch)
    about, own, pictures = ooxml.read(usual)
    try:
        found = reader(usual)
    except SourceBroken:
        if not own:
            raise
        work.warn("Its structure is damaged; its text was read without it.")
        found = []
    elements = merged(found, own)
    return elements + list(_embedded(usual, elements, pictures, work)), about


def _embedded(
    path: Path, elements: list[Element], pictures: list[tuple[int | None, str]], work: Work
) -> Iterator[Element]:
    """OCR of the pictures on slides without text, or of all pictures of a document without text."""
    told = {element.page for element in elements}
    silent = [(page, name) for page, name in pictures if (page not in told if page is not None else not elements)]
    if not silent:
        return
    if not work.options.ocr:
        if not elements:
            raise SourceEmpty("It holds only pictures and OCR is off.", remedy="Set CLEARANCE_OCR=true.")
        return
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        for page, name in silent:
            if name in names and work.may_read_picture():
                yield from _read_picture(archive.read(name), page)
                work.page_read()


def _read_picture(data: bytes, page: int | None) -> list[Element]:
    try:
        with Image.open(BytesIO(data)) as image:
            return ocr.read(ocr.pixels(image), page)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []


def _docx(path: Path, work: Work) -> Read:
    return _office(path, work, office.word)


def _pptx(path: Path, work: Work) -> Read:
    return _office(path, work, office.slides)


def _xlsx(path: Path, work: Work) -> Read:
    return _office(path, work, office.sheets)


def _doc(path: Path, work: Work) -> Read:
    return _docx(convert.modernise(path, "doc", work), work)


def _ppt(path: Path, work: Work) -> Read:
    return _pptx(convert.modernise(path, "ppt", work), work)


def _txt(path: Path, work: Work) -> Read:
    decoded, _ = text.decode(path.read_bytes(), work.options.encodings)
    return list(text.paragraphs(decoded)), {}


def _csv(path: Path, work: Work) -> Read:
    decoded, _ = text.decode(path.read_bytes(), work.options.encodings)
    return list(text.delimited(decoded, path.suffix.lower())), {}


def _eml(path: Path, work: Work) -> Read:
    return _mail(mail.internet(path, work), work)


def _msg(path: Path, work: Work) -> Read:
    return _mail(mail.outlook(path, work), work)


def _mail(message: mail.Mail, work: Work) -> Read:
    return message.elements + list(_attachments(message.attachments, work)), message.about


def _attachments(attachments: list[mail.Attachment], work: Work) -> Iterator[Element]:
    """Attached files parsed as part of the same document, each under a heading with its name."""
    if attachments and work.depth >= work.options.max_attachment_depth:
        work.warn("Attachments of attachments of attachments were not read.")
        return
    for attachment in attachments:
        work.attachments += 1
        if work.attachments > work.options.max_attachments:
            work.warn(f"Only the first {work.options.max_attachments} attachments were read.")
            return
        name = " ".join(_UNSAFE.sub(" ", Path(attachment.name).name).split()) or "attachment"
        work.depth += 1
        try:
            elements = _attached(name, attachment.data, work)
        except SourceError as error:
            work.warn(f"Attachment {name}: {error}")
            continue
        finally:
            work.depth -= 1
        yield Element(kind="heading", text=name, level=1)
        yield from (replace(e, level=min(e.level + 1, 9) if e.kind == "heading" else 0, page=None) for e in elements)


def _attached(name: str, data: bytes, work: Work) -> list[Element]:
    place = work.scratch / f"attachment-{work.attachments}{Path(name).suffix.lower()[:8]}"
    place.write_bytes(data)
    try:
        return read(place, identify(place, work.options), work)[0]
    finally:
        place.unlink(missing_ok=True)


def _plain(reader: Callable[[Path], list[Element]]) -> Callable[[Path, Work], Read]:
    return lambda path, work: (reader(path), {})


_READERS: dict[str, Callable[[Path, Work], Read]] = {
    "pdf": _pdf,
    "docx": _docx,
    "pptx": _pptx,
    "xlsx": _xlsx,
    "xls": _plain(office.sheets),
    "doc": _doc,
    "ppt": _ppt,
    "odt": _plain(office.open_text),
    "odp": _plain(odf.presentation),
    "ods": _plain(odf.spreadsheet),
    "epub": web.epub,
    "rtf": _plain(office.rich_text),
    "html": web.html,
    "md": web.markdown,
    "txt": _txt,
    "csv": _csv,
    "eml": _eml,
    "msg": _msg,
    "image": lambda path, work: (ocr.picture(path, work), {}),
}
