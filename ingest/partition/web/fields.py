"""What the fields of forms on web pages show: values, ticks, choices."""

from ingest.partition.web.styles import Look
from ingest.partition.web.trees import Node
from ingest.partition.web.writer import PageWriter

MAX_CHOICES = 25  # of a list to choose from; the rest is counted
_BUTTONS = frozenset({"submit", "button", "reset"})
_VALUELESS = frozenset({"hidden", "password", "file", "image", *_BUTTONS})


def read_input(node: Node, look: Look, writer: PageWriter) -> None:
    kind = (node.get("type") or "text").lower()
    value = (node.get("value") or "").strip()
    if kind in ("checkbox", "radio"):
        writer.add(" [x] " if node.get("checked") is not None else " [ ] ", look.hidden)
    elif kind == "image":
        writer.add(f" {node.get('alt') or ''} ", look.hidden)
    elif value and (kind in _BUTTONS or kind not in _VALUELESS):
        writer.add(f" {value} ", look.hidden)


def read_text_field(node: Node, look: Look, writer: PageWriter) -> None:
    writer.add(" ", look.hidden)
    writer.kept_lines += 1
    writer.add("".join(node.itertext()).strip("\n"), look.hidden)
    writer.kept_lines -= 1
    writer.add(" ", look.hidden)


def read_choice(node: Node, look: Look, writer: PageWriter) -> None:
    """What is chosen, then the other choices."""
    options = [
        (option, " ".join("".join(option.itertext()).split()) or (option.get("label") or ""))
        for option in node.iter("option")
        if _is_shown(option, writer)
    ]
    chosen = [text for option, text in options if option.get("selected") is not None]
    if not chosen and options and node.get("multiple") is None:
        chosen = [options[0][1]]
    others = [text for _, text in options if text and text not in chosen]
    writer.add(f" {', '.join(chosen)} ", look.hidden)
    if others:
        writer.add(f"[other choices: {', '.join(others[:MAX_CHOICES])}] ", look.hidden)
        writer.work.lose("limit", len(others) - MAX_CHOICES, "choices", "of a list in a form")


def _is_shown(option: Node, writer: PageWriter) -> bool:
    """False, and its text is counted, if the page hides it."""
    if option.get("hidden") is None:
        return True
    writer.work.hide("".join(option.itertext()), "not displayed")
    return False
