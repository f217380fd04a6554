"""Configuration: environment variables `CLEARANCE_…`, an optional `.env`, secrets from
`CLEARANCE_…_FILE`.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from indexes.errors import BadConfiguration
from indexes.model import KnownIssuer
from indexes.web_addresses import is_safe_address, is_web_origin

PREFIX = "CLEARANCE_"
# and of benchmarks; no settings
_RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day|month)")
OF_TESTS = ("CLEARANCE_DATA", "CLEARANCE_TEST_POSTGRES", "CLEARANCE_TEST_SEED")
EXAMPLE_SECRETS = frozenset({"change-me", "changeme", "example", "secret", "password"})


Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Signatures that a key which is not secret verifies."""


class IdentityProvider(BaseModel):
    """One identity provider (OpenID Connect) that says who people are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,31}$",
        description="Ours for it: its groups are group:NAME/GROUP, who comes first by it is user:NAME/SUBJECT.",
    )
    issuer: str = Field(max_length=512, description="As its tokens say in `iss`, to the letter.")
    audience: str = Field(
        min_length=1, description="What its tokens for this service say in `aud`."
    )
    groups_claim: str | None = Field(
        "groups", description="The claim with all groups of a person; null: its tokens tell none."
    )
    access_tokens: Literal["at+jwt", "unmarked"] = Field(
        "at+jwt",
        description="`unmarked`: it does not write at+jwt into the header of access tokens.",
    )
    algorithms: tuple[Algorithm, ...] = Field(("RS256", "PS256", "ES256", "EdDSA"), min_length=1)
    new_people: Literal["refuse", "welcome"] = Field(
        "refuse", description="Who is not known here: `welcome` makes a user of them."
    )
    leeway_s: int = Field(30, ge=0, le=60, description="How far its clock may be from ours.")
    keys_kept_s: int = Field(
        3_600, ge=0, le=86_400, description="How long its keys are used while it cannot be reached."
    )
    proxy: str | None = Field(None, description="HTTP proxy by which it is reached.")
    client_id: str | None = Field(
        None, description="Of the page, to sign in; null: only by tokens."
    )
    client_secret: SecretStr | None = None
    sign_in_scope: str = Field("openid", description="What the page asks for; `openid` is needed.")

    @field_validator("issuer")
    @classmethod
    def _safe(cls, issuer: str) -> str:
        if not is_safe_address(issuer):
            raise ValueError("it must be an https address without a query")
        return issuer


class Quota(BaseModel):
    """How much somebody may ask in a time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="Shown to who meets it.")
    of: str = Field(
        pattern=r"^(user|key|group:.{1,248})$",
        description="`user`: each user has it alone; `key`: each key; `group:NAME`: its members share it.",
    )
    requests: str | None = Field(None, description='Such as "60/minute" or "2000/day".')
    tokens: str | None = Field(
        None,
        description="Of prompts and answers of models and of texts to embed, in the same form.",
    )

    @field_validator("requests", "tokens")
    @classmethod
    def _is_a_rate(cls, given: str | None) -> str | None:
        if given is not None and not _RATE.fullmatch(given):
            raise ValueError("a rate is NUMBER/second, /minute, /hour, /day or /month")
        return given


class Settings(BaseSettings):
    """Every setting of every process.

    Field names are the variables without the prefix, in lower case.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=None, extra="forbid", frozen=True)

    # --- the corpus -----------------------------------------------------------------------------
    home: Path = Field(
        Path("var"), description="Folder for the catalog, derived indexes and fetched models."
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the catalog; default: SQLite in the home folder."
    )
    embedding_model: str = Field(
        "multilingual-e5-small",
        description="`multilingual-e5-small` (packaged), a Sentence Transformers name on the hub, or a folder.",
    )
    embedding_backend: Literal["auto", "openvino", "openvino-float32", "onnx", "torch"] = Field(
        "auto",
        description="What runs the embedding model. `auto`: what made the catalog's vectors; for a new catalog"
        " `openvino` (8 bits) if the processor multiplies 8-bit numbers, else `openvino-float32`."
        " `torch`: any model, GPU; the others: models of the BERT family.",
    )
    embedding_follows: Literal["settings", "catalog"] = Field(
        "settings",
        description="Whose embedding model is used if the catalog's vectors are of another one than"
        " CLEARANCE_EMBEDDING_MODEL: `settings` refuses to start and says what to do; `catalog` uses the catalog's.",
    )
    rebuild_least_overlap: float = Field(
        0.15,
        ge=0,
        le=1,
        description="Of the best hits of sampled questions, the share beyond chance that a new embedding model has"
        " to find, too; with less, a rebuild does not switch to it.",
    )
    embedding_query_prefix: str | None = Field(
        None, description="Overrides the query prompt that the model's folder names."
    )
    embedding_passage_prefix: str | None = Field(
        None, description="Overrides the passage prompt that the model's folder names."
    )
    embedding_threads: int = Field(
        0, ge=0, description="Threads for embedding; 0: all cores, at most 8."
    )
    reranker_model: str | None = Field(
        None, description="Cross-encoder for a second look at the best hits; none: off."
    )
    answer_scorer: str = Field(
        "packaged",
        min_length=1,
        description="What says whether a passage answers the question, not only whether it is near: `packaged`,"
        " or a cross-encoder (a folder or a name on the hub), with words; `words`: words alone.",
    )
    exact_scan_limit: int = Field(
        250_000, ge=1, description="Visible passages up to which every one is scanned."
    )

    # --- ingestion ------------------------------------------------------------------------------
    chunk_tokens: int = Field(
        256, ge=32, le=8192, description="Upper bound of a chunk, in the embedder's tokens."
    )
    parse_workers: int = Field(2, ge=1, le=64)
    parse_timeout_s: float = Field(
        120.0, gt=0, description="Processor time for one document; ten times as much by the clock."
    )
    parse_memory_mb: int = Field(
        4096, ge=512, description="Memory for one document, beyond what the parsing libraries take."
    )
    confinement: Literal["tell", "require"] = Field(
        "tell",
        description="What a kernel lacks to confine parsers: `tell` it, or `require` all of it. Unless secrets are out"
        " of reach and the network is shut off, nothing is parsed, whatever stands here.",
    )
    max_file_mb: int = Field(200, ge=1)
    unknown_principals: Literal["tell", "refuse"] = Field(
        "tell",
        description="Rules that allow a user or group nobody has declared: `tell` keeps and reports the name, which"
        " means nobody; `refuse` does not take the rule. A deny of one is always refused.",
    )
    prune_limit: float = Field(
        0.34,
        ge=0,
        le=1,
        description="`ingest --prune` removes at most this share of a folder's documents at once.",
    )
    ocr: bool = Field(
        True, description="Read pictures and scanned pages with the packaged OCR models."
    )
    max_ocr_pages: int = Field(
        300, ge=0, description="Pictures and scanned pages that are read in one file."
    )
    keep_originals: bool = Field(
        False,
        description="Keep the files of documents in the home, so that their readers can download them. Holds for a"
        " document from its next ingestion on.",
    )
    hidden_text: Literal["omit", "mark"] = Field(
        "omit",
        description="Text that no reader of a file sees (white on white, hidden sheets, deleted): `omit` leaves it out"
        " and reports it, `mark` keeps it between marks.",
    )

    # --- the service ----------------------------------------------------------------------------
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    max_connections: int | None = Field(
        None,
        ge=1,
        description="At the same time; default: what the limit on open files leaves, at most 4,096.",
    )
    max_connections_per_address: int | None = Field(
        None,
        ge=1,
        description="Of one address; default: half of all. A proxy in front is one address.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Addresses or networks, with commas between, whose X-Forwarded-For and -Proto count.",
    )
    header_timeout_s: float = Field(
        10.0, gt=0, description="For the whole head of a request to arrive."
    )
    body_timeout_s: float = Field(
        30.0, gt=0, description="For the whole body of a request to arrive."
    )
    keep_alive_s: float = Field(
        15.0, gt=0, description="How long a connection without a request is kept."
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Bearer token for /metrics; without one it takes a key with the scope operate.",
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://.+",
        description="Collector for OpenTelemetry (OTLP over HTTP), such as http://127.0.0.1:4318; needs the extra otel.",
    )
    public_url: str | None = Field(
        None,
        description="Where callers reach the service, for links to passages; default: as each request asked.",
    )
    cors_origins: tuple[str, ...] = Field(
        (),
        description="Pages of these origins may use the service with a bearer key, such as https://intranet.example.org;"
        " with commas or spaces between. None: only the service's own page.",
    )
    audit_questions: bool = Field(
        False,
        description="The audit record keeps what people ask, too, so that their prompts can be shown again.",
    )
    audit_days: int = Field(
        365,
        ge=0,
        description="`clearance audit prune` removes records, and what documents said before, after so many days;"
        " 0: never.",
    )
    identity_providers: tuple[IdentityProvider, ...] = Field(
        (), description="A JSON list; see docs/sign-in.md. None: people come with API keys only."
    )
    directory_provider: str | None = Field(
        None,
        description="Name of the identity provider whose `sub` a directory (SCIM) sends as externalId: whom it brings"
        " can sign in there. None: users are linked by hand.",
    )
    quotas: tuple[Quota, ...] = Field(
        (), description="A JSON list; see docs/quotas.md. None: nobody is limited."
    )
    quota_storage: SecretStr = Field(
        SecretStr("memory"),
        description="Where quotas are counted: `memory`, each process for itself, or redis://HOST:PORT.",
    )
    max_question_chars: int = Field(8_000, ge=1)
    max_body_kb: int = Field(1_024, ge=1)
    max_upload_mb: int = Field(
        200, ge=1, description="Of one upload. Workers take files up to CLEARANCE_MAX_FILE_MB."
    )
    upload_timeout_s: float = Field(
        600.0, gt=0, description="For the whole body of an upload to arrive."
    )
    max_waiting_uploads_mb: int = Field(
        2_000, ge=1, description="Of one caller's uploads that wait or can be tried again."
    )
    max_k: int = Field(100, ge=1, le=1_000)
    default_k: int = Field(8, ge=1)
    passages_per_document: int = Field(
        4, ge=1, description="At most this many passages of one document in one answer."
    )

    # --- the language model ---------------------------------------------------------------------
    llm_url: str | None = Field(
        None,
        description="Base URL of a vLLM server, such as http://127.0.0.1:8000; several: with commas or spaces between;"
        " none: extractive answers.",
    )
    llm_model: str | None = Field(
        None,
        description="Models to offer, with commas or spaces between, the default first; none: all that are served,"
        " adapters left out.",
    )
    llm_window: int | None = Field(
        None, ge=256, description="Tokens the model holds, for servers that do not tell."
    )
    llm_tokenizer: str | None = Field(
        None, description="Folder with its tokenizer, for servers that do not count."
    )
    llm_api_key: SecretStr | None = None
    llm_style: Literal["chat", "completion"] = "chat"
    llm_stop: tuple[str, ...] = Field(
        (), description="Stop sequences of the served model (base models need them)."
    )
    llm_temperature: float = Field(0.0, ge=0, le=2)
    llm_answer_tokens: int = Field(512, ge=1)
    llm_connect_timeout_s: float = Field(3.0, gt=0)
    llm_first_token_timeout_s: float = Field(60.0, gt=0)
    llm_total_timeout_s: float = Field(300.0, gt=0)
    fallback: Literal["none", "quotes"] = Field(
        "none", description="`quotes`: extractive answer when the model server fails."
    )
    unsupported: Literal["mark", "quotes", "refuse"] = Field(
        "mark",
        description="What becomes of a model's answer that the passages do not support. `mark`: it is sent as it grows, its"
        " sentences are marked, and quotes stand below it. `quotes`, `refuse`: it is held back until it is checked, and"
        " replaced by quotes or by the sentence that the documents do not answer.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over: it has read the environment and the file, and checked every
        name.
        """
        return (init_settings,)

    @field_validator("llm_api_key", "metrics_token")
    @classmethod
    def _no_example_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and secret.get_secret_value().strip().lower() in EXAMPLE_SECRETS:
            raise ValueError("it still holds the example value; set a real secret or leave it out")
        return secret

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, given: Any) -> Any:
        return tuple(given.replace(",", " ").split()) if isinstance(given, str) else given

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for origin in given:
            if not is_web_origin(origin):
                raise ValueError(
                    f"{origin!a} is no origin as browsers write it: https://HOST or https://HOST:PORT,"
                    " in lower case, without a path, a wildcard or the port that is usual anyway"
                )
        return given

    @field_validator("identity_providers", "quotas", mode="before")
    @classmethod
    def _read_json(cls, given: Any) -> Any:
        return json.loads(given) if isinstance(given, str) else given

    @field_validator("identity_providers")
    @classmethod
    def _each_once(cls, given: tuple[IdentityProvider, ...]) -> tuple[IdentityProvider, ...]:
        for names in ({each.name for each in given}, {each.issuer for each in given}):
            if len(names) < len(given):
                raise ValueError("two of them have the same name or the same issuer")
        return given

    @field_validator("quotas")
    @classmethod
    def _named_once(cls, given: tuple[Quota, ...]) -> tuple[Quota, ...]:
        if len({each.name for each in given}) < len(given):
            raise ValueError("two of them have the same name")
        return given

    @field_validator("quota_storage")
    @classmethod
    def _is_a_storage(cls, given: SecretStr) -> SecretStr:
        place = given.get_secret_value()
        if place != "memory" and not place.startswith(("redis://", "rediss://")):
            raise ValueError("it is `memory`, or begins with redis:// or rediss://")
        return given

    @model_validator(mode="after")
    def _known_provider(self) -> Self:
        if self.directory_provider is not None and self.directory_issuer is None:
            raise ValueError("directory_provider names none of the identity_providers")
        return self

    @property
    def directory_issuer(self) -> KnownIssuer | None:
        """The provider that `directory_provider` names."""
        named = [each for each in self.identity_providers if each.name == self.directory_provider]
        return KnownIssuer(named[0].name, named[0].issuer) if named else None

    @property
    def catalog_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home.absolute() / 'catalog.sqlite'}"

    @property
    def on_server(self) -> bool:
        """Whether the catalog is on PostgreSQL."""
        return not self.catalog_url.startswith("sqlite")


def load(
    environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")
) -> Settings:
    """Settings from the environment over `.env` over the defaults.

    Raises BadConfiguration naming every wrong key.
    """
    given = {**_dotenv(env_file), **_ours(os.environ if environ is None else environ)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        name = key.removeprefix(PREFIX).lower()
        if name.endswith("_file") and name.removesuffix("_file") in Settings.model_fields:
            name, value = name.removesuffix("_file"), _secret(key, value)
        if name not in Settings.model_fields:
            raise BadConfiguration(
                f"Unknown setting {key}.", remedy="See .env.example for every name."
            )
        values[name] = tuple(value.split("|")) if name == "llm_stop" else value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        )
        raise BadConfiguration(wrong) from error


def _ours(environ: Mapping[str, str]) -> dict[str, str]:
    ours = (key for key in environ if key.startswith(PREFIX) and key not in OF_TESTS)
    return {key: environ[key] for key in ours if environ[key] != ""}


def _dotenv(path: Path | None) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    from dotenv import dotenv_values

    return _ours({key: value or "" for key, value in dotenv_values(path).items()})


def _secret(key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadConfiguration(
            f"{key} names {path}, which cannot be read: {error.strerror}."
        ) from error
