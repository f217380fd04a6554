"""What one parse carries along: its options, its scratch folder, and counters shared with what it
contains.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from indexes.errors import SourceBroken
from indexes.model import Loss, LossKind
from ingest.elements import ParseOptions

MAX_LOST_SHARE = 0.02  # of what counts as damage; more, and what is left is a fragment
DAMAGE: frozenset[LossKind] = frozenset({"undecodable"})
"""Kinds of loss that fail a file if they are more than a small share of it."""

MAX_DETAIL_CHARS = 200
HIDDEN_BEGIN, HIDDEN_END = "[hidden text: ", "]"


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
    lost: dict[tuple[LossKind, str, str], int] = field(default_factory=dict)
    depth: int = 0
    attachments: int = 0  # files inside this file that were met so far
    unpacked: int = 0  # bytes of them
    ocr_pages: int = 0

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def lose(
        self, kind: LossKind, count: int, unit: str, detail: str = "", *, total: int | None = None
    ) -> None:
        """Counts what the document will lack. Everything that is left out on purpose or by force
        comes here, a copy of something that is kept excepted.

        unit: plural noun. detail: a name of a part of the file or a reason, never its text.
        total: how many there were of them. Raises SourceBroken if it is damage and more than a
        small share of the total.
        """
        if count <= 0:
            return
        if total and kind in DAMAGE and count > MAX_LOST_SHARE * total:
            where = f" {detail}" if detail else ""
            raise SourceBroken(f"{count} of its {total} {unit} cannot be read{where}.")
        key = kind, unit, detail[:MAX_DETAIL_CHARS]
        self.lost[key] = self.lost.get(key, 0) + count

    def hide(self, text: str, detail: str) -> str | None:
        """What becomes of text that no reader of the file sees: None, and it is counted, or the
        text between marks if the options say so.
        """
        if not text.strip():
            return None
        self.lose("hidden", len(text.split()), "words", detail)
        return f"{HIDDEN_BEGIN}{text}{HIDDEN_END}" if self.options.hidden_text == "mark" else None

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Everything that was counted, in the order in which it was met first."""
        return tuple(
            Loss(kind=kind, count=count, unit=unit, detail=detail)
            for (kind, unit, detail), count in self.lost.items()
        )

    def may_read_picture(self) -> bool:
        """Counts one more page for OCR; False, with a warning, once the limit is reached."""
        if self.ocr_pages >= self.options.max_ocr_pages:
            limit = f"only the first {self.options.max_ocr_pages} are read with OCR"
            self.lose("picture", 1, "pictures", limit)
            return False
        self.ocr_pages += 1
        return True
