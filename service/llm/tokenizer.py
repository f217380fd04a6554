"""A model's tokenizer and chat template in this process, for model servers that cannot count
tokens.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from indexes.errors import GeneratorBroken
from service.llm.port import Prompt
from service.llm.token_counter import make_word_counter

REMEDY = "Set CLEARANCE_LLM_TOKENIZER to a folder with the served model's tokenizer.json and chat template."


class LocalTokenizer:
    """Counts like the server, if the folder holds the tokenizer and template of the served model."""

    def __init__(self, folder: str | None) -> None:
        """Blocking: reads files. Raises GeneratorBroken if there is no tokenizer."""
        try:
            home = Path(folder or "")
            description = (home / "tokenizer.json").read_text("utf-8")
            self._tokenizer = Tokenizer.from_str(description)
            self._word_counter = make_word_counter(self._tokenizer, json.loads(description))
            config: dict[str, Any] = json.loads((home / "tokenizer_config.json").read_text("utf-8"))
        except Exception as error:  # the library raises bare exceptions
            raise GeneratorBroken(
                "It cannot count tokens, and no local tokenizer can be read.", remedy=REMEDY
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._special_tokens = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        own = home / "chat_template.jinja"
        source = own.read_text("utf-8") if own.is_file() else config.get("chat_template")
        self._template = (
            _template_environment().from_string(source) if isinstance(source, str) else None
        )
        self._specials = {
            name: _token_text(value) for name, value in config.items() if name.endswith("_token")
        }

    def count(self, prompt: Prompt) -> int:
        """Tokens of the prompt, chat template and opening of the answer included.

        Blocking, some milliseconds.
        """
        special = (
            self._special_tokens if prompt.messages is None else 0
        )  # a chat template writes its own
        return special + self._count_text(self.render(prompt), prompt.cache_salt)

    def render(self, prompt: Prompt) -> str:
        """The whole prompt as the model reads it."""
        if prompt.messages is None:
            return prompt.text or ""
        if self._template is None:
            raise GeneratorBroken(
                "Its model has no chat template.", remedy="Set CLEARANCE_LLM_STYLE=completion."
            )
        turns = [{"role": message.role, "content": message.content} for message in prompt.messages]
        try:
            return self._template.render(
                messages=turns, add_generation_prompt=True, **self._specials
            )
        except TemplateError as error:
            raise GeneratorBroken("Its chat template refuses these messages.") from error

    def _count_text(self, text: str, cache_salt: str) -> int:
        counted = self._word_counter.count(text, cache_salt) if self._word_counter else None
        if counted is None:
            (whole,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
            return len(whole)
        return counted


def _template_environment() -> ImmutableSandboxedEnvironment:
    """The environment that chat templates are written for."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols"],
        autoescape=False,
    )
    made.globals["raise_exception"] = _raise_template_error
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    made.filters["tojson"] = lambda value, **options: json.dumps(
        value, ensure_ascii=False, **options
    )
    return made


def _raise_template_error(message: str) -> NoReturn:
    raise TemplateError(message)


def _token_text(value: Any) -> str:
    """The text of a special token, which some configurations wrap in an object."""
    return str(value.get("content", "")) if isinstance(value, dict) else str(value or "")
