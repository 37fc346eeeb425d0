"""Laws: what spark-batch itself writes is never refused: the user has paid for what is in it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spark_batch.checkpoint import Checkpoint, adopt, join, validation
from spark_batch.checkpoint.schema import VERSION
from spark_batch.client import outcomes, reading
from spark_batch.client.answers import Answer, AnswerContext, parse
from spark_batch.client.text import cleaner
from spark_batch.errors import CheckpointError
from spark_batch.jobs import Result, Usage
from spark_batch.models.schemas import MANIFEST, validator
from spark_batch.reports import manifest
from tests.makers import MODEL, MODELS, a_job, a_picture, some_jobs

JOBS = some_jobs(3)
KEY = "a-key-of-some-length"
CONTEXT = AnswerContext(MODEL, cleaner(KEY))
LARGEST_PRICE = 2.0**63  # of a recipe, whose numbers have 64 bits

AMOUNTS = st.none() | st.decimals(0, 10**9, allow_nan=False)
COUNTS = st.none() | st.integers(0, 2**63 - 1)
PRICES = st.none() | st.floats(0, LARGEST_PRICE, exclude_max=True)
USAGES = st.builds(
    Usage,
    cost=AMOUNTS,
    discount=st.none() | st.decimals(-(10**39), 10**39),
    total_tokens=COUNTS,
)
MOMENTS = st.floats(0, 2.0**34).map(lambda seconds: datetime.fromtimestamp(seconds, timezone.utc))

# A JSON document of numbers and texts in every form, as a server may send them.
NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,41})(\.[0-9]{1,41})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(["\x00", "\ud800", "0.03", "-0"])
SCALARS = NUMBERS | TEXTS.map(json.dumps) | st.sampled_from(["null", "true", "NaN", "-Infinity"])


def priced(price: float | None) -> Decimal | None:
    return None if price is None else Decimal(str(price))


def accepted(checkpoint: Checkpoint) -> bool:
    return validation.fault(checkpoint.store, VERSION) is None


@given(
    usage=st.dictionaries(
        st.sampled_from(["cost", "discount", "input_tokens", "total_tokens", "currency"]), SCALARS
    ),
    size=SCALARS,
    remote=TEXTS,
    path=TEXTS,
    failed=st.booleans(),
)
def test_whatever_the_api_answers(
    usage: dict[str, str], size: str, remote: str, path: str, failed: bool
) -> None:
    """A cost, a discount, a size or a URL of any form."""
    url = json.dumps(f"https://cdn.example.com/a{path}.png")
    amounts = ", ".join(f'"{name}": {value}' for name, value in usage.items())
    picture = f'{{"url": {url}, "size": {size}, "jobId": {json.dumps(remote)}}}'
    status, word = ("failed", '"error"') if failed else ("completed", '"output"')
    body = f'{{"status": "{status}", {word}: [{picture}], "usage": {{{amounts}}}}}'
    answer = Answer(status=200, content=parse(body.encode("utf-8", "surrogatepass")), excerpt="")
    outcome = reading.judge(answer, CONTEXT, task_id="task-1", key=KEY)
    with Checkpoint.blank() as checkpoint:
        checkpoint.sync_jobs(JOBS)
        attempt = checkpoint.begin_attempt(JOBS[0].key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task-1")
        match outcome:
            case outcomes.Completed(result=result):
                checkpoint.fetching(attempt, result)
            case outcomes.TaskFailed(code=code, message=message, again=again, usage=paid):
                checkpoint.fail(attempt, code=code, message=message, again=again, usage=paid)
        assert accepted(checkpoint)


@given(price=PRICES)
def test_whatever_price_is_reserved(price: float | None) -> None:
    """A recipe's price is any number of 64 bits."""
    with Checkpoint.blank() as checkpoint:
        checkpoint.sync_jobs(JOBS)
        checkpoint.begin_attempt(JOBS[0].key, number=1, reserved=priced(price), api="sandbox")
        assert accepted(checkpoint)


def test_the_longest_name_of_a_picture() -> None:
    """As `output.name` allows it; a disk may not take it, which is told before."""
    output = "/".join(["p" * 200] * 80)
    with Checkpoint.blank() as checkpoint:
        checkpoint.sync_jobs([a_job(output)])
        checkpoint.placed(a_job(output).key, {output: f"{output}.jpg"})
        assert accepted(checkpoint)


Move = Callable[[Checkpoint, int, Usage], object]
MOVES: list[Move] = [
    lambda checkpoint, attempt, usage: checkpoint.not_accepted(attempt, "429"),
    lambda checkpoint, attempt, usage: checkpoint.resend(attempt, reserved=usage.cost),
    lambda checkpoint, attempt, usage: checkpoint.submitted(attempt, f"task-{attempt}"),
    lambda checkpoint, attempt, usage: checkpoint.uncertain(attempt, "no answer"),
    lambda checkpoint, attempt, usage: checkpoint.fail(
        attempt, code="000050001", message="no", again="create", usage=usage
    ),
    lambda checkpoint, attempt, usage: checkpoint.fetching(
        attempt, Result(url="http://127.0.0.1/a.jpg", bytes=1, remote_job_id=None, usage=usage)
    ),
    lambda checkpoint, attempt, usage: checkpoint.done(
        attempt, a_picture(), {JOBS[0].output: f"{JOBS[0].output}.jpg"}, suspect="of one colour"
    ),
    lambda checkpoint, attempt, usage: checkpoint.refetched(attempt, a_picture(), {}),
    lambda checkpoint, attempt, usage: checkpoint.expire(attempt, "gone"),
    lambda checkpoint, attempt, usage: checkpoint.found_task(attempt, f"task-{attempt}"),
    lambda checkpoint, attempt, usage: checkpoint.settle_not_charged(attempt),
    lambda checkpoint, attempt, usage: checkpoint.settle_resubmit(attempt),
    lambda checkpoint, attempt, usage: checkpoint.note_resumed(attempt),
    lambda checkpoint, attempt, usage: checkpoint.mark_interrupted(),
    lambda checkpoint, attempt, usage: checkpoint.poll_unknown_again(),
]
STEPS = st.tuples(
    st.integers(0, len(JOBS) - 1), st.lists(st.sampled_from(MOVES), max_size=5), USAGES
)


@given(
    runs=st.lists(st.lists(STEPS, max_size=4), min_size=2, max_size=2), now=MOMENTS, price=PRICES
)
def test_whatever_is_done_to_it(
    runs: list[list[tuple[int, list[Move], Usage]]], now: datetime, price: float | None
) -> None:
    """Attempts in any order and of any end, on two machines, merged, and read from the manifest."""
    checkpoints = [_made(steps, now, price) for steps in runs]
    target, source = checkpoints
    join(target, source)
    assert accepted(target)
    assert accepted(source)
    with Checkpoint.blank() as fresh:
        rows = [
            manifest.row(record, MODELS, target.attempts_of(record.key))
            for record in target.records()
        ]
        for row in rows:
            validator(MANIFEST).validate([row])
        adopt(fresh, rows, models=MODELS, trusted=lambda row: True)
        assert accepted(fresh)
    for checkpoint in checkpoints:
        checkpoint.close()


def _made(
    steps: list[tuple[int, list[Move], Usage]], now: datetime, price: float | None
) -> Checkpoint:
    checkpoint = Checkpoint.blank(clock=lambda: now)
    checkpoint.sync_jobs(JOBS)
    for job, moves, usage in steps:
        key = JOBS[job].key
        last = checkpoint.last_attempt(key)
        number = last.number + 1 if last else 1
        attempt = checkpoint.begin_attempt(
            key, number=number, reserved=priced(price), api="sandbox"
        )
        for move in moves:
            with contextlib.suppress(CheckpointError):
                move(checkpoint, attempt, usage)
    return checkpoint
