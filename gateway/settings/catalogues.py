"""The catalogues: every sentence that is said or written, in each language."""

from importlib.resources import files
from typing import cast

import yaml

from gateway.core.wording import Catalogue

LANGUAGES = ("zh_CN", "en")


def catalogues() -> dict[str, Catalogue]:
    """Return the catalogue of every language."""
    found = {}
    for language in LANGUAGES:
        text = (files("gateway.data") / f"catalogue_{language}.yaml").read_text("utf-8")
        found[language] = cast("Catalogue", yaml.safe_load(text))
    return found
