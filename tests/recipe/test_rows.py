"""`rows`: a table of which each row is one picture and one prompt."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.jobs import Fit, Picture, matrix
from spark_batch.models import PictureRules, schemas
from spark_batch.recipe import Diagnostic, Loaded, load
from spark_batch.text import prompt_id

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]

HEAD = "version: 1\nname: x\n"
ROWS = HEAD + "rows: t.csv\n"
JSONL = HEAD + "rows: t.jsonl\n"


def _names(found: Loaded) -> list[str]:
    names = [job.output for job in matrix.jobs(found.recipe)]
    assert matrix.count_jobs(found.recipe) == len(names)
    return names


def test_defaults_and_own_values(loaded: Load, folder: Path) -> None:
    """A cell that is empty leaves the axis to the variants; one that is not takes its place."""
    (folder / "t.csv").write_text(
        "image,prompt,id,scale,seed,size\nphotos/hero.jpg,Make it red,,,,\n"
        "photos/hero.jpg,Make it blue,b,1,7,16:9\n"
    )
    assert _names(loaded(ROWS + "variants: {scale: [0.4, 0.7], seed: 3}\n")) == [
        "hero/make-it-red-1x1-scale0.4-seed3",
        "hero/make-it-red-1x1-scale0.7-seed3",
        "hero/b-16x9-scale1-seed7",
    ]


@pytest.mark.parametrize("column", ["image", "size", "scale", "seed"])
def test_consecutive_rows_keep_their_order_and_their_own_values(
    loaded: Load, folder: Path, column: str
) -> None:
    """Also where those that differ in their prompts alone become one block of jobs."""
    photos = folder / "photos"
    (photos / "other.jpg").write_bytes((photos / "hero.jpg").read_bytes())
    usual = {"image": "photos/hero.jpg", "size": "1:1", "scale": "0.5", "seed": "3"}
    other = {"image": "photos/other.jpg", "size": "16:9", "scale": "0.7", "seed": "4"}
    rows = [usual, usual, {**usual, column: other[column]}, usual, usual]
    lines = [f"{','.join(row.values())},Number {at}" for at, row in enumerate(rows)]
    (folder / "t.csv").write_text("\n".join([",".join([*usual, "prompt"]), *lines]) + "\n")
    found = loaded(ROWS)
    assert _names(found) == [
        f"{Path(row['image']).stem}/number-{at}-{row['size'].replace(':', 'x')}"
        f"-scale{row['scale']}-seed{row['seed']}"
        for at, row in enumerate(rows)
    ]
    assert len(found.recipe.blocks) == 3


def test_a_table_and_a_matrix_give_the_same_keys(loaded: Load, folder: Path) -> None:
    """A row is the same request as the combination that it spells out."""
    (folder / "t.csv").write_text("image,prompt,size\nphotos/hero.jpg,  A $$5 tag ,1024x768\n")
    (row,) = matrix.jobs(loaded(ROWS).recipe)
    text = "inputs: [photos/hero.jpg]\nprompts: [A $5 tag]\nvariants: {size: 1024x768}\n"
    (job,) = matrix.jobs(loaded(HEAD + text).recipe)
    assert row == job


TEXTS = [
    "Make it red",
    "Make it red!",
    "A 0.5 inch frame",
    "把天空变成红色",
    "Graphic design, a puppy running on the street with a red balloon, add the text “SALE”",
    "Graphic design, a puppy running on the street with a red balloon, add the text “50%”",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_prompt_has_the_same_id_in_a_table_and_in_prompts(
    loaded: Load, folder: Path, text: str
) -> None:
    """A prompt that moves from the one to the other moves no picture."""
    line = json.dumps({"image": "photos/hero.jpg", "prompt": text})
    (folder / "t.jsonl").write_text(line)
    (row,) = matrix.jobs(loaded(JSONL).recipe)
    listed = f"inputs: [photos/hero.jpg]\nprompts: [{json.dumps(text)}]\n"
    (job,) = matrix.jobs(loaded(HEAD + listed).recipe)
    assert row == job


@pytest.mark.parametrize("given", [TEXTS, TEXTS[::-1]])
def test_prompts_of_the_same_words_get_a_hash_in_any_order(
    loaded: Load, folder: Path, given: list[str]
) -> None:
    """A table may hold prompts that differ in signs, or only behind their first words."""
    (folder / "t.jsonl").write_text(
        "".join(json.dumps({"image": "photos/hero.jpg", "prompt": text}) + "\n" for text in given)
    )
    found = {job.prompt.text: job.prompt.id for job in matrix.jobs(loaded(JSONL).recipe)}
    distinct = [prompt_id(text, distinct=True) for text in TEXTS]
    assert [found[text] for text in TEXTS] == [
        *distinct[:2],
        prompt_id(TEXTS[2]),
        *distinct[3:],
    ]


@pytest.mark.parametrize("other", ["Make  it red!", "Make\xa0it red!", "Make it\u200b red!"])
def test_prompts_that_nobody_can_tell_apart_are_an_error(
    errors: Errors, folder: Path, other: str
) -> None:
    """They would be paid for twice; an id of its own says that this is meant."""
    rows = [{"image": "photos/hero.jpg", "prompt": text} for text in ("Make it red!", other)]
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (error,) = errors(JSONL)
    assert "give the row an id of its own" in error.message


def test_a_made_id_gives_way_to_one_that_is_given(loaded: Load, folder: Path) -> None:
    """An id that stands in `prompts` or in the table is its author's; others get a hash."""
    (folder / "t.csv").write_text(
        "image,prompt,id\nphotos/hero.jpg,Blue!,\nphotos/hero.jpg,Sea,blue\n"
        "photos/hero.jpg,Red!,\nphotos/hero.jpg,Sky,\nphotos/hero.jpg,Sky!,\n"
    )
    base = "inputs: [photos/hero.jpg]\nprompts: [{id: Red, text: A rose}, {id: s, text: Sky}]\n"
    ids = [job.prompt.id for job in matrix.jobs(loaded(ROWS + base).recipe)]
    digests = [prompt_id(text, distinct=True) for text in ("Blue!", "Red!")]
    assert ids == ["Red", "s", digests[0], "blue", digests[1], "sky"]


def test_what_is_there_already_is_made_once(loaded: Load, folder: Path) -> None:
    """A row that repeats a row or the matrix, wholly or in part, adds what is new."""
    (folder / "t.csv").write_text(
        "image,prompt,scale\nphotos/hero.jpg,Red,0.9\n./photos/hero.jpg,Red,\n"
        "photos/hero.jpg,Red,0.7\nphotos/hero.jpg,Blue,0.7\nphotos/hero.jpg,Blue,\n"
    )
    base = "inputs: [photos/hero.jpg]\nprompts: [{id: r, text: Red}]\n"
    found = loaded(ROWS + base + "variants: {scale: [0.4, 0.7], seed: 7}\n")
    assert _names(found) == [
        "hero/r-1x1-scale0.4-seed7",
        "hero/r-1x1-scale0.7-seed7",
        "hero/r-1x1-scale0.9-seed7",
        "hero/blue-1x1-scale0.7-seed7",
        "hero/blue-1x1-scale0.4-seed7",
    ]
    (warning,) = found.warnings
    assert (warning.code, warning.place.line) == ("row-repeated", 4)
    assert warning.message == "the row repeats an earlier one; its jobs are made once"


def test_rows_that_repeat_earlier_ones_are_counted(loaded: Load, folder: Path) -> None:
    (folder / "t.csv").write_text("image,prompt\n" + "photos/hero.jpg,Red\n" * 3)
    (warning,) = loaded(ROWS).warnings
    assert warning.place.line == 3
    assert warning.message == (
        "2 rows repeat earlier ones, this one first; their jobs are made once"
    )


def test_each_picture_is_probed_once(folder: Path) -> None:
    """However many rows name a file, by whatever path, and whether an input has it too."""
    (folder / "photos" / "b.jpg").write_bytes((folder / "photos" / "hero.jpg").read_bytes())
    lines = [
        f"{path}photos/{name}.jpg,Prompt {n}"
        for n in range(20)
        for path in ("", "./")
        for name in ("hero", "b")
    ]
    (folder / "t.csv").write_text("image,prompt\n" + "\n".join(lines))
    path = folder / "r.yaml"
    path.write_text(ROWS + "inputs: [{id: own, path: photos/hero.jpg}]\n")
    probed: list[Path] = []

    def probe(file: Path, fit: Fit | None, rules: PictureRules) -> Picture:
        probed.append(file.absolute())
        return pictures.probe(file, fit, rules)

    recipe = load(path, probe=probe).recipe
    assert len(probed) == len(set(probed)) == 2
    assert {picture.id for block in recipe.blocks for picture in block.inputs} == {"own", "b"}


def test_jsonl_says_the_same(loaded: Load, folder: Path) -> None:
    """A table in JSON lines gives the jobs of the same table in CSV."""
    row = {"image": "photos/hero.jpg", "prompt": "Zwölf, “rot”", "scale": 0.25, "seed": 7}
    (folder / "t.jsonl").write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(row))
    writer.writeheader()
    writer.writerow(row)
    (folder / "t.csv").write_text("\ufeff" + buffer.getvalue(), encoding="utf-8")
    one = list(matrix.jobs(loaded(ROWS).recipe))
    assert one == list(matrix.jobs(loaded(JSONL).recipe))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"\0",
        b"image,prompt\n\xff,a\n",
        b'image,prompt\n"a"b,c\n',
        b"image\n",
        b"image,prompt\na,\0\n",
    ],
)
def test_what_is_no_table(errors: Errors, folder: Path, data: bytes) -> None:
    """A file that is no table is refused, with the table's name."""
    (folder / "t.csv").write_bytes(data)
    assert {error.place.file.name for error in errors(ROWS)} == {"t.csv"}


def test_a_zero_byte_is_named(errors: Errors, folder: Path) -> None:
    """By Python 3.10, too, whose csv module reads no line with one."""
    (folder / "t.csv").write_bytes(b"image,prompt\na,Make it\0red\n")
    assert any("U+0000" in error.message for error in errors(ROWS))


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"seed": ' + "9" * 5000 + "}", '{"seed": NaN}', "null", '{"a": {}}']
)
def test_hostile_lines(errors: Errors, folder: Path, line: str) -> None:
    """No line of JSON brings the program down."""
    (folder / "t.jsonl").write_text(line)
    assert errors(JSONL)


COLUMNS = list(schemas.schema("recipe")["$defs"]["row"]["properties"])
NO_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 19, "9" * 5000]
ODD = [*NO_NUMBERS, "true", "[7]", '{"seed": 7}', '"\\ud800"', '"a\\u0000b"', '"a\\u001bb"']


def _json_row(**cells: str) -> str:
    row = {"image": '"photos/hero.jpg"', "prompt": '"Make it red"', **cells}
    return "{" + ", ".join(f'"{key}": {value}' for key, value in row.items()) + "}"


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("column", COLUMNS)
def test_what_is_no_value_is_told_at_its_place(
    errors: Errors, folder: Path, column: str, value: str
) -> None:
    """No number, none that is too large, no other type, no half of a character: in any column."""
    line = _json_row(**{column: value})
    (folder / "t.jsonl").write_text(f"\n{line}\n")
    (error,) = errors(JSONL + "variants: {scale: [0.2, 0.8]}\n")
    column_number = line.index(f'"{column}": ') + len(f'"{column}": ') + 1
    assert (error.path, error.place.line, error.place.column) == (column, 2, column_number)


@pytest.mark.parametrize("number", [*NO_NUMBERS, "1e3", "7.0", "-1", "7.5", "0.25", "2", "-0.0"])
@pytest.mark.parametrize("column", ["scale", "seed"])
def test_numbers_are_judged_alike_in_every_form(folder: Path, column: str, number: str) -> None:
    """In JSON, in CSV and in YAML the same number is the same request, or an error."""
    head = HEAD + "inputs: [photos/hero.jpg]\nprompts: [Make it red]\n"
    (folder / "t.jsonl").write_text(_json_row(**{column: number}))
    (folder / "t.csv").write_text(f"image,prompt,{column}\nphotos/hero.jpg,Make it red,{number}\n")
    found = []
    for text in (ROWS, JSONL, head + f"variants: {{{column}: {number}}}\n"):
        (folder / "r.yaml").write_text(text)
        try:
            recipe = load(folder / "r.yaml", probe=pictures.probe).recipe
            found.append([job.key for job in matrix.jobs(recipe)])
        except RecipeError:
            found.append([])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ('{"image":\xa0"a.jpg"}', 10, "U+00A0 (no-break space)"),
        ('\ufeff{"image": "a.jpg"}', 1, "U+FEFF"),
        ('{\u201cimage\u201d: "a.jpg"}', 2, 'write "'),
        ('{"image": "a.jpg", "seed": \u22121}', 28, "write -"),
        ('{"image": "a.jpg", "image": "b.jpg"}', 20, "the key 'image' is given twice"),
        ('{"image": "a.jpg", "im\\u0061ge": "b.jpg"}', 20, "the key 'image' is given twice"),
        ('{"image": "a.jpg", "prompt": "a\tb"}', 32, "U+0009"),
    ],
)
def test_what_is_no_json_is_told_at_its_place(
    errors: Errors, folder: Path, line: str, column: int, said: str
) -> None:
    """The character that is wrong, and what to write instead."""
    (folder / "t.jsonl").write_text(f"\n  {line}\n", encoding="utf-8")
    (error,) = errors(JSONL)
    assert (error.place.line, error.place.column) == (2, column + 2)
    assert said in error.message


def test_a_key_cannot_become_the_variable_of_a_known_column(errors: Errors, folder: Path) -> None:
    (folder / "t.jsonl").write_text('{"image": "photos/hero.jpg", "prompt": "a", "image!": "x"}\n')
    (error,) = errors(JSONL)
    said = "the key 'image!' is given twice: it is the same variable as 'image'"
    assert error.message == said


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_are_of_no_matter(loaded: Load, folder: Path, end: str) -> None:
    """A table that git checks out on Windows is the same table, in cells of several lines too."""
    text = 'image,prompt,seed\n\nphotos/hero.jpg,"Make it red,\n\nwith a frame\n",7\n'
    (folder / "t.csv").write_text(text, newline="")
    keys = [job.key for job in matrix.jobs(loaded(ROWS).recipe)]
    (folder / "t.csv").write_text(text.replace("\n", end), newline="")
    jobs = list(matrix.jobs(loaded(ROWS).recipe))
    assert [job.key for job in jobs] == keys
    assert [job.prompt.text for job in jobs] == ["Make it red,\n\nwith a frame"]
    row = _json_row(prompt=json.dumps(f"Make it red,{end}{end}with a frame{end}"), seed="7")
    (folder / "t.jsonl").write_text(row + end, newline="")
    assert [job.key for job in matrix.jobs(loaded(JSONL).recipe)] == keys


def test_places_are_right_with_every_line_end(errors: Errors, folder: Path) -> None:
    """The same line and column, behind a cell of several lines as well."""
    text = 'image,prompt,seed\nphotos/hero.jpg,"a\nb",x\nphotos/hero.jpg,a,y\n'
    for end in ("\n", "\r\n", "\r"):
        (folder / "t.csv").write_text(text.replace("\n", end), newline="")
        places = [(error.place.line, error.place.column) for error in errors(ROWS)]
        assert places == [(3, 4), (4, 19)]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["", "0.4", "1"]),
            st.sampled_from(["", "7", "-1"]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_order_is_of_no_matter(
    loaded: Load, folder: Path, rows: list[tuple[str, str, str]], chance: object
) -> None:
    """Rows in another order are the same jobs, and each is made once."""

    def keys(lines: list[tuple[str, str, str]]) -> list[str]:
        text = "".join(f"photos/hero.jpg,{a},{b},{c}\n" for a, b, c in lines)
        (folder / "t.csv").write_text("image,prompt,scale,seed\n" + text)
        recipe = loaded(ROWS + "variants: {scale: [0.4, 0.5], seed: [7, -1], takes: 2}\n").recipe
        found = [job.key for job in matrix.jobs(recipe)]
        assert len(found) == len(set(found)) == matrix.count_jobs(recipe)
        return sorted(found)

    assert keys(rows) == keys(rows[::-1])
