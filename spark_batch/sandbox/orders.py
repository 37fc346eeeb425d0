"""Bodies of create and precharge → orders, judged by the API's schema."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from PIL import Image

from spark_batch.models import Model

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

BAD_REQUEST = 400
NOT_FOUND = 404

_LONGEST_NAME = 100  # characters of a model's name that are repeated


class Wrong(Exception):
    """A request that is refused: the HTTP status, the error code and the message."""

    def __init__(self, code: str, message: str, *, status: int = BAD_REQUEST) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that the API would take, its defaults filled in.

    `width` and `height` are what was asked, both or none. `data` are the picture's bytes and
    `image` their SHA-256, or `url` says where it stands.
    """

    model: Model
    prompt: str
    scale: float
    seed: int
    width: int | None
    height: int | None
    image: str | None = None
    data: bytes | None = None
    url: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """The result's width and height: what was asked or the default, as the API gives it."""
        if self.width is None or self.height is None:
            return self.model.expected_size(*self.model.sizes[self.model.default_size])
        return self.model.expected_size(self.width, self.height)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the request in canonical form, the picture by its own SHA-256."""
        facts = {
            "model": self.model.name,
            "prompt": self.prompt,
            "scale": self.scale,
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "image": self.image,
            "url": self.url,
        }
        canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def judge(
    body: bytes, model: Model, *, header: str | None = None, known: Callable[[str], bool]
) -> Order:
    """The order in a body, by the rules of `model`; `header` is what X-Model says.

    `known` says by SHA-256 whether a picture was found whole before. Raises Wrong, with the
    code that the schema's `x-errors` give, for a request against the API's rules.
    """
    payload = _loaded(body)
    if header is not None:
        payload.setdefault("model", header)
    _check_envelope(payload, model)
    params = payload["input"][0]["params"]
    _check_params(params, model)
    return _order(model, params, known=known)


def _loaded(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Wrong(str(BAD_REQUEST), "the body is no JSON") from None
    if not isinstance(payload, dict):
        raise Wrong(str(BAD_REQUEST), "the body is no JSON object")
    return payload


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_envelope(payload: Mapping[str, Any], model: Model) -> None:
    """Check the part around the parameters: model, input, and params as a mapping."""
    depth = len(("input", 0, "params"))
    for error in model.validator("request").iter_errors(payload):
        path = list(error.absolute_path)
        inside = len(path) > depth or (len(path) == depth and error.validator != "type")
        if path == ["model"]:
            raise unknown_model(payload["model"])
        if not inside:
            name = ".".join(map(str, path)) or "body"
            raise Wrong(str(BAD_REQUEST), f"{name}: violates {error.validator!r}")


def unknown_model(name: object) -> Wrong:
    """The refusal of a request for a model that there is not."""
    shown = ascii(name)[:_LONGEST_NAME]
    return Wrong(str(NOT_FOUND), f"model {shown} not found", status=NOT_FOUND)


def _check_params(params: Mapping[str, Any], model: Model) -> None:
    """The parameters; of several faults, reports the one with the lowest code."""
    judged = model.validator("params").iter_errors(params)
    faults = sorted(_fault(error, params, model) for error in judged)
    if faults:
        code, place = faults[0]
        raise _wrong(code, place, model)


def _wrong(code: str, place: str, model: Model) -> Wrong:
    return Wrong(code, f"{model.errors.by_code[code].title} ({place})")


def _fault(error: ValidationError, params: Mapping[str, Any], model: Model) -> tuple[str, str]:
    """The error code and the parameter of a violation."""
    if error.absolute_path:
        name = str(error.absolute_path[0])
        codes = _codes(name, model)
        whole = len(error.absolute_path) == 1
        return codes.get(str(error.validator) if whole else "*", codes["*"]), name
    if error.validator == "required":
        return _codes("prompt", model)["required"], "prompt"
    sources = _sources(model)
    given = [name for name in sources if name in params]
    codes = model.definition("params")["x-errors"]
    return codes["both" if given else "neither"], " or ".join(sources)


def _sources(model: Model) -> tuple[str, ...]:
    return tuple(way["required"][0] for way in model.definition("params")["oneOf"])


def _codes(name: str, model: Model) -> Mapping[str, str]:
    """The error codes of a parameter by violated keyword, found along its references."""
    part: Mapping[str, Any] = model.definition("params")["properties"][name]
    while "x-errors" not in part:
        part = model.definition(part["$ref"].rpartition("/")[2])
    codes: Mapping[str, str] = part["x-errors"]
    return codes


def _order(model: Model, params: Mapping[str, Any], *, known: Callable[[str], bool]) -> Order:
    image = data = url = None
    _check_text(params["prompt"])
    if "image_urls" in params:
        url = params["image_urls"][0]
        _check_text(url)
    else:
        data = _decoded(params["binary_data_base64"][0], model)
        image = hashlib.sha256(data).hexdigest()
        if not known(image):
            _check_picture(data, model)
    both = "width" in params and "height" in params
    return Order(
        model=model,
        prompt=params["prompt"],
        scale=float(params.get("scale", model.default_scale)),
        seed=int(params.get("seed", model.default_seed)),
        width=int(params["width"]) if both else None,
        height=int(params["height"]) if both else None,
        image=image,
        data=data,
        url=url,
    )


def _check_text(text: str) -> None:
    """JSON can carry half of a surrogate pair, which is no character and cannot be written."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Wrong(str(BAD_REQUEST), "a text is no valid Unicode") from None


def _bad_picture(why: str, model: Model) -> Wrong:
    name = "binary_data_base64"
    return _wrong(_codes(name, model)["*"], f"{name}: {why}", model)


def _decoded(text: str, model: Model) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _bad_picture("no Base64", model) from None


def _check_picture(data: bytes, model: Model) -> None:
    """Judges the header before any pixel is decoded, then decodes all of them."""
    try:
        with Image.open(io.BytesIO(data), formats=model.picture.formats) as picture:
            _check_facts(picture, len(data), model)
            picture.load()
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        raise _bad_picture("no whole picture in a supported format", model) from None


def _check_facts(picture: Image.Image, size: int, model: Model) -> None:
    width, height = picture.size
    facts = {
        # a camera's JPEG with a second picture behind the first is still one
        "format": "JPEG" if picture.format == "MPO" else picture.format,
        "bytes": size,
        "width": width,
        "height": height,
        "ratio": max(width, height) / max(1, min(width, height)),
    }
    for name, limit in model.picture.faults(facts):
        raise _bad_picture(f"{name} is {facts[name]}, the limit is {limit}", model)
