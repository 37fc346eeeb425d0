"""`Model`: one model of the API, with the rules for its requests, pictures and answers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from spark_batch.models import schemas
from spark_batch.models.codes import ErrorCode, ErrorCodes
from spark_batch.models.schemas import Schema

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_SIDES = frozenset(("width", "height"))
_NOTES = frozenset(("title", "description", "examples", "default"))  # that check nothing
_SHARED = ("scale", "seed")  # parameters that mean the same in every model


@dataclass(frozen=True, slots=True)
class PictureRules:
    """Rules for input pictures. Sides are pixels; `max_ratio` is the long side by the short one."""

    formats: tuple[str, ...]
    recommended_format: str
    max_bytes: int
    recommended_bytes: int
    max_side: int
    max_ratio: float
    schema: Schema = field(repr=False, compare=False)

    @classmethod
    def of(cls, schema: Schema) -> PictureRules:
        """The rules that a schema of the facts about a picture states."""
        rules: Mapping[str, Any] = schema["properties"]
        size = rules["bytes"]
        return cls(
            formats=tuple(rules["format"]["enum"]),
            recommended_format=rules["format"]["x-recommended"],
            max_bytes=size["maximum"],
            recommended_bytes=size.get("x-recommendedMaximum", size["maximum"]),
            max_side=min(rules["width"]["maximum"], rules["height"]["maximum"]),
            max_ratio=rules["ratio"]["maximum"],
            schema=schema,
        )

    def narrowed(self, other: PictureRules) -> PictureRules:
        """The rules for a picture that satisfies both: the stricter limit of each rule.

        `formats` may be empty, for which the recipe is refused.
        """
        if self == other:
            return self
        formats = [name for name in self.formats if name in other.formats]
        recommended = self.recommended_format
        if recommended not in formats:
            recommended = "".join(formats[:1])
        size = {
            "maximum": min(self.max_bytes, other.max_bytes),
            "x-recommendedMaximum": min(self.recommended_bytes, other.recommended_bytes),
        }
        side = {"maximum": min(self.max_side, other.max_side)}
        ratio = {"maximum": min(self.max_ratio, other.max_ratio)}
        rules = {"format": {"enum": formats, "x-recommended": recommended}, "bytes": size}
        return self.of({"properties": {**rules, "width": side, "height": side, "ratio": ratio}})

    def faults(self, facts: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """The rules that a picture violates, as pairs of the property and its limit.

        `facts` are the picture's `format`, `bytes`, `width`, `height` and `ratio`.
        """
        found = []
        for error in schemas.validator_of(self.schema).iter_errors(facts):
            name = str(error.absolute_path[0])
            limits = self.schema["properties"][name]
            found.append((name, limits.get("maximum", limits.get("enum"))))
        return found


@dataclass(frozen=True, slots=True)
class PictureField:
    """A parameter that carries the input picture; `is_list` puts it into a list of one."""

    name: str
    is_list: bool


@dataclass(frozen=True, slots=True)
class PictureFields:
    """The parameters for the input picture: by `url`, or as the file itself in `base64`.

    Both may be the same parameter. None means that the model does not take a picture in that form.
    """

    url: PictureField | None
    base64: PictureField | None


@dataclass(frozen=True, slots=True)
class OutputRules:
    """The sides that the API's pictures may have, in pixels."""

    minimum: int
    maximum: int
    multiple: int

    def side(self, asked: int) -> int:
        """The side of the result for a requested side.

        It is rounded to the closest multiple, a tie upwards, and then limited to the range. The
        vendor's page leaves both the tie and the order open (schemas/README.md, "What the vendor's
        page leaves open").
        """
        rounded = (asked + self.multiple // 2) // self.multiple * self.multiple
        return min(max(rounded, self.minimum), self.maximum)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """How the fields of an answer are read.

    `waiting`, `completed` and `failed` are status words, `usd` the ways to write USD; all are in
    lower case. `picture_type` matches the types of pictures, `task_id` a whole task id.
    `quote_reasons` explains, by code, why precharge gives no price. The API keeps
    a result for `result_hours`.
    """

    waiting: frozenset[str]
    completed: frozenset[str]
    failed: frozenset[str]
    usd: frozenset[str]
    picture_type: re.Pattern[str]
    task_id: re.Pattern[str]
    quote_reasons: Mapping[str, str]
    result_hours: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the API: the defaults of its parameters and the rules that code computes with.

    `parameters` are the schemas of its parameters by name. The prompt and the picture, the seed,
    the scale and the size mean the same in every model that has them; `further` are the others. A
    value is None, and an axis empty, for what the model does not have or leaves open. A
    request needs a value for each of `required`, beside the prompt and the picture.

    `sizes` are width and height in pixels by name; None where the name itself is sent.
    `size_parameter` takes the size as a text; without it width and height are two parameters.
    `random_seed` asks the API to draw a seed; `usual_seeds` are the others that its page
    recommends. `recommended_prompt` is the recommended maximum in characters, `recommended_side`
    the recommended minimum in pixels.
    """

    name: str
    parameters: Mapping[str, Schema] = field(repr=False)
    further: tuple[str, ...]
    required: frozenset[str]
    default_scale: float | None
    default_seed: int | None
    random_seed: int | None
    usual_seeds: range | None
    default_size: str | None
    sizes: Mapping[str, tuple[int, int] | None]
    size_parameter: str | None
    recommended_prompt: int | None
    recommended_side: int | None
    output: OutputRules | None
    picture: PictureRules
    fields: PictureFields
    errors: ErrorCodes
    schema: Schema = field(repr=False)

    def __hash__(self) -> int:
        """Not of the fields, which have mappings in them."""
        return hash(self.name)

    def has_axis(self, axis: str) -> bool:
        """Whether the model has the axis of recipes: `size`, `scale`, `seed` or a further one."""
        return axis in self.axes

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The axes of recipes that the model has, without those that every model has."""
        has_size = self.size_parameter is not None or self.parameters.keys() >= _SIDES
        own = ("size",) * has_size + tuple(name for name in _SHARED if name in self.parameters)
        return (*own, *self.further)

    @cached_property
    def structures(self) -> frozenset[str]:
        """The further parameters whose values are mappings or lists."""
        kinds = {name: self.parameters[name].get("type") for name in self.further}
        return frozenset(name for name, kind in kinds.items() if kind in ("object", "array"))

    def default(self, parameter: str) -> Any:
        """The default of a parameter; None where there is none."""
        return self.parameters[parameter].get("default")

    def definition(self, part: str) -> Schema:
        """The part `$defs/PART` of the model's schema, for example `params`."""
        found: Schema = self.schema["$defs"][part]
        return found

    def validator(self, part: str) -> Validator:
        """A JSON Schema validator for a parameter, or for `$defs/PART` of the model's schema."""
        if part not in self._validators:
            whole = self.parameters.get(part)
            if whole is None:
                whole = schemas.expanded(self.name, part, {self.name: self.schema})
            self._validators[part] = schemas.validator_of(whole)
        return self._validators[part]

    @cached_property
    def _validators(self) -> dict[str, Validator]:
        """Validators by part; making one takes a millisecond."""
        return {}

    def admits_prompt(self, text: str) -> bool:
        """Whether a prompt is known to be right; of any other, the validator says what is wrong.

        A table has 100 000 prompts, and the validator takes 50 µs for each.
        """
        shortest, longest, visible = self._prompt_bounds
        return shortest <= len(text) <= longest and visible.search(text) is not None

    @cached_property
    def _prompt_bounds(self) -> tuple[float, float, re.Pattern[str]]:
        """The least and greatest length of a prompt and its pattern; no length with other rules."""
        rules = self.parameters["prompt"]
        simple = _is_simple_text(rules)
        shortest = rules.get("minLength", 0) if simple else math.inf
        pattern = re.compile(rules.get("pattern", ""))
        return shortest, rules.get("maxLength", math.inf), pattern

    def draws(self, seed: int | None) -> bool:
        """Whether the API draws a seed of its own for a request with this one, or with none."""
        return seed is None or seed == self.random_seed

    def is_usual_seed(self, seed: int) -> bool:
        """Whether the vendor's page recommends a seed; without a range it recommends any."""
        return self.usual_seeds is None or seed == self.random_seed or seed in self.usual_seeds

    def expected_size(self, width: int | None, height: int | None) -> tuple[int, int] | None:
        """The size in pixels of the result for a requested size; each side is rounded by itself.

        None where it is not known.
        """
        if self.output is None or width is None or height is None:
            return None
        return self.output.side(width), self.output.side(height)


def _is_simple_text(rules: Schema) -> bool:
    """Whether length and pattern are all the rules of a text."""
    checks = {key for key in rules if key not in _NOTES and not key.startswith("x-")}
    return rules.get("type") == "string" and checks <= {"type", "minLength", "maxLength", "pattern"}


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a recipe, in its order; a request that names no model is for the first."""

    chosen: tuple[Model, ...]
    shipped: Callable[[str], Model | None] = field(repr=False, compare=False)

    @property
    def first(self) -> Model:
        """The recipe's first model."""
        return self.chosen[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the recipe's models."""
        return tuple(model.name for model in self.chosen)

    @property
    def further(self) -> tuple[str, ...]:
        """The further parameters of all of the recipe's models."""
        return tuple(dict.fromkeys(name for model in self.chosen for name in model.further))

    @property
    def structures(self) -> frozenset[str]:
        """The further parameters whose values are mappings or lists for one of the models."""
        return frozenset().union(*(model.structures for model in self.chosen))

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of recipes that at least one of the recipe's models has."""
        return tuple(dict.fromkeys(name for model in self.chosen for name in model.axes))

    @property
    def size_names(self) -> tuple[str, ...]:
        """The names of sizes of all of the recipe's models."""
        return tuple(dict.fromkeys(name for model in self.chosen for name in model.sizes))

    @property
    def picture(self) -> PictureRules:
        """The rules for a picture that all of the recipe's models take."""
        return reduce(PictureRules.narrowed, (model.picture for model in self.chosen))

    @property
    def errors(self) -> ErrorCodes:
        """The error codes of all of the recipe's models, for advice; the first one's come first."""
        known: dict[str, ErrorCode] = {}
        for model in reversed(self.chosen):
            known.update(model.errors.by_code)
        return replace(self.first.errors, by_code=known)

    def of(self, name: str) -> Model:
        """The model of a request: one of the recipe, else the shipped one, else the first.

        A checkpoint may have requests to a model that the recipe no longer names.
        """
        own = next((model for model in self.chosen if model.name == name), None)
        return own or self.shipped(name) or self.first
