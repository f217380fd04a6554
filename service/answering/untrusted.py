"""Text that others wrote, made inert: documents before the model reads them, answers before anybody
renders them.

Documents. A passage is data. Invisible and control characters go; what could be taken for the frame
around it is changed visibly, never dropped, so that the model still reads the words and a person
still recognises them:

- control tokens of chat templates: `<|im_start|>` becomes `‹|im_start|>`, `<s>` becomes `‹s›`, `[INST]` becomes
  `(INST)`, `[|user|]` becomes `(|user|)`, `]~b]` becomes `(~b)`, `]<]x[>[` becomes `)‹)x(›(`. What stands between angle
  marks is a token if it is one of a few names, is written in capitals, joins words with `_`, or goes on after `:` or
  `=`; HTML, addresses and types are not. The marks have no compatibility form, so that no tokenizer folds them back.
- markers that look like ours: `[3]` and `【3】` become `(3)`.
- a line that starts like a turn (`Assistant:`, `### Instruction`) gets a `>` in front.
- the boundary of the request, should a document hold it, loses its hyphens.

Answers. A renderer must find nothing to fetch and nothing to run: no link, no image, no raw HTML,
no bare address, no domain, e-mail address or number of a machine, also none that shows only when
escapes and character references are read. The marks that would make one get a space or an angle
mark, so the text stays readable: `evil .example`, `README .md` (which is a domain), but
`report.pdf`, `e.g.` and `1.2.3`.
"""

import re
import unicodedata

import regex  # type: ignore[import-untyped]

_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb"
    # tags and variation selectors beyond the common ones: letters that nobody sees
    "\U000e0000-\U000e01ef"
)
_BREAKS = "\r\x0b\x0c\x85\u2028\u2029"
_HALVES = "\ud800-\udfff"
_INVISIBLE = re.compile(f"[{_HIDDEN}]")
_LINE_BREAK = re.compile(f"[{_BREAKS}]\n?")
_SURROGATE = re.compile(f"[{_HALVES}]")
_UNCLEAN = re.compile(f"[{_HIDDEN}{_BREAKS}{_HALVES}]")

_NAMES = (
    "s|bos|eos|pad|unk|mask|cls|sep|sop|eop|eod|eot|start|end|think|thinking|tool|tools|system|user|assistant|human|model|function|functions"
    "|eoh|eoa|filename|reponame|image|video|audio|unused\\d+|extra_id_\\d+|0x[0-9A-Fa-f]{2}|seed:\\w+|role|AI|用户"
)
_ENCLOSED = re.compile(
    r"(?=[<＜﹤>\[\]‹［﹇])(?:"  # nothing else is looked at twice
    r"(?<![<＜﹤])[<＜﹤]++(?=[|｜])"  # every <|…|>, with the full-width bars of some families
    r"|(?<![<＜﹤])[<＜﹤]++(?=[/\w▁\"]{1,40}[|｜][>＞﹥])"  # <turn|>, the end of what <|turn> began
    # ]<]minimax[>[ and <[begin▁of▁sentence]>
    r"|(?P<framed>\]?(?<![<＜﹤‹])[<＜﹤‹]++[\[\]][^<>\n]{1,40}[\[\]][>＞﹥›]++\[?)"
    # if it is named like a token
    r"|(?<![<＜﹤])[<＜﹤]++(?P<name>[^<＜﹤>＞﹥\n]{1,64})[>＞﹥]++"
    r"|(?P<turned>>>[A-Z][A-Z0-9_]{1,40}<<)"  # >>QUESTION<<
    r"|[\[［﹇](?P<square>[^\[\]［］﹇﹈\n]{1,64})[\]］﹈])"  # the same
)
_SQUARE = re.compile(
    r"/?(?:[A-Z][A-Z0-9_]{2,}|unused\d+|(?i:mask|pad|cls|sep|unk|bos|eos)|[gs]MASK"
    r"|[|｜].{1,40}[|｜]|@\w+@)"
)
"""What stands between square brackets in a token."""
_TOKEN = re.compile(
    rf"/?(?:(?i:{_NAMES})|[A-Za-z0-9]+(?:[_▁][A-Za-z0-9]+)+|/?[A-Z][A-Z0-9]+"
    # <co: 0>, <mask:0>, <family:tool_call>, <function=…>
    r"|(?!mailto)[A-Za-z][\w.-]*[ ]?[:=](?!//).*)/?"
    r"|/?SYS"
)
"""What stands between angle marks in a token.

Other text there (a tag of HTML, an address, a type) stays as it is.
"""
_TILDED = re.compile(r"[\[\]](?=[!a-z]{0,3}~)([~!a-z]{1,5})[\[\]]")  # ]~b] and its like
_BRACKETS = r"<＜﹤>‹\[【［〔﹇"
_BRACKET = re.compile(f"[{_BRACKETS}]")
_UNQUIET = re.compile(f"[{_HIDDEN}{_BREAKS}{_HALVES}{_BRACKETS}]")
_ANGLES = str.maketrans("<＜﹤>＞﹥", "‹‹‹›››")
_FRAMES = str.maketrans("<＜﹤>＞﹥[]", "‹‹‹›››()")
_FLAT = str.maketrans("<＜﹤>＞﹥[【［〔﹇]】］〕﹈", "‹‹‹›››((((()))))")
MAX_ROUNDS = 8  # of tokens that show only when those in them are gone
_MARKER = re.compile(r"[\[【［〔﹇](\s*\d[\d\s,，、;；\-–]*+)[\]】］〕﹈]")
_LINE_END = re.compile(r"\n")
_TURN = re.compile(
    r"(?im)^[ \t]*(?=(?:#{1,6}\s*)?(?:system|user|human|assistant|ai|bot|model|instructions?|input|response"
    r"|question|answer|q|a|context|passages?"
    r"|系统|用户|助手|问题|问|回答|答案|答|指令|资料)\s*[:：]|#{1,6}\s*(?:system|user|human|assistant|instructions?|input|response)\b)"
)

_TAG = re.compile(r"<(?=[A-Za-z/!?|｜])")
_REFERENCE = re.compile(r"&(?=#?\w{1,31};)")
_SLASHES = re.compile(r"(?:(?<=/)(?=\\?/\\?\S)|(?<=:/)(?=\\?/)|(?<=:\\/)(?=\\?/))")
_WWW = re.compile(r"(?i)(?<![^\W_]www)(?<=www)(?=\\?\.)")
_LINK = re.compile(r"(?<=\])(?=[(:])")
_FILES = (  # endings that are no top-level domain: report.pdf stays as it is
    "pdf|docx?|docm|xlsx?|xlsm|pptx?|odt|ods|odp|rtf|txt|csv|tsv|json|ya?ml|xml|x?html?|epub|eml|msg|png|jpe?g|gif|bmp"
    "|tiff?|webp|svg|log"
)
_DOMAIN = re.compile(rf"(?<=[^\W_])(?=\\?\.(?!(?i:{_FILES})(?![^\W_]))[^\W\d_]{{2}})")
_MACHINE = regex.compile(r"(?<=(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3})(?=\\?\.\d{1,3}(?!\d|\.\d))")
_MAIL = re.compile(r"(?i)(?:(?<=mailto)|(?<=xmpp))(?=\\?:)")
_HARMLESS = (
    (_TAG, "‹"), (_REFERENCE, "& "), (_SLASHES, " "), (_WWW, " "), (_LINK, " "), (_MAIL, " "), (_DOMAIN, " "),
    (_MACHINE, " "),
)  # fmt: skip
_CONTEXT = 16  # characters before the next one that any of these looks at: most of four numbers
_UNSURE = re.compile(
    r"(?:<|&#?\w{0,31}|(?<=/)\\?/\\?|\\|(?<=[^\W_])\\?\.[^\W\d_]{0,5}"
    r"|\d{1,3}\.\d{1,3}\.\d{1,3}\\?\.?\d{0,3}\.?)\Z"
)


def remove_invisible(text: str) -> str:
    """The text without control, direction and invisible characters; line breaks and tabs stay."""
    if not _UNCLEAN.search(text):  # most text
        return text
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", _LINE_BREAK.sub("\n", text)))


def disarm(text: str, boundary: str = "") -> str:
    """A document's or a person's words as data: no control token, marker, turn or boundary is left
    in them. Disarmed once more, they stay as they are.
    """
    if _UNQUIET.search(text):  # most text has none of it
        text = remove_invisible(text)
    if "~" in text or _BRACKET.search(text):
        text = _disarm_brackets(text)
    if _takes_a_turn(text):
        text = _TURN.sub("> ", text)
    return text.replace(boundary, boundary.replace("-", " ")) if boundary else text


def disarm_line(text: str, boundary: str = "") -> str:
    """The same as one line: what stands on two lines may be a token on one."""
    return disarm(" ".join(disarm(text, boundary).split()), boundary)


def _disarm_brackets(text: str) -> str:
    """The text without tokens and markers, also those that only the end of another one brings out;
    if there is no end of these, without any bracket.
    """
    for _ in range(MAX_ROUNDS):
        before = text
        text = _TILDED.sub(r"(\1)", _MARKER.sub(r"(\1)", _disarm_tokens(text)))
        if text == before:
            return text
    return text.translate(_FLAT)


def _disarm_tokens(text: str) -> str:
    """One round. What looks like a token and is none may have one in it, so it is looked into."""
    parts: list[str] = []
    done = at = 0
    while found := _ENCLOSED.search(text, at):
        harmless = _disarm_token(found)
        if harmless is None:
            at = found.start(found.lastgroup or 0)
            continue
        parts += (text[done : found.start()], harmless)
        done = at = found.end()
    return "".join((*parts, text[done:]))


def _takes_a_turn(text: str) -> bool:
    """Looked for where lines begin and nowhere else: a search would try every character."""
    if _TURN.match(text):
        return True
    return "\n" in text and any(_TURN.match(text, end.end()) for end in _LINE_END.finditer(text))


def make_label(text: str, boundary: str = "", limit: int = 160) -> str:
    """A title or a heading as data: one line, not too long."""
    line = disarm_line(text[: limit * 4], boundary)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def keep_visible(text: str) -> str:
    """A stretch of an answer without the characters that nobody sees; it does not matter how it was
    divided.
    """
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text.replace("\r", "")))


def make_inert(text: str) -> str:
    """A finished answer that no renderer can make fetch or run anything."""
    whole = InertText()
    return whole.feed(text) + whole.finish()


class InertText:
    """Makes an answer inert while it grows.

    The output does not depend on where the input was divided.
    """

    def __init__(self) -> None:
        self._held = ""
        # the last characters that were let through: they decide about the next ones
        self._before = ""

    def feed(self, text: str) -> str:
        """The next stretch of inert text; an end that could still become something is held back."""
        text = self._held + keep_visible(text)
        unsure = _UNSURE.search(self._before + text)
        keep = len(text) if unsure is None else max(0, unsure.start() - len(self._before))
        self._held = text[keep:]
        return self._release(text[:keep], self._held)

    def finish(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return self._release(held, "")

    def _release(self, ready: str, ahead: str) -> str:
        """The ready text made harmless, seen with what stands before and what is known to follow."""
        safe, start = self._before + ready + ahead, len(self._before)
        for danger, harmless in _HARMLESS:
            safe = _replace_between(danger, harmless, safe, start, len(safe) - len(ahead))
        self._before = (self._before + ready)[-_CONTEXT:]
        return safe[start : len(safe) - len(ahead)]


def _replace_between(
    danger: re.Pattern[str], harmless: str, text: str, start: int, end: int
) -> str:
    """The text with what is dangerous between `start` and `end` replaced; the rest is context."""
    return danger.sub(
        lambda found: harmless if start <= found.start() < end else found.group(), text
    )


def _disarm_token(found: re.Match[str]) -> str | None:
    """What becomes of it; None if it is no token."""
    name, square = found["name"], found["square"]
    if square:
        return f"({square})" if _SQUARE.fullmatch(_fold(square)) else None
    if name and not _TOKEN.fullmatch(_fold(name)):
        return None
    return found.group().translate(_FRAMES if found["framed"] else _ANGLES)


def _fold(name: str) -> str:
    """As tokenizers that fold compatibility forms see it."""
    return unicodedata.normalize("NFKC", name).strip()
