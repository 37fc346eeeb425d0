"""Output templates: taken apart, filled in, and the words that values become in a name."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from spark_batch import contract
from spark_batch.errors import UsageError
from spark_batch.jobs import Prompt

VARIABLES = (
    "input",
    "prompt",
    "size",
    "scale",
    "seed",
    "take",
    "width",
    "height",
    "job",
    "recipe",
)
Token = tuple[bool, str]

_TOKEN = re.compile(r"(?P<dollar>\$\$)|\$\{(?P<name>[^{}$]*)\}|(?P<lone>\$)")
_WORD = re.compile(r"[a-z0-9.]+")
_APOSTROPHES = re.compile("['\u2019]")
_SLUG_LENGTH = 60  # characters: what still reads well in a file name


def default_template() -> str:
    """The output template of a recipe that gives none, from the recipe's schema."""
    text: str = contract.schema(contract.RECIPE)["properties"]["output"]["properties"]["name"][
        "default"
    ]
    return text


def tokens(text: str) -> tuple[Token, ...]:
    """A template taken apart: pairs (is it a variable, the variable's name or the literal text).

    Raises UsageError for a dollar that begins no `${name}` and is not doubled. Names are not
    checked here.
    """
    found: list[Token] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match["lone"]:
            raise UsageError("a lone '$': write ${name} for a variable, $$ for a dollar")
        found.append((False, text[at : match.start()]))
        found.append((False, "$") if match["dollar"] else (True, match["name"]))
        at = match.end()
    found.append((False, text[at:]))
    return tuple(token for token in found if token[0] or token[1])


def output_name(text: str, facts: Mapping[str, object]) -> str:
    """The template `text` filled in with `facts`, which has a value for each of its variables.

    Raises UsageError for a template with a lone dollar or an unknown variable.
    """
    written = []
    for is_name, part in tokens(text):
        if is_name and part not in facts:
            raise UsageError(f"unknown variable ${{{part}}}: known are {', '.join(facts)}")
        written.append(str(facts[part]) if is_name else part)
    return "".join(written)


def prompt_name(prompt: Prompt) -> str:
    """What a prompt is called in names: its id, and then the slugs of its variables' values."""
    if not prompt.variables:
        return prompt.id
    return "-".join((prompt.id, *(slug(value) for _, value in prompt.variables)))


@lru_cache(maxsize=10_000)
def slug(value: str) -> str:
    """A variable's value as names write it: `Navy Blue` → `navy-blue`, `0.5` → `0.5`.

    Lower-case letters, digits and dots, joined by `-`. A value that loses letters of other scripts,
    or what is beyond 60 characters, or has nothing of the kind, gets 8 hex digits of its hash.
    """
    folded, lost = _APOSTROPHES.sub("", value).lower(), False
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFKD", folded)
        folded = "".join(c for c in decomposed if not unicodedata.combining(c)).lower()
        lost = any(c.isalnum() and not c.isascii() for c in folded)
    whole = "-".join(word for part in _WORD.findall(folded) if (word := part.strip(".")))
    if whole and not lost and len(whole) <= _SLUG_LENGTH:
        return whole
    digest = hashlib.sha256(unicodedata.normalize("NFC", value).encode()).hexdigest()[:8]
    return f"{(whole or 'value')[:_SLUG_LENGTH].rstrip('-.')}-{digest}"
