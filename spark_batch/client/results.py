"""Read the result of a finished task: its pictures and its cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from spark_batch import redact
from spark_batch.client.address import LONGEST_URL
from spark_batch.client.answers import AnswerContext, Content, count, mapping, money, quantity, text
from spark_batch.jobs import Result, Usage

# The fields of pictures, as documented and in other shapes that public clients read. Others are not
# searched, since an answer may repeat the request with its input pictures.
_OUTPUTS = ("output", "outputs")
_INSIDE = (
    *("content", *_OUTPUTS, "data", "result", "results"),
    *("image", "images", "image_url", "image_urls", "urls"),
)
_DEEPEST = 6  # levels of lists and objects; the documented form has four
_MOST = 64  # pictures of one task
_LONGEST_UNIT = 20  # characters
# Without control characters and lone surrogates: no URL has them, and SQLite does not store lone
# surrogates as text.
_PICTURE_URL = re.compile(
    r"https?://[^/\s?#\x00-\x1f\ud800-\udfff][^\x00-\x1f\ud800-\udfff]*", re.IGNORECASE
)


def result(task: Content, context: AnswerContext, *, key: str, finished: bool) -> Result | None:
    """The first usable picture of a task with what it cost, and the URLs of further ones.

    `finished` is whether its status is final: then `data` itself may be the output. None without a
    picture; a URL that contains the API key is not usable.
    """
    places = [task.get(field) for field in _OUTPUTS]
    data = task.get("data")
    places += [data] if finished else [mapping(data).get(field) for field in _OUTPUTS]
    usable = (one for one in _pictures(places) if _is_usable(one, context, key=key))
    found: dict[str, Content] = {}
    for picture in islice(usable, _MOST):
        found.setdefault(_url(picture), picture)
    if not found:
        return None
    (url, first), *others = found.items()
    return Result(
        url=url,
        bytes=count(first.get("size")) or None,
        remote_job_id=context.clean(text(first.get("jobId"))) or None,
        usage=usage(task, context),
        further=tuple(other for other, _ in others),
    )


def _pictures(node: object, depth: int = 0) -> Iterator[Content]:
    """The objects with a `url` in the picture fields of `node`, in order."""
    if depth > _DEEPEST:
        return
    if isinstance(node, str):
        yield {"url": node}
    elif isinstance(node, list):
        for item in node:
            yield from _pictures(item, depth + 1)
    elif isinstance(node, dict) and isinstance(node.get("url"), str):
        yield node
    elif isinstance(node, dict):
        for field in _INSIDE:
            yield from _pictures(node.get(field), depth + 1)


def _url(picture: Content) -> str:
    return text(picture.get("url")).strip()


def _is_usable(picture: Content, context: AnswerContext, *, key: str) -> bool:
    url, kind = _url(picture), text(picture.get("type")).strip().lower()
    return (
        len(url) <= LONGEST_URL
        and _PICTURE_URL.fullmatch(url) is not None
        and context.answers.picture_type.search(kind) is not None
        and not redact.carries(url, key)
    )


def usage(task: Content, context: AnswerContext) -> Usage:
    """What a task cost, whether or not it succeeded.

    A cost in another unit than USD, or one that is no number, is a text.
    """
    fields = mapping(task.get("usage"))
    cost = money(fields.get("cost"))
    other = unit_other_than_usd(fields, context)
    unread = context.clean(text(fields.get("cost"))).strip()[:_LONGEST_UNIT] or None
    return Usage(
        cost=cost if other is None else None,
        other=unread if cost is None else None if other is None else f"{cost:f} {other}",
        discount=quantity(fields.get("discount")),
        input_tokens=count(fields.get("input_tokens")),
        output_tokens=count(fields.get("output_tokens")),
        total_tokens=count(fields.get("total_tokens")),
        generated_images=count(fields.get("generated_images")),
    )


def unit_other_than_usd(amount: Content, context: AnswerContext) -> str | None:
    """The `currency` beside a cost, sanitized for display; None for USD or without one."""
    unit = amount.get("currency")
    if unit is None:
        return None
    shown = context.clean(text(unit))
    if isinstance(unit, str) and shown.lower() in context.answers.usd:
        return None
    return shown[:_LONGEST_UNIT] or "of an unknown unit"
