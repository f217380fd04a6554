"""Names of those who may read: `user:ada`, `group:hr`, and the bare word `public`."""

import unicodedata

from indexes.errors import BadPrincipal
from indexes.model import PUBLIC

MAX_NAME_CHARS = 200
_REMEDY = "Write user:NAME, group:NAME or the word public."


def check_principal(name: str) -> str:
    """The principal in its one accepted spelling (Unicode NFC). Raises BadPrincipal."""
    if name == PUBLIC:
        return name
    kind, colon, rest = name.partition(":")
    if not colon or kind not in ("user", "group"):
        raise BadPrincipal(f"{_shown(name)} has no kind.", remedy=_REMEDY)
    return f"{kind}:{_check_rest(rest)}"


def user_name(name: str) -> str:
    """`ada` as the principal `user:ada`; the full form passes. Raises BadPrincipal."""
    return _of_kind("user", name)


def group_name(name: str) -> str:
    """`hr` as the principal `group:hr`; the full form passes. Raises BadPrincipal."""
    return _of_kind("group", name)


def _of_kind(kind: str, name: str) -> str:
    return f"{kind}:{_check_rest(name.removeprefix(kind + ':'))}"


def _check_rest(rest: str) -> str:
    if not rest or len(rest) > MAX_NAME_CHARS:
        raise BadPrincipal(f"{_shown(rest)} is empty or longer than {MAX_NAME_CHARS} characters.", remedy=_REMEDY)
    if rest != rest.strip() or any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in rest):
        raise BadPrincipal(f"{_shown(rest)} has control, invisible or outer space characters.", remedy=_REMEDY)
    if "#" in rest:  # kept for names of removed principals, which must never match again
        raise BadPrincipal(f"{_shown(rest)} has a '#', which names cannot have.", remedy=_REMEDY)
    return unicodedata.normalize("NFC", rest)


def _shown(name: str) -> str:
    return ascii(name[:60]) + ("…" if len(name) > 60 else "")
