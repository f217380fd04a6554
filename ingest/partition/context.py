"""What one parse carries along: its options, its scratch folder, and counters shared with what it
contains.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ingest.elements import ParseOptions


def _nothing() -> None:
    return None


@dataclass(slots=True)
class ParseContext:
    """One parse of one file and of what is attached to it."""

    options: ParseOptions
    scratch: Path  # a folder of this parse alone, removed with it
    # called after each page read by OCR, which is slow but moves
    page_read: Callable[[], None] = _nothing
    warnings: list[str] = field(default_factory=list)
    depth: int = 0
    attachments: int = 0
    ocr_pages: int = 0

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def may_read_picture(self) -> bool:
        """Counts one more page for OCR; False, with a warning, once the limit is reached."""
        if self.ocr_pages >= self.options.max_ocr_pages:
            self.warn(f"Only the first {self.options.max_ocr_pages} pictures were read with OCR.")
            return False
        self.ocr_pages += 1
        return True
