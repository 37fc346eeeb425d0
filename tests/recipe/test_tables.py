"""Tables as teams have them: further columns, other separators and encodings, workbooks."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.jobs import Job, matrix
from spark_batch.recipe import load
from spark_batch.recipe.table import xlsx
from spark_batch.recipe.table.cells import variable_name

PROMPTS = "prompts: [{id: tint, text: 'Tint it ${colour}'}, {id: text, text: 'Write ${title}'}]\n"
HEAD = "version: 1\nname: t\n"


def jobs_of(folder: Path, table: str, *, recipe: str = PROMPTS) -> list[Job]:
    """The jobs of a recipe with a table of that name."""
    (folder / "recipe.yaml").write_text(f"{HEAD}rows: {table}\n{recipe}", encoding="utf-8")
    return list(matrix.jobs(load(folder / "recipe.yaml", probe=pictures.probe).recipe))


def errors_of(folder: Path, table: str, *, recipe: str = PROMPTS) -> list[str]:
    """The first line of each error."""
    with pytest.raises(RecipeError) as caught:
        jobs_of(folder, table, recipe=recipe)
    return [error.render().splitlines()[0] for error in caught.value.diagnostics]


CELLS = [
    ["image", "colour", "title", "scale", "Stock No."],
    ["a.jpg", "deep red", "Two, for one; now", "0,5", "7"],
    ["b.jpg", "blue", "Größe", "0,75", "8"],
]


def spreadsheet(separator: str, *, newline: str = "\r\n") -> str:
    """The cells as a spreadsheet program saves them."""

    def cell(text: str) -> str:
        quoted = any(mark in text for mark in (separator, '"', "\n"))
        return f'"{text}"' if quoted else text

    return "".join(separator.join(map(cell, row)) + newline for row in CELLS)


def save_workbook(path: Path, rows: list[list[Any]], *, before: str = "") -> None:
    """A minimal .xlsx file with texts and numbers; None is an empty cell."""

    def cell(column: int, line: int, value: Any) -> str:
        where = f"{chr(ord('A') + column)}{line}"
        if value is None:
            return f'<c r="{where}" s="0"/>'
        if isinstance(value, str):
            return f'<c r="{where}" t="inlineStr"><is><t>{value}</t></is></c>'
        return f'<c r="{where}"><v>{value}</v></c>'

    data = "".join(
        f'<row r="{line}">{"".join(cell(at, line, value) for at, value in enumerate(row))}</row>'
        for line, row in enumerate(rows, 1)
    )
    save_sheet(path, data, before=before)


def save_sheet(path: Path, data: str, *, texts: str = "", before: str = "") -> None:
    """An .xlsx file with these rows of XML, and the texts that its cells name by numbers.

    `before` is the state of an empty sheet before it, such as `hidden`; without it there is none.
    """
    other = f'<sheet name="Old" sheetId="2" state="{before}" r:id="r2"/>' if before else ""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1"'
            f' Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>{other}'
            '<sheet name="Products" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1"'
            f' Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2"'
            f' Type="{relations}/worksheet" Target="worksheets/sheet2.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/worksheets/sheet2.xml", f'<worksheet xmlns="{main}"><sheetData/></worksheet>'
        )
        archive.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{data}</sheetData></worksheet>',
        )
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{main}">{texts}</sst>')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the photos a.jpg and b.jpg."""
    for name in ("a", "b"):
        Image.new("RGB", (1600, 1600), "teal").save(tmp_path / f"{name}.jpg", quality=5)
    return tmp_path


def test_each_row_goes_with_each_prompt_and_its_columns_are_variables(folder: Path) -> None:
    (folder / "t.csv").write_text("image,colour,title,sku\na.jpg,red,Hello,S1\nb.jpg,blue,Hi,S2\n")
    jobs = jobs_of(folder, "t.csv", recipe=f"{PROMPTS}output: {{name: '${{sku}}/${{prompt}}'}}\n")
    assert [(job.output, job.prompt.text) for job in jobs] == [
        ("s1/tint-red", "Tint it red"),
        ("s1/text-hello", "Write Hello"),
        ("s2/tint-blue", "Tint it blue"),
        ("s2/text-hi", "Write Hi"),
    ]
    assert dict(jobs[0].prompt.variables) == {"colour": "red", "title": "Hello", "sku": "S1"}
    assert jobs[0].prompt.source == "t.csv:2:1"


def test_a_row_s_own_prompt_may_use_its_columns(folder: Path) -> None:
    table = "image,prompt,colour\na.jpg,Tint it ${colour},red\nb.jpg,Tint it ${colour},blue\n"
    (folder / "t.csv").write_text(f"{table}b.jpg,Beach for $$5,green\n")
    jobs = jobs_of(folder, "t.csv", recipe="")
    assert [job.prompt.text for job in jobs] == ["Tint it red", "Tint it blue", "Beach for $5"]
    assert [job.output.split("-1x1")[0] for job in jobs] == [
        "a/tint-it-colour-red",
        "b/tint-it-colour-blue",
        "b/beach-for-5",
    ]


def test_a_further_column_changes_no_key_and_no_name(folder: Path) -> None:
    (folder / "t.csv").write_text("image,prompt,seed\na.jpg,Beach,7\n")
    (before,) = jobs_of(folder, "t.csv", recipe="")
    (folder / "t.csv").write_text("image,prompt,seed,sku\na.jpg,Beach,7,S1\n")
    (after,) = jobs_of(folder, "t.csv", recipe="")
    assert (after.key, after.output) == (before.key, before.output)
    assert after.prompt.variables == (("sku", "S1"),)


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_spreadsheet_s_table_gives_the_jobs_of_a_plain_one(
    folder: Path, separator: str, encoding: str
) -> None:
    """Semicolons or tabs, decimal commas, a byte order mark, the line ends of Windows."""
    plain = "image,colour,title,scale,Stock No.\n"
    plain += 'a.jpg,deep red,"Two, for one; now",0.5,7\nb.jpg,blue,Größe,0.75,8\n'
    (folder / "plain.csv").write_text(plain, encoding="utf-8")
    expected = jobs_of(folder, "plain.csv")
    text = spreadsheet(separator)
    marks = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}
    (folder / "t.csv").write_bytes((marks.get(encoding, "") + text).encode(encoding))
    found = jobs_of(folder, "t.csv")
    assert [(job.key, job.output) for job in found] == [(job.key, job.output) for job in expected]
    assert dict(found[0].prompt.variables)["stock_no"] == "7"


def test_a_workbook_gives_the_same_jobs(folder: Path) -> None:
    (folder / "t.csv").write_text(spreadsheet(";"), encoding="utf-8")
    expected = jobs_of(folder, "t.csv")
    rows: list[list[Any]] = [
        ["image", "colour", "title", "scale", "Stock No.", ""],
        ["a.jpg", "deep red", "Two, for one; now", 0.5, 7, ""],
        ["b.jpg", "blue", "Größe", 0.75, 8.0],
        ["", "", "", "", ""],
    ]
    save_workbook(folder / "t.xlsx", rows)
    found = jobs_of(folder, "t.xlsx")
    assert [(job.key, job.output) for job in found] == [(job.key, job.output) for job in expected]
    assert [job.prompt.variables for job in found] == [job.prompt.variables for job in expected]


@pytest.mark.parametrize(
    ("written", "in_book", "text"),
    [
        ("12,5", 12.5, "12.5"),
        ("12,50", 12.5, "12.5"),
        ("1000000000000000", 1e15, "1000000000000000"),
        ("1234567890123460", 1234567890123456.0, "1234567890123460"),
        ("-0,5", -0.5, "-0.5"),
        ("3,0", 3.0, "3"),
        ("1234567,25", 1234567.25, "1234567.25"),
        ("7", 7, "7"),
        ("12345678901234,5", 12345678901234.5, "12345678901234.5"),
        ("007,5", "007,5", "007,5"),
        (",5", ",5", ",5"),
        ("3,14159265358979323", "3,14159265358979323", "3,14159265358979323"),
        ("12,5 cm", "12,5 cm", "12,5 cm"),
        ("1,2,3", "1,2,3", "1,2,3"),
    ],
)
def test_a_number_in_a_variable_is_the_same_in_a_workbook(
    folder: Path, written: str, in_book: object, text: str
) -> None:
    """A text that only looks like one stays as it is written."""
    (folder / "t.csv").write_text(f"image;colour;title\na.jpg;{written};Hi\n", encoding="utf-8")
    save_workbook(folder / "t.xlsx", [["image", "colour", "title"], ["a.jpg", in_book, "Hi"]])
    (one, _), (other, _) = (jobs_of(folder, name) for name in ("t.csv", "t.xlsx"))
    assert dict(one.prompt.variables)["colour"] == text
    assert (one.key, one.output) == (other.key, other.output)


@pytest.mark.parametrize(
    ("written", "text"),
    [("12.0", "12"), ("12.5", "12.5"), ("1e3", "1000"), ("7", "7"), ("0.30000000000000004", "0.3")],
)
def test_a_number_of_json_is_the_same_in_a_workbook(folder: Path, written: str, text: str) -> None:
    """Programs write whole numbers as `12.0`, too."""
    row = f'{{"image": "a.jpg", "colour": {written}, "title": "Hi", "scale": 0.5}}\n'
    (folder / "t.jsonl").write_text(row)
    job, _ = jobs_of(folder, "t.jsonl")
    assert dict(job.prompt.variables)["colour"] == text
    assert job.scale == 0.5


def test_in_a_table_with_commas_a_variable_stays_as_written(folder: Path) -> None:
    (folder / "t.csv").write_text('image,colour,title\na.jpg,"12,5",7.50\n', encoding="utf-8")
    job, _ = jobs_of(folder, "t.csv")
    assert dict(job.prompt.variables) == {"colour": "12,5", "title": "7.50"}


@pytest.mark.parametrize("line", ["sep=;\r\n", "SEP=;\n", "\ufeffsep=;\n"])
def test_excel_s_line_before_the_header_names_the_delimiter(folder: Path, line: str) -> None:
    """Also where the header has more commas; errors keep their lines."""
    (folder / "t.csv").write_text(f"{line}image;colour;title\na.jpg;red;Hi\n", encoding="utf-8")
    job, _ = jobs_of(folder, "t.csv")
    assert dict(job.prompt.variables) == {"colour": "red", "title": "Hi"}
    (folder / "t.csv").write_text(f"{line}image;colour;title\nx.jpg;red;Hi\n", encoding="utf-8")
    (error,) = errors_of(folder, "t.csv")
    assert "t.csv:3:1: error: " in error


def test_a_mistyped_key_of_a_row_with_errors_is_an_error_there(folder: Path) -> None:
    (folder / "t.jsonl").write_text('{"imagee": "a.jpg", "colour": "red", "title": "Hi"}\n')
    first, second = errors_of(folder, "t.jsonl")
    assert "t.jsonl:1:1: error: image: the row has no value" in first
    assert "t.jsonl:1:12: error: unknown key 'imagee'; did you mean 'image'?" in second


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ('<c r="D2" t="e"><v>#N/A</v></c>', "the cell has the error #N/A; mend its formula"),
        ('<c r="D2" s="1" t=\'e\'><f>1/0</f><v>#DIV/0!</v></c>', "the cell has the error #DIV/0!"),
        ('<c r="D2"><f>3+4</f></c>', "the formula has no saved result; open the file"),
        ('<c r="D2"><f>3+4</f><v></v></c>', "the formula has no saved result"),
        ('<c r="D2" t="str"><f>A1&amp;"x"</f><v/></c>', "the formula has no saved result"),
        ('<c r="D2"><f t="shared" si="0"/></c>', "the formula has no saved result"),
    ],
)
@pytest.mark.parametrize("column", ["seed", "Stock"])
def test_a_cell_without_a_value_of_its_formula_is_an_error(
    folder: Path, cell: str, message: str, column: str
) -> None:
    """It would count as empty, and the model's default would be paid for."""
    names = ("image", "colour", "title", column)
    texts = [
        f'<c r="{letter}1" t="inlineStr"><is><t>{name}</t></is></c>'
        for letter, name in zip("ABCD", names, strict=True)
    ]
    row = [
        f'<c r="{letter}2" t="inlineStr"><is><t>{text}</t></is></c>'
        for letter, text in zip("ABC", ("a.jpg", "red", "Hi"), strict=True)
    ]
    data = f'<row r="1">{"".join(texts)}</row><row r="2">{"".join(row)}{cell}</row>'
    save_sheet(folder / "t.xlsx", data)
    (error,) = errors_of(folder, "t.xlsx")
    assert f": error: D2 {column}: {message}" in error


def test_a_saved_result_counts(folder: Path) -> None:
    save_sheet(
        folder / "t.xlsx",
        '<row r="1"><c r="A1" t="inlineStr"><is><t>image</t></is></c>'
        '<c r="B1" t="inlineStr"><is><t>prompt</t></is></c>'
        '<c r="C1" t="inlineStr"><is><t>seed</t></is></c></row>'
        '<row r="2"><c r="A2" t="str"><f>"a"&amp;".jpg"</f><v>a.jpg</v></c>'
        '<c r="B2" t="inlineStr"><is><t>Red</t></is></c><c r="C2"><f>3+4</f><v>7</v></c></row>',
    )
    (job,) = jobs_of(folder, "t.xlsx", recipe="")
    assert (job.input.id, job.seed) == ("a", 7)


@pytest.mark.parametrize(
    "error", ["#N/A", "#NV", "#BEZUG!", "#ERROR!", "#NOM?", "#¡REF!", "#ЗНАЧ!", "Err:502"]
)
def test_an_error_in_a_text_table_is_one_too(folder: Path, error: str) -> None:
    (folder / "t.csv").write_text(f"image;colour;title\na.jpg;{error};Hi\n", encoding="utf-8")
    (found,) = errors_of(folder, "t.csv")
    assert f"t.csv:2:7: error: colour: the cell has the error {error}; mend" in found


@pytest.mark.parametrize("column", ["fit,slim", "takes,double", "fit,"])
def test_a_column_of_another_meaning_is_a_variable(folder: Path, column: str) -> None:
    """Clothes have a fit, too."""
    name, value = column.split(",")
    (folder / "t.csv").write_text(f"image,colour,title,{name}\na.jpg,red,Hi,{value}\n")
    jobs = jobs_of(folder, "t.csv")
    assert {dict(job.prompt.variables).get(name, "") for job in jobs} == {value}


def test_a_number_that_did_not_fit_into_its_column_is_an_error(folder: Path) -> None:
    """LibreOffice saves `###` for it, and would have it sent."""
    (folder / "t.csv").write_text("image,colour,title\na.jpg,###,Hi\n", encoding="utf-8")
    (found,) = errors_of(folder, "t.csv")
    assert "t.csv:2:7: error: colour: the cell has '###' in place of a value" in found
    assert "widen the column" in found


@pytest.mark.parametrize("title", ["#SALE!", "#1", "##", "Err: 502", "# # #"])
def test_a_text_that_only_resembles_an_error_is_a_text(folder: Path, title: str) -> None:
    (folder / "t.csv").write_text(f"image,colour,title\na.jpg,red,{title}\n", encoding="utf-8")
    jobs = jobs_of(folder, "t.csv")
    assert any(title in job.prompt.text for job in jobs)


def test_a_picture_to_convert_is_to_be_listed_in_inputs(folder: Path) -> None:
    """A row has no `fit`."""
    Image.new("RGB", (600, 600)).save(folder / "c.gif")
    (folder / "t.csv").write_text("image,colour,title\nc.gif,red,Hi\n", encoding="utf-8")
    (error,) = errors_of(folder, "t.csv")
    assert error.endswith("converts it; list the photo in `inputs`, where it can have `fit`")


def test_errors_in_a_workbook_name_the_cell(folder: Path) -> None:
    save_workbook(
        folder / "t.xlsx", [["image", "colour", "title", "scale"], ["a.jpg", "r", "t", 7]]
    )
    (error,) = errors_of(folder, "t.xlsx")
    assert "t.xlsx:2:4: error: D2 scale: " in error


@pytest.mark.parametrize(
    ("cells", "where"),
    [
        (["none.jpg", "red", "Hi", "1:1"], "A3 image: there is no file"),
        (["a.jpg", "red", "Hi" * 500, "1:1"], "C3 title: the prompt 'text': "),
        (["a.jpg", "red", "Hi", "99:1"], "D3 size: "),
        (["a.jpg", "red", None, "1:1"], "C3 title: the row has no value"),
    ],
)
def test_every_error_in_a_workbook_names_the_cell(
    folder: Path, cells: list[Any], where: str
) -> None:
    """Also one that is found with the pictures or the finished prompt."""
    rows = [["image", "colour", "title", "size"], ["a.jpg", "red", "Hi", "1:1"], cells]
    save_workbook(folder / "t.xlsx", rows)
    (error,) = errors_of(folder, "t.xlsx")
    assert f": error: {where}" in error


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [["image", "width"], ["a.jpg", 7]],
            "t.xlsx:1:2: error: B1: the column 'width' cannot be a variable",
        ),
        (
            [["image", "colour", "title", "sede"], ["a.jpg", "red", "Hi", 7]],
            "t.xlsx:1:4: error: D1: unknown column 'sede'; did you mean 'seed'?",
        ),
        (
            [["image", "colour", "title"], ["a.jpg", "red", "Hi", None, "sold out"]],
            "t.xlsx:2:5: error: E2: the column has no name in the header",
        ),
        (
            [["image", "Colour!", "title"], ["a.jpg", None, "Hi"]],
            "t.xlsx:2:2: error: B2 Colour!: the row has no value for ${colour}",
        ),
    ],
)
def test_what_is_wrong_in_a_workbook_is_an_error_at_its_cell(
    folder: Path, rows: list[list[Any]], expected: str
) -> None:
    save_workbook(folder / "t.xlsx", rows)
    assert any(expected in error for error in errors_of(folder, "t.xlsx"))


def test_empty_columns_and_rows_at_the_end_pass(folder: Path) -> None:
    (folder / "t.csv").write_text("image,colour,title,,\na.jpg,red,Hi,,\nb.jpg,red,Hi\n,,,,\n\n")
    assert len(jobs_of(folder, "t.csv")) == 4


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            "image,colour,title\na.jpg,,Hi\n",
            "t.csv:2:7: error: colour: the row has no value for ${colour}",
        ),
        (
            "image,Colour!,title\na.jpg,,Hi\n",
            "t.csv:2:7: error: Colour!: the row has no value for ${colour}",
        ),
        (
            "image,colour,title,sede\na.jpg,r,t,7\n",
            "t.csv:1:20: error: unknown column 'sede'; did you mean 'seed'?",
        ),
        (
            "image,colour,title,takes\na.jpg,r,t,3\na.jpg,s,t,\n",
            "t.csv:1:20: error: unknown column 'takes'; write `takes` in `variants`, where it",
        ),
        (
            "image,colour,title,Fit\na.jpg,r,t,TRUE\n",
            "t.csv:1:20: error: unknown column 'Fit'; list the pictures in `inputs`, where they",
        ),
        (
            "image,colour,title,width\na.jpg,r,t,7\n",
            "t.csv:1:20: error: the column 'width' cannot be a variable",
        ),
        ("image,colour,Colour\na.jpg,r,t\n", "recipe.yaml:4:"),
        (
            "image,title,Stock No,stock_no,colour\na.jpg,r,t,7,r\n",
            "t.csv:1:22: error: the column 'stock_no' is given twice: it is the same variable as",
        ),
        (
            "image,colour,title,--\na.jpg,r,t,7\n",
            "t.csv:1:20: error: the column '--' has no letter",
        ),
        ("colour,title\nr,t\n", "t.csv:1:1: error: the header lacks 'image'"),
        (
            ",".join(["image", "colour", "title", *(f"c{n}" for n in range(98))]) + "\n",
            "t.csv:1:1: error: the table has 101 columns; at most 100 are allowed",
        ),
        (
            "image;colour;title\na.jpg;r;t;x\n",
            "t.csv:2:1: error: the row has 4 cells, the header 3; put a text with a semicolon in",
        ),
        (
            "image;colour;title;seed\na.jpg;r;t;1.000\n",
            "t.csv:2:11: error: seed: expected a whole number, not '1.000'; write 1000, or 1 if",
        ),
        (
            "image;colour;title;seed\na.jpg;r;t;1,000\n",
            "t.csv:2:11: error: seed: expected a whole number, not '1,000'; write 1000, or 1 if",
        ),
        (
            'image,colour,title,seed\na.jpg,r,t,"1,234,000"\n',
            "t.csv:2:11: error: seed: expected a whole number, not '1,234,000'; write 1234000",
        ),
        (
            "image,colour,title\na.jpg,r," + "x" * 900 + "\n",
            "t.csv:2:9: error: title: the prompt 'text': ",
        ),
    ],
)
def test_what_is_wrong_in_a_table_is_an_error_at_its_place(
    folder: Path, table: str, expected: str
) -> None:
    (folder / "t.csv").write_text(table)
    assert any(expected in error for error in errors_of(folder, "t.csv"))


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_sheet_before_the_table_is_passed_over(folder: Path, state: str) -> None:
    rows = [["image", "colour", "title"], ["a.jpg", "red", "Hi"]]
    save_workbook(folder / "t.xlsx", rows, before=state)
    assert len(jobs_of(folder, "t.xlsx")) == 2
    save_workbook(folder / "t.xlsx", rows, before="visible")
    (error,) = errors_of(folder, "t.xlsx")
    assert "the table has no rows" in error


@pytest.mark.parametrize("cell", ["1000", "1000,0", "1000.0", "1000,000", "1e3"])
def test_a_whole_number_may_have_decimals_as_spreadsheets_write_them(
    folder: Path, cell: str
) -> None:
    (folder / "t.csv").write_text(f"image;colour;title;seed\na.jpg;r;t;{cell}\n")
    assert {job.seed for job in jobs_of(folder, "t.csv")} == {1000}


def test_a_number_that_may_have_decimals_may_have_three(folder: Path) -> None:
    (folder / "t.csv").write_text("image;colour;title;scale\na.jpg;r;t;1.000\n")
    assert {job.scale for job in jobs_of(folder, "t.csv")} == {1}


def test_a_table_without_prompts_needs_those_of_the_recipe(folder: Path) -> None:
    (folder / "t.csv").write_text("image,colour\na.jpg,red\n")
    (error,) = errors_of(folder, "t.csv", recipe="")
    assert "neither the table nor the recipe has prompts" in error


def test_rules_about_a_matrix_do_not_fit_a_table_of_products(folder: Path) -> None:
    (folder / "t.csv").write_text("image,colour,title\na.jpg,red,Hi\n")
    recipe = f"{PROMPTS}inputs: [a.jpg]\nexclude: [{{prompt: tint}}]\n"
    (error,) = errors_of(folder, "t.csv", recipe=recipe)
    assert "exclude: the prompts are for the table's rows" in error


def test_a_name_that_lacks_a_row_s_value_is_an_error_in_that_row(folder: Path) -> None:
    (folder / "t.csv").write_text("image,colour,title,sku\na.jpg,red,Hi,S1\nb.jpg,red,Hi,\n")
    recipe = f"{PROMPTS}output: {{name: '${{sku}}-${{prompt}}'}}\n"
    assert any("t.csv:3:" in error for error in errors_of(folder, "t.csv", recipe=recipe))


def test_rows_with_values_of_the_same_words_have_names_of_their_own(folder: Path) -> None:
    """`C` and `C++` are both `c` in names: the second row is no repetition of the first."""
    (folder / "t.csv").write_text("image,title,colour\na.jpg,C,red\na.jpg,C++,red\n")
    found = jobs_of(folder, "t.csv", recipe="prompts: [{id: text, text: 'Write ${title}'}]\n")
    assert [job.prompt.text for job in found] == ["Write C", "Write C++"]
    assert len({job.output for job in found}) == 2
    (folder / "t.csv").write_text("image,title,prompt\na.jpg,C,Tint it\nb.jpg,C++,Tint it\n")
    recipe = "output: {name: '${title}'}\n"
    assert len({job.output for job in jobs_of(folder, "t.csv", recipe=recipe)}) == 2


def test_rows_that_differ_in_the_output_s_name_have_pictures_of_their_own(folder: Path) -> None:
    """They are one request, which is paid for once."""
    (folder / "t.csv").write_text("image,colour,sku\na.jpg,red,1\na.jpg,red,2\na.jpg,red,2\n")
    recipe = "prompts: ['Tint it ${colour}']\noutput: {name: '${sku}/${prompt}'}\n"
    found = jobs_of(folder, "t.csv", recipe=recipe)
    assert [job.output.partition("/")[0] for job in found] == ["1", "2"]
    assert len({job.key for job in found}) == 1


def test_an_error_in_a_prompt_is_no_error_of_each_row(folder: Path) -> None:
    (folder / "t.csv").write_text("image,colour\na.jpg,red\nb.jpg,red\n")
    (error,) = errors_of(folder, "t.csv", recipe="prompts: ['Tint it ${color}']\n")
    assert "unknown variable '${color}'; did you mean 'colour'?" in error


def test_a_header_in_capitals_is_one_error(folder: Path) -> None:
    (folder / "t.csv").write_text("Image,colour,title\na.jpg,red,Hi\n")
    (error,) = errors_of(folder, "t.csv")
    assert "t.csv:1:1: error: the header lacks 'image'; write it in place of 'Image'" in error


def test_utf_16_without_its_mark_is_one_clear_line(folder: Path) -> None:
    (folder / "t.csv").write_bytes("image,colour\na.jpg,red\n".encode("utf-16-le"))
    (error,) = errors_of(folder, "t.csv")
    assert "the file is not UTF-8 text and looks like UTF-16; save it as UTF-8" in error


def test_a_table_of_windows_1252_gives_the_same_jobs_with_a_warning(folder: Path) -> None:
    """It shows the first word that another encoding would read otherwise, at its place."""
    text = spreadsheet(";").replace("deep red", "früh € rot")
    keys = []
    for encoding in ("cp1252", "utf-8", "utf-8-sig"):
        (folder / "t.csv").write_bytes(text.encode(encoding))
        keys.append([job.key for job in jobs_of(folder, "t.csv")])
    assert keys[0] == keys[1] == keys[2]
    (folder / "t.csv").write_bytes(text.encode("cp1252"))
    found = load(folder / "recipe.yaml", probe=pictures.probe).warnings
    (warning,) = [one for one in found if one.code == "table-encoding"]
    assert (warning.place.file.name, warning.place.line, warning.place.column) == ("t.csv", 2, 7)
    assert "was read as Windows-1252, in which this is 'früh'" in warning.message


@pytest.mark.parametrize(
    "data", ["größer".encode() + b"\xff", b"gr\x81n", b"a\0\xfc", "ö".encode() + b"\xc3"]
)
def test_damaged_text_is_not_taken_for_windows_1252(folder: Path, data: bytes) -> None:
    """It is an error, as bytes are that Windows-1252 does not have."""
    (folder / "t.csv").write_bytes(b"image,colour,title\na.jpg,red," + data + b"\n")
    (error,) = errors_of(folder, "t.csv")
    assert "the file is not UTF-8 text; save it as UTF-8" in error


def test_keys_of_json_objects_are_variables(folder: Path) -> None:
    (folder / "t.jsonl").write_text('{"image": "a.jpg", "colour": "red", "title": 5}\n')
    assert [job.prompt.text for job in jobs_of(folder, "t.jsonl")] == ["Tint it red", "Write 5"]
    (folder / "t.jsonl").write_text('{"image": "a.jpg", "colour": [1], "title": true}\n')
    assert len(errors_of(folder, "t.jsonl")) == 2


def test_no_workbook_is_read_that_is_none(folder: Path) -> None:
    (folder / "t.xlsx").write_bytes(b"PK\3\4 no archive")
    (error,) = errors_of(folder, "t.xlsx")
    assert "this is not an .xlsx workbook" in error
    with zipfile.ZipFile(folder / "t.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    (error,) = errors_of(folder, "t.xlsx")
    assert "the workbook cannot be read" in error


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one whose directory names a small size."""
    monkeypatch.setattr(xlsx, "MAX_UNPACKED", 1 << 20)
    path = folder / "t.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(8 << 20))
    (error,) = errors_of(folder, "t.xlsx")
    assert "unpacks to more than 1 MiB" in error
    size = (8 << 20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (100).to_bytes(4, "little")))
    (error,) = errors_of(folder, "t.xlsx")
    assert "this is not an .xlsx workbook" in error  # no more is unpacked than the directory names


LONG = f"<si><t>{'x' * 1_000_000}</t></si><si><t>a.jpg</t></si>"


@pytest.mark.parametrize(
    ("data", "texts", "expected"),
    [
        pytest.param(
            '<row r="1"><c r="A1"><v>1</v></c></row>'
            '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
            "",
            "has 2 cells in 1048576 rows and 16384 columns",
            id="a cell in the far corner",
        ),
        pytest.param(
            f'<row r="400000">{"<c><v>1</v></c>" * 20}</row>',
            "",
            "has 20 cells in 400000 rows and 20 columns",
            id="a row far below, its cells without references",
        ),
        pytest.param(
            '<row r="1">' + '<c t="s"><v>0</v></c>' * 80 + "</row>",
            LONG,
            "has more than 67108864 characters",
            id="a long text in many cells",
        ),
        pytest.param(
            '<row r="1"><c t="s"><v>0<!-- -->1</v></c></row>',
            LONG,
            "is broken",
            id="a number that others read as another one",
        ),
        pytest.param(
            '<row r="1"><c t="s"><v>2</v></c></row>',
            LONG,
            "is broken",
            id="a text that is not there",
        ),
        pytest.param(
            '<row r="4294967296"><c r="ZZZZZZ4294967296"><v>1</v></c></row>',
            "",
            "is broken",
            id="a cell beyond any sheet",
        ),
        pytest.param(
            '<row r="1"><c r="A1"><v>1</v></c></row>',
            '<sst uniqueCount="99999999999"/>',
            "is broken",
            id="a number of texts that are not there",
        ),
        pytest.param(
            '</sheetData></worksheet><worksheet><sheetData><row r="1"/>',
            "",
            "is broken",
            id="no XML",
        ),
    ],
)
def test_a_workbook_that_would_fill_the_memory_is_refused(
    folder: Path, data: str, texts: str, expected: str
) -> None:
    """python-calamine would end the process: it allocates without limits."""
    save_sheet(folder / "t.xlsx", data, texts=texts)
    (error,) = errors_of(folder, "t.xlsx")
    assert expected in error


def test_a_workbook_with_many_cells_in_one_place_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "MAX_CELLS", 100)
    cell = '<c r="A1"><v>1</v></c>'
    save_sheet(folder / "t.xlsx", f'<row r="1">{cell * 101}</row>')
    (error,) = errors_of(folder, "t.xlsx")
    assert "has 101 cells in 1 row and 1 column:" in error


@pytest.mark.parametrize(
    "beginning",
    [b'<!DOCTYPE x [<!ENTITY y "a.jpg">]>', b'<?xml version="1.0" encoding="none-such"?>'],
)
def test_a_workbook_with_a_document_type_is_refused(folder: Path, beginning: bytes) -> None:
    """It may define texts that multiply. So is one in an encoding that nobody knows."""
    path = folder / "t.xlsx"
    save_workbook(path, [["image"], ["a.jpg"]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = beginning + parts["xl/worksheets/sheet1.xml"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    (error,) = errors_of(folder, "t.xlsx")
    assert "'xl/worksheets/sheet1.xml' is broken" in error


def test_far_cells_without_a_value_do_not_count(folder: Path) -> None:
    """A spreadsheet program writes such cells for a format alone."""
    save_sheet(
        folder / "t.xlsx",
        '<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576" s="1"/></row>',
        texts="<si><t>image</t></si><si><r><t>a.</t></r><r><t>jpg</t></r></si>",
    )
    assert len(jobs_of(folder, "t.xlsx", recipe="prompts: [Tint it]\n")) == 1


def test_without_the_extra_a_workbook_is_one_clear_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_workbook(folder / "t.xlsx", [["image"], ["a.jpg"]])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    (error,) = errors_of(folder, "t.xlsx")
    assert "a workbook needs the extra `tables` (pip install python-calamine)" in error


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("sku", "sku"),
        ("Farbe", "Farbe"),
        ("Stock No.", "stock_no"),
        ("Price (USD)", "price_usd"),
        ("Größe", "grosse"),
        ("2nd", ""),
        ("", ""),
        ("…", ""),
    ],
)
def test_the_name_of_a_column(column: str, name: str) -> None:
    assert variable_name(column) == name


def test_rows_that_only_the_machine_tells_apart_are_made_once(folder: Path) -> None:
    """They would have one name: a zero-width space in a value of `output.name` makes no picture."""
    rows = "image,colour,sku\na.jpg,red,A-1\na.jpg,red,A\u200b-1\na.jpg,red,a 1\n"
    (folder / "t.csv").write_text(rows, encoding="utf-8")
    recipe = "prompts: [{id: tint, text: 'Tint it ${colour}'}]\noutput: {name: '${sku}'}\n"
    names = [job.output for job in jobs_of(folder, "t.csv", recipe=recipe)]
    assert len(names) == len(set(names)) == 2


def test_a_variable_of_a_prompt_is_no_column_as_well(folder: Path) -> None:
    (folder / "t.csv").write_text("image,colour\na.jpg,red\n")
    recipe = "prompts: [{text: 'Tint it ${colour}', vars: {colour: [blue, green]}}]\n"
    (error,) = errors_of(folder, "t.csv", recipe=recipe)
    assert error.endswith("'colour' is a column of the table; use another name")
