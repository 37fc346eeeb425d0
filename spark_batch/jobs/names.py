"""Output templates: their parts, and how they are filled in."""

from __future__ import annotations

from collections.abc import Mapping

from spark_batch import contract
from spark_batch.errors import UsageError
from spark_batch.jobs import Prompt
from spark_batch.text import slug, template_tokens

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
    for token in template_tokens(text):
        if token.is_stray:
            raise UsageError("a lone '$': write ${name} for a variable, $$ for a dollar")
        found.append((False, token.text) if token.name is None else (True, token.name))
    return tuple(found)


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
