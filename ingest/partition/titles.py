"""Titles that programs leave behind and that name nothing."""

import re

_JUNK = re.compile(
    r"untitled(?:[ _-]?(?:document|page|presentation|\d+))?|unbenannt\w*|sans[ -]titre\d*|sin t[ií]tulo\d*|senza titolo"
    r"|無題|无标题(?:文档)?|新しい?ドキュメント|new (?:page|document)(?: \d+)?|(?:document|page|index|home|default|title|test)\d*"
    r"|(?:powerpoint|keynote) presentation|presentation\d*|slide \d+|book\d+|sheet\d+|dokument\d*|文档\d*|文書\d*"
    r"|microsoft (?:word|powerpoint|excel) - .*|\(?anonymous\)?|no title|null|undefined|react app|vite app",
    re.IGNORECASE,
)
_ACCESSION = re.compile(
    r"[\d\s._/-]{6,}|[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_FILE_NAME = re.compile(
    r"\S+\.(?:docx?|xlsx?|pptx?|pdf|html?|indd|qxd|tex|dvi|ps|txt|rtf|odt|md|tmp|cdr|ai|pub)",
    re.IGNORECASE,
)


def worthy_title(given: str) -> str:
    """The title on one line; empty if it only names a program, a form, a number or a file."""
    title = " ".join(given.split())
    if any(junk.fullmatch(title) for junk in (_JUNK, _ACCESSION, _FILE_NAME)):
        return ""
    return title if any(char.isalpha() for char in title) else ""
