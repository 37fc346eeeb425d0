"""The matrix: how many jobs, in which order, under which keys and names."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.errors import UsageError
from spark_batch.jobs import (
    Block,
    Input,
    Picture,
    Prompt,
    Recipe,
    RunSettings,
    Size,
    Treatment,
    matrix,
    request,
)
from spark_batch.jobs.collisions import colliding_jobs
from spark_batch.jobs.names import VARIABLES, default_template, output_name
from spark_batch.jobs.request import number_text, picture_text
from spark_batch.models import schemas
from tests.makers import MODEL, MODELS

RUN = RunSettings(16, 5.0, 3, 600.0, 8, 60.0, 120.0, 45.0, 3, Decimal(5))
SIDES = st.integers(512, 2016)
IDS = st.text("abcxyz019", min_size=1, max_size=4)


def _picture(number: int) -> Picture:
    return Picture("JPEG", 1000, 1000, 10, hashlib.sha256(str(number).encode()).hexdigest())


def _block(
    *,
    inputs: int = 1,
    prompts: int = 1,
    sizes: tuple[Size, ...] = (Size("1x1", 1328, 1328),),
    scales: tuple[float, ...] = (0.5,),
    seeds: tuple[int, ...] = (7,),
    takes: int = 1,
) -> Block:
    return Block(
        model=MODEL,
        inputs=tuple(Input(f"i{n}", Path(f"{n}.jpg"), _picture(n)) for n in range(inputs)),
        prompts=tuple(Prompt(f"p{n}", f"Prompt “{n}”") for n in range(prompts)),
        sizes=sizes,
        scales=scales,
        seeds=seeds,
        takes=takes,
    )


def _recipe(*blocks: Block, name: str | None = None) -> Recipe:
    return Recipe(
        path=Path("r.yaml"),
        name="demo",
        models=MODELS,
        blocks=blocks,
        output_dir=Path("out"),
        output_name=name or default_template(),
        run=RUN,
    )


BLOCKS = st.builds(
    _block,
    inputs=st.integers(0, 3),
    prompts=st.integers(0, 3),
    sizes=st.lists(
        st.builds(lambda w, h: Size(f"{w}x{h}", w, h), SIDES, SIDES), unique=True, max_size=2
    ).map(tuple),
    scales=st.lists(st.floats(0, 1), unique=True, max_size=3).map(tuple),
    seeds=st.lists(st.integers(-1, 2**63 - 1), unique=True, max_size=3).map(tuple),
    takes=st.integers(1, 4),
)


@given(st.lists(BLOCKS, max_size=2))
def test_count_is_the_number_of_jobs(blocks: list[Block]) -> None:
    """Counting without building gives what building gives."""
    recipe = _recipe(*blocks)
    assert matrix.count_jobs(recipe) == len(list(matrix.jobs(recipe)))


@given(BLOCKS)
def test_distinct_requests_have_distinct_keys(block: Block) -> None:
    """Every job of one block is another request, and has another key and name."""
    jobs = list(matrix.jobs(_recipe(block)))
    assert len({job.key for job in jobs}) == len(jobs)
    assert all(re.fullmatch("[0-9a-f]{16}", job.key) for job in jobs)
    assert len({job.output for job in jobs}) == len(jobs)


@given(BLOCKS, st.randoms(use_true_random=False))
def test_keys_depend_on_nothing_but_the_request(block: Block, chance: object) -> None:
    """Renaming, reordering, moving files and changing the template cost nothing."""
    before = {job.key for job in matrix.jobs(_recipe(block))}
    other = Block(
        model=MODEL,
        inputs=tuple(
            Input(f"other{n}", Path("moved") / f"{n}.png", picture.picture)
            for n, picture in enumerate(reversed(block.inputs))
        ),
        prompts=tuple(Prompt(f"q{n}", prompt.text) for n, prompt in enumerate(block.prompts[::-1])),
        sizes=tuple(size._replace(label=f"s{n}") for n, size in enumerate(block.sizes[::-1])),
        scales=block.scales[::-1],
        seeds=block.seeds[::-1],
        takes=block.takes,
    )
    recipe = replace(_recipe(other, name="${job}"), name="renamed", output_dir=Path("/elsewhere"))
    assert {job.key for job in matrix.jobs(recipe)} == before


def _key(*, scale: float | None, seed: int | None, take: int, **facts: Any) -> str:
    form = request.head(**facts) + request.tail(scale, seed, take)
    return hashlib.sha256(form).hexdigest()[:16]


@given(BLOCKS)
def test_jobs_have_the_key_of_their_facts(block: Block) -> None:
    """The quick way, which hashes common parts once, gives the key of the plain way."""
    for job in matrix.jobs(_recipe(block)):
        assert job.key == _key(
            model=job.model,
            picture=picture_text(job.input),
            prompt=job.prompt.text,
            size=job.size,
            scale=job.scale,
            seed=job.seed,
            take=job.take,
        )


# The keys were computed outside the program, of the form in jobs/request.py written by hand.
FITTED = [
    (("JPEG", None, None), ";fit=1,jpeg", "72d0cdacec460866"),
    (("JPEG", "crop", None), ";fit=1,jpeg,crop", "96f7f9c17464d960"),
    (("JPEG", "pad", "#ff8800"), ";fit=1,jpeg,pad,#ff8800", "dfcaa6d0c792cce3"),
    (("PNG", None, None), ";fit=1,png", "2baf75fa0aed4b5a"),
]


@pytest.mark.parametrize(("facts", "text", "key"), FITTED)
def test_the_key_of_a_fitted_picture_never_changes(
    facts: tuple[str, str | None, str | None], text: str, key: str
) -> None:
    """It is made of the original's hash and of what is done, and not of words or sizes."""
    kind, ratio, background = facts
    digest = "ab" * 32
    keys = set()
    for name, width, words in (("a", 100, "saved"), ("b", 200, "written otherwise")):
        treatment = Treatment(1, kind, width, 50, ratio, background, words)
        picture = Picture("TIFF", 1000, 1000, 10, digest, treatment)
        source = Input(name, Path("folder") / name, picture)
        assert picture_text(source) == f"sha256:{digest}{text}"
        block = replace(_block(), inputs=(source,))
        keys.update(job.key for job in matrix.jobs(_recipe(block)))
    assert keys == {key}


def test_the_canonical_form_never_changes() -> None:
    """The key of a known request, computed outside the program, stays what it is."""
    form = (
        '{"model":"spark_i2i_3_0","picture":"sha256:'
        + "ab" * 32
        + '","prompt":"Change \\"caf\\u00e9\\" to beach","width":1328,"height":1328,'
        '"scale":0.5,"seed":7,"take":1}'
    )
    assert json.loads(form)["prompt"] == 'Change "café" to beach'
    key = _key(
        model="spark_i2i_3_0",
        picture="sha256:" + "ab" * 32,
        prompt='Change "café" to beach',
        size=Size("any", 1328, 1328),
        scale=0.5,
        seed=7,
        take=1,
    )
    assert key == hashlib.sha256(form.encode("ascii")).hexdigest()[:16]
    assert key == "0b21271126b84d82"


def test_order() -> None:
    """Jobs come in the order input, prompt, size, scale, seed, take."""
    sizes = (Size("1x1", 1328, 1328), Size("16x9", 1664, 936))
    recipe = _recipe(
        _block(inputs=2, prompts=2, sizes=sizes, scales=(0.4, 1.0), seeds=(-1, 7), takes=2)
    )
    names = [job.output for job in matrix.jobs(recipe)]
    assert names[:4] == [
        "i0/p0-1x1-scale0.4-seed-1-take1",
        "i0/p0-1x1-scale0.4-seed-1-take2",
        "i0/p0-1x1-scale0.4-seed7-take1",
        "i0/p0-1x1-scale1-seed-1-take1",
    ]
    assert names[6].startswith("i0/p0-16x9-")
    assert names[12].startswith("i0/p1-")
    assert names[24].startswith("i1/p0-")


def test_lazy() -> None:
    """The first jobs of a matrix without end in sight come at once."""
    numbers = tuple(range(20_000))
    recipe = _recipe(replace(_block(), prompts=tuple(Prompt(f"p{n}", "x") for n in numbers) * 100))
    assert len(list(islice(matrix.jobs(recipe), 3))) == 3
    assert matrix.count_jobs(recipe) == 2_000_000


def test_a_url_is_hashed_as_it_is() -> None:
    """An input that is a URL has a key by its address, since its bytes are not ours to see."""
    block = replace(_block(), inputs=(Input("a", url="https://cdn.example.com/a.jpg"),))
    (job,) = matrix.jobs(_recipe(block))
    (other,) = matrix.jobs(
        _recipe(replace(block, inputs=(Input("a", url="https://cdn.example.com/b.jpg"),)))
    )
    assert job.key != other.key


def test_an_input_that_was_not_probed_has_no_key() -> None:
    """A job without its picture's hash cannot exist."""
    with pytest.raises(UsageError, match="neither"):
        list(matrix.jobs(_recipe(replace(_block(), inputs=(Input("a", Path("a.jpg")),)))))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1.0, "1"), (0.0, "0"), (-0.0, "0"), (1e-05, "1e-05"), (1, "1"), (0.1, "0.1")],
)
def test_number_text(value: float, text: str) -> None:
    """A scale is written the shortest way."""
    assert number_text(value) == text


@given(st.floats(0, 1))
def test_number_text_fits_the_manifest_and_reads_back(value: float) -> None:
    """Any scale has one text, which the manifest's schema takes and which is the same number."""
    columns = schemas.schema("manifest")["items"]["properties"]
    assert re.search(columns["scale"]["pattern"], number_text(value))
    assert float(number_text(value)) == value


def test_every_variable() -> None:
    """A template knows every axis, the key and the recipe, and a dollar when it is doubled."""
    text = "-".join(f"${{{name}}}" for name in VARIABLES) + "$$100%"
    (job,) = matrix.jobs(_recipe(_block(), name=text))
    assert job.output == f"i0-p0-1x1-0.5-7-1-1328-1328-{job.key}-demo-spark-i2i-3-0$100%"
    known = ["i0", "p0", "1x1", "0.5", 7, 1, 1328, 1328, job.key, "demo", "spark-i2i-3-0"]
    facts = dict(zip(VARIABLES, known, strict=True))
    assert output_name(text, facts) == job.output


@pytest.mark.parametrize("text", ["$input", "a$", "${input", "${}", "${promt}", "${input.x}"])
def test_wrong_templates(text: str) -> None:
    """Anything but ${name} with a known name is refused; nothing else is ever replaced."""
    with pytest.raises(UsageError):
        list(matrix.jobs(_recipe(_block(), name=text)))


@given(BLOCKS, st.sampled_from(["${input}/x", "${input}/${prompt}", "${size}", "${job}", "a"]))
def test_collisions_are_found(block: Block, text: str) -> None:
    """A pair is told exactly when two jobs have one name."""
    recipe = _recipe(block, name=text)
    names = [job.output.casefold() for job in matrix.jobs(recipe)]
    pair = colliding_jobs(recipe)
    assert (pair is not None) == (len(set(names)) < len(names))
    if pair:
        assert pair[0].output.casefold() == pair[1].output.casefold()
        assert pair[0] != pair[1]


@given(IDS, IDS)
def test_collisions_ignore_case(one: str, other: str) -> None:
    """Names that differ only by case are one name on other disks."""
    inputs = (Input(one.upper(), None, _picture(1)), Input(f"{one}", None, _picture(2)))
    recipe = _recipe(replace(_block(), inputs=inputs), name="${input}-" + other)
    assert colliding_jobs(recipe) is not None


def test_takes_are_for_random_seeds_only() -> None:
    """A fixed seed is made once, however many takes there are."""
    recipe = _recipe(_block(seeds=(-1, 7), takes=3))
    assert [(job.seed, job.take) for job in matrix.jobs(recipe)] == [
        (-1, 1),
        (-1, 2),
        (-1, 3),
        (7, 1),
    ]
    only_fixed = _recipe(_block(seeds=(7,), takes=3))
    assert matrix.templates(only_fixed) == {MODEL.name: default_template()}
