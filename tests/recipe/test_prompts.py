"""Prompts: variables put in, dollars, and the names that expanded prompts get."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_batch.jobs import matrix
from spark_batch.recipe import Diagnostic, Loaded
from spark_batch.recipe.prompts import MAX_TEXTS
from spark_batch.text import seen, slug
from tests.makers import MODEL

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]

HEAD = "version: 1\nname: x\ninputs: [photos/hero.jpg]\n"
RECOLOR = (
    "prompts:\n  - id: recolor\n    text: Change the ${item} to ${color}\n"
    "    vars: {item: [shirt, hat], color: [pink, Navy Blue]}\n"
)
SHARED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)


def _texts(found: Loaded) -> list[str]:
    return [prompt.text for prompt in found.recipe.blocks[0].prompts]


def test_every_combination_is_a_prompt(loaded: Load) -> None:
    """Each variable is an axis, the first one the slowest; the author's text is kept."""
    found = loaded(HEAD + RECOLOR)
    assert _texts(found) == [
        "Change the shirt to pink",
        "Change the shirt to Navy Blue",
        "Change the hat to pink",
        "Change the hat to Navy Blue",
    ]
    prompts = found.recipe.blocks[0].prompts
    assert {prompt.id for prompt in prompts} == {"recolor"}
    assert prompts[1].variables == (("item", "shirt"), ("color", "Navy Blue"))
    assert matrix.count_jobs(found.recipe) == 4


def test_the_default_name_holds_the_values(loaded: Load) -> None:
    """`${prompt}` is the id and then the values, as slugs."""
    jobs = list(matrix.jobs(loaded(HEAD + RECOLOR).recipe))
    assert [job.output.split("/")[1].split("-1x1")[0] for job in jobs] == [
        "recolor-shirt-pink",
        "recolor-shirt-navy-blue",
        "recolor-hat-pink",
        "recolor-hat-navy-blue",
    ]


def test_a_template_knows_each_variable(loaded: Load) -> None:
    """A variable stands in an output name as a slug of its value."""
    text = HEAD + RECOLOR + "output: {name: '${input}/${color}/${item}'}\n"
    names = [job.output for job in matrix.jobs(loaded(text).recipe)]
    assert names[1] == "hero/navy-blue/shirt"


def test_dollars(loaded: Load) -> None:
    """Two dollars are one, a dollar before anything but a brace is itself."""
    found = loaded(HEAD + "prompts: [A $$5 tag, A $5 note, 'A $${x} sign']\n")
    assert _texts(found) == ["A $5 tag", "A $5 note", "A ${x} sign"]


def test_a_value_is_put_in_as_it_is(loaded: Load) -> None:
    """No value is looked at for variables or dollars, and numbers stay as they are written."""
    text = "prompts:\n  - {text: 'Add ${a} and ${b}', vars: {a: ['${b}', $$], b: [007, 1.0, no]}}\n"
    assert _texts(loaded(HEAD + text)) == [
        "Add ${b} and 007",
        "Add ${b} and 1.0",
        "Add ${b} and no",
        "Add $$ and 007",
        "Add $$ and 1.0",
        "Add $$ and no",
    ]


def test_values_of_the_same_words_are_told_apart_by_a_hash(loaded: Load) -> None:
    """C and C++ are two pictures: those that are alike get a hash, the others keep their name."""
    text = (
        "prompts:\n  - {id: l, text: 'Write ${t}', vars: {t: [C, C++, SALE, Sale, 50, 50%, Go]}}\n"
    )
    name = "output: {name: '${t}'}\n"
    names = [job.output for job in matrix.jobs(loaded(HEAD + text + name).recipe)]
    words = ["c", "c", "sale", "sale", "50", "50"]
    assert [name[:-9] for name in names[:-1]] == words
    assert names[-1] == "go"
    assert len(set(names)) == 7
    turned = text.replace("C, C++, SALE", "C++, SALE, C")
    assert {job.output for job in matrix.jobs(loaded(HEAD + turned + name).recipe)} == set(names)


def test_the_final_text_is_what_counts(loaded: Load, errors: Errors) -> None:
    """A long name of a variable is no length; a text as long as the API takes is taken."""
    limit = MODEL.definition("prompt")["maxLength"]
    name, rest = "n" * 90, "y" * (limit - 2)
    text = f"prompts:\n  - {{id: a, text: '${{{name}}} {rest}', vars: {{{name}: x}}}}\n"
    (longest,) = _texts(loaded(HEAD + text))
    assert len(longest) == limit
    (error,) = errors(HEAD + text.replace(": x}", ": xx}"))
    assert error.code == "length"
    assert f"{limit + 1} characters" in error.message


def test_keys_come_from_the_final_text_only(loaded: Load) -> None:
    """A prompt made by variables is the same request as the prompt written out."""
    written = "prompts: [Change the hat to Navy Blue, Change the shirt to pink]\n"
    keys = {job.key for job in matrix.jobs(loaded(HEAD + RECOLOR).recipe)}
    assert {job.key for job in matrix.jobs(loaded(HEAD + written).recipe)} < keys


def test_advice_is_given_once_an_entry(loaded: Load) -> None:
    """A prompt of many combinations is warned about once, by its longest text."""
    values = f"[{'b' * 150}, {'c' * 160}]"
    text = f"prompts:\n  - {{id: a, text: 'Make ${{a}} red', vars: {{a: {values}}}}}\n"
    (warning,) = loaded(HEAD + text).warnings
    assert warning.message.startswith("the longest of its prompts has 169 characters")


def test_a_recipe_cannot_grow_without_end(errors: Errors) -> None:
    """Few lines that stand for more prompts than anybody wants are refused before they are made."""
    values = ", ".join(str(n) for n in range(400))
    text = (
        f"prompts:\n  - {{id: a, text: '${{a}} ${{b}}', vars: {{a: [{values}], b: [{values}]}}}}\n"
    )
    (error,) = errors(HEAD + text)
    assert error.code == "too-many-prompts"
    assert str(MAX_TEXTS) in error.message


VALUES = st.lists(
    st.text("abcXYZ 019.-é€日", min_size=1, max_size=70).filter(str.strip),
    min_size=1,
    max_size=4,
    unique_by=lambda value: (slug(value), seen(value)),
)


@SHARED
@given(VALUES, VALUES)
def test_expanding_is_counting(loaded: Load, one: list[str], other: list[str]) -> None:
    """There are as many prompts as combinations, each with a name that any disk takes."""
    a, b = ("[" + ", ".join(f"'{value}'" for value in values) + "]" for values in (one, other))
    text = f"prompts:\n  - {{id: p, text: '${{a}} x ${{b}}', vars: {{a: {a}, b: {b}}}}}\n"
    name = "output: {name: '${a}/${b}'}\n"
    recipe = loaded(HEAD + text + name).recipe
    names = [job.output for job in matrix.jobs(recipe)]
    assert len(names) == matrix.count_jobs(recipe) == len(one) * len(other)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-/") for name in names)
