"""Parse and fill in templates of output names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from spark_batch.errors import UsageError
from spark_batch.jobs import Structure
from spark_batch.jobs.request import value_text
from spark_batch.models import schemas
from spark_batch.text import Token, slug, template_tokens

MODEL = "model"
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
    MODEL,
)
ABSENT = "none"  # in names, the value of an axis that a job's model does not have


def default_template() -> str:
    """The output template of a recipe that gives none, from the recipe's schema."""
    text: str = schemas.schema(schemas.RECIPE)["properties"]["output"]["properties"]["name"][
        "default"
    ]
    return text


def default_for(
    *, left_out: Collection[str], several_models: bool, further: Sequence[str], takes: bool
) -> str:
    """The default template for the jobs of a model, without the axes that are `left_out`.

    `further` parameters distinguish its jobs; with several `takes`, their number does.
    """
    text = default_template()
    for axis, part in (("size", "-${size}"), ("scale", "-scale${scale}"), ("seed", "-seed${seed}")):
        if axis in left_out:
            text = text.replace(part, "")
    if several_models:
        text = text.replace("${prompt}", "${prompt}-${model}")
    text += "".join(f"-{name}${{{name}}}" for name in further)
    return f"{text}-take${{take}}" if takes else text


def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a template.

    Raises UsageError for a dollar that does not begin `${name}` and is not doubled. Names of
    variables are not checked here.
    """
    found = tuple(template_tokens(text))
    if any(token.is_stray for token in found):
        raise UsageError("a lone '$': write ${name} for a variable, $$ for a dollar")
    return found


def output_name(text: str, facts: Mapping[str, object]) -> str:
    """The template `text` filled in with `facts`, which has a value for each of its variables.

    Raises UsageError for a template with a lone dollar or an unknown variable.
    """
    written = []
    for token in tokens(text):
        if token.name is None:
            written.append(token.text)
        elif token.name in facts:
            written.append(str(facts[token.name]))
        else:
            raise UsageError(f"unknown variable {token.written}: choose one of {', '.join(facts)}")
    return "".join(written)


def value_slug(value: str | float | Structure | None) -> str:
    """The value of an axis as file names write it; `none` where a job's model has no such axis.

    For a mapping or a list, it is made of its words and a hash.
    """
    if value is None:
        return ABSENT
    if isinstance(value, Structure):
        return slug(value.text, distinct=True)
    return slug(value) if isinstance(value, str) else value_text(value)
