"""Pictures inside Office files: each distinct one read with OCR once, the others counted."""

import hashlib
import posixpath
from io import BytesIO

from PIL import Image

from indexes.errors import SourceBroken, SourceEmpty
from indexes.formats import PICTURE_ENDINGS
from ingest.elements import Element
from ingest.partition import ocr
from ingest.partition.context import ParseContext
from ingest.partition.office.package import Package

MIN_SIDE = 40  # pixels; a smaller picture is a bullet, a rule or an icon
MIN_AREA = 12_000  # pixels


class Pictures:
    """The pictures of one file."""

    def __init__(self, package: Package, work: ParseContext) -> None:
        self.package, self.work = package, work
        self._seen: set[bytes | str] = set()
        self.unread = 0

    def read(self, name: str, page: int | None = None) -> list[Element]:
        """The text in a picture; nothing if it was read before, is tiny or could not be read."""
        if name in self._seen:
            return []
        self._seen.add(name)
        data = self.package.read(name)
        if data is None:
            return self._leave("that are missing or damaged")
        print_of = hashlib.sha256(data).digest()
        if print_of in self._seen:
            return []
        self._seen.add(print_of)
        if not name.lower().endswith(PICTURE_ENDINGS):
            kind = posixpath.splitext(name)[1].lower().lstrip(".")[:8] or "unknown"
            return self._leave(f"of the kind {kind}")
        return self._read(data, page)

    def _read(self, data: bytes, page: int | None) -> list[Element]:
        try:
            with Image.open(BytesIO(data)) as image:
                if min(image.size) < MIN_SIDE or image.width * image.height < MIN_AREA:
                    return []
                if not self.work.options.ocr:
                    return self._leave("because OCR is off")
                if not self.work.may_read_picture():
                    return []
                found = ocr.read_pixels(ocr.to_pixels(image), page)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return self._leave("that are damaged")
        self.work.page_read()
        return found

    def _leave(self, why: str) -> list[Element]:
        self.unread += 1
        self.work.lose("picture", 1, "pictures", why)
        return []

    def require_text(self, elements: list[Element]) -> None:
        """Raises SourceBroken if nothing of a damaged file can be read, SourceEmpty if it holds
        nothing but pictures that may not be.
        """
        if not elements and self.package.damaged:
            raise SourceBroken("Its structure is damaged, and no text can be read from it.")
        if not elements and self.unread and not self.work.options.ocr:
            raise SourceEmpty(
                "It holds only pictures and OCR is off.", remedy="Set CLEARANCE_OCR=true."
            )
