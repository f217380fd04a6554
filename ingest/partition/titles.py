"""What names a document: what its file says, if a person wrote that, else its first page."""

import re
from collections.abc import Sequence

from ingest.elements import Element

FIRST_ELEMENTS = 40  # of the first page; the name of a document stands among them
FIRST_UNPAGED = 5  # the same where there are no pages
MAX_TITLE = 200
_PROGRAMS = re.compile(
    r"^(?:microsoft (?:word|excel|powerpoint|office)|powerpoint|word|excel|openoffice|libreoffice|"
    r"adobe|acrobat|quark\w*|indesign|pagemaker|latex|corel\w*|google docs?|crystal reports?)\b.*"
    r"(?:-|presentation|document|workbook|\.\w{2,5}$)|^powerpoint[- ]präsentation$|"
    r"^présentation powerpoint$|^(?:diapositive|folie|slide) ?1?$",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"^(?:untitled|unbenannt|sans titre|sin título|ohne titel|无标题|未命名|titre|title|titel|"
    r"(?:new )?document|dokument|print|report|scan|scanned(?: document| image)?|image|doc|file|"
    r"blank(?: page)?|template|cover|default|unknown|none|null|n/?a|test|"
    r"(?:untitled|document|dokument|book|mappe|sheet|tabelle|presentation|präsentation|form|"
    r"layout|page|scan|img|image|doc)[ _-]*\d+)(?: \(?\d+\)?)?(?:\.\w{2,5})?$",
    re.IGNORECASE,
)
_LEFT_BEHIND = re.compile(
    r"untitled(?:[ _-]?(?:document|page|presentation|\d+))?|unbenannt\w*|sans[ -]titre\d*|sin t[ií]tulo\d*|senza titolo"
    r"|無題|无标题(?:文档)?|新しい?ドキュメント|new (?:page|document)(?: \d+)?|(?:document|page|index|home|default|title|test)\d*"
    r"|(?:powerpoint|keynote) presentation|presentation\d*|slide \d+|book\d+|sheet\d+|dokument\d*|文档\d*|文書\d*"
    r"|microsoft (?:word|powerpoint|excel) - .*|\(?anonymous\)?|no title|null|undefined|react app|vite app",
    re.IGNORECASE,
)
_NOUN = (
    r"(?:(?:do[ck]ument|fichier|datei|file|archivo|arquivo|документ|файл|ドキュメント|文書|文档|문서)\w{0,3}"
    r"|(?:pr[eä]sent|apresent|prezent|презентац|παρουσίασ)\w{0,7}|sunu\w{0,2}|演示文稿|プレゼンテーション|프레젠테이션)"
)
"""What programs call a file of their own, in many languages."""

_NAMELESS = re.compile(
    rf"(?:{_NOUN}[ _-]?)?(?:untitled|unnamed|unbenannt\w*|ohne titel|namenlos|sans[ -](?:titre|nom)|sin (?:t[ií]tulo|nombre)"
    r"|senza (?:titolo|nome)|sem (?:t[ií]tulo|nome)|zonder titel|naamloos|namnlös|utan titel|(?:uten|uden) (?:titel|tittel|navn)"
    r"|nimetön|bez (?:tytułu|nazwy|názvu|naslova|imena)|névtelen|fără titlu|без (?:названия|имени|назви|заглавие)|безымянный"
    rf"|χωρίς τίτλο|(?:isimsiz|adsız|başlıksız)|無題|无标题|無標題|未命名|제목 없음)(?:[ _-]|の)?{_NOUN}?[ _-]?\(?\d*\)?",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rf"{_NOUN}[ _-]?\(?\d+\)?", re.IGNORECASE)
_OF_PROGRAM = re.compile(
    rf"(?:{_NOUN}(?: (?:de|do|di|du|van|von|of|programu|aplikace|для))? )?(?:microsoft |ms |apple )?"
    rf"(?:powerpoint|keynote|impress|word|excel)(?:[ -]?{_NOUN})?[ _-]?\(?\d*\)?",
    re.IGNORECASE,
)
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")  # a title of its own, if the file says so
_ACCESSION = re.compile(r"^\d{10}-?\d{2}-?\d{6}$")
_FORM = re.compile(
    r"^(?:form\s+)?(?:10-?[kq](?:/a|405)?|8-?k(?:/a)?|20-?f|6-?k|40-?f|def ?14a|s-[1348]|"
    r"w-?\d[a-z]?|1040\w*)(?:\s+form)?$",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"^[\W\d_]+$|^[^\s_]+(?:_[^\s_]*)+$|^[<‹«(]?[0-9a-f]{16,}[>›»)]?$|^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    re.I,
)
_FILE_NAME = re.compile(
    r"^\S*\.(?:docx?|xlsx?|pptx?|pdf|indd|qxd|qxp|tex|dvi|rtf|odt|ods|odp|txt|html?|pages|fm|p65|pub|wpd|cdr|ai|eps|tiff?|jpe?g|png)$|^[a-z]:\\|^(?:file|https?)://",
    re.IGNORECASE,
)
_NAME_WITH_ENDING = re.compile(
    r".\.(?:docx?|xlsx?|pptx?|pdf|indd|qxd|qxp|tex|dvi|p65|fm|wpd)$", re.IGNORECASE
)


def choose_title(told: str | None, elements: Sequence[Element]) -> str | None:
    """What the file says, unless that is what a program or a storage left behind; else the largest
    heading of its first page; None if neither is a name.

    told: if it is empty, the file has no title, whatever its headings say.
    """
    if told == "":
        return None
    return worthy_title(told or "") or largest_heading(elements)


def worthy_title(given: str) -> str:
    """The title on one line; empty if it only names a program, a form, a number or a file."""
    title = " ".join(given.split())
    return title if is_title(title) or _YEAR.fullmatch(title) else ""


def is_title(text: str) -> bool:
    """Whether a person may have named a document so."""
    if not any(char.isalpha() for char in text):
        return False
    if any(rule.fullmatch(text) for rule in (_LEFT_BEHIND, _NAMELESS, _NUMBERED, _OF_PROGRAM)):
        return False
    return not any(
        rule.search(text)
        for rule in (_PROGRAMS, _EMPTY, _ACCESSION, _FORM, _CODE, _FILE_NAME, _NAME_WITH_ENDING)
    )


def largest_heading(elements: Sequence[Element]) -> str | None:
    """The heading in the largest letters on the first page, the first of them."""
    page = elements[0].page if elements else None
    first = [
        element
        for element in elements[: FIRST_UNPAGED if page is None else FIRST_ELEMENTS]
        if element.kind == "heading" and element.page == page and len(element.text) <= MAX_TITLE
    ]
    named = [element for element in first if is_title(element.text)]
    return min(named, key=lambda element: element.level).text if named else None
