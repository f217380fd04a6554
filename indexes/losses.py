"""What a document lacks of its file, in words. One home for the sentences."""

from collections import Counter
from collections.abc import Iterable

from indexes.model import Loss, LossKind

# of one, and of several
_SAID: dict[LossKind, tuple[str, str]] = {
    "undecodable": (
        "could not be decoded and was replaced",
        "could not be decoded and were replaced",
    ),
    "repeated": (
        "repeats on every page and was kept once",
        "repeat on every page and were kept once",
    ),
    "hidden": ("is hidden from readers of the file", "are hidden from readers of the file"),
    "picture": ("was not read", "were not read"),
    "part": ("could not be read", "could not be read"),
    "limit": ("lies beyond a limit and was not read", "lie beyond a limit and were not read"),
}
_NAMED: dict[LossKind, str] = {
    "undecodable": "undecodable {}",
    "repeated": "repeated {}",
    "hidden": "hidden {}",
    "picture": "{}",
    "part": "unread {}",
    "limit": "{} beyond a limit",
}


def describe_loss(loss: Loss) -> str:
    """One sentence, such as "3 pictures were not read: OCR is off."."""
    detail = f": {loss.detail}" if loss.detail else ""
    said = _SAID[loss.kind][loss.count != 1]
    return f"{loss.count:,} {_unit_of(loss)} {said}{detail}."


def _unit_of(loss: Loss) -> str:
    """Its unit, in the singular for one: "word", "end of archives"."""
    if loss.count != 1:
        return loss.unit
    head, *rest = loss.unit.split(" of ")
    if " and " in head:
        return loss.unit
    head = head.removesuffix("s")
    return " of ".join([head, *rest])


def add_up_losses(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """One loss of each kind and unit, without details, the most frequent first."""
    counted: Counter[tuple[LossKind, str]] = Counter()
    for loss in losses:
        counted[loss.kind, loss.unit] += loss.count
    return tuple(
        Loss(kind=kind, count=count, unit=unit) for (kind, unit), count in counted.most_common()
    )


def name_losses(losses: Iterable[Loss]) -> str:
    """What is lacking, added up, such as "41 hidden words, 2 pictures"."""
    return ", ".join(
        f"{loss.count:,} {_NAMED[loss.kind].format(_unit_of(loss))}"
        for loss in add_up_losses(losses)
    )
