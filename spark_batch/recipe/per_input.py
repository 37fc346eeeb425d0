"""The axes of each input: those that its entry gives in place of `variants`, and `size: input`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from spark_batch.jobs import Block, Input, Prompt, Size, SizeIdentity
from spark_batch.models import Model, Models
from spark_batch.models.sizes import size_like
from spark_batch.recipe import variants, warnings
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.inputs import Listed
from spark_batch.recipe.variants import INPUT_SIZE, Located, Variants
from spark_batch.recipe.yaml import Node
from spark_batch.text import counted

_FIELDS = {"size": "sizes", "scale": "scales", "seed": "seeds"}
AXES = tuple(_FIELDS)  # the axes that an entry of `inputs` may give
_SHOWN = 5  # sizes that a note lists

# The axes that entries of `inputs` give, one item for each model, by the entry's place.
Given = Mapping[str, Sequence[Variants]]
# Reports an input whose size is not known; the text is the reason.
Refuse = Callable[[Input, str], None]


@dataclass(frozen=True, slots=True)
class Values:
    """The axes of `variants` for each model, and those of inputs that have their own.

    `own` is by the model's name and the input's id; other inputs have the axes in `base`.
    """

    base: tuple[Variants, ...]
    own: Mapping[tuple[str, str], Variants]

    @property
    def most(self) -> int:
        """The largest number of combinations, without takes, that an input has with all models."""
        found = dict.fromkeys((axes.block.model.name for axes in self.base), 0)
        for axes in {id(axes): axes for axes in (*self.base, *self.own.values())}.values():
            block, name = axes.block, axes.block.model.name
            number = len(block.sizes) * len(block.scales) * len(block.seeds) * len(block.parameters)
            found[name] = max(found[name], number)
        return sum(found.values())

    def of(self, base: Variants, picture: Input) -> Variants:
        """The axes of an input for the model of `base`, which is an item of `self.base`."""
        return self.own.get((base.block.model.name, picture.id), base) if self.own else base


def read(listed: Iterable[Listed], models: Models, findings: Findings) -> Given:
    """The axes that entries of `inputs` give, with the model's defaults for the others."""
    found: dict[str, Sequence[Variants]] = {}
    for picture in listed:
        node, where = picture.given, _where(picture)
        if node is None or where in found or not any(node.get(axis) for axis in AXES):
            continue
        found[where] = of_models(node, models, findings, path=where)
    return found


def of_models(
    node: Node | None, models: Models, findings: Findings, *, path: str = "variants"
) -> tuple[Variants, ...]:
    """The axes of the mapping at `path` for each model, with the warnings about them."""
    found = []
    for name, part in findings.by_model(models.names):
        model = models.of(name)
        axes = variants.variants(node, model, part, path=path, size_names=models.size_names)
        warnings.sizes(axes.located, model, part)
        if node is not None and model.has_axis("seed"):
            warnings.seeds(node.get("seed"), model, part, path=f"{path}.seed")
        found.append(axes)
    return tuple(found)


def values(base: Sequence[Variants], listed: Iterable[Listed], given: Given) -> Values:
    """The axes of all inputs, from those of `variants` and of the inputs' entries."""
    merged: dict[str, Sequence[Variants]] = {}
    own: dict[tuple[str, str], Variants] = {}
    for picture in listed:
        where = _where(picture)
        if where not in given:
            continue
        if where not in merged:
            pairs = zip(base, given[where], strict=True)
            merged[where] = [_merged(axes, entry, picture) for axes, entry in pairs]
        for axes in merged[where]:
            own[axes.block.model.name, picture.input.id] = axes
    return Values(tuple(base), own)


def _where(picture: Listed) -> str:
    """The place of an input's entry."""
    return picture.where.removesuffix(".path")


def _merged(base: Variants, own: Variants, picture: Listed) -> Variants:
    """The axes of `base`, replaced by those that the entry gives and the model has."""
    node = picture.given
    names = {axis for axis in AXES if node is not None and node.get(axis) is not None}
    names &= set(base.block.model.axes)
    if not own.located:  # all of its sizes belong to other models
        names.discard("size")
    changed = {_FIELDS[axis]: getattr(own.block, _FIELDS[axis]) for axis in names}
    return Variants(replace(base.block, **changed), own.located)


def blocks(
    given: Values, listed: Sequence[Listed], prompts: tuple[Prompt, ...], findings: Findings
) -> tuple[Block, ...]:
    """The matrix: for each model a block for each run of inputs with the same axes.

    Reports an input whose size is not known. A note says which sizes `input` stands for.
    """
    found: list[Block] = []
    models = {axes.block.model.name: axes for axes in given.base}
    for name, part in findings.by_model(models):
        runs = _runs(models[name], given, listed)
        _note(models[name], runs, part)
        refuse = refusal(listed, part)
        for axes, pictures in runs:
            block = replace(axes.block, inputs=tuple(pictures), prompts=prompts)
            found.extend(split(block, refuse))
    return tuple(found)


def refusal(listed: Iterable[Listed], findings: Findings) -> Refuse:
    """A function that reports, at an input's entry, that its size is not known."""
    places = {picture.input.id: picture for picture in listed}

    def refuse(picture: Input, reason: str) -> None:
        at = places[picture.id]
        findings.error(at.node.mark, code="size-input", path=at.where, message=reason)

    return refuse


def _runs(
    base: Variants, given: Values, listed: Sequence[Listed]
) -> list[tuple[Variants, list[Input]]]:
    """The inputs in their order, those with the same axes together; at least one run."""
    runs: list[tuple[Variants, list[Input]]] = []
    for picture in listed:
        axes = given.of(base, picture.input)
        if not (runs and runs[-1][0] is axes):
            runs.append((axes, []))
        runs[-1][1].append(picture.input)
    return runs or [(base, [])]


def _note(
    base: Variants, runs: Iterable[tuple[Variants, Sequence[Input]]], findings: Findings
) -> None:
    """Note which sizes `input` stands for, wherever the recipe uses it."""
    sizes: dict[str, tuple[Located, Counter[str]]] = {}
    for axes, pictures in runs:
        named = axes.located or base.located
        place = next((one for one in named if one.size is INPUT_SIZE), None)
        if place is not None and INPUT_SIZE in axes.block.sizes:
            _, counts = sizes.setdefault(place.where, (place, Counter()))
            found = (_like(axes.block.model, picture) for picture in pictures)
            counts.update(size.label for size in found if isinstance(size, Size))
    for place, counts in sizes.values():
        shown = [f"{label} for {counted(n, 'input')}" for label, n in counts.most_common(_SHOWN)]
        if len(counts) > _SHOWN:
            shown.append(f"{counted(len(counts) - _SHOWN, 'more size')} for the others")
        if shown:
            message = f"'input' is {', '.join(shown)}"
            findings.note(place.node.mark, code="size-input", path=place.where, message=message)


def split(block: Block, refuse: Refuse) -> Iterator[Block]:
    """The block with sides in place of `INPUT_SIZE`: a block for each run of inputs of one size."""
    if INPUT_SIZE not in block.sizes:
        yield block
        return
    runs = groupby(
        block.inputs, lambda picture: sizes_for(block.sizes, block.model, picture, refuse)
    )
    empty = True
    for sizes, pictures in runs:
        if sizes:  # else there is an error
            empty = False
            yield replace(block, inputs=tuple(pictures), sizes=sizes)
    if empty:
        sizes = tuple(size for size in block.sizes if size is not INPUT_SIZE)
        yield replace(block, inputs=(), sizes=sizes)


def sizes_for(
    sizes: tuple[Size, ...], model: Model, picture: Input, refuse: Refuse
) -> tuple[Size, ...]:
    """The sizes for an input, without duplicates, with its own size in place of `INPUT_SIZE`.

    If its own size is not known, that is reported, and the other sizes are left.
    """
    if INPUT_SIZE not in sizes:
        return sizes
    found: dict[SizeIdentity, Size] = {}
    for size in sizes:
        one = _like(model, picture) if size is INPUT_SIZE else size
        if isinstance(one, str):
            refuse(picture, one)
        elif one is not None:
            found.setdefault(one.identity, one)
    return tuple(found.values())


def _like(model: Model, picture: Input) -> Size | str | None:
    """The model's size with the proportions of an input, or what is wrong with that.

    None for a picture that cannot be read, which is reported elsewhere.
    """
    if picture.url is not None:
        return (
            "'size: input' needs the picture's pixels, which are not known for a URL: save the"
            " picture and give its path, or give the input a size of its own"
        )
    if picture.picture is None:
        return None
    found = size_like(model, *picture.picture.upright)
    if found is None:
        return f"{model.name} has no size of known proportions for 'size: input'; choose a size"
    if isinstance(found, str):
        return variants.named_size(found, model)
    width, height = found
    text = f"{width}x{height}"
    return Size(text, width, height, None if model.size_parameter is None else text)
