"""Office formulas (OMML) as one line of text: x^2, (a+b)/2, √(x), ∑_(i=1)^n."""

from collections.abc import Callable, Mapping

from lxml import etree

from ingest.partition.office.package import child, local, value_of

_OPEN = frozenset({"f", "sSub", "sSup", "sSubSup", "limLow", "limUpp"})  # end in what is grouped
Said = Mapping[etree._Element, str]


def linear_text(root: etree._Element) -> str:
    """The formula from left to right. Children are written before their parents, without recursion,
    because nesting may be deep.
    """
    nodes = list(root.iter())
    said: dict[etree._Element, str] = {}
    for node in reversed(nodes):
        name = local(node)
        if name == "t":
            said[node] = node.text or ""
        elif name.endswith("Pr"):
            said[node] = ""
        else:
            said[node] = _WRITERS.get(name, _joined)(node, said)
    return " ".join(said[root].split())


def _joined(node: etree._Element, said: Said) -> str:
    """Its parts one after the other, apart where the next would read as more of an index or a
    denominator.
    """
    parts: list[str] = []
    open_end = False
    for each in node:
        text = said[each]
        if open_end and text[:1].isalnum():
            parts.append(" ")
        parts.append(text)
        if text:
            open_end = local(each) in _OPEN and text[-1].isalnum()
    return "".join(parts)


def _operand(node: etree._Element, name: str, said: Said) -> str:
    found = child(node, name)
    return said[found] if found is not None else ""


def _grouped(text: str) -> str:
    """The text, in brackets if it is more than one number or name: 2x is both."""
    return text if text.isdecimal() or text.isalpha() or len(text) <= 1 else f"({text})"


def _fraction(node: etree._Element, said: Said) -> str:
    above, below = (_operand(node, name, said) for name in ("num", "den"))
    return f"{_grouped(above)}/{_grouped(below)}"


def _scripts(node: etree._Element, said: Said) -> str:
    below, above = (_operand(node, name, said) for name in ("sub", "sup"))
    lower = f"_{_grouped(below)}" if below else ""
    upper = f"^{_grouped(above)}" if above else ""
    return lower + upper


def _script(node: etree._Element, said: Said) -> str:
    return _operand(node, "e", said) + _scripts(node, said)


def _script_before(node: etree._Element, said: Said) -> str:
    return _scripts(node, said) + _operand(node, "e", said)


def _root(node: etree._Element, said: Said) -> str:
    degree = _operand(node, "deg", said)
    sign = {"": "√", "2": "√", "3": "∛", "4": "∜"}.get(degree, f"root_{_grouped(degree)}")
    return f"{sign}({_operand(node, 'e', said)})"


def _sum(node: etree._Element, said: Said) -> str:
    sign = value_of(child(node, "naryPr", "chr")) or "∫"
    return f"{sign}{_scripts(node, said)} {_operand(node, 'e', said)}"


def _brackets(node: etree._Element, said: Said) -> str:
    about = child(node, "dPr")
    signs = (("begChr", "("), ("sepChr", "|"), ("endChr", ")"))
    told = (value_of(child(about, name)) for name, _ in signs)
    begin, between, end = (
        usual if sign is None else sign for sign, (_, usual) in zip(told, signs, strict=True)
    )
    return begin + between.join(said[each] for each in node if local(each) == "e") + end


def _function(node: etree._Element, said: Said) -> str:
    return f"{_operand(node, 'fName', said)} {_operand(node, 'e', said)}"


def _limit(node: etree._Element, said: Said) -> str:
    sign = "_" if local(node) == "limLow" else "^"
    return f"{_operand(node, 'e', said)}{sign}{_grouped(_operand(node, 'lim', said))}"


def _matrix(node: etree._Element, said: Said) -> str:
    rows = [", ".join(said[cell] for cell in row) for row in node if local(row) == "mr"]
    return f"[{'; '.join(rows)}]"


def _lines(node: etree._Element, said: Said) -> str:
    return "; ".join(said[each] for each in node if local(each) == "e")


def _accent(node: etree._Element, said: Said) -> str:
    return _operand(node, "e", said) + (value_of(child(node, "accPr", "chr")) or "\u0302")


_WRITERS: Mapping[str, Callable[[etree._Element, Said], str]] = {
    "f": _fraction,
    "sSub": _script,
    "sSup": _script,
    "sSubSup": _script,
    "sPre": _script_before,
    "rad": _root,
    "nary": _sum,
    "d": _brackets,
    "func": _function,
    "limLow": _limit,
    "limUpp": _limit,
    "m": _matrix,
    "eqArr": _lines,
    "acc": _accent,
}
