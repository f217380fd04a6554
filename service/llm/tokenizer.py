"""A model's tokenizer and chat template on this side, for model servers without a route that
counts.
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
from service.llm.token_counter import word_counter

REMEDY = "Set CLEARANCE_LLM_TOKENIZER to a folder with the served model's tokenizer.json and chat template."


class LocalTokenizer:
    """Counts like the server does, as long as the folder holds the tokenizer and template of the
    model it serves.
    """

    def __init__(self, folder: str | None) -> None:
        """Blocking: reads files. Raises GeneratorBroken where there is no tokenizer."""
        try:
            home = Path(folder or "")
            made_of = (home / "tokenizer.json").read_text("utf-8")
            self._tokenizer = Tokenizer.from_str(made_of)
            self._words = word_counter(self._tokenizer, json.loads(made_of))
            config: dict[str, Any] = json.loads((home / "tokenizer_config.json").read_text("utf-8"))
        except Exception as error:  # the library raises bare exceptions
            raise GeneratorBroken(
                "It cannot count tokens, and no local tokenizer can be read.", remedy=REMEDY
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._around = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        own = home / "chat_template.jinja"
        source = own.read_text("utf-8") if own.is_file() else config.get("chat_template")
        self._template = _environment().from_string(source) if isinstance(source, str) else None
        self._specials = {
            name: _word(value) for name, value in config.items() if name.endswith("_token")
        }

    def count(self, prompt: Prompt) -> int:
        """Tokens of the prompt, chat template and opening of the answer included.

        Blocking, some milliseconds.
        """
        around = self._around if prompt.messages is None else 0  # a chat template writes its own
        return around + self._tokens(self.written(prompt), prompt.cache_salt)

    def written(self, prompt: Prompt) -> str:
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

    def _tokens(self, text: str, cache_salt: str) -> int:
        counted = self._words.count(text, cache_salt) if self._words else None
        if counted is None:
            (whole,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
            return len(whole)
        return counted


def _environment() -> ImmutableSandboxedEnvironment:
    """What chat templates are written for."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols"],
        autoescape=False,
    )
    made.globals["raise_exception"] = _refuse
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    made.filters["tojson"] = lambda value, **options: json.dumps(
        value, ensure_ascii=False, **options
    )
    return made


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _word(value: Any) -> str:
    """A special token; some configurations wrap it."""
    return str(value.get("content", "")) if isinstance(value, dict) else str(value or "")
