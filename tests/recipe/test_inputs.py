"""Inputs: globs, files, URLs, their ids, and the probing of pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import pytest

from spark_batch.jobs import Input, Picture
from spark_batch.recipe import Diagnostic, Loaded, load
from spark_batch.text import quoted

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]

HEAD = "version: 1\nname: x\nprompts: [Make it red]\n"


def _inputs(found: Loaded) -> tuple[Input, ...]:
    return found.recipe.blocks[0].inputs


def _fill(folder: Path, *names: str) -> None:
    data = (folder / "photos" / "hero.jpg").read_bytes()
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_a_glob_without_a_match_names_the_folder_that_it_counts_from(
    errors: Errors, folder: Path
) -> None:
    """None for one that begins at the root."""
    (error,) = errors(f"{HEAD}inputs: [none/*.jpg]\n")
    assert error.message == f"no file matches 'none/*.jpg' in {quoted(str(folder))}"
    whole = f"{folder.as_posix()}/none/*.jpg"
    (error,) = errors(f"{HEAD}inputs: ['{whole}']\n")
    assert error.message == f"no file matches {quoted(whole)}"


def test_a_missing_file_is_told_the_name_that_is_there(errors: Errors, folder: Path) -> None:
    """Backslashes, and accents that macOS writes as characters of their own."""
    hero = (folder / "photos" / "hero.jpg").read_bytes()
    (folder / "photos" / "cafe\u0301.jpg").write_bytes(hero)
    text = "version: 1\nname: x\nprompts: [a]\ninputs: ['photos\\hero.jpg', photos/caf\u00e9.jpg]\n"
    slashes, accents = [error.message for error in errors(text)]
    assert slashes == "there is no file 'photos\\hero.jpg'; write 'photos/hero.jpg'"
    assert "; a file's name looks the same, but has its accents as characters" in accents


def test_a_pattern_that_takes_out_nothing_may_also_be_wrong(errors: Errors, folder: Path) -> None:
    """It was told to be moved, wherever it stood."""
    text = "version: 1\nname: x\nprompts: [a]\ninputs: [photos/*.jpg, '!photos/draft*']\n"
    (error,) = errors(text)
    assert error.message.endswith("; correct it, or move it behind what it removes")


def test_a_folder_with_a_slash_behind_it_is_told_a_glob(errors: Errors, folder: Path) -> None:
    (error,) = errors("version: 1\nname: x\nprompts: [a]\ninputs: [photos/]\n")
    assert error.message.endswith("write 'photos/*.jpg'")


def test_globs_are_sorted_and_relative_to_the_recipe(loaded: Load, folder: Path) -> None:
    """Matches come in the order of their names, folders and hidden files passed over."""
    _fill(folder, "photos/b.jpg", "photos/a.jpg", "photos/.hidden.jpg")
    (folder / "photos" / "dir.jpg").mkdir()
    found = _inputs(loaded(HEAD + "inputs: ['photos/*.jpg']\n"))
    assert [picture.id for picture in found] == ["a", "b", "hero"]
    assert found[0].path == folder / "photos" / "a.jpg"


def test_two_stars_go_through_folders_but_not_the_output(loaded: Load, folder: Path) -> None:
    """What a run has made does not become the input of the next one."""
    _fill(folder, "photos/deep/er/a.jpg", "out/x/hero/made.jpg", ".cache/c.jpg")
    found = _inputs(loaded(HEAD + "inputs: ['**/*.jpg']\n"))
    assert [picture.id for picture in found] == ["a", "hero"]


def test_a_glob_may_begin_in_the_output_folder(loaded: Load, folder: Path) -> None:
    """Who names the output folder in a glob means it."""
    _fill(folder, "out/x/hero/made.jpg")
    found = _inputs(loaded(HEAD + "inputs: ['out/x/**/*.jpg']\n"))
    assert [picture.id for picture in found] == ["made"]


def test_only_the_output_matches(errors: Errors, folder: Path) -> None:
    """A glob that finds nothing but results says so."""
    _fill(folder, "out/x/made.jpg")
    (found,) = errors(HEAD + "inputs: ['*/x/*.jpg']\n")
    assert "output folder" in found.message


def test_a_file_with_wildcards_in_its_name(loaded: Load, folder: Path) -> None:
    """A path that exists as written is no glob; odd characters leave its id."""
    _fill(folder, "photos/a [1] é.jpg")
    (found,) = _inputs(loaded(HEAD + "inputs: ['photos/a [1] é.jpg']\n"))
    assert found.id == "a-1-e"


def test_a_file_name_that_is_no_text(errors: Errors, folder: Path) -> None:
    """A disk may hold any bytes as a name; an id and a manifest cannot."""
    try:
        (folder / "photos" / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this disk takes UTF-8 alone")
    (error,) = errors(HEAD + "inputs: ['photos/*.jpg']\n")
    said = "'photos/*.jpg' matches a file whose name is not UTF-8, '\ufffd\ufffd.jpg': rename it"
    assert error.message == said


def test_absolute_glob(loaded: Load, folder: Path) -> None:
    """A glob may be absolute."""
    found = _inputs(loaded(HEAD + f"inputs: ['{folder.as_posix()}/photos/h*.jpg']\n"))
    assert [picture.id for picture in found] == ["hero"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://cdn.example.com/path/My%20Photo.v2.jpg?w=1#x", "My-Photo.v2"),
        ("HTTPS://cdn.example.com/photos/", ""),
        ("http://cdn.example.com/photos/", "photos"),
        ("https://cdn.example.com/?id=5", "cdn.example"),
        ("https://cdn.example.com/%2e%2e", "picture-"),
    ],
)
def test_url_ids(folder: Path, url: str, expected: str) -> None:
    """A URL's id is the last part of its path, or its host."""
    path = folder / "r.yaml"
    path.write_text(HEAD + f"inputs: ['{url}']\n")
    if not expected:
        with pytest.raises(Exception, match="1 error"):
            load(path, probe=_never)
        return
    (found,) = _inputs(load(path, probe=_never))
    assert found.id.startswith(expected)
    assert (found.url, found.path, found.picture) == (url, None, None)


def _never(path: Path, *_: object) -> Picture:
    raise AssertionError(f"{path} was probed")


def test_each_file_is_probed_once(folder: Path) -> None:
    """A picture with two ids is read once, and its facts stand at both."""
    _fill(folder, *(f"photos/p{n}.jpg" for n in range(20)))
    entries = "".join(f"  - {{id: q{n}, path: photos/p{n}.jpg}}\n" for n in range(20))
    path = folder / "r.yaml"
    path.write_text(HEAD + f"inputs:\n  - photos/p*.jpg\n{entries}")
    calls: list[Path] = []
    lock = Lock()

    def probe(file: Path, *_: object) -> Picture:
        with lock:
            calls.append(file)
        return Picture("JPEG", 1500, 1500, 10, file.name)

    found = _inputs(load(path, probe=probe))
    assert len(found) == 40
    assert sorted({call.name for call in calls}) == sorted(call.name for call in calls)
    by_id = {picture.id: picture.picture for picture in found}
    assert by_id["p7"] == by_id["q7"] is not None


def test_every_bad_picture_is_told(errors: Errors, folder: Path) -> None:
    """Several bad pictures behind one glob are several errors at its place."""
    for name in ("a", "b", "c", "d"):
        (folder / "photos" / f"{name}.jpg").write_bytes(b"<html>")
    found = errors(HEAD + "inputs: ['photos/*.jpg']\n")
    assert len(found) == 4
    assert {error.code for error in found} == {"picture"}
    assert {error.place.line for error in found} == {4}


def test_names_alike_but_for_case(errors: Errors, folder: Path) -> None:
    """Two files whose ids differ only by case would be one file on other disks."""
    _fill(folder, "a/Hero.jpg")
    (found,) = errors(HEAD + "inputs: [photos/hero.jpg, a/Hero.jpg]\n")
    assert found.code == "duplicate-id"
    assert "photos" in found.message


@pytest.mark.parametrize("entry", ["a\\0b.jpg", "x" * 5000, "photos/hero.jpg/x"])
def test_impossible_paths(errors: Errors, entry: str) -> None:
    """A path that the system refuses is a clear error."""
    assert errors(HEAD + f'inputs: ["{entry}"]\n')


def test_a_link_that_loops(errors: Errors, loaded: Load, folder: Path) -> None:
    """A symbolic link to itself is no file, and `**` does not follow one for ever."""
    (folder / "photos" / "loop").symlink_to(folder / "photos")
    (folder / "photos" / "self.jpg").symlink_to(folder / "photos" / "self.jpg")
    assert [error.code for error in errors(HEAD + "inputs: [photos/self.jpg]\n")] == ["no-file"]
    found = _inputs(loaded(HEAD + "inputs: ['**/*.jpg']\n"))
    assert [picture.id for picture in found] == ["hero"]


@pytest.mark.parametrize(
    ("output", "inputs"),
    [
        ("{dir: ., name: 'photos/${input}'}", "'photos/*.jpg'"),
        ("{dir: photos, name: '${input}'}", "photos/hero.jpg"),
        ("{dir: photos, name: HERO}", "photos/hero.jpg"),
        ("{dir: photos, name: 'more/${prompt}'}", "photos/more/make-it-red.jpg"),
    ],
)
def test_a_picture_that_would_replace_an_input(
    errors: Errors, folder: Path, output: str, inputs: str
) -> None:
    """Each run would have another input, and pay for it."""
    _fill(folder, "photos/more/make-it-red.jpg")
    (found,) = errors(f"{HEAD}inputs: [{inputs}]\noutput: {output}\n")
    assert "would replace the input" in found.message
    assert found.place.line == 5


def test_names_beside_the_inputs_are_fine(loaded: Load, folder: Path) -> None:
    """Another name, or another kind of file, replaces nothing."""
    tail = "output: {dir: photos, name: '${input}-${prompt}'}\n"
    assert _inputs(loaded(f"{HEAD}inputs: ['photos/*.jpg']\n{tail}"))


def test_two_files_of_a_pattern_with_one_name(folder: Path, loaded: Load, errors: Errors) -> None:
    """Both are named, and the advice, followed to the letter, gives each an id."""
    _fill(folder, "two/a.jpeg", "two/a.jpg")
    (error,) = errors(f"{HEAD}inputs: ['two/*']\n")
    assert "for 'two/a.jpeg' and 'two/a.jpg'; take one out" in error.message
    assert "'!two/a.jpg' and {id: a-2, path: …}" in error.message
    recipe = f"{HEAD}inputs: ['two/*', '!two/a.jpg', {{id: a-2, path: two/a.jpg}}]\n"
    assert [picture.id for picture in _inputs(loaded(recipe))] == ["a", "a-2"]
