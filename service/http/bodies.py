"""What callers send. Requests refuse what they do not know."""

import unicodedata
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
)
from pydantic import StrictStr as Str

from indexes import attributes
from indexes.catalog.feedback import Verdict
from indexes.catalog.filters import Filters
from indexes.errors import BadInput, QuestionTooLong
from indexes.model import Mode, OwnReaders, Readers
from indexes.settings import Settings
from service.answering.prompt import Turn
from service.answering.values import AnswererName, Ask

MAX_TURNS = 1_000
MAX_ANSWER_TOKENS = 32_768
MAX_NAME_CHARS = 1_024
CONTROL = frozenset({"Cc", "Cs"})  # read as spaces, line breaks and tabs excepted
BLANK = CONTROL | {"Cf", "Cn", "Zl", "Zp", "Zs"}  # a text of nothing else says nothing


def clean_text(text: str) -> str:
    """The text with control characters as spaces. Raises ValueError if nothing is left."""
    if text.isprintable() and (stripped := text.strip()):  # as nearly every text is
        return stripped
    said = "".join(
        " " if unicodedata.category(mark) in CONTROL and mark not in "\n\t" else mark
        for mark in text
    )
    if all(unicodedata.category(mark) in BLANK for mark in said):
        raise ValueError("There is nothing in it.")
    return said.strip()


def check_storable(text: str) -> str:
    """Any text but one that no database holds. Raises ValueError."""
    if wrong := attributes.text_problem(text, len(text), least=0):
        raise ValueError(f"It {wrong}.")
    return text


def check_comparable(value: object) -> object:
    """Any value that a document's metadata can have. Raises ValueError."""
    if isinstance(value, str | int | float) and (wrong := attributes.value_problem(value)):
        raise ValueError(f"It {wrong}.")
    return value


CleanText = Annotated[Str, AfterValidator(clean_text)]
Name = Annotated[
    Str, Field(min_length=1, max_length=MAX_NAME_CHARS), AfterValidator(check_storable)
]
Attribute = Annotated[
    Str, Field(min_length=1, max_length=attributes.MAX_NAME_CHARS), AfterValidator(check_storable)
]
Path = Annotated[
    Str, Field(min_length=1, max_length=attributes.MAX_PATH_CHARS), AfterValidator(check_storable)
]
Language = Annotated[
    Str,
    Field(min_length=1, max_length=attributes.MAX_LANGUAGE_CHARS),
    AfterValidator(check_storable),
]
Names = Annotated[list[Name], Field(max_length=1_000)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False)]
MetadataValue = Annotated[StrictBool | StrictInt | Number | Str, BeforeValidator(check_comparable)]


class RequestBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReadersBody(RequestBody):
    """Who may use a template or a model. Nobody unless allowed; a deny beats every allow."""

    allow: Names
    deny: Names = Field(default_factory=list)

    def readers(self) -> Readers:
        return Readers(allow=frozenset(self.allow), deny=frozenset(self.deny))


class FeedbackBody(RequestBody):
    """What the caller says of an answer, for operators."""

    verdict: Verdict
    reason: Annotated[CleanText, Field(max_length=1_000)] | None = None
    expected: Annotated[CleanText, Field(max_length=2_000)] | None = Field(
        None, description="What the answer should have said."
    )
    question: Annotated[CleanText, Field(max_length=8_000)] | None = Field(
        None, description="What was asked, if it is to be kept with this."
    )


class FiltersBody(RequestBody):
    """Narrows the search. All conditions must hold."""

    collection: Attribute | None = None
    path_prefix: Path | None = None
    media_types: Annotated[list[Attribute], Field(max_length=50)] = []
    language: Language | None = None
    modified_after: AwareDatetime | None = Field(None, description="Inclusive.")
    modified_before: AwareDatetime | None = Field(None, description="Exclusive.")
    metadata: dict[Name, MetadataValue] = Field(
        {}, description='1 and 1.0 are one number, which is neither true nor "1".'
    )

    def filters(self) -> Filters:
        """Raises BadFilter if the conditions contradict each other."""
        values = self.model_dump()
        return Filters(**values | {"media_types": tuple(self.media_types)})


class OwnReadersBody(RequestBody):
    """Who may read a document, of those whom the rule of its place allows."""

    allow: Names | None = Field(description="null: whom the rule allows; []: nobody.")
    deny: Names = Field(default_factory=list, description="Beside those whom the rule denies.")

    def own(self) -> OwnReaders | None:
        if self.allow is None and not self.deny:
            return None
        allow = None if self.allow is None else frozenset(self.allow)
        return OwnReaders(allow=allow, deny=frozenset(self.deny))


class ReplaceBody(OwnReadersBody):
    """New content for a document; what is not said stays as it is."""

    allow: Names | None = Field(
        None, description="Of those whom the rule of the place allows; none: as the rule says."
    )
    title: Annotated[CleanText, Field(max_length=1_000)] | None = None
    collection: Attribute | None = None
    metadata: Annotated[dict[Name, MetadataValue], Field(max_length=100)] | None = None
    blob: Name | None = Field(None, description="What `POST /blobs` gave, if there is no file.")


class UploadBody(ReplaceBody):
    source: Name
    path: Annotated[Str, Field(min_length=1, max_length=1_000)] = Field(
        description="Inside the source, with slashes, such as reports/march.pdf."
    )


class SearchBody(RequestBody):
    question: CleanText
    k: StrictInt | None = Field(
        None, description="How many passages; default and limit are settings of the service."
    )
    mode: Mode = "hybrid"
    filters: FiltersBody | None = None


class TurnBody(RequestBody):
    role: Literal["user", "assistant"]
    content: CleanText


class AskBody(SearchBody):
    history: Annotated[list[TurnBody], Field(max_length=MAX_TURNS)] = Field(
        [], description="Oldest first."
    )
    max_tokens: Annotated[StrictInt, Field(ge=1, le=MAX_ANSWER_TOKENS)] | None = None
    template: Name | None = Field(
        None, description="`name` or `name@version`; default: what is active for you."
    )
    answerer: AnswererName | None = Field(
        None, description="`quotes` answers with sentences of the passages."
    )
    model: Name | None = Field(
        None, description="One of those that `/v1/models` lists; none: the default."
    )
    fallback: Literal["none", "quotes"] | None = Field(
        None, description="What to do when the model server fails."
    )
    stream: StrictBool = Field(False, description="Answer with server-sent events.")

    def to_ask(self, settings: Settings) -> Ask:
        """Raises BadInput and QuestionTooLong with the limits."""
        return Ask(
            question=question_of(self, settings),
            k=passage_count(self, settings),
            mode=self.mode,
            filters=self.filters.filters() if self.filters else None,
            history=tuple(Turn(turn.role, turn.content) for turn in self.history),
            max_tokens=self.max_tokens,
            template=self.template,
            answerer=self.answerer,
            model=self.model,
            fallback=self.fallback,
        )


class RebuildBody(RequestBody):
    model: Name | None = Field(
        None, description="Embed everything anew with this model; none: keep the vectors."
    )


def question_of(body: SearchBody, settings: Settings) -> str:
    """The question. Raises QuestionTooLong."""
    if len(body.question) > settings.max_question_chars:
        raise QuestionTooLong(
            f"It has {len(body.question)} characters; at most {settings.max_question_chars} are accepted."
        )
    return body.question


def passage_count(body: SearchBody, settings: Settings) -> int:
    """How many passages are wanted. Raises BadInput."""
    wanted = min(settings.default_k, settings.max_k) if body.k is None else body.k
    if not 1 <= wanted <= settings.max_k:
        raise BadInput(f"k must be from 1 to {settings.max_k}.")
    return wanted
