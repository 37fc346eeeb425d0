"""Validate the bodies of create and precharge requests against the API's schema."""

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


class InvalidRequest(Exception):
    """The API would refuse the request with this HTTP status, error code and message."""

    def __init__(self, code: str, message: str, *, status: int = BAD_REQUEST) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """A valid request for a task, with the API's defaults filled in.

    `width` and `height` are the requested pixels; both are None if the request leaves one out. The
    input picture is `data`, its bytes, with `image`, their SHA-256 in hex; or it is at `url`.
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
        """Width and height of the result in pixels, for the requested or the default size."""
        if self.width is None or self.height is None:
            return self.model.expected_size(*self.model.sizes[self.model.default_size])
        return self.model.expected_size(self.width, self.height)

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of the canonical request, which contains the picture's own SHA-256."""
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


def parse_request(
    body: bytes,
    serving: Callable[[object], Model],
    *,
    header: str | None = None,
    known: Callable[[str], bool],
) -> TaskRequest:
    """Parse a request's body and validate it by the rules of the model that it names.

    `serving` returns the model for a name, or for an unknown name one that refuses the request.
    `header` is the value of X-Model, which counts if the body names no model. `known` returns
    whether a picture, given by its SHA-256, is valid from an earlier request. Raises InvalidRequest
    with the code in the schema's `x-errors`.
    """
    payload = _loaded(body)
    if header is not None:
        payload.setdefault("model", header)
    model = serving(payload.get("model"))
    _check_envelope(payload, model)
    params = payload["input"][0]["params"]
    _check_params(params, model)
    return _task_request(model, params, known=known)


def _loaded(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidRequest(str(BAD_REQUEST), "the body is no JSON") from None
    if not isinstance(payload, dict):
        raise InvalidRequest(str(BAD_REQUEST), "the body is no JSON object")
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
            raise InvalidRequest(str(BAD_REQUEST), f"{name}: violates {error.validator!r}")


def unknown_model(name: object) -> InvalidRequest:
    """The error for a request with an unknown model."""
    shown = ascii(name)[:_LONGEST_NAME]
    return InvalidRequest(str(NOT_FOUND), f"model {shown} not found", status=NOT_FOUND)


def _check_params(params: Mapping[str, Any], model: Model) -> None:
    """Check the parameters. Of several errors, report the one with the lowest code."""
    judged = model.validator("params").iter_errors(params)
    faults = sorted(_fault(error, params, model) for error in judged)
    if faults:
        code, place = faults[0]
        raise _invalid_request(code, place, model)


def _invalid_request(code: str, place: str, model: Model) -> InvalidRequest:
    return InvalidRequest(code, f"{model.errors.by_code[code].title} ({place})")


def _fault(error: ValidationError, params: Mapping[str, Any], model: Model) -> tuple[str, str]:
    """The error code and the parameter of a violation."""
    if error.absolute_path:
        name = str(error.absolute_path[0])
        codes = _codes(name, model)
        whole = len(error.absolute_path) == 1
        return codes.get(str(error.validator) if whole else "*", codes["*"]), name
    if error.validator == "required":
        return _codes("prompt", model)["required"], "prompt"
    sources = [name for name in (model.fields.url, model.fields.base64) if name is not None]
    given = [name for name in sources if name in params]
    codes = model.definition("params")["x-errors"]
    return codes["both" if given else "neither"], " or ".join(sources)


def _codes(name: str, model: Model) -> Mapping[str, str]:
    """The error codes of a parameter by violated keyword, found along its references."""
    part: Mapping[str, Any] = model.definition("params")["properties"][name]
    while "x-errors" not in part:
        part = model.definition(part["$ref"].rpartition("/")[2])
    codes: Mapping[str, str] = part["x-errors"]
    return codes


def _task_request(
    model: Model, params: Mapping[str, Any], *, known: Callable[[str], bool]
) -> TaskRequest:
    image = data = url = None
    _check_text(params["prompt"])
    field = model.fields.base64
    if field is not None and field in params:
        data = _decoded(params[field][0], model)
        image = hashlib.sha256(data).hexdigest()
        if not known(image):
            _check_picture(data, model)
    else:
        url = params[model.fields.url][0]
        _check_text(url)
    both = "width" in params and "height" in params
    return TaskRequest(
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
    """Refuse half a surrogate pair, which JSON can escape but UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(str(BAD_REQUEST), "a text is no valid Unicode") from None


def _bad_picture(why: str, model: Model) -> InvalidRequest:
    name = str(model.fields.base64)
    return _invalid_request(_codes(name, model)["*"], f"{name}: {why}", model)


def _decoded(text: str, model: Model) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _bad_picture("no Base64", model) from None


def _check_picture(data: bytes, model: Model) -> None:
    """Check the picture's header before decoding any pixel, then decode all of them."""
    try:
        with Image.open(io.BytesIO(data), formats=model.picture.formats) as picture:
            _check_facts(picture, len(data), model)
            picture.load()
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        raise _bad_picture("no whole picture in a supported format", model) from None


def _check_facts(picture: Image.Image, size: int, model: Model) -> None:
    width, height = picture.size
    facts = {
        # A JPEG from a camera with a second picture after the first is still a JPEG.
        "format": "JPEG" if picture.format == "MPO" else picture.format,
        "bytes": size,
        "width": width,
        "height": height,
        "ratio": max(width, height) / max(1, min(width, height)),
    }
    for name, limit in model.picture.faults(facts):
        raise _bad_picture(f"{name} is {facts[name]}, the limit is {limit}", model)
