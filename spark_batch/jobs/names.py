"""Output templates, and the words that ids and values become in file names."""

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
_WORD = re.compile("[a-z0-9]+")
_VALUE = re.compile("[a-z0-9.]+")  # 0.5 is one word of a value
_MARKS = re.compile("['`]")  # anyascii's signs for letters that Latin does not have
_APOSTROPHES = re.compile("['\u2019]")
_SLUG_LENGTH = 60  # readable in a file name


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
    """A prompt in file names: its id, followed by its variables' values."""
    return "-".join((prompt.id, *value_names(prompt).values()))


def value_names(prompt: Prompt) -> dict[str, str]:
    """The value of each variable of a prompt as file names write it."""
    return {name: slug(value, distinct=name in prompt.distinct) for name, value in prompt.variables}


@lru_cache(maxsize=10_000)
def slug(value: str, *, distinct: bool = False) -> str:
    """A variable's value as names write it: `Navy Blue` → `navy-blue`, `0.5` → `0.5`.

    Lower-case letters, digits and dots, joined by `-`, at most 60 characters; letters of other
    scripts in ASCII. A value that is cut, has such letters or nothing else, or shall be `distinct`
    from another of the same words, gets 8 hex digits of its hash.
    """
    text, foreign = romanized(_APOSTROPHES.sub("", value))
    whole = "-".join(word for part in _VALUE.findall(text.lower()) if (word := part.strip(".")))
    if whole and len(whole) <= _SLUG_LENGTH and not (foreign or distinct):
        return whole
    hashed = digest(seen(value) if distinct else value)
    return f"{(whole or 'value')[:_SLUG_LENGTH].rstrip('-.')}-{hashed}"


def prompt_id(text: str, *, distinct: bool = False) -> str:
    """The id of a prompt that has none: its words in lower case, joined by `-`.

    As many whole words as 60 characters hold; letters of other scripts in ASCII. A text that has
    such letters or no words, or shall be `distinct` from another of the same words, gets 8 hex
    digits of its hash.
    """
    written, foreign = romanized(_APOSTROPHES.sub("", text))
    words: list[str] = []
    length = -1
    for word in _WORD.findall(written.lower()):
        length += 1 + len(word)
        if length > _SLUG_LENGTH and words:
            break
        words.append(word[:_SLUG_LENGTH])
    whole = "-".join(words)
    if whole and not (foreign or distinct):
        return whole
    return f"{whole or 'prompt'}-{digest(seen(text) if distinct else text)}"


def digest(text: str) -> str:
    """8 hex digits of a text's SHA-256, the same however its accents are encoded."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()[:8]


def seen(text: str) -> str:
    """The text as readers see it: accents composed, one space for several, nothing of no width."""
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(c for c in composed if unicodedata.category(c) != "Cf").split())


def without_accents(text: str) -> tuple[str, bool]:
    """The text without its accents, and whether letters are left that are not ASCII."""
    if text.isascii():
        return text, False
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return plain, any(c.isalnum() and not c.isascii() for c in plain)


def romanized(text: str) -> tuple[str, bool]:
    """The text with its letters in ASCII, and whether there were any but accented ones."""
    plain, foreign = without_accents(text)
    if not foreign:
        return plain, False
    return "".join(map(_romanized, unicodedata.normalize("NFC", text))), True


@lru_cache(maxsize=10_000)
def _romanized(character: str) -> str:
    from anyascii import anyascii  # its tables are needed for few recipes

    plain, foreign = without_accents(character)
    category = unicodedata.category(character)
    if not foreign and not (plain and category.startswith("M")):
        return plain
    written = _MARKS.sub("", anyascii(character))
    # Ideographs and Hangul syllables are words of their own: anyascii begins them with a capital.
    return f"-{written}" if category == "Lo" and written[:1].isupper() else written
