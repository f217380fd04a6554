"""Bodies that clients of the OpenAI routes send.

Accepted are the parameters that those clients are known to send. What only tunes a model changes
nothing here and is listed in the reply as ignored. What would change the meaning of the answer is
refused, and so is what is not known: nobody should believe that a parameter narrows who may read
what. Instructions of the client (system and developer messages, `instructions`) are ignored: the
service has its own, and nothing that stands beside a question may loosen them.
"""

import re
from collections.abc import Iterable, Sequence
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

from indexes.model import Mode
from indexes.settings import Settings
from service.answering import phrases
from service.answering.answerer import Ask
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

INSTRUCTING = frozenset({"system", "developer"})
TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_NOTICES = "|".join(
    re.escape(phrase).replace(r"\{tokens\}", r"\d+")
    for each in phrases.NOTICES
    for phrase in each.values()
)
_ASIDE = re.compile(rf"(?:^|\n\n)\((?:{_NOTICES})\)\s*$")

Ignored = Annotated[Any, Field(description="Accepted, and without effect.")]


class Refused:
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


NoTools = Annotated[Any, Refused("No tools are called here.", [], "none", "auto")]
NoMemory = Annotated[
    Any, Refused("Nothing is kept between requests; send the earlier messages again, in `input`.")
]


def _text(content: Any) -> Any:
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


def _said(text: str) -> str:
    """The text as /ask reads it; empty where there is nothing in it, as in a placeholder for an
    answer.
    """
    try:
        return clean_text(text)
    except ValueError:
        return ""


def _answered(text: str) -> str:
    """An earlier answer without what was said about it."""
    return _ASIDE.sub("", text).rstrip()


def _messages_only(kind: Any) -> Any:
    if kind not in (None, "message"):
        raise PydanticCustomError("unsupported", "Only messages can be read here.")
    return "message"


def _plain_text(wanted: Any) -> Any:
    """Nothing but the format that is given anyway."""
    form = wanted.get("format", wanted) if isinstance(wanted, dict) else wanted
    if form is None or (isinstance(form, dict) and form.get("type", "text") == "text"):
        return None
    raise PydanticCustomError("unsupported", "Answers are text; no other format can be asked for.")


class MessageBody(RequestBody):
    """A turn of the conversation.

    Clients add things of their own to what they send back; those are passed over.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Annotated[Literal["message"], BeforeValidator(_messages_only)] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Str, BeforeValidator(_text), AfterValidator(_said)] = ""
    tool_calls: NoTools = None
    function_call: NoTools = None


def _ends_with_a_question(messages: list[MessageBody]) -> list[MessageBody]:
    said = [message for message in messages if message.content and message.role not in INSTRUCTING]
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
    AfterValidator(_ends_with_a_question),
]
Tokens = Annotated[StrictInt, Field(ge=1)] | None


class OptionsBody(RequestBody):
    """What /ask takes beside a question, for clients that can send fields of their own."""

    k: StrictInt | None = None
    mode: Mode = "hybrid"
    filters: FiltersBody | None = None
    template: Name | None = None
    fallback: Literal["none", "quotes"] | None = None


class _Asking(RequestBody):
    """What the two kinds of request share."""

    model: Name = Field(
        description=f"One of those that `/v1/models` lists. `{QUOTES}` answers without a model."
    )
    stream: StrictBool | None = None
    clearance: OptionsBody | None = None
    tools: NoTools = None
    tool_choice: NoTools = None
    top_logprobs: Annotated[Any, Refused("Probabilities of tokens are not told.", 0)] = None
    moderation: Annotated[Any, Refused("Nothing is sent to a moderation service.")] = None
    metadata: Ignored = None
    parallel_tool_calls: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_options: Ignored = None
    prompt_cache_retention: Ignored = None
    safety_identifier: Ignored = None
    service_tier: Ignored = None
    store: Ignored = None
    temperature: Ignored = None
    top_p: Ignored = None
    user: Ignored = None

    def _ask(self, messages: Sequence[MessageBody], most: int | None, settings: Settings) -> Ask:
        said = [
            message for message in messages if message.content and message.role not in INSTRUCTING
        ]
        *earlier, question = said
        options = self.clearance or OptionsBody()
        body = AskBody(
            question=question.content,
            history=[
                _turn(turn) for turn in earlier if turn.role == "user" or _answered(turn.content)
            ],
            max_tokens=None if most is None else min(most, MAX_ANSWER_TOKENS),
            answerer="quotes" if self.model == QUOTES else None,
            model=None if self.model == QUOTES else self.model,
            **{name: getattr(options, name) for name in OptionsBody.model_fields},
        )
        return body.ask(settings)

    def _ignored(self, names: Iterable[str], messages: Sequence[MessageBody]) -> tuple[str, ...]:
        """The names of what was given and has no effect."""
        given = [name for name in names if getattr(self, name) is not None]
        instructing = dict.fromkeys(
            f"{message.role} message" for message in messages if message.role in INSTRUCTING
        )
        return (*given, *instructing)


def _turn(message: MessageBody) -> TurnBody:
    said = _answered(message.content) if message.role == "assistant" else message.content
    return TurnBody.model_validate({"role": message.role, "content": said})


TUNING = ("store", "temperature", "top_p")


class StreamOptionsBody(RequestBody):
    model_config = ConfigDict(extra="ignore", frozen=True)

    include_usage: StrictBool | None = None


class ChatBody(_Asking):
    """As for OpenAI's chat completions."""

    messages: Messages
    max_tokens: Tokens = None
    max_completion_tokens: Tokens = None
    stream_options: StreamOptionsBody | None = None
    n: Annotated[Any, Refused("One answer is given at a time.", 1)] = None
    stop: Annotated[Any, Refused("Where an answer ends is not up to the caller.", "", [])] = None
    logprobs: Annotated[Any, Refused("Probabilities of tokens are not told.", False)] = None
    logit_bias: Annotated[Any, Refused("Tokens cannot be weighted.", {})] = None
    functions: NoTools = None
    function_call: NoTools = None
    modalities: Annotated[Any, Refused("Answers are text.", ["text"])] = None
    audio: Annotated[Any, Refused("Answers are text.")] = None
    prediction: Annotated[Any, Refused("An answer cannot be given in advance.")] = None
    web_search_options: Annotated[Any, Refused("Only the documents are searched.")] = None
    response_format: Annotated[Any, BeforeValidator(_plain_text)] = None
    frequency_penalty: Ignored = None
    presence_penalty: Ignored = None
    reasoning_effort: Ignored = None
    seed: Ignored = None
    verbosity: Ignored = None

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def ask(self, settings: Settings) -> Ask:
        """Raises BadInput and QuestionTooLong."""
        return self._ask(self.messages, self.max_completion_tokens or self.max_tokens, settings)

    def ignored(self) -> tuple[str, ...]:
        more = ("frequency_penalty", "presence_penalty", "reasoning_effort", "seed", "verbosity")
        return self._ignored((*TUNING, *more), self.messages)


class ResponsesBody(_Asking):
    """As for OpenAI's responses. Nothing is kept between requests."""

    input: Annotated[Messages, BeforeValidator(_as_messages)]
    max_output_tokens: Tokens = None
    stream_options: Ignored = None
    previous_response_id: NoMemory = None
    conversation: NoMemory = None
    background: Annotated[Any, Refused("Whoever asks waits for the answer.", False)] = None
    prompt: Annotated[
        Any, Refused("Name a template of this service in `clearance.template` instead.")
    ] = None
    context_management: Annotated[
        Any, Refused("Earlier turns are fitted to the window anyway.", [])
    ] = None
    include: Annotated[
        Any, Refused("Passages come with every answer; there is nothing more to include.", [])
    ] = None
    text: Annotated[Any, BeforeValidator(_plain_text)] = None
    instructions: Ignored = None
    max_tool_calls: Ignored = None
    reasoning: Ignored = None
    truncation: Ignored = None

    def ask(self, settings: Settings) -> Ask:
        """Raises BadInput and QuestionTooLong."""
        return self._ask(self.input, self.max_output_tokens, settings)

    def ignored(self) -> tuple[str, ...]:
        return self._ignored((*TUNING, "instructions", "reasoning", "truncation"), self.input)
