"""What is compared: one template, what is active now, or quotes without a model."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from indexes.catalog import Catalog
from indexes.catalog.templates import NAME, split_label
from indexes.errors import BadInput
from indexes.model import Principal
from indexes.text.scripts import Script, script
from service.answering.answerer import Answerer
from service.answering.values import Ask
from service.templates.drafts import read_draft
from service.templates.store import CatalogTemplates, to_template
from service.templates.template import BUILT_IN, PromptStyle, Template, TemplateSource

QUOTES = "quotes"
ACTIVE = "active"
DRAFT_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way of answering."""

    label: str
    ask: Ask  # every question is asked like this one
    answerer: Answerer
    templates: TemplateSource | None  # None if no model is asked

    def digest_template(self, question: str, principal: Principal) -> str | None:
        """What the model is told for this question, as a digest; a change of one letter gives
        another. Blocking.
        """
        if self.templates is None:
            return None
        style = self.answerer.settings.llm_style
        template = self.templates.choose(None, principal, style, script(question))
        return (
            f"{template.label} {hashlib.sha256(json.dumps(asdict(template)).encode()).hexdigest()}"
        )


@dataclass(frozen=True, slots=True)
class FixedTemplate:
    """A TemplateSource of one template, for everybody: the operator who measures it has chosen it."""

    template: Template

    def choose(
        self, name: str | None, principal: Principal, style: PromptStyle, language: Script
    ) -> Template:
        return self.template


def make_arms(
    named: Sequence[str],
    quotes: bool,
    ask: Ask,
    catalog: Catalog,
    answering: Callable[[TemplateSource], Answerer],
) -> tuple[Arm, ...]:
    """The arms of one measurement, in the order they were named. Raises BadInput, NotFound.

    answering: makes the answerer of one arm. Without a model there is only the arm that quotes.
    """
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise BadInput(f"{twice[0]} is named twice.", remedy="Name each template once.")
    catalog_templates = CatalogTemplates(catalog)
    quoting = Arm(
        label=QUOTES,
        ask=replace(ask, answerer="quotes"),
        answerer=answering(catalog_templates),
        templates=None,
    )
    settings = quoting.answerer.settings
    if settings.llm_url is None:
        if named or ask.model:
            raise BadInput(
                "No language model is configured.",
                remedy="Set CLEARANCE_LLM_URL, or measure quotes alone.",
            )
        return (quoting,)
    sources: dict[str, TemplateSource] = {
        label: FixedTemplate(find_template(name, catalog, settings.llm_style))
        for name, label in _label_templates(named).items()
    } or {ACTIVE: catalog_templates}
    if quotes and QUOTES in sources:
        raise BadInput(
            f"A template is named {QUOTES}, too.", remedy=f"Name its version: {QUOTES}@1."
        )
    found = [
        Arm(
            label=label,
            ask=replace(ask, answerer="model", fallback="none"),
            answerer=answering(source),
            templates=source,
        )
        for label, source in sources.items()
    ]
    return (*found, quoting) if quotes else tuple(found)


def _label_templates(named: Sequence[str]) -> dict[str, str]:
    """What each is called in reports: a draft by its file alone, unless two would be called alike."""
    labels = {name: Path(name).name if _names_a_file(name) else name for name in named}
    alike = len(set(labels.values())) < len(labels)
    return {name: name for name in named} if alike else labels


def find_template(name: str, catalog: Catalog, style: PromptStyle) -> Template:
    """The template of that name (its newest version), name@version, or file, whoever may use it.

    Raises BadInput.
    """
    found = _read_draft(Path(name)) if _names_a_file(name) else _find_saved(name, catalog)
    if found.style != style:
        raise BadInput(
            f"{name} is for {found.style} models, and CLEARANCE_LLM_STYLE says {style}.",
            remedy="Measure a template of the served model's kind.",
        )
    return found


def _names_a_file(name: str) -> bool:
    return "/" in name or name.endswith(DRAFT_ENDINGS)


def _read_draft(file: Path) -> Template:
    draft = read_draft(file)
    text = draft.build_text()
    return Template(
        name=file.name, version=0, style=draft.style, language=draft.language, system=text.system, user=text.user,
        no_answer=text.no_answer, stop=text.stop,
    )  # fmt: skip


def _find_saved(name: str, catalog: Catalog) -> Template:
    plain, version = split_label(name) if "@" in name else (name, None)
    if not NAME.fullmatch(plain):
        raise BadInput(
            f"{name[:80]!a} names no template.", remedy="Write NAME, NAME@VERSION or a .yaml file."
        )
    for built_in in BUILT_IN:
        if built_in.name == plain and version in (None, built_in.version):
            return built_in
    saved = catalog.templates.versions(plain)
    found = next((each for each in reversed(saved) if version in (None, each.version)), None)
    if found is None:
        raise BadInput(f"{plain} has versions 1 to {len(saved)}.")
    return to_template(found)
