"""Answers as JSON: the form that a caller asks for, and whether what a model said has it.

The form is the caller's own text. It goes to the model server, which lets the model say nothing
else, and the answer is checked against it once more before anybody gets it. It is checked with
limits of its own and by an engine whose patterns take linear time, and nothing it refers to is
fetched.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, NoReturn
from urllib.parse import unquote

import jsonschema_rs

from indexes.errors import BadInput, GeneratorBroken
from indexes.text.folding import letters_and_digits
from indexes.text.scripts import Script
from service.answering.prompt import Passage
from service.llm.port import CompletionPart, TokenCounts

MAX_CHARS = 16_384  # of a schema as JSON
MAX_DEPTH = 24
MAX_ANSWER_DEPTH = 128
MAX_PARTS = 1_000  # objects, lists and values in it
MAX_REPEATS = 4_096  # how often a schema may demand or allow something to be repeated
MAX_PATTERN_BYTES = 1 << 18  # of memory that one takes
MAX_PATTERNS = 50  # each is made ready before anything else of the request is done
MAX_BRANCHES = 256  # parts of a schema that speak of one value
MAX_LOOKS = 500_000  # at parts of an answer, to check it
MAX_SCANNED = 300_000  # characters of an answer, each as often as patterns may be held against it
MAX_VALUES = 200  # of an answer, that are looked for in passages

_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_ELSEWHERE = frozenset({"$id", "$vocabulary", "$anchor", "$dynamicAnchor", "$recursiveAnchor"})
_REPEATS = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
_ALTERNATIVES = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
_LOOKING_INSIDE = ("properties", "additionalProperties", "items", "prefixItems")
_LOOKING_AGAIN = ("contains", "unevaluatedProperties", "unevaluatedItems")
_TELL: Mapping[Script, str] = {
    "en": "Answer with JSON and nothing else, without marks such as [1]. If the passages do not hold what is asked for,"
    " write this sentence in the text fields: {no_answer}",
    "zh": "只用 JSON 回答，不要写 [1] 这样的标记。如果资料中没有所问的内容，请在文本字段中写：{no_answer}",
}
_SCHEMA: Mapping[Script, str] = {
    "en": "JSON schema of the answer: {schema}",
    "zh": "回答的 JSON 模式：{schema}",
}


@dataclass(frozen=True)
class JsonForm:
    """What an answer must be. Only `make_json_form` makes one."""

    schema: str | None  # as JSON; None: any object

    def instruct(self, language: Script, no_answer: str) -> str:
        """What the model is told beside the question."""
        told = [_TELL[language].format(no_answer=no_answer)]
        if self.schema is not None:
            told.append(_SCHEMA[language].format(schema=self.schema))
        return "\n".join(told)

    def fits(self, value: Any) -> bool:
        """Whether a value has the form. One that would take too long to look at has not."""
        if self.schema is None:
            return isinstance(value, dict)
        if self._branching.inside ** _depth_of(value) > MAX_LOOKS:
            return False
        if self._scans_of(value) > MAX_SCANNED:
            return False
        return bool(self._validator.is_valid(value))

    def _scans_of(self, value: Any) -> int:
        """How many characters patterns may have to look at."""
        if '"pattern' not in (self.schema or ""):
            return 0
        at_once = self._branching.parts + self._branching.inside
        return at_once * len(json.dumps(value, ensure_ascii=False))

    @cached_property
    def _validator(self) -> Any:
        return _make_validator(json.loads(self.schema or "{}"))

    @cached_property
    def _branching(self) -> "_Branching":
        return _Branching(json.loads(self.schema or "{}"))


def make_json_form(schema: Mapping[str, Any] | None) -> JsonForm:
    """The form of a schema; None: any object. Raises BadInput with what is wrong."""
    if schema is None:
        return JsonForm(None)
    _check_parts(schema)
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    if not _is_text(text):
        raise BadInput("The schema holds half a character.")
    if len(text) > MAX_CHARS:
        raise BadInput(f"The schema has {len(text)} characters; at most {MAX_CHARS} are accepted.")
    if _Branching(schema).parts > MAX_BRANCHES:
        raise BadInput(f"More than {MAX_BRANCHES} parts of the schema speak of the same value.")
    try:
        _make_validator(schema)
    except ValueError as error:  # what the library says may repeat all of the schema
        said = str(error).partition("\n")[0][:200]
        raise BadInput(f"That is no JSON schema that can be used here: {said}") from error
    return JsonForm(text)


def _walk(value: Any) -> Iterator[tuple[int, str, Any]]:
    """Everything in a schema: how deep it stands, under which key, and what it is."""
    waiting: list[tuple[int, str, Any]] = [(0, "", value)]
    while waiting:
        depth, key, found = waiting.pop()
        yield depth, key, found
        if isinstance(found, dict):
            waiting += [(depth + 1, name, each) for name, each in found.items()]
        elif isinstance(found, list):
            waiting += [(depth + 1, "", each) for each in found]


def _check_parts(schema: Mapping[str, Any]) -> None:
    patterns = 0
    for number, (depth, key, value) in enumerate(_walk(schema)):
        if depth > MAX_DEPTH or number >= MAX_PARTS:
            raise BadInput(
                f"The schema is deeper than {MAX_DEPTH} levels or has more than {MAX_PARTS} parts."
            )
        _check_part(key, value)
        patterns += _count_patterns(key, value)
        if patterns > MAX_PATTERNS:
            raise BadInput(f"The schema has more than {MAX_PATTERNS} patterns.")


def _count_patterns(key: str, value: Any) -> int:
    if key == "patternProperties" and isinstance(value, dict):
        return len(value)
    return int(key == "pattern" and isinstance(value, str))


def _check_part(key: str, value: Any) -> None:
    if key in _REFERENCES and isinstance(value, str) and not value.startswith("#"):
        raise BadInput("The schema may refer to its own parts only, such as #/$defs/Name.")
    if key in _ELSEWHERE and isinstance(value, str):
        raise BadInput(f"{key} cannot be used in a schema here.")
    if key in _REPEATS and isinstance(value, int | float) and value > MAX_REPEATS:
        raise BadInput(f"{key} is {value}; at most {MAX_REPEATS} is accepted in a schema.")


class _Branching:
    """How much of a schema looks at one value: by `allOf` and its like, and through references.

    What looks inside it does so again for what is inside that, so that a check may take as long as
    their number to the power of the value's depth.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._known: dict[int, tuple[int, int]] = {}
        counts = [self._count(each) for _, _, each in _walk(schema) if isinstance(each, dict)]
        self.parts = max(parts for parts, _ in counts)  # that look at one value
        self.inside = max(inside for _, inside in counts)  # of these, that look inside it

    def _count(self, part: Any) -> tuple[int, int]:
        if not isinstance(part, dict):
            return 1, 0
        if id(part) not in self._known:
            self._known[id(part)] = 1, 1  # for one that refers to itself
            patterns = part.get("patternProperties")
            inside = int(any(key in part for key in _LOOKING_INSIDE))
            inside += sum(key in part for key in _LOOKING_AGAIN)
            inside += len(patterns) if isinstance(patterns, dict) else 0
            others = [self._count(each) for each in self._beside(part)]
            self._known[id(part)] = (
                1 + sum(parts for parts, _ in others),
                inside + sum(again for _, again in others),
            )
        return self._known[id(part)]

    def _beside(self, part: Mapping[str, Any]) -> Iterator[Any]:
        """Other parts that look at the same value."""
        for key in _ALTERNATIVES:
            found = part.get(key)
            yield from found if isinstance(found, list) else [found] if found else []
        if isinstance(others := part.get("dependentSchemas"), dict):
            yield from others.values()
        for key in _REFERENCES:
            if isinstance(part.get(key), str):
                yield self._find(part[key])

    def _find(self, reference: str) -> Any:
        found: Any = self._schema
        for step in unquote(reference).removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                found = found.get(name) if isinstance(found, dict) else None
        return found


def _depth_of(value: Any) -> int:
    return max(depth for depth, _, _ in _walk(value))


def _make_validator(schema: Any) -> Any:
    """Raises ValueError."""
    return jsonschema_rs.Draft202012Validator(
        schema,
        retriever=_fetch_nothing,
        pattern_options=jsonschema_rs.RegexOptions(
            size_limit=MAX_PATTERN_BYTES, dfa_size_limit=MAX_PATTERN_BYTES
        ),
    )


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse(text: str) -> Any:
    """An answer as a value. Raises ValueError for what is no JSON, is too deep, or holds half a
    character.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if _depth_of(value) > MAX_ANSWER_DEPTH:
        raise ValueError("too deep")
    if not _is_text(json.dumps(value, ensure_ascii=False)):
        raise ValueError("half a character")
    return value


def _refuse_constant(name: str) -> NoReturn:
    """NaN and the like, which Python reads and JSON does not know."""
    raise ValueError(name)


def _fetch_nothing(address: str) -> Any:
    raise ValueError("nothing is fetched")


class JsonOutput:
    """One answer of a model as JSON.

    Nothing is given out before all of it is there and has the form. No marker is read out of it, and
    not a character of it is changed.
    """

    def __init__(self, form: JsonForm, no_answer: str) -> None:
        self.finish_reason: str | None = None
        self.usage: TokenCounts | None = None
        self.abstained = False
        self.text = ""
        self.parts = 0  # that the model has sent: about as many tokens
        self._form = form
        self._no_answer = no_answer
        self._pieces: list[str] = []

    @property
    def repeats_itself(self) -> bool:
        """Values may be the same again and again."""
        return False

    def find_doubt(self, citation: object) -> None:
        """There are no citations in it."""

    def take(self, part: CompletionPart) -> list[str]:
        self.finish_reason = part.finish or self.finish_reason
        self.usage = part.usage or self.usage
        self.parts += bool(part.text)
        self._pieces.append(part.text)
        return []

    def finish(self) -> list[str]:
        """All of it: JSON of the form, the beginning of that if it was cut off, or the sentence that
        there is no answer. Raises GeneratorBroken for anything else.
        """
        self.text = "".join(self._pieces).strip()
        if not self.text:
            raise GeneratorBroken("It sent an empty answer.")
        if self.finish_reason != "length":
            self.abstained = self._says_nothing(self._read())
        if self.abstained:
            self.text = self._no_answer
        return [self.text]

    def _read(self) -> Any:
        try:
            value = _parse(self.text)
        except ValueError as error:
            raise GeneratorBroken("Its answer is not JSON.") from error
        if not self._form.fits(value):
            raise GeneratorBroken("Its answer does not have the form that was asked for.")
        return value

    def _says_nothing(self, value: Any) -> bool:
        """Whether all that it says in words is that there is no answer."""
        said = [letters_and_digits(each) for _, each in find_leaves(value) if isinstance(each, str)]
        sought = letters_and_digits(self._no_answer)
        return any(said) and all(each.startswith(sought) for each in said if each)


def find_leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, str | int | float]]:
    """The texts and numbers in a JSON value, with where they stand (RFC 6901)."""
    if isinstance(value, dict):
        for name, each in value.items():
            step = name.replace("~", "~0").replace("/", "~1")
            yield from find_leaves(each, f"{pointer}/{step}")
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from find_leaves(each, f"{pointer}/{place}")
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield pointer, value


def find_values(text: str, passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """Where the values of a JSON answer stand: for each, the passages that hold it word for word."""
    try:
        value = _parse(text)
    except ValueError:  # it was cut off
        return []
    shown = [(passage.n, _one_line(passage.shown)) for passage in passages]
    return [
        {"pointer": pointer, "passages": [n for n, text in shown if _holds(text, str(leaf))]}
        for pointer, leaf in islice(find_leaves(value), MAX_VALUES)
    ]


def count_held(text: str, passages: Sequence[Passage]) -> tuple[int, int]:
    """How many values of a JSON answer stand in passages word for word, of how many."""
    found = find_values(text, passages)
    return sum(bool(each["passages"]) for each in found), len(found)


def _holds(text: str, leaf: str) -> bool:
    """Whether a value stands in a text and is not a part of a longer word or number there."""
    words = _one_line(leaf)
    if not words or words not in text:
        return False
    before = r"(?<![a-z0-9])" if words[0].isascii() else ""
    after = r"(?![a-z0-9])" if words[-1].isascii() else ""
    return re.search(before + re.escape(words) + after, text) is not None


def _one_line(text: str) -> str:
    return " ".join(text.casefold().split())
