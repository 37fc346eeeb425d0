"""Other shapes of answers, as the API's clients and sibling APIs show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spark_batch.sandbox.faults import Fault
from spark_batch.sandbox.tasks import Answer

_WRONG_BYTES = 137  # how far off a wrong size is
_NO_HOST = "http://results.invalid/picture.jpg"  # RFC 6761: the name never has an address
_CLOSED_PORT = "http://127.0.0.1:1/picture.jpg"  # tcpmux, which no machine serves

_Change = Callable[[Any, str], Any]


def reshaped(answer: Answer, fault: Fault | None) -> Answer:
    """The answer as a fault changes it, or unchanged if it lacks the part in question."""
    change = _CHANGES.get(fault.name) if fault else None
    if fault is None or change is None:
        return answer
    changed: Answer = change(answer, fault.argument)
    return changed


def _waiting(answer: Answer, status: str) -> Answer:
    head = {name: answer[name] for name in ("id", "created_at", "model")}
    return {**head, "status": status}


def _without(name: str) -> _Change:
    return lambda part, _: {key: value for key, value in part.items() if key != name}


def _with(name: str, value: Any) -> _Change:
    return lambda part, _: {**part, name: value}


def _inside(name: str, change: _Change) -> _Change:
    """Apply `change` to the value of `name`, if there is one."""
    return lambda part, argument: (
        {**part, name: change(part[name], argument)} if name in part else part
    )


def _contents(change: _Change) -> _Change:
    """Apply `change` to each picture of the output."""

    def changed(output: list[Answer], argument: str) -> list[Answer]:
        return [
            {"content": [change(picture, argument) for picture in group["content"]]}
            for group in output
        ]

    return _inside("output", changed)


def _flat(output: list[Answer], _: str) -> list[Answer]:
    return [picture for group in output for picture in group["content"]]


def _outputs(change: _Change) -> _Change:
    """Replace `output` by `outputs`, the list of pictures after `change`."""

    def changed(answer: Answer, argument: str) -> Answer:
        if "output" not in answer:
            return answer
        rest = {name: value for name, value in answer.items() if name != "output"}
        pictures = _flat(answer["output"], argument)
        return {**rest, "outputs": [change(picture, argument) for picture in pictures]}

    return changed


_CHANGES: Mapping[str, _Change] = {
    "id-name": lambda answer, name: {
        name: answer["id"],
        **{key: answer[key] for key in answer if key != "id"},
    },
    "unknown-status": lambda answer, _: _waiting(answer, "reviewing"),
    "waiting": _waiting,
    "status": lambda answer, status: {**answer, "status": status},
    "cost-empty": _inside("usage", _with("cost", "")),
    "cost-null": _inside("usage", _with("cost", None)),
    "cost-number": _inside("usage", _inside("cost", lambda cost, _: float(cost or 0))),
    "cost-credit": _inside("usage", _with("currency", "credit")),
    "discount": _inside("usage", _with("discount", 0.7)),
    "no-usage": _without("usage"),
    "type": _contents(lambda picture, kind: {**picture, "type": kind}),
    "flat-output": _inside("output", _flat),
    "outputs": _outputs(lambda picture, _: picture),
    "url-list": _outputs(lambda picture, _: picture["url"]),
    "nested-url": _contents(
        lambda picture, _: {"type": "image_url", "image_url": {"url": picture["url"]}}
    ),
    "no-size": _contents(_without("size")),
    "size-off": _contents(_inside("size", lambda size, _: size + _WRONG_BYTES)),
    "url-refused": _contents(_with("url", _CLOSED_PORT)),
    "url-unknown-host": _contents(_with("url", _NO_HOST)),
    "credit": _inside("data", _with("currency", "credit")),
}
