"""What a document lacks of its file, in words. One home for the sentences."""

from indexes.model import Loss, LossKind

_SAID: dict[LossKind, str] = {
    "undecodable": "could not be decoded and were replaced",
    "repeated": "repeat on every page and were kept once",
    "hidden": "are hidden from readers of the file",
    "picture": "were not read",
    "part": "could not be read",
    "limit": "lie beyond a limit and were not read",
}


def describe_loss(loss: Loss) -> str:
    """One sentence, such as "3 pictures were not read: OCR is off."."""
    detail = f": {loss.detail}" if loss.detail else ""
    return f"{loss.count:,} {loss.unit} {_SAID[loss.kind]}{detail}."
