"""Vectors of texts that callers send, by the embedding model of the indexes, in OpenAI's form.

For scripts of the same house. Nothing of any document is looked at: a vector depends on its text
alone. A request takes its turn in the line of the searches every few texts, so that a script which
sends many does not keep people waiting.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, StrictInt
from pydantic import StrictStr as Str
from pydantic_core import PydanticCustomError

from indexes.embedder import Embedder
from indexes.errors import BadInput, NoSuchModel
from indexes.model import Principal
from service.answering.metering import Spent
from service.http.bodies import Name, RequestBody
from service.http.openai.bodies import NoEffect
from service.http.replies import Reply
from service.runtime import Runtime

EMBEDDINGS = "clearance-embeddings"  # the name of the model, whichever the operator has chosen
MAX_TEXTS = 256
AT_ONCE = 4  # texts, before others have their turn
InputType = Literal["passage", "query"]


def _as_texts(given: Any) -> Any:
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and any(isinstance(each, int | list) for each in given):
        raise PydanticCustomError(
            "tokens",
            "Texts can be embedded, lists of tokens cannot."
            " For OpenAIEmbeddings of LangChain: check_embedding_ctx_length=False.",
        )
    return given


class EmbeddingsBody(RequestBody):
    """As for OpenAI's embeddings."""

    input: Annotated[
        list[Annotated[Str, Field(min_length=1)]],
        Field(min_length=1, max_length=MAX_TEXTS, description="A text, or a list of texts."),
        BeforeValidator(_as_texts, json_schema_input_type=str | list[str]),
    ]
    model: Name = Field(description=f"`{EMBEDDINGS}`.")
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="`base64`: 32-bit numbers, little-endian."
    )
    dimensions: StrictInt | None = Field(
        None, description="Nothing else than the model's own is possible."
    )
    input_type: InputType = Field(
        "passage",
        description="What the texts are: `passage`, texts to be found, or `query`, questions that look for them. Some"
        " models read the two differently. Not a field of OpenAI's.",
    )
    user: NoEffect = None


class EmbeddingReply(Reply):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Reply):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsNote(Reply):
    """What OpenAI's form has no place for."""

    fingerprint: str = Field(description="Vectors may be compared exactly if these are equal.")
    input_type: InputType


class EmbeddingsReply(Reply):
    object: Literal["list"] = "list"
    data: list[EmbeddingReply]
    model: str
    usage: EmbeddingUsage
    clearance: EmbeddingsNote


async def embed_texts(
    body: EmbeddingsBody, caller: Principal, runtime: Runtime, spent: Spent
) -> EmbeddingsReply:
    """Raises BadInput for what the model cannot take, NoSuchModel and NotAuthenticated."""
    if body.model != EMBEDDINGS:
        raise NoSuchModel
    _check_lengths(body.input, runtime.settings.max_question_chars)

    def prepare() -> tuple[Embedder, list[int]]:
        # the body may have come long after the key was looked up
        runtime.searcher.confirm(caller)
        embedder = runtime.searcher.active_embedder()
        return embedder, _count_tokens(body, embedder)

    embedder, counts = await runtime.cpu.run(prepare)
    vectors: list[NDArray[np.float32]] = []
    for start in range(0, len(body.input), AT_ONCE):
        some = body.input[start : start + AT_ONCE]
        spent.tokens += sum(counts[start : start + AT_ONCE])  # also if nobody waits for the end
        vectors += await runtime.cpu.run(_embed, embedder, some, body.input_type)
    tokens = sum(counts)
    return EmbeddingsReply(
        data=[
            EmbeddingReply(index=at, embedding=_encode(vector, body.encoding_format))
            for at, vector in enumerate(vectors)
        ],
        model=body.model,
        usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
        clearance=EmbeddingsNote(fingerprint=embedder.fingerprint, input_type=body.input_type),
    )


def _check_lengths(texts: Sequence[str], most: int) -> None:
    for number, text in enumerate(texts, start=1):
        if len(text) > most:
            raise BadInput(
                f"Text {number} has {len(text)} characters; at most {most} are accepted."
            )
        if not text.strip():
            raise BadInput(f"There is nothing in text {number}.")


def _count_tokens(body: EmbeddingsBody, embedder: Embedder) -> list[int]:
    """Of each text. Raises BadInput for one of which the model would not read the end."""
    if body.dimensions not in (None, embedder.dimension):
        raise BadInput(f"The model gives vectors of {embedder.dimension} dimensions and no other.")
    counts = embedder.count(body.input)
    for number, count in enumerate(counts, start=1):
        if count > embedder.max_tokens:
            raise BadInput(
                f"Text {number} has {count} tokens, and the model reads {embedder.max_tokens}.",
                remedy="Cut it into parts.",
            )
    return counts


def _embed(embedder: Embedder, texts: Sequence[str], kind: InputType) -> list[NDArray[np.float32]]:
    if kind == "query":
        return [embedder.query(text) for text in texts]
    return list(embedder.passages(texts))


def _encode(vector: NDArray[np.float32], encoding: Literal["float", "base64"]) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    told: list[float] = vector.tolist()
    return told
