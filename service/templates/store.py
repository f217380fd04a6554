"""Which template answers whom: the catalog's, as administrators activated them, before those that
come built in.
"""

import hashlib
import hmac
from typing import cast

from indexes.catalog import Catalog
from indexes.catalog.template_choice import Chosen, TemplateVersion
from indexes.catalog.templates import NAME
from indexes.model import Principal
from indexes.text.scripts import Script
from service.templates.template import BuiltInTemplates, PromptStyle, Template


class CatalogTemplates:
    """A TemplateSource over the catalog.

    Every choice is read anew, so that an activation holds at the next request.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._templates = catalog.templates
        self._secret = catalog.secret
        self._built_in = BuiltInTemplates()

    def choose(
        self, name: str | None, principal: Principal, style: PromptStyle, language: Script
    ) -> Template:
        if name is None:
            chosen = self._templates.choose_for_asker(principal, style, language)
        else:
            chosen = self._find_by_name(name, principal, style)
        if chosen is None:
            return self._built_in.choose(name, principal, style, language)
        return to_template(self._pick_version(chosen, principal))

    def _find_by_name(self, name: str, principal: Principal, style: PromptStyle) -> Chosen | None:
        plain, at, version = name.partition("@")
        if not NAME.fullmatch(plain):
            return None
        if not at:
            return self._templates.choose_by_name(principal, plain, style)
        if not (version.isascii() and version.isdigit() and len(version) < 10):
            return None
        found = self._templates.find_version(principal, plain, int(version), style)
        return None if found is None else Chosen(version=found, candidate=None, share=0.0)

    def _pick_version(self, chosen: Chosen, principal: Principal) -> TemplateVersion:
        """The candidate for a share of the people, always the same ones; nobody can tell beforehand
        which.
        """
        whose = str(principal.id or principal.name)
        if (
            chosen.candidate is not None
            and draw_share(self._secret, whose, chosen.version.name) < chosen.share
        ):
            return chosen.candidate
        return chosen.version


def draw_share(secret: bytes, user: str, template: str) -> float:
    """A number from 0 up to 1 that belongs to this user and this template for good."""
    seal = hmac.new(secret, f"share\0{user}\0{template}".encode(), hashlib.sha256).digest()
    return int.from_bytes(seal[:8], "big") / 2**64


def to_template(version: TemplateVersion) -> Template:
    text = version.text
    return Template(
        name=version.name,
        version=version.version,
        style=cast(PromptStyle, version.style),
        language=cast(Script, version.language),
        system=text.system,
        user=text.user,
        no_answer=text.no_answer,
        stop=text.stop,
    )
