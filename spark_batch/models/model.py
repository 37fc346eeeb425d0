"""`Model`: one model of the API, with the rules for its requests, pictures and answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from spark_batch.models import schemas
from spark_batch.models.codes import ErrorCodes
from spark_batch.models.schemas import Schema

if TYPE_CHECKING:
    from jsonschema.protocols import Validator


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
class PictureFields:
    """The parameters that carry the input picture, each a list of one.

    `url` takes a URL, `base64` the file itself; it is None for a model that takes URLs alone.
    """

    url: str
    base64: str | None


@dataclass(frozen=True, slots=True)
class OutputRules:
    """The sides that the API gives its pictures, in pixels."""

    minimum: int
    maximum: int
    multiple: int

    def side(self, asked: int) -> int:
        """The side of the result for a requested side.

        It is rounded to the closest multiple, a tie upwards, and then brought within the range. The
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
    `quote_reasons` explains, by the code of the reason, why precharge names no price.
    """

    waiting: frozenset[str]
    completed: frozenset[str]
    failed: frozenset[str]
    usd: frozenset[str]
    picture_type: re.Pattern[str]
    task_id: re.Pattern[str]
    quote_reasons: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the API: the defaults of its parameters and the rules that code computes with.

    `schema` is the model's whole schema; `definition` returns a part of it, `validator` checks
    values against one. `sizes` are width and height in pixels, by name. `random_seed` asks the API
    to draw a seed; `usual_seeds` are the others that the vendor's page recommends.
    `recommended_prompt` is the recommended maximum in characters, `recommended_side` the
    recommended minimum in pixels. The API keeps a result for `result_hours`.
    """

    name: str
    default_scale: float
    default_seed: int
    random_seed: int
    usual_seeds: range
    default_size: str
    sizes: Mapping[str, tuple[int, int]]
    recommended_prompt: int
    recommended_side: int
    output: OutputRules
    picture: PictureRules
    fields: PictureFields
    result_hours: int
    errors: ErrorCodes
    answers: AnswerRules
    schema: Schema = field(repr=False)

    def definition(self, part: str) -> Schema:
        """The part `$defs/PART` of the model's schema, for example `scale` or `prompt`."""
        found: Schema = self.schema["$defs"][part]
        return found

    def validator(self, part: str) -> Validator:
        """A JSON Schema validator for `$defs/PART` of the model's schema."""
        return self._validator(self.name, part)

    def recipe_validator(self, part: str = "") -> Validator:
        """A validator for recipes for this model, or for `$defs/PART` of the recipe's schema.

        The recipe's schema refers to the default model, so that editors can complete its
        parameters; here this model takes its place.
        """
        return self._validator(schemas.RECIPE, part)

    def _validator(self, name: str, part: str) -> Validator:
        """The validator for a part of a schema; it is made once, which takes a millisecond."""
        if (name, part) not in self._validators:
            instead = {self.name: self.schema, schemas.default_model(): self.schema}
            whole = schemas.expanded(name, part, instead)
            self._validators[name, part] = schemas.validator_of(whole)
        return self._validators[name, part]

    @cached_property
    def _validators(self) -> dict[tuple[str, str], Validator]:
        return {}

    def is_usual_seed(self, seed: int) -> bool:
        """Whether the vendor's page recommends a seed."""
        return seed == self.random_seed or seed in self.usual_seeds

    def expected_size(self, width: int, height: int) -> tuple[int, int]:
        """The size in pixels of the result for a requested size; each side counts by itself."""
        return self.output.side(width), self.output.side(height)
