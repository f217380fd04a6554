"""Bodies that clients of the OpenAI routes send.

Accepted are the parameters that those clients are known to send. What only tunes a model changes
nothing here and is listed in the reply as ignored. What would change the meaning of the answer is
refused, and so is what is not known: nobody should believe that a parameter narrows who may read
what. Instructions of the client (system and developer messages, `instructions`) are ignored: the
service has its own, and nothing that stands beside a question may loosen them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
)
from pydantic import StrictStr as Str
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from indexes.errors import BadInput
from indexes.model import Mode
from indexes.settings import Settings
from service.answering import phrases
from service.answering.json_form import JsonForm, make_json_form
from service.answering.values import Ask
from service.http.bodies import (
    MAX_ANSWER_TOKENS,
    MAX_TURNS,
    AskBody,
    FiltersBody,
    Name,
    RequestBody,
    TurnBody,
    clean_text,
)
from service.llm.rights import QUOTES

INSTRUCTION_ROLES = frozenset({"system", "developer"})
TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_NOTICES = "|".join(
    re.sub(r"\\\{\w+\\\}", r"\\d+", re.escape(phrase))
    for each in phrases.NOTICES
    for phrase in each.values()
)
_NOTICE_AT_END = re.compile(rf"(?:^|\n\n)\((?:(?:{_NOTICES}) ?)+\)\s*$")

NoEffect = Annotated[Any, Field(description="Accepted, and without effect.")]


class RefusedParameter:
    """Marks a parameter that is refused, but for the values that mean nothing."""

    def __init__(self, why: str, *harmless: Any) -> None:
        self._why: Any = why  # the error's type wants a literal, for translators
        self._harmless = harmless

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"description": f"Refused. {self._why}"}

    def _check(self, value: Any) -> None:
        if value is not None and value not in self._harmless:
            raise PydanticCustomError("unsupported", self._why)


NoTools = Annotated[Any, RefusedParameter("No tools are called here.", [], "none", "auto")]
NoMemory = Annotated[
    Any,
    RefusedParameter(
        "Nothing is kept between requests; send the earlier messages again, in `input`."
    ),
]


def _join_parts(content: Any) -> Any:
    """The text of a message that may be written in parts."""
    if content is None:
        return ""
    if not isinstance(content, list):
        return content
    if not all(isinstance(part, dict) and part.get("type") in TEXT_PARTS for part in content):
        raise PydanticCustomError(
            "unsupported", "Only text can be read here: no images, sound or files."
        )
    if not all(isinstance(part.get("text"), str) for part in content):
        raise PydanticCustomError("no_text", "A part of text must have a text.")
    return "\n".join(part["text"] for part in content)


def _clean_or_empty(text: str) -> str:
    """The text as /ask reads it; empty if there is nothing in it, as in a placeholder for an
    answer.
    """
    try:
        return clean_text(text)
    except ValueError:
        return ""


def _without_notice(text: str) -> str:
    """An earlier answer without what was said about it."""
    return _NOTICE_AT_END.sub("", text).rstrip()


def _check_type(kind: Any) -> Any:
    if kind not in (None, "message"):
        raise PydanticCustomError("unsupported", "Only messages can be read here.")
    return "message"


def _read_format(wanted: Any) -> JsonForm | None:
    """The form of the answer, in either way that it can be asked for; None: text."""
    form = wanted.get("format", wanted) if isinstance(wanted, dict) else wanted
    if form is None or (isinstance(form, dict) and form.get("type", "text") == "text"):
        return None
    if isinstance(form, dict) and form.get("type") == "json_object":
        return make_json_form(None)
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise PydanticCustomError(
            "unsupported", "An answer can be text, json_object or json_schema, and nothing else."
        )
    around = form.get("json_schema") or form
    schema = around.get("schema") if isinstance(around, dict) else None
    if not isinstance(schema, dict) or not schema:
        raise PydanticCustomError("no_schema", "A schema must stand in it, as a JSON object.")
    try:
        return make_json_form(schema)
    except BadInput as error:
        raise PydanticCustomError("schema", "{said}", {"said": error.detail}) from error


AnswerFormat = Annotated[
    Any,
    BeforeValidator(_read_format),
    Field(description="text, json_object, or json_schema with a schema that the answer fits."),
]


class MessageBody(RequestBody):
    """A turn of the conversation.

    Clients add things of their own to what they send back; those are passed over.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Annotated[Literal["message"], BeforeValidator(_check_type)] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Str, BeforeValidator(_join_parts), AfterValidator(_clean_or_empty)] = ""
    tool_calls: NoTools = None
    function_call: NoTools = None


def _check_last_message(messages: list[MessageBody]) -> list[MessageBody]:
    said = [
        message for message in messages if message.content and message.role not in INSTRUCTION_ROLES
    ]
    if not said or said[-1].role != "user":
        raise PydanticCustomError(
            "no_question", "The last message must be the user's, and ask something."
        )
    return messages


def _as_messages(given: Any) -> Any:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


Messages = Annotated[
    list[MessageBody],
    Field(
        min_length=1,
        max_length=MAX_TURNS + 1,
        description="The last one of the user is the question.",
    ),
    AfterValidator(_check_last_message),
]
TokenLimit = Annotated[StrictInt, Field(ge=1)] | None


class OptionsBody(RequestBody):
    """What /ask takes beside a question, for clients that can send fields of their own."""

    k: StrictInt | None = None
    mode: Mode = "hybrid"
    filters: FiltersBody | None = None
    template: Name | None = None
    fallback: Literal["none", "quotes"] | None = None


class _OpenAIBody(RequestBody):
    """What the two kinds of request share."""

    model: Name = Field(
        description=f"One of those that `/v1/models` lists. `{QUOTES}` answers without a model."
    )
    stream: StrictBool | None = None
    clearance: OptionsBody | None = None
    tools: NoTools = None
    tool_choice: NoTools = None
    top_logprobs: Annotated[Any, RefusedParameter("Probabilities of tokens are not told.", 0)] = (
        None
    )
    moderation: Annotated[Any, RefusedParameter("Nothing is sent to a moderation service.")] = None
    metadata: NoEffect = None
    parallel_tool_calls: NoEffect = None
    prompt_cache_key: NoEffect = None
    prompt_cache_options: NoEffect = None
    prompt_cache_retention: NoEffect = None
    safety_identifier: NoEffect = None
    service_tier: NoEffect = None
    store: NoEffect = None
    temperature: NoEffect = None
    top_p: NoEffect = None
    user: NoEffect = None

    def _to_ask(self, messages: Sequence[MessageBody], most: int | None, settings: Settings) -> Ask:
        said = [
            message
            for message in messages
            if message.content and message.role not in INSTRUCTION_ROLES
        ]
        *earlier, question = said
        options = self.clearance or OptionsBody()
        body = AskBody(
            question=question.content,
            history=[
                _turn_of(turn)
                for turn in earlier
                if turn.role == "user" or _without_notice(turn.content)
            ],
            max_tokens=None if most is None else min(most, MAX_ANSWER_TOKENS),
            answerer="quotes" if self.model == QUOTES else None,
            model=None if self.model == QUOTES else self.model,
            **{name: getattr(options, name) for name in OptionsBody.model_fields},
        )
        return body.to_ask(settings)

    def _names_without_effect(
        self, names: Iterable[str], messages: Sequence[MessageBody]
    ) -> tuple[str, ...]:
        """The names of what was given and has no effect."""
        given = [name for name in names if getattr(self, name) is not None]
        instructing = dict.fromkeys(
            f"{message.role} message" for message in messages if message.role in INSTRUCTION_ROLES
        )
        return (*given, *instructing)


def _turn_of(message: MessageBody) -> TurnBody:
    said = _without_notice(message.content) if message.role == "assistant" else message.content
    return TurnBody.model_validate({"role": message.role, "content": said})


TUNING = ("store", "temperature", "top_p")


class StreamOptionsBody(RequestBody):
    model_config = ConfigDict(extra="ignore", frozen=True)

    include_usage: StrictBool | None = None


class ChatBody(_OpenAIBody):
    """As for OpenAI's chat completions."""

    messages: Messages
    max_tokens: TokenLimit = None
    max_completion_tokens: TokenLimit = None
    stream_options: StreamOptionsBody | None = None
    n: Annotated[Any, RefusedParameter("One answer is given at a time.", 1)] = None
    stop: Annotated[
        Any, RefusedParameter("Where an answer ends is not up to the caller.", "", [])
    ] = None
    logprobs: Annotated[Any, RefusedParameter("Probabilities of tokens are not told.", False)] = (
        None
    )
    logit_bias: Annotated[Any, RefusedParameter("Tokens cannot be weighted.", {})] = None
    functions: NoTools = None
    function_call: NoTools = None
    modalities: Annotated[Any, RefusedParameter("Answers are text.", ["text"])] = None
    audio: Annotated[Any, RefusedParameter("Answers are text.")] = None
    prediction: Annotated[Any, RefusedParameter("An answer cannot be given in advance.")] = None
    web_search_options: Annotated[Any, RefusedParameter("Only the documents are searched.")] = None
    response_format: AnswerFormat = None
    frequency_penalty: NoEffect = None
    presence_penalty: NoEffect = None
    reasoning_effort: NoEffect = None
    seed: NoEffect = None
    verbosity: NoEffect = None

    @property
    def form(self) -> JsonForm | None:
        """What the answer must be; None: text."""
        form: JsonForm | None = self.response_format
        return form

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def to_ask(self, settings: Settings) -> Ask:
        """Raises BadInput and QuestionTooLong."""
        ask = self._to_ask(self.messages, self.max_completion_tokens or self.max_tokens, settings)
        return replace(ask, form=self.form)

    def ignored_names(self) -> tuple[str, ...]:
        more = ("frequency_penalty", "presence_penalty", "reasoning_effort", "seed", "verbosity")
        return self._names_without_effect((*TUNING, *more), self.messages)


class ResponsesBody(_OpenAIBody):
    """As for OpenAI's responses. Nothing is kept between requests."""

    input: Annotated[Messages, BeforeValidator(_as_messages)]
    max_output_tokens: TokenLimit = None
    stream_options: NoEffect = None
    previous_response_id: NoMemory = None
    conversation: NoMemory = None
    background: Annotated[Any, RefusedParameter("Whoever asks waits for the answer.", False)] = None
    prompt: Annotated[
        Any, RefusedParameter("Name a template of this service in `clearance.template` instead.")
    ] = None
    context_management: Annotated[
        Any, RefusedParameter("Earlier turns are fitted to the window anyway.", [])
    ] = None
    include: Annotated[
        Any,
        RefusedParameter("Passages come with every answer; there is nothing more to include.", []),
    ] = None
    text: AnswerFormat = None
    instructions: NoEffect = None
    max_tool_calls: NoEffect = None
    reasoning: NoEffect = None
    truncation: NoEffect = None

    @property
    def form(self) -> JsonForm | None:
        """What the answer must be; None: text."""
        form: JsonForm | None = self.text
        return form

    def to_ask(self, settings: Settings) -> Ask:
        """Raises BadInput and QuestionTooLong."""
        return replace(self._to_ask(self.input, self.max_output_tokens, settings), form=self.form)

    def ignored_names(self) -> tuple[str, ...]:
        return self._names_without_effect(
            (*TUNING, "instructions", "reasoning", "truncation"), self.input
        )
