"""Answers in every shape: what each means, and that none of them breaks the reading."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch import models
from spark_batch.client import outcomes, reading, submission
from spark_batch.client.answers import Answer, AnswerContext
from spark_batch.client.complaints import Complaint, complaint
from spark_batch.client.outcomes import (
    Completed,
    InProgress,
    Made,
    NotAccepted,
    NotMade,
    PollAgain,
    PollOutcome,
    Quoted,
    QuoteRefused,
    Refused,
    StopRun,
    SubmitOutcome,
    TaskFailed,
    TaskUnknown,
    Uncertain,
)
from spark_batch.client.text import cleaner, excerpt
from spark_batch.jobs import Result, Usage
from tests.client.conftest import KEY
from tests.makers import MODEL

CLEAN = cleaner(KEY)
CONTEXT = AnswerContext(MODEL, CLEAN)
URL = "https://cdn.example.com/a.png?X-Signature=abc"
OTHER = "https://cdn.example.com/b.png?X-Signature=def"
WORDS = models.gateway()


def _answer(content: object, status: int = 200) -> Answer:
    return Answer(
        status=status,
        content=content if isinstance(content, dict) else None,
        excerpt=CLEAN(str(content)),
    )


def _create(content: object, status: int = 200) -> SubmitOutcome:
    return submission.judge(_answer(content, status), CONTEXT)


def _read(content: object, status: int = 200) -> PollOutcome:
    return reading.judge(_answer(content, status), CONTEXT, task_id="task-1", key=KEY)


def _complaint(content: object) -> Complaint:
    found = complaint(content, CONTEXT)  # type: ignore[arg-type]
    assert found is not None
    return found


# Errors


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("003003095: Internal generation error", "003003095", "Internal generation error"),
        ("3003095: Internal generation error", "003003095", "Internal generation error"),
        ("003003095 Internal generation error", "003003095", "Internal generation error"),
        ("[50511] Post Img Risk Not Pass", "50511", "Post Img Risk Not Pass"),
        ("(50511) refused", "50511", "refused"),
        ("50511 - refused", "50511", "refused"),
        ("50411", "50411", "Input picture refused by content review"),
        ("code=50411, refused", "50411", "refused"),
        ("code: 50411 refused", "50411", "refused"),
        ("error_code=50411; refused", "50411", "refused"),
        ("Error code 50411: refused", "50411", "refused"),
        ("error: [code: 50411] refused", "50411", "refused"),
        ("1002: too many", "1002", "too many"),
        ("[1002] too many", "1002", "too many"),
        ("  \n50411: refused", "50411", "refused"),
    ],
)
@pytest.mark.parametrize("shape", ["text", "message", "error_message", "status", "top"])
def test_a_known_code_at_the_beginning_of_a_text(
    text: str, code: str, message: str, shape: str
) -> None:
    """It counts as the code, in each place where an error has its text."""
    shapes = {
        "text": {"error": text},
        "message": {"error": {"code": "generation_failed", "message": text}},
        "error_message": {"error": {"error_message": text}},
        "status": {"status": {"code": 500, "message": text}},
        "top": {"message": text},
    }
    found = _complaint(shapes[shape])
    assert (found.code, found.message) == (code, message)
    assert found.known is MODEL.errors.find(code)


@pytest.mark.parametrize(
    "text",
    [
        "request 50511 was refused",
        "see 003003095",
        "1002 images are too many",
        "50411.5 seconds",
        "50,411 pixels",
        "50411px",
        "50411-50413 are taken",
        "999: unknown",
        "20261122 50411",
        "a" * 300 + "50411",
    ],
)
def test_a_number_elsewhere_is_no_code(text: str) -> None:
    """Prose that has a number in it stays prose."""
    found = _complaint({"error": text})
    assert found.known is None
    assert found.message == CLEAN(text)


def test_an_object_in_a_text() -> None:
    """JSON inside the error's text is read as the error; what is none stays a text."""
    found = _complaint({"error": ' {"code": 50411, "message": "refused"}'})
    assert (found.code, found.message) == ("50411", "refused")
    found = _complaint({"error": {"code": 500, "message": '{"code": 50411, "message": "refused"}'}})
    assert (found.code, found.message) == ("50411", "refused")
    found = _complaint({"message": '{"error": {"code": "50411", "message": "refused"}}'})
    assert (found.code, found.message) == ("50411", "refused")
    found = _complaint({"error": '{"error": "50411: refused"}'})
    assert (found.code, found.message) == ("50411", "refused")
    found = _complaint({"error": '{"code": 7'})
    assert (found.code, found.message) == (None, '{"code": 7')


def test_a_code_that_is_stated_counts_before_the_text() -> None:
    """What the API states as the code is believed, if it is known."""
    found = _complaint({"error": {"code": 3003006, "message": "50511: refused"}})
    assert (found.code, found.message) == ("003003006", "50511: refused")
    found = _complaint({"error": {"code": 402, "error_code": 40203, "message": "balance"}})
    assert found.code == "40203"
    assert found.balance


@pytest.mark.parametrize(
    ("provider", "message", "again"),
    [
        ("upstream says no", "upstream says no", "never"),
        ({"code": 50511, "message": "refused"}, "refused", "new-task"),
        ('{"code": 50511, "message": "refused"}', "refused", "new-task"),
        ("[50511] refused", "refused", "new-task"),
        (None, "no reason given", "never"),
        ([], "no reason given", "never"),
        (7, "no reason given", "never"),
    ],
)
def test_words_of_the_provider(provider: object, message: str, again: str) -> None:
    """They are shown where the error has none of its own, and their code counts."""
    error = {"code": "upstream_error", "provider_error": provider}
    outcome = _read({"status": "failed", "error": error})
    assert isinstance(outcome, TaskFailed)
    assert (outcome.message, outcome.again) == (message, again)
    own = _read({"status": "failed", "error": {**error, "message": "our words"}})
    assert isinstance(own, TaskFailed)
    assert (own.message, own.again) == ("our words", again)


EMPTY_ERRORS: list[object] = [
    *(None, "", " ", 0, False, [], {}, "ok", "Success"),
    *({"code": ""}, {"code": 0, "message": ""}, {"code": 0, "message": "success"}),
    *({"code": None, "error_message": None}, [{"code": ""}]),
]


@pytest.mark.parametrize("error", EMPTY_ERRORS)
def test_an_empty_error_is_none(error: object) -> None:
    """A server that writes empty fields says neither that a task failed nor that none was made."""
    assert isinstance(_create({"error": error}), Uncertain)
    assert _read({"status": "completed", "error": error}) == Completed(result=Result(url=""))


@pytest.mark.parametrize(
    "content",
    [
        {"error": "no capacity"},
        {"error": {"message": "no capacity"}},
        {"error": {"code": "E1"}},
        {"error": {"code": 0, "message": "no capacity"}},
        {"error": ["no capacity"]},
        {"error": [{"code": "E1"}]},
        {"error": True, "message": "no capacity"},
        {"error": 7},
        {"error": {"reason": "no capacity"}},
        {"id": "", "error": "no capacity"},
        {"id": None, "task_id": "", "error": "no capacity"},
        {"status": {"code": 500, "message": "no capacity"}},
        {"status": {"error_code": "E1"}},
        {"status": "failed", "error": {"code": 408, "message": "no capacity"}},
    ],
)
def test_a_success_with_an_error_and_no_id_has_failed(content: object) -> None:
    """No task was made: the job failed, and is never sent again by itself."""
    assert isinstance(_create(content), Refused)
    assert isinstance(_create(content, status=201), Refused)
    assert isinstance(_create(content, status=500), Uncertain)


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        ({"error": {"code": 40202, "message": "?"}}, StopRun),
        ({"error": "40202: balance"}, StopRun),
        ({"error_code": 40202}, StopRun),
        ({"error": {"code": 402}}, StopRun),
        ({"error": {"code": "401"}}, StopRun),
        ({"status": {"code": 403, "message": "?"}}, StopRun),
        ({"error": {"code": 404, "message": "model not found"}}, StopRun),
        ({"error": {"code": 404, "message": "template not found"}}, Refused),
        ({"error": {"code": 429}}, NotAccepted),
        ({"error": {"code": 1002}}, NotAccepted),
        ({"code": 50430, "message": "?"}, NotAccepted),
        ({"error": "50429: slow down"}, NotAccepted),
        ({"error": {"code": 50511}}, NotMade),
        ({"error": {"code": 50500}}, Refused),
        ({"error": {"code": "003003098"}}, Uncertain),
    ],
)
@pytest.mark.parametrize("named", ["id", "task_id", "request_id"])
def test_a_code_in_a_success(content: dict[str, object], outcome: type, named: str) -> None:
    """It means what it means as a status; beside an id the task is kept."""
    assert isinstance(_create(content), outcome)
    assert _create({**content, named: "t-9"}) == Made(task_id="t-9")


@pytest.mark.parametrize(("status", "code"), [(401, 5), (402, 5), (403, 5), (429, None)])
def test_ids_beside_a_refusal(status: int, code: int | None) -> None:
    """A mark of the request beside a refusal changes nothing about it."""
    outcome = _create({"request_id": "r-1", "error": {"message": "no"}}, status=status)
    assert isinstance(outcome, NotAccepted if code is None else StopRun)


@pytest.mark.parametrize("status", [200, 302, 400, 409, 410, 422, 500, 503])
def test_only_a_404_says_that_the_model_is_unknown(status: int) -> None:
    """Another answer may speak of a model for another reason, and stops no run by that."""
    outcome = _create({"message": "model spark_i2i_3_0 not found"}, status)
    assert "does not know the model" not in getattr(outcome, "message", "")


def test_a_404_that_names_an_id_says_nothing_of_the_model() -> None:
    """Its words may be about anything; nothing more is sent either way."""
    content = {"id": "r-1", "message": "model spark_i2i_3_0 not found"}
    outcome = _create(content, 404)
    assert isinstance(outcome, StopRun)
    assert outcome.message.startswith("the API has no such endpoint: check SPARK_BASE_URL")


@pytest.mark.parametrize("status", [300, 302, 308, 399])
def test_a_redirect_is_said_to_be_one(status: int) -> None:
    """And no other answer is: what to check differs."""
    redirect = f"HTTP {status}: a redirect is not followed; check SPARK_BASE_URL"
    assert _create({}, status) == Uncertain(reason=redirect)
    for other in (200, 299, 400, 418, 500):
        outcome = _create({"x": 1}, other)
        assert "redirect" not in getattr(outcome, "reason", getattr(outcome, "message", ""))


def test_an_answer_is_described_once() -> None:
    """By its status, and by what is said in it, but for the status itself."""
    described = submission.described
    answer = replace(_answer({"x": 1}, 503), cut="")
    assert described(answer, None) == "HTTP 503: {'x': 1}"
    assert described(replace(answer, cut="the answer was cut"), None) == (
        "HTTP 503: the answer was cut"
    )
    assert described(replace(answer, excerpt=""), None) == "HTTP 503: no text"
    assert described(answer, _complaint({"error": {"code": "503", "message": "busy"}})) == (
        "HTTP 503: busy"
    )
    assert described(answer, _complaint({"error": {"code": "9", "message": "busy"}})) == (
        "HTTP 503: 9: busy"
    )
    assert described(answer, _complaint({"error": {"code": "1", "message": "503"}})) == (
        "HTTP 503: 1"
    )


@pytest.mark.parametrize("place", ["{}", "a{}", "{}~", "~{}"])
def test_an_id_with_the_key_in_it_is_none(place: str) -> None:
    """It would be written down, and the key with it."""
    assert isinstance(_create({"id": place.format(KEY)}), Uncertain)


@pytest.mark.parametrize("key", ["!0-key-of-a-test", "zz-key-of-a-test"])
def test_an_id_is_no_other_text_when_it_is_washed(key: str) -> None:
    """Whichever way the two are sorted."""
    context = AnswerContext(MODEL, cleaner(key))
    answer = replace(_answer({"x": 1}), content={"id": key})
    assert isinstance(submission.judge(answer, context), Uncertain)


def test_an_answer_that_was_cut_says_so() -> None:
    """Before what has come of it."""
    answer = replace(_answer({"x": 1}), cut="the answer was cut")
    outcome = submission.judge(answer, CONTEXT)
    assert isinstance(outcome, Uncertain)
    assert outcome.reason.startswith(
        "HTTP 200: the answer was cut; no usable task id in the answer"
    )
    whole = submission.judge(replace(answer, cut=""), CONTEXT)
    assert isinstance(whole, Uncertain)
    assert whole.reason.startswith("HTTP 200: no usable task id in the answer: ")


@pytest.mark.parametrize(
    ("text", "speaks_of_model"),
    [
        ("model not found", True),
        ("Model spark_i2i_3_0 does not exist", True),
        ("model_not_found", True),
        ("unknown_model", True),
        ("InvalidModel", True),
        ("模型不存在", True),
        ("404 page not found", False),
        ("no route for POST /model/v1/generation", False),
        ("Cannot POST /models/v1/generation", False),
    ],
)
@pytest.mark.parametrize("shape", ["error", "message", "code"])
def test_a_404_that_speaks_of_the_model(text: str, speaks_of_model: bool, shape: str) -> None:
    """It is told apart from an endpoint that is not there, and names the model."""
    shapes = {
        "error": {"error": text},
        "message": {"message": text},
        "code": {"error": {"code": text, "message": "?"}},
    }
    outcome = _create(shapes[shape], status=404)
    assert isinstance(outcome, StopRun)
    assert outcome.exit_code == 1
    assert (MODEL.name in outcome.message.partition("(")[0]) is speaks_of_model
    assert ("no such endpoint" in outcome.message) is not speaks_of_model


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"<html><head><title>502 Bad Gateway</title></head>", "a page, '502 Bad Gateway'"),
        (b"<HTML><H1 class='x'>Sorry &amp; bye</H1>", "a page, 'Sorry & bye'"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><p>Down</p>", "a page, 'Down'"),
        (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
            "a page, 'AccessDenied'",
        ),
        (b"<" * 100_000, "a page"),
        (b"<html>", "a page"),
        (b"<title>" + b"a" * 9000, f"a page, '{'a' * 80}'"),
        (f"<title>{KEY}</title>".encode(), "a page, '[key]'"),
        (f"<title>{KEY.encode().hex()}</title>".encode(), "a page, '[key]'"),
        ("\n".join(KEY).encode(), "[key]"),
        (b"gateway timeout", "gateway timeout"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_pages_are_not_shown_raw(body: bytes, shown: str) -> None:
    """Of a gateway's page only the title, or its first words."""
    assert excerpt(body, CLEAN) == shown


# Statuses


@pytest.mark.parametrize("word", sorted(WORDS.waiting))
@pytest.mark.parametrize("form", [str, str.upper, str.title, " {}\n".format])
def test_words_that_wait(word: str, form: object) -> None:
    """They are silent, in any case and with space around."""
    status = form(word)  # type: ignore[operator]
    assert _read({"id": "task-1", "status": status}) == InProgress()
    assert _read({"id": "task-1", "status": status.replace("_", " ")}) == InProgress()


@pytest.mark.parametrize("word", sorted(WORDS.failed))
@pytest.mark.parametrize("form", [str, str.upper, str.title, " {}\n".format])
def test_words_that_are_final(word: str, form: object) -> None:
    """With an error the task failed with it; without one the message names the word."""
    status = form(word)  # type: ignore[operator]
    usage = {"cost": "0.03"}
    outcome = _read({"id": "task-1", "status": status, "usage": usage})
    assert isinstance(outcome, TaskFailed)
    assert repr(status.strip()) in outcome.message
    assert (outcome.again, outcome.usage) == ("never", Usage(cost=Decimal("0.03")))
    error = {"code": 3003095, "message": "odd"}
    outcome = _read({"id": "task-1", "status": status, "error": error, "usage": usage})
    assert outcome == TaskFailed(
        code="003003095", message="odd", again="new-task", usage=Usage(cost=Decimal("0.03"))
    )


@pytest.mark.parametrize("status", [None, "", 2, 200, 1.5, True, [], {}, {"code": 0}, "\u200b"])
def test_a_status_that_is_no_word(status: object) -> None:
    """The task is asked for again; a picture beside it counts all the same."""
    assert isinstance(_read({"id": "task-1", "status": status}), PollAgain | InProgress)
    assert isinstance(_read({"status": status, "output": [{"url": URL}]}), Completed)


@pytest.mark.parametrize(
    "status", [*sorted(WORDS.waiting | WORDS.completed | WORDS.failed), "warming_up", None, 7]
)
def test_a_picture_counts_whatever_is_said_beside_it(status: object) -> None:
    """What is there is taken: it is paid for."""
    content = {"status": status, "error": {"code": 50411}, "output": [{"url": URL}]}
    outcome = _read(content)
    assert isinstance(outcome, Completed)
    assert outcome.result.url == URL


@pytest.mark.parametrize(
    ("task_id", "content", "same"),
    [
        ("17", {"id": 17}, True),
        ("0017", {"id": 17}, True),
        ("17", {"id": "0017"}, True),
        ("t", {"id": "x", "task_id": "t"}, True),
        ("t", {"id": "x", "request_id": "t"}, True),
        ("t", {"id": True}, True),
        ("t", {"request_id": "trace"}, True),
        ("t", {"data": {"id": "t", "status": "queued"}}, True),
        ("t", {"id": "x"}, False),
        ("t", {"task_id": 7}, False),
        ("t", {"data": {"id": "x", "status": "queued"}}, False),
    ],
)
def test_which_task_an_answer_is_about(
    task_id: str, content: dict[str, object], same: bool
) -> None:
    """It may name its task in several ways; another task's answer is not taken for this one's."""
    answer = _answer({"status": "queued", **content})
    outcome = reading.judge(answer, CONTEXT, task_id=task_id, key=KEY)
    assert isinstance(outcome, InProgress if same else PollAgain), outcome


# Output and money


SHAPES: dict[str, object] = {
    "documented": {"output": [{"content": [{"type": "image", "url": URL}]}]},
    "two contents": {"output": [{"content": []}, {"content": [{"type": "image", "url": URL}]}]},
    "a text first": {"output": [{"content": [{"type": "text", "text": "hi"}, {"url": URL}]}]},
    "a video first": {"output": [{"type": "video", "url": OTHER}, {"type": "image", "url": URL}]},
    "content an object": {"output": [{"content": {"type": "image", "url": URL}}]},
    "flat": {"output": [{"url": URL}]},
    "an object": {"output": {"url": URL}},
    "a text": {"output": URL},
    "texts": {"output": [URL]},
    "image_url": {"output": [{"type": "image_url", "image_url": {"url": URL}}]},
    "image_url a text": {"output": [{"type": "image_url", "image_url": URL}]},
    "images": {"output": {"images": [{"url": URL}]}},
    "outputs": {"outputs": [{"content": [{"type": "url", "url": URL}]}]},
    "output empty, outputs not": {"output": [], "outputs": [URL]},
    "data": {"data": [{"url": URL}]},
    "data an object": {"data": {"output": [{"url": URL}]}},
    "space around": {"output": [{"url": f" {URL}\n"}]},
    "MIME type": {"output": [{"type": " Image/JPEG ", "url": URL}]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_output(shape: str) -> None:
    """Each is read, and gives the same one picture."""
    outcome = _read({"status": "completed", **SHAPES[shape]})  # type: ignore[dict-item]
    assert isinstance(outcome, Completed)
    assert (outcome.result.url, outcome.result.further) == (URL, ())


@pytest.mark.parametrize(
    "content",
    [
        {"input": [{"params": {"image_urls": [URL]}}]},
        {"metadata": {"url": URL}},
        {"url": URL},
        {"output": {"input": {"image_urls": [URL]}}},
        {"output": [{"type": "video_url", "url": URL}]},
        {"output": [{"type": "audio", "url": URL}]},
        {"output": [{"type": "image_to_video", "url": URL}]},
        {"output": [{"url": "https://"}, {"url": "https:///a.png"}, {"url": "ftp://e.com/a"}]},
        {"output": [{"url": f"https://e.com/{KEY}"}]},
        {"output": [{"url": "https://e.com/" + "a" * 20_000}]},
        *({"output": [{"url": f"https://e.com/{odd}a"}]} for odd in ("\0", "\ud800", "\n")),
        {"output": "see the page"},
        {"output": 7},
    ],
)
def test_what_is_no_picture(content: dict[str, object]) -> None:
    """The request's own picture, other media and unusable URLs are not taken for the result."""
    assert _read({"status": "completed", **content}) == Completed(result=Result(url=""))


def test_a_link_in_data_is_no_picture_before_the_end() -> None:
    """`data` of a task at work may hold anything; only that of a finished one is an output."""
    content = {"data": {"url": "https://api.example.com/task/1"}}
    assert _read({"status": "processing", **content}) == InProgress()


def test_further_pictures_are_kept_once_each() -> None:
    """In their order, without the first and without doubles, and not without end."""
    pictures = [{"url": URL}, {"url": OTHER}, {"url": URL}, {"type": "video", "url": URL + "v"}]
    pictures += [{"url": OTHER}] + [{"url": f"{URL}{n}"} for n in range(1000)]
    outcome = _read({"status": "completed", "output": pictures})
    assert isinstance(outcome, Completed)
    further = outcome.result.further
    assert further[:2] == (OTHER, f"{URL}0")
    assert len(set(further)) == len(further) < 100
    assert URL not in further


@pytest.mark.parametrize(
    "unit", [None, "", " ", "USD", "usd", "US dollar", "US Dollars", "$", "US$"]
)
def test_usd(unit: str | None) -> None:
    """The ways to write it, and none at all."""
    usage = {"cost": "0.03", "currency": unit}
    outcome = _read({"status": "failed", "error": "no", "usage": usage})
    assert isinstance(outcome, TaskFailed)
    assert outcome.usage == Usage(cost=Decimal("0.03"))
    quote = submission.quote_of(_answer({"status": "success", "data": usage}), CONTEXT)
    assert quote == Quoted(cost=Decimal("0.03"))


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"cost": "0.03"}},
        {"data": {}, "cost": "0.03"},
        {"data": None, "cost": None, "usage": {"cost": "0.03"}},
        {"cost": "0.03", "usage": {"cost": "0.04"}},
    ],
)
def test_where_a_quote_may_stand(content: dict[str, object]) -> None:
    """The first place that has one counts."""
    quote = submission.quote_of(_answer({"status": "success", **content}), CONTEXT)
    assert quote == Quoted(cost=Decimal("0.03"))


@pytest.mark.parametrize(
    ("cost", "unit", "other"),
    [
        ("12", "credit", "12 credit"),
        (12, "credit", "12 credit"),
        (Decimal("0.5"), "CNY", "0.5 CNY"),
        ("1e3", "credits", "1000 credits"),
        ("3", "cre\x1b[0mdit\n", "3 cre[0mdit"),
        ("3", "c" * 100, "3 " + "c" * 20),
        ("3", KEY, "3 [key]"),
        ("3", 840, "3 of an unknown unit"),
        ("3", {}, "3 of an unknown unit"),
        ("", "credit", None),
        (None, "credit", None),
        ("-3", "credit", "-3"),
        ("NaN", "credit", "NaN"),
    ],
)
def test_what_is_not_usd(cost: object, unit: object, other: str | None) -> None:
    """It is a text to show and no amount, of a task and of a quote."""
    usage = {"cost": cost, "currency": unit}
    outcome = _read({"status": "completed", "output": URL, "usage": usage})
    assert isinstance(outcome, Completed)
    assert outcome.result.usage == Usage(cost=None, other=other)
    quote = submission.quote_of(_answer({"status": "success", "data": usage}), CONTEXT)
    assert isinstance(quote, QuoteRefused)
    known = other is not None and " " in other
    assert not known or f"{other}, which is not in USD" in quote.reason


@pytest.mark.parametrize(
    "cost",
    ["", " ", None, "$0.03", "0.03 USD", "1_000", "٣", "0x1", "1,5", "-1", "inf", "1e30", 10**12],
)
def test_a_cost_that_is_no_amount(cost: object) -> None:
    """It is not known: neither guessed nor booked. What it says as a text is there to show."""
    outcome = _read({"status": "completed", "output": URL, "usage": {"cost": cost}})
    assert isinstance(outcome, Completed)
    shown = cost.strip() if isinstance(cost, str) else ""
    assert outcome.result.usage == Usage(other=shown or None)


def test_a_large_cost_is_written_out() -> None:
    """Not as 1E+9, which is how Decimal prints the text 1e9."""
    usage = {"cost": "1e9"}
    outcome = _read({"status": "completed", "output": URL, "usage": usage})
    assert isinstance(outcome, Completed)
    assert str(outcome.result.usage.cost) == "1000000000"


@pytest.mark.parametrize("usage", [None, [], [{"cost": "1"}], "0.03", 7, True])
def test_usage_that_is_no_object(usage: object) -> None:
    """It says nothing."""
    outcome = _read({"status": "failed", "usage": usage})
    assert isinstance(outcome, TaskFailed)
    assert outcome.usage == Usage()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            {"status": "failed", "data": {"cost": None, "reason": "COST_CACHE_MISS"}},
            "no price is known yet (COST_CACHE_MISS)",
        ),
        ({"status": "failed", "data": {"cost": "1", "reason": "X"}}, "the API gives no price (X)"),
        ({"status": "FAILED", "data": None}, "the API gives no price (no reason given)"),
        ({"status": "error", "cost": "1"}, "the API gives no price (no reason given)"),
        ({"error": {"code": 50411}, "data": {"cost": "1"}}, "HTTP 200: 50411: "),
        ({"status": "success", "data": {"cost": "about 1"}}, "HTTP 200: "),
    ],
)
def test_no_quote(content: dict[str, object], reason: str) -> None:
    """Why there is no price is said in words."""
    quote = submission.quote_of(_answer(content), CONTEXT)
    assert isinstance(quote, QuoteRefused)
    assert quote.reason.startswith(reason)


# Laws

_FIELDS = st.sampled_from(
    [
        *("id", "task_id", "request_id", "status", "error", "code", "error_code", "message"),
        *("error_message", "provider_error", "data", "output", "outputs", "content", "url"),
        *("type", "size", "jobId", "image_url", "usage", "cost", "currency", "progress", "reason"),
    ]
)
_TEXTS = st.sampled_from(
    [
        *(URL, OTHER, KEY, "", "task-1", "../x", "failed", "completed", "pending", "image"),
        *("50411: no", "[40201]", '{"code": 1002}', '{"error":' * 40, "credit", "0.03", "\ud800"),
        *("003003098", "401", "\x00", "模型"),
    ]
)
_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-5, 60_000)
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.just(float("nan"))
    | _TEXTS
    | st.text(max_size=8)
)
_JSON = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=5),
    max_leaves=25,
)
_OBJECTS = st.dictionaries(_FIELDS, _JSON, max_size=8)
_STATUSES = st.sampled_from([200, 200, 200, 201, 400, 401, 402, 403, 404, 429, 500, 503])
_ID_FIELDS = ("id", "task_id", "request_id", "data")


@given(content=_OBJECTS, status=_STATUSES)
def test_no_answer_breaks_the_reading(content: dict[str, object], status: int) -> None:
    """Whatever the fields hold, each call has an outcome of its own kind, without the key."""
    created, read = _create(content, status), _read(content, status)
    quote = submission.quote_of(_answer(content, status), CONTEXT)
    assert isinstance(created, SubmitOutcome)
    assert isinstance(read, PollOutcome)
    assert isinstance(quote, outcomes.QuoteOutcome)
    assert KEY not in repr((created, read, quote))


@given(content=_OBJECTS, error=_JSON, status=st.sampled_from([200, 201, 202]))
def test_a_success_without_an_id_makes_no_task(
    content: dict[str, object], error: object, status: int
) -> None:
    """No error, of any shape, becomes a task where nothing names one."""
    fields = {name: value for name, value in content.items() if name not in _ID_FIELDS}
    assert not isinstance(_create({**fields, "error": error}, status), Made)


@given(content=_OBJECTS, field=st.sampled_from(["id", "task_id"]), number=st.integers(1, 10**12))
def test_a_success_with_an_id_is_a_task(
    content: dict[str, object], field: str, number: int
) -> None:
    """Whatever stands beside it: the task may be billed."""
    fields = {name: value for name, value in content.items() if name not in _ID_FIELDS}
    assert _create({**fields, field: number}) == Made(task_id=str(number))


@given(content=_OBJECTS)
def test_a_picture_in_the_documented_place_is_taken(content: dict[str, object]) -> None:
    """Whatever status, error and other fields say."""
    fields = {name: value for name, value in content.items() if name not in _ID_FIELDS}
    fields["output"] = [{"content": [{"type": "image", "url": URL}]}]
    outcome = _read(fields)
    assert isinstance(outcome, Completed)
    assert outcome.result.url == URL


@given(content=_OBJECTS)
def test_a_poll_of_a_success_that_says_nothing_ends_no_task(content: dict[str, object]) -> None:
    """Without a status in words nothing but a picture or a refusal of the key ends the asking."""
    fields = {name: value for name, value in content.items() if name not in ("data", "status")}
    assert isinstance(_read(fields), PollAgain | Completed | StopRun | TaskUnknown)
