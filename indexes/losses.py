"""What a document lacks of its file, in words. One home for the sentences."""

from collections import Counter
from collections.abc import Iterable

from indexes.model import Loss, LossKind

_SAID: dict[LossKind, str] = {
    "undecodable": "could not be decoded and were replaced",
    "repeated": "repeat on every page and were kept once",
    "hidden": "are hidden from readers of the file",
    "picture": "were not read",
    "part": "could not be read",
    "limit": "lie beyond a limit and were not read",
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
    return f"{loss.count:,} {loss.unit} {_SAID[loss.kind]}{detail}."


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
        f"{loss.count:,} {_NAMED[loss.kind].format(loss.unit)}" for loss in add_up_losses(losses)
    )
