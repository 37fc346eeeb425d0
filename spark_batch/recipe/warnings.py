"""Warnings: what the API's page advises against, told once for each thing and not for each job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spark_batch import contract
from spark_batch.jobs import Block, Input, Picture, Size
from spark_batch.recipe import characters
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.inputs import Listed
from spark_batch.recipe.prompts import Entry
from spark_batch.recipe.variants import Located, whole
from spark_batch.recipe.yaml import Node

# Where one instruction ends and another may begin. The second list is of verbs that are hardly
# ever nouns, since "a red hat and paint" is no second instruction.
_SENTENCE = re.compile(r"[.!?;\n]\s*|\b(?:and )?then\b", re.IGNORECASE)
_CLAUSE = re.compile(r",\s*(?:and\s+)?|\band\s+", re.IGNORECASE)
_JOINT = re.compile(r"[.!?;,\n]|\b(?:and|then)\b", re.IGNORECASE)
_QUOTED = re.compile("\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u2018[^\u2019]*\u2019|'[^']*'(?![a-z])")
QUOTES = "in typographic quotes, which are sent as well; remove them, or write plain ones"
_LOOKED_AT = 1000  # texts of one entry; that they differ in a value makes them hardly different
_STRONG = frozenset(
    {"add", "remove", "delete", "erase", "replace", "insert", "convert", "transform"}
)
_VERBS = _STRONG | {
    *("make", "give", "put", "change", "turn", "move", "swap"),
    *("recolor", "recolour", "rotate", "crop", "blur", "paint", "restyle"),
}


def prompts(found: Iterable[Entry], findings: Findings) -> None:
    """Prompts that are long, or that ask for several edits at once; an entry is told once."""
    best = contract.rules().recommended_prompt
    for each in found:
        if characters.in_curly_quotes(each.node.text().strip()):
            findings.warn(
                each.node.mark,
                code="prompt-quotes",
                path=each.where,
                message=f"the prompt is {QUOTES}",
            )
        texts = [prompt.text for prompt in each.prompts]
        longest = max(map(len, texts), default=0)
        if longest > best:
            which = "the prompt has" if len(texts) == 1 else "the longest of its prompts has"
            message = f"{which} {longest} characters; {best} or fewer work best"
            findings.warn(each.node.mark, code="prompt-long", path=each.where, message=message)
        if any(map(several_instructions, texts[:_LOOKED_AT])):
            message = "the prompt seems to hold several instructions; one at a time works better"
            findings.warn(
                each.node.mark, code="prompt-many-instructions", path=each.where, message=message
            )


def several_instructions(text: str) -> bool:
    """Whether a prompt seems to ask for more than one edit; rather too seldom than too often."""
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


def sizes(found: Iterable[Located], findings: Findings) -> None:
    """Sizes whose picture may come out black, or will not be as asked."""
    smallest = contract.rules().recommended_side
    for each in found:
        width, height = each.size.width, each.size.height
        if max(width, height) < smallest:
            message = f"both sides are below {smallest} pixels: the picture may come out black"
            findings.warn(each.node.mark, code="size-small", path=each.where, message=message)
        expected = contract.expected_size(width, height)
        if expected != (width, height):
            asked, given = f"{width}x{height}", f"{expected[0]}x{expected[1]}"
            message = f"asked for {asked}, the picture is expected at {given}"
            findings.warn(each.node.mark, code="size-rounded", path=each.where, message=message)


def usual(seed: int) -> bool:
    """Whether the API's page speaks of a seed."""
    limits = _usual_seeds()
    usual: bool = limits["minimum"] <= seed <= limits["maximum"]
    return usual or seed == contract.rules().random_seed


def _usual_seeds() -> Mapping[str, Any]:
    limits: Mapping[str, Any] = contract.definition("seed")["x-recommended"]["anyOf"][-1]
    return limits


def seeds(node: Node | None, findings: Findings, *, path: str = "variants.seed") -> None:
    """Seeds that the API takes and its page does not speak of."""
    for item in node.items() if node is not None else ():
        if not usual(whole(item)):
            limits = _usual_seeds()
            message = (
                f"{item.raw} is unusual: seeds go from {limits['minimum']} to {limits['maximum']}"
            )
            findings.warn(item.mark, code="seed-unusual", path=path, message=message)


def inputs(found: Sequence[Listed], blocks: Iterable[Block], findings: Findings) -> None:
    """Input pictures that are small, turned, not of the recommended format, or large as files.

    What is judged is what will be sent, where `fit` makes another picture of the file.

    `blocks` say at which sizes each of them is wanted.
    """
    wanted: dict[str, set[tuple[int, int]]] = {}
    expected: dict[tuple[Size, ...], set[tuple[int, int]]] = {}
    for block in blocks:
        if block.sizes not in expected:
            sizes = {contract.expected_size(each.width, each.height) for each in block.sizes}
            expected[block.sizes] = sizes
        for one in block.inputs:
            wanted.setdefault(one.id, set()).update(expected[block.sizes])
    entries: dict[str, list[Listed]] = {}
    for each in found:
        entries.setdefault(each.where, []).append(each)
    for group in entries.values():
        for code, hits, advice in _judged(group, wanted):
            if hits:
                message = f"{_which(hits, group)} {advice}"
                mark, where = group[0].node.mark, group[0].where
                findings.warn(mark, code=code, path=where, message=message)


def _judged(
    group: Sequence[Listed], wanted: Mapping[str, set[tuple[int, int]]]
) -> Iterable[tuple[str, list[Listed], str]]:
    rules = contract.rules().picture
    yield (
        "input-small",
        [each for each in group if _below(each.input, wanted)],
        "smaller than the output on both sides; a larger picture gives better results",
    )
    yield (
        "input-png",
        [each for each in group if _format(each) not in (None, rules.recommended_format)],
        f"not {rules.recommended_format}, which is the format that the API recommends",
    )
    yield (
        "input-bytes",
        [each for each in group if _bytes(each) > rules.recommended_bytes],
        f"over {rules.recommended_bytes} bytes, which the API may refuse; save it smaller",
    )
    yield (
        "input-turned",
        [each for each in group if _turned(each)],
        "turned by EXIF alone: the API may see it lying on its side or mirrored;"
        " `fit: true` turns it upright",
    )


def _below(each: Input, wanted: Mapping[str, set[tuple[int, int]]]) -> bool:
    picture = each.picture
    if picture is None:
        return False
    sent = picture.treatment or picture
    outputs = wanted.get(each.id, ())
    return any(sent.width < width and sent.height < height for width, height in outputs)


def _format(each: Listed) -> str | None:
    picture = each.input.picture
    return (picture.treatment or picture).format if picture else None


def _bytes(each: Listed) -> int:
    """The bytes that are sent; what is fitted has no more than are recommended."""
    picture = each.input.picture
    return picture.bytes if picture and not picture.treatment else 0


def _turned(each: Listed) -> bool:
    """Whether the file is sent as it is, and its EXIF orientation turns it."""
    return each.input.picture is not None and each.input.picture.turned


def _which(hits: Sequence[Listed], group: Sequence[Listed]) -> str:
    """What an entry's warning is about: its picture, or how many of a glob's, with an example."""
    path, picture = hits[0].input.path, hits[0].input.picture
    name = path.name if path else hits[0].input.id
    facts = f" ({_facts(picture)})" if picture else ""
    if len(group) == 1:
        return f"{name}{facts} is"
    return f"{len(hits)} of {len(group)} pictures, such as {name}{facts}, are"


def _facts(picture: Picture) -> str:
    if picture.treatment:
        return f"{picture.treatment.width}x{picture.treatment.height} as it is sent"
    return f"{picture.width}x{picture.height}, {picture.bytes} bytes"
