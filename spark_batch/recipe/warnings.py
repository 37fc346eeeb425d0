"""Warn once about each value that the API's documentation advises against."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from spark_batch.jobs import Block, Input, Picture, Size
from spark_batch.models import Model, Models, PictureRules
from spark_batch.recipe import characters
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.inputs import Listed
from spark_batch.recipe.prompts import PromptEntry, spot
from spark_batch.recipe.variants import Located, whole
from spark_batch.recipe.yaml import Node
from spark_batch.text import bytes_text, quoted, template_tokens

# Ends of instructions. _STRONG are verbs that are hardly ever nouns: "a red hat and paint" has no
# second instruction.
_SENTENCE = re.compile(r"[.!?;\n]\s*|\b(?:and )?then\b", re.IGNORECASE)
_CLAUSE = re.compile(r",\s*(?:and\s+)?|\band\s+", re.IGNORECASE)
_JOINT = re.compile(r"[.!?;,\n]|\b(?:and|then)\b", re.IGNORECASE)
_QUOTED = re.compile("\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u2018[^\u2019]*\u2019|'[^']*'(?![a-z])")
QUOTES = "in typographic quotes, which are sent as well; remove them, or write plain ones"
# A name as other tools write a variable. The `$` of ${name} and $$ is no beginning of one.
_WITHIN = r"([^{}<>\[\]$%]*)"
_FOREIGN = re.compile(
    rf"(?<!\$)(?:\{{?\{{{_WITHIN}\}}\}}?|<{_WITHIN}>|\[{_WITHIN}\]|%([\w-]+)%|\$(\w+))"
)
_CHECKED_TEXTS = 1000  # texts of one entry; they differ in the values of variables alone
_STRONG = frozenset(
    {"add", "remove", "delete", "erase", "replace", "insert", "convert", "transform"}
)
_VERBS = _STRONG | {
    *("make", "give", "put", "change", "turn", "move", "swap"),
    *("recolor", "recolour", "rotate", "crop", "blur", "paint", "restyle"),
}


def prompts(found: Iterable[PromptEntry], models: Models, findings: Findings) -> None:
    """Warn about prompts in typographic quotes, long ones, and those with several edits."""
    best = best_length(models)
    for entry in found:
        mark, where = entry.node.mark, entry.where
        if characters.in_curly_quotes(entry.node.text().strip()):
            message = f"the prompt is {QUOTES}"
            findings.warn(mark, code="prompt-quotes", path=where, message=message)
        texts = [prompt.text for prompt in entry.prompts]
        longest = max(map(len, texts), default=0)
        if best is not None and longest > best:
            which = "the prompt has" if len(texts) == 1 else "the longest of its prompts has"
            message = f"{which} {longest} characters; {best} or fewer work best"
            findings.warn(mark, code="prompt-long", path=where, message=message)
        if any(map(several_instructions, texts[:_CHECKED_TEXTS])):
            message = "the prompt seems to have several instructions; one at a time works better"
            findings.warn(mark, code="prompt-many-instructions", path=where, message=message)


def placeholders(
    found: Sequence[PromptEntry], columns: Mapping[str, str], findings: Findings
) -> None:
    """Warn about variables that prompts have in the form of another tool; they are sent as such.

    `columns` are the names of a table's variables, by each way to write them.
    """
    known = {**columns, **{name: name for entry in found for name in entry.variables}}
    for entry in found:
        if placeholder := foreign_placeholder(entry.node.text(), known):
            written, name = placeholder
            mark = spot(written, entry.node.mark, findings)
            message = f"{quoted(written)} {sent_as_written(name)}"
            findings.warn(mark, code="prompt-placeholder", path=entry.where, message=message)


def parameter_texts(node: Node | None, models: Models, findings: Findings) -> None:
    """Warn about `${name}` in texts of further parameters, which have no variables."""
    names = {name for model in models.chosen for name in model.further}
    for name in sorted(names) if node is not None else ():
        axis = node.get(name) if node is not None else None
        for item in axis.items() if axis is not None else ():
            used = [token.name for token in template_tokens(item.text()) if token.name]
            if used:
                message = (
                    f"{quoted('${' + used[0] + '}')} is sent as it is written, since only prompts"
                    " have variables"
                )
                where = f"variants.{name}"
                findings.warn(item.mark, code="prompt-placeholder", path=where, message=message)


def foreign_placeholder(text: str, known: Mapping[str, str]) -> tuple[str, str] | None:
    """The first variable that a text has in the form of another tool, as written, and its name.

    None where the text has it as `${name}`, too. `known` are names by each way to write them.
    """
    for match in _FOREIGN.finditer(text) if known else ():
        name = known.get((match[match.lastindex or 0]).strip())
        if name is not None and name not in {token.name for token in template_tokens(text)}:
            return match[0], name
    return None


def sent_as_written(name: str) -> str:
    """What is wrong with a variable in the form of another tool."""
    return f"is sent as it is written; for the value write ${{{name}}}"


def commas(node: Node | None, findings: Findings) -> None:
    """Warn about `[…]` in which a comma seems to cut a prompt without quotes."""
    if node is None or _written_with(node, findings) != "[":
        return
    plain = [_is_plain(item, findings) for item in node.items()]
    texts = [item.text() for item in node.items()]
    if not (plain and plain[0] and texts[0][:1].isupper()):
        return
    for at in range(1, len(texts)):
        if plain[at - 1] and plain[at] and texts[at][:1].islower():
            message = (
                f"{quoted(texts[at])} is a prompt of its own, because a comma ends a text without"
                " quotes; put a text with ', ' in quotes"
            )
            mark = node.items()[at].mark
            findings.warn(mark, code="comma-cuts", path=f"prompts[{at}]", message=message)
            return


def _is_plain(item: Node, findings: Findings) -> bool:
    """Whether an item of `[…]` is a text without quotes."""
    return isinstance(item.value, str) and _written_with(item, findings) not in ("'", '"')


def _written_with(node: Node, findings: Findings) -> str:
    """The first character of a value in the file; empty for a recipe that is a mapping."""
    return findings.line(node.mark.line)[node.mark.column - 1 :][:1]


def best_length(models: Models) -> int | None:
    """The number of characters that gives the best results with each of the models."""
    known = [model.recommended_prompt for model in models.chosen]
    return min((best for best in known if best is not None), default=None)


def several_instructions(text: str) -> bool:
    """Whether a prompt seems to ask for several edits; misses some rather than warn falsely."""
    if not _JOINT.search(text):
        return False
    sentences = [part for part in _SENTENCE.split(_QUOTED.sub("", text)) if part.strip()]
    if sum(_first_word(part) in _VERBS for part in sentences) > 1:
        return True
    return any(
        _first_word(clauses[0]) in _VERBS and any(_first_word(c) in _STRONG for c in clauses[1:])
        for clauses in map(_CLAUSE.split, sentences)
    )


def _first_word(text: str) -> str:
    return text.split(maxsplit=1)[0].lower().strip(",:") if text.strip() else ""


def sizes(found: Iterable[Located], model: Model, findings: Findings) -> None:
    """Warn about sizes whose picture may come out black or at another size.

    There is no warning about a named size, whose result is documented.
    """
    smallest = model.recommended_side
    for located in found:
        width, height, mark = located.size.width, located.size.height, located.node.mark
        if width is None or height is None:
            continue
        if smallest is not None and max(width, height) < smallest:
            message = f"both sides are below {smallest} pixels: the picture may come out black"
            findings.warn(mark, code="size-small", path=located.where, message=message)
        asked = f"{width}x{height}"
        expected = model.expected_size(width, height)
        if located.size.label == asked and expected is not None and expected != (width, height):
            given = f"{expected[0]}x{expected[1]}"
            message = f"asked for {asked}, the picture is expected at {given}"
            findings.warn(mark, code="size-rounded", path=located.where, message=message)


def seeds(node: Node | None, model: Model, findings: Findings, *, path: str) -> None:
    """Warn about seeds that the API accepts and does not recommend."""
    for item in node.items() if node is not None else ():
        if model.usual_seeds is not None and not model.is_usual_seed(whole(item)):
            first, last = model.usual_seeds[0], model.usual_seeds[-1]
            message = f"{item.raw} is unusual; the API recommends seeds from {first} to {last}"
            findings.warn(item.mark, code="seed-unusual", path=path, message=message)


def inputs(
    found: Sequence[Listed], blocks: Iterable[Block], models: Models, findings: Findings
) -> None:
    """Warn about inputs that are small, turned by EXIF, in CMYK, of another format, or large files.

    With `fit` the check is about the picture that is sent. `blocks` have the output sizes of each
    input.
    """
    outputs: dict[str, set[tuple[int, int]]] = {}
    expected: dict[tuple[str, tuple[Size, ...]], set[tuple[int, int]]] = {}
    for block in blocks:
        key = (block.model.name, block.sizes)
        if key not in expected:
            sizes = {block.model.expected_size(size.width, size.height) for size in block.sizes}
            expected[key] = {size for size in sizes if size is not None}
        for picture in block.inputs:
            outputs.setdefault(picture.id, set()).update(expected[key])
    entries: dict[str, list[Listed]] = {}
    for listed in found:
        entries.setdefault(listed.where, []).append(listed)
    rules = models.picture
    for group in entries.values():
        judged = [(listed, tuple(_faults(listed.input, outputs, rules))) for listed in group]
        for code, advice in _advice(rules).items():
            if hits := [listed for listed, codes in judged if code in codes]:
                message = f"{_which(hits, group)} {advice}"
                mark, where = group[0].node.mark, group[0].where
                findings.warn(mark, code=code, path=where, message=message)


def _advice(rules: PictureRules) -> dict[str, str]:
    """What messages say of the pictures with each of the codes that `_faults` gives."""
    return {
        "input-small": "smaller than the output on both sides; a larger picture gives better"
        " results",
        "input-png": f"not {rules.recommended_format}, which is the format that the API recommends",
        "input-bytes": f"over {bytes_text(rules.recommended_bytes)}, which the API may refuse;"
        " save it smaller",
        "input-turned": "turned by EXIF alone: the API may see it lying on its side or mirrored;"
        " `fit: true` turns it upright",
        "input-colours": "in CMYK, the colours of printing, which the API may show as others;"
        " `fit: true` converts them",
    }


def _faults(
    entry: Input, outputs: Mapping[str, set[tuple[int, int]]], rules: PictureRules
) -> Iterator[str]:
    """The codes of the warnings about an input; `outputs` are the sizes of its results."""
    picture = entry.picture
    if picture is None:
        return
    sent = picture.treatment or picture
    sizes = outputs.get(entry.id, ())
    if any(sent.width < width and sent.height < height for width, height in sizes):
        yield "input-small"
    if sent.format != rules.recommended_format:
        yield "input-png"
    # A fitted picture is never over the recommended size.
    if picture.treatment is None and picture.bytes > rules.recommended_bytes:
        yield "input-bytes"
    if picture.turned:
        yield "input-turned"
    if picture.cmyk:
        yield "input-colours"


def _which(hits: Sequence[Listed], group: Sequence[Listed]) -> str:
    """The subject of a warning: an entry's picture, or how many of a glob's, with an example."""
    path, picture = hits[0].input.path, hits[0].input.picture
    name = path.name if path else hits[0].input.id
    facts = f" ({_facts(picture)})" if picture else ""
    if len(group) == 1:
        return f"{name}{facts} is"
    return f"{len(hits)} of {len(group)} pictures, such as {name}{facts}, are"


def _facts(picture: Picture) -> str:
    if picture.treatment:
        return f"{picture.treatment.width}x{picture.treatment.height} as it is sent"
    return f"{picture.width}x{picture.height}, {bytes_text(picture.bytes)}"
