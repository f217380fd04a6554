"""What the tokens of format codes show that ask for nothing of the value."""

import re

CURRENCY = re.compile(r"\[\$([^\]-]*)(?:-([^\]]*))?\]")


def literal(token: str) -> str:
    """What a token that is no placeholder shows."""
    if token.startswith('"'):
        return token.strip('"')
    if token.startswith("\\"):
        return token[1:]
    if len(token) == 2 and token[0] in "_*":
        return " " if token[0] == "_" else ""
    currency = CURRENCY.fullmatch(token)
    if currency:
        return currency.group(1)
    return "" if token.startswith("[") else token


def general(value: float) -> str:
    """A number without a format: whole, or with the digits that a double has."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}".upper()
