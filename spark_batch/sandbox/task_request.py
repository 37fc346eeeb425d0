"""Validate the bodies of create and precharge requests against the API's schema."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from PIL import Image

from spark_batch.models import Model, PictureField, schemas

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

BAD_REQUEST = 400
NOT_FOUND = 404

_ANY_SIZE = (1024, 1024)  # pixels of a preview whose size is not known
_MOST = 5000  # pixels of a preview's side
_SIDES = re.compile("([0-9]{1,6})x([0-9]{1,6})")
_URL = re.compile("https?://", re.IGNORECASE)
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

    `width` and `height` are the requested pixels; both are None if the request leaves one out.
    `further` are the model's other parameters, a size that is a text among them. The input picture
    is `data`, its bytes, with `image`, their SHA-256 in hex; or it is at `url`.
    """

    model: Model
    prompt: str
    scale: float | None
    seed: int | None
    width: int | None
    height: int | None
    further: Mapping[str, Any] = field(default_factory=dict)
    image: str | None = None
    data: bytes | None = None
    url: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the result in pixels, for the requested or the default size."""
        asked = self._asked or _ANY_SIZE
        return self.model.expected_size(*asked) or asked

    @property
    def _asked(self) -> tuple[int, int] | None:
        """The sides that the request asks for, or that are the default; None if unknown."""
        if self.width is not None and self.height is not None:
            return self.width, self.height
        name = self.further.get("size", self.model.default_size)
        sides = _SIDES.fullmatch(str(name))
        if sides is not None:
            return min(int(sides[1]), _MOST), min(int(sides[2]), _MOST)
        return self.model.sizes.get(str(name))

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
            **self.further,
        }
        canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_request(
    body: bytes,
    serving: Callable[[object], Model | None],
    *,
    header: str | None = None,
    known: Callable[[str], bool],
) -> TaskRequest:
    """Parse a request's body and validate it by the rules of the model that it names.

    `serving` returns the model for a name, None for an unknown one. `header` is the value of
    X-Model, which counts if the body names no model. `known` returns whether a picture, given by
    its SHA-256, is valid from an earlier request. Raises InvalidRequest with the code in the
    schema's `x-errors`.
    """
    payload = _loaded(body)
    if header is not None:
        payload.setdefault("model", header)
    _check_envelope(payload)
    model = serving(payload["model"])
    if model is None:
        raise unknown_model(payload["model"])
    params = payload["input"][0]["params"]
    _check_params(params, model)
    return _task_request(model, params, known=known)


def _loaded(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidRequest(str(BAD_REQUEST), "the body is not JSON") from None
    if not isinstance(payload, dict):
        raise InvalidRequest(str(BAD_REQUEST), "the body is not a JSON object")
    return payload


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_envelope(payload: Mapping[str, Any]) -> None:
    """Check the part around the parameters: model, input, and params as a mapping."""
    for error in schemas.validator(schemas.GATEWAY, "request").iter_errors(payload):
        path = list(error.absolute_path)
        if path == ["model"]:
            raise unknown_model(payload["model"])
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
    known = model.errors.by_code.get(code)
    title = "Invalid request" if known is None else known.title
    return InvalidRequest(code, f"{title} ({place})")


def _fault(error: ValidationError, params: Mapping[str, Any], model: Model) -> tuple[str, str]:
    """The error code and the parameter of a violation."""
    if error.absolute_path:
        name = str(error.absolute_path[0])
        codes = _codes(name, model)
        whole = len(error.absolute_path) == 1
        return codes.get(str(error.validator) if whole else "*", codes["*"]), name
    if error.validator == "required":
        needed: Any = error.validator_value
        missing = next(name for name in needed if name not in params)
        return _codes(missing, model).get("required", str(BAD_REQUEST)), missing
    if error.validator == "additionalProperties":
        unknown = next(name for name in params if name not in model.parameters)
        return str(BAD_REQUEST), str(unknown)[:_LONGEST_NAME]
    fields = [field for field in (model.fields.url, model.fields.base64) if field is not None]
    sources = list(dict.fromkeys(field.name for field in fields))
    given = [name for name in sources if name in params]
    codes = model.definition("params").get("x-errors", {})
    code = codes.get("both" if given else "neither", str(BAD_REQUEST))
    return code, " or ".join(sources)


def _codes(name: str, model: Model) -> Mapping[str, str]:
    """The error codes of a parameter by violated keyword; HTTP's for a model that has none."""
    codes: Mapping[str, str] = model.parameters[name].get("x-errors", {"*": str(BAD_REQUEST)})
    return codes


def _task_request(
    model: Model, params: Mapping[str, Any], *, known: Callable[[str], bool]
) -> TaskRequest:
    image = data = url = None
    _check_text(params["prompt"])
    way, text = _picture(model, params)
    if way == model.fields.base64 and not _URL.match(text):
        data = _decoded(text, model)
        image = hashlib.sha256(data).hexdigest()
        if not known(image):
            _check_picture(data, model)
    else:
        url = text
        _check_text(url)
    both = "width" in params and "height" in params
    scale, seed = params.get("scale", model.default_scale), params.get("seed", model.default_seed)
    further = {name: params[name] for name in (*model.further, "size") if name in params}
    return TaskRequest(
        model=model,
        prompt=params["prompt"],
        scale=None if scale is None else float(scale),
        seed=None if seed is None else int(seed),
        width=int(params["width"]) if both else None,
        height=int(params["height"]) if both else None,
        further=further,
        image=image,
        data=data,
        url=url,
    )


def _picture(model: Model, params: Mapping[str, Any]) -> tuple[PictureField, str]:
    """The parameter that carries the picture, and what it says."""
    for way in (model.fields.base64, model.fields.url):
        if way is not None and way.name in params:
            value = params[way.name]
            return way, str(value[0] if way.is_list else value)
    raise InvalidRequest(str(BAD_REQUEST), "there is no input picture")


def _check_text(text: str) -> None:
    """Refuse half a surrogate pair, which JSON can escape but UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(str(BAD_REQUEST), "a text is not valid Unicode") from None


def _bad_picture(why: str, model: Model) -> InvalidRequest:
    name = model.fields.base64.name if model.fields.base64 else ""
    return _invalid_request(_codes(name, model)["*"], f"{name}: {why}", model)


def _decoded(text: str, model: Model) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _bad_picture("not Base64", model) from None


def _check_picture(data: bytes, model: Model) -> None:
    """Check the picture's header before decoding any pixel, then decode all of them."""
    try:
        with Image.open(io.BytesIO(data), formats=model.picture.formats) as picture:
            _check_facts(picture, len(data), model)
            picture.load()
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        raise _bad_picture("not a whole picture in a supported format", model) from None


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
