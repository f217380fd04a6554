"""Names of those who may read: `user:ada`, `group:hr`, and the bare word `public`.

A name is refused if a person who reads it could take it for another one, or could not type it again
from what is seen.
"""

import unicodedata
from collections.abc import Iterable

import regex  # type: ignore[import-untyped]

from indexes.confusables import shapes
from indexes.errors import BadPrincipal
from indexes.model import PUBLIC, Readers

MAX_NAME_CHARS = 200
_REMEDY = "Write user:NAME, group:NAME or the word public."
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# the last is a Braille cell without dots
_IGNORABLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\u2800]")
# Thai and Lao letters that have no other form in use
_WRITTEN_SO = frozenset("\u0e33\u0eb3\u0edc\u0edd")
_WORDS = regex.compile(r"[\p{L}\p{M}]+")
# letters of one look like letters of another; none of them are mixed in one word
_ALPHABETS = tuple(
    regex.compile(rf"\p{{Script={name}}}")
    for name in (
        "Latin",
        "Greek",
        "Cyrillic",
        "Armenian",
        "Coptic",
        "Cherokee",
        "Lisu",
        "Deseret",
        "Old_Italic",
    )
)


def check_principal(name: str) -> str:
    """The principal in its one accepted spelling (Unicode NFC). Raises BadPrincipal."""
    if name == PUBLIC:
        return name
    kind, colon, rest = name.partition(":")
    if not colon or kind not in ("user", "group"):
        raise BadPrincipal(f"{ascii_form(name)} has no kind.", remedy=_REMEDY)
    return f"{kind}:{_check_rest(rest)}"


def check_rule(allow: Iterable[str], deny: Iterable[str] = ()) -> Readers:
    """A rule in the accepted spelling of its names. Raises BadPrincipal."""
    return Readers(
        allow=frozenset(check_principal(name) for name in allow),
        deny=frozenset(check_principal(name) for name in deny),
    )


def user_name(name: str) -> str:
    """`ada` as the principal `user:ada`; the full form passes. Raises BadPrincipal."""
    return _name_of_kind("user", name)


def group_name(name: str) -> str:
    """`hr` as the principal `group:hr`; the full form passes. Raises BadPrincipal."""
    return _name_of_kind("group", name)


def fold_name(name: str) -> str:
    """The name as directories compare names: without regard to case."""
    folded = unicodedata.normalize("NFC", name).lower()
    return unicodedata.normalize("NFC", folded)


def ascii_form(name: str) -> str:
    """The name for a message: in ASCII, so that what cannot be seen is seen."""
    return ascii(name[:60]) + ("…" if len(name) > 60 else "")


def _name_of_kind(kind: str, name: str) -> str:
    return f"{kind}:{_check_rest(name.removeprefix(kind + ':'))}"


def _check_rest(rest: str) -> str:
    if not rest or len(rest) > MAX_NAME_CHARS:
        raise BadPrincipal(
            f"{ascii_form(rest)} is empty or longer than {MAX_NAME_CHARS} characters.",
            remedy=_REMEDY,
        )
    if "#" in rest:  # kept for names of removed principals, which must never match again
        raise BadPrincipal(
            f"{ascii_form(rest)} has a '#', which names cannot have.", remedy=_REMEDY
        )
    if any(unicodedata.category(mark) in _UNSEEN for mark in rest) or _IGNORABLE.search(rest):
        raise BadPrincipal(
            f"{ascii_form(rest)} has control, invisible or unassigned characters.", remedy=_REMEDY
        )
    if rest != " ".join(rest.split()):
        raise BadPrincipal(
            f"{ascii_form(rest)} has outer, double or unusual spaces.", remedy=_REMEDY
        )
    name = unicodedata.normalize("NFC", rest)
    _check_letters(name)
    return name


def _check_letters(name: str) -> None:
    plain = "".join(
        mark if mark in _WRITTEN_SO else unicodedata.normalize("NFKC", mark) for mark in name
    )
    if plain != name:
        raise BadPrincipal(
            f"{ascii_form(name)} is written with special forms of letters.",
            remedy=f"Write {plain[:60]}.",
        )
    if unicodedata.category(name[0]).startswith("M"):
        raise BadPrincipal(
            f"{ascii_form(name)} begins with an accent that has no letter.", remedy=_REMEDY
        )
    for word in _WORDS.findall(name):
        if sum(1 for alphabet in _ALPHABETS if alphabet.search(word)) > 1:
            raise BadPrincipal(
                f"{ascii_form(word)} mixes letters of several alphabets.",
                remedy="Type the name again in one alphabet.",
            )
    if PUBLIC in shapes(name):
        raise BadPrincipal(
            f"{ascii_form(name)} is taken for everybody.",
            remedy="Write the bare word public for everybody.",
        )


def external_prefix(provider: str) -> str:
    """What the names of the groups begin with that this identity provider's tokens may say."""
    return f"group:{provider}/"
