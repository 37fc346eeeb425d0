"""Text for people and for names: counting, quoting, Markdown, templates and slugs."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from spark_batch.redact import key_free

# Odd spaces, soft hyphens and characters without width, which editors do not show.
INVISIBLE = "\xa0\xad\u1680\u180e\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff"

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_STATED_DELIMITER = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)
_VALUE_LENGTH = 60  # characters of a value that a message quotes
_TICKS = re.compile("`+")
_PUNCTUATION = re.compile(r"[!-,./:-@\[-`{-~]")  # of ASCII, without "-", which is safe in a cell
_TEMPLATE = re.compile(r"\$\$|\$\{(?P<name>[^{}$]*)\}|\$\{?")
_WORD = re.compile("[a-z0-9]+")
_VALUE_WORD = re.compile("[a-z0-9.]+")  # 0.5 is one word of a value
_WINDOWS = os.name == "nt"
_BARE = re.compile(r"[A-Za-z0-9_.:/\\=+~-]+")  # the same for cmd.exe and for PowerShell
_NO_ID = re.compile(r"[^A-Za-z0-9._-]+")
_MARKS = re.compile("['`]")  # which anyascii writes for letters without a Latin form
_UNITS = ("kB", "MB", "GB", "TB")
_SLUG_LENGTH = 60  # readable in a file name


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 picture`, `2 pictures`; `plural` is for other forms, as in `2 rows repeat`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def pip_install(packages: Iterable[str]) -> str:
    """The names of missing packages, and the command that installs them."""
    names = tuple(packages)
    python = shell_quote(sys.executable or "python")
    return f"{' and '.join(names)}: {python} -m pip install {' '.join(names)}"


def shell_join(words: Iterable[str]) -> str:
    """A command line, ready to be copied into the user's shell."""
    return " ".join(map(shell_quote, words))


def shell_quote(word: str) -> str:
    """A word of a command line, quoted where the user's shell needs it.

    On Windows in double quotes, which cmd.exe and PowerShell both know: a single quote is an
    ordinary character for cmd.exe. Programs read a quote and backslashes before one as Microsoft's
    "Parsing C command-line arguments" describes.
    """
    if not _WINDOWS:
        return shlex.quote(word)
    if _BARE.fullmatch(word):
        return word
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', word)
    tail = escaped[len(escaped.rstrip("\\")) :]
    return f'"{escaped}{tail}"'


def bytes_text(number: int) -> str:
    """A number of bytes in decimal units: `412 bytes`, `1.2 MB`."""
    power = min((len(str(number)) - 1) // 3, len(_UNITS))
    if power == 0:
        return counted(number, "byte")
    value = f"{number / 1000**power:.1f}"
    return f"{value.removesuffix('.0')} {_UNITS[power - 1]}"


def printable(text: str) -> str:
    """A text without control characters and keys, safe to print on one line."""
    shown = key_free(text)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)


def printable_lines(text: str) -> str:
    """A text as `printable` returns it, with its line ends."""
    return "\n".join(map(printable, text.split("\n")))


def shortened(text: str, longest: int) -> str:
    """A text cut to `longest` characters, of which the last is then `…`."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def one_line(text: str, longest: int) -> str:
    """A text on one line, with single spaces, printable, and cut to `longest` characters."""
    return shortened(printable(" ".join(text.split())), longest)


def visible(text: str) -> str:
    """The text with characters that editors do not show written as `<U+00A0>`."""
    return text if text.isascii() else _INVISIBLE.sub(lambda c: f"<U+{ord(c[0]):04X}>", text)


def quoted(text: str) -> str:
    """A text in quotes for a message: on one line, printable, `visible`, cut to 60 characters."""
    return f"'{one_line(visible(text), _VALUE_LENGTH)}'"


def delimiter(lines: list[str]) -> str:
    """What separates the cells of a CSV file: a comma, a semicolon or a tab.

    By its first line that is not empty, which becomes an empty one if it is not the header and only
    states the delimiter, as Excel's `sep=;` does.
    """
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    line = lines[first] if lines else ""
    if stated := _STATED_DELIMITER.fullmatch(line):
        lines[first] = "\n"
        return stated[1]
    bare = re.sub(r'"(?:[^"]|"")*"', "", line)
    return max(",;\t", key=bare.count)


def suggestion(word: str, known: tuple[str, ...]) -> str:
    """`; did you mean 'x'?` if a known word is similar, else an empty text."""
    close = closest(word, known)
    return f"; did you mean {quoted(close)}?" if close else ""


def closest(word: str, known: tuple[str, ...]) -> str | None:
    """The known word that is most similar to `word`, ignoring case; None if none is similar."""
    from difflib import get_close_matches

    folded: Mapping[str, str] = {name.casefold(): name for name in known}
    found = get_close_matches(word[:200].casefold(), folded, n=1, cutoff=0.7)
    return folded[found[0]] if found else None


def code_span(line: str) -> str:
    """A line as a code span of Markdown, in which nothing is a link, a mention, emphasis or HTML.

    In a table, use `code_cell`. Source: CommonMark 0.31, "Code spans".
    """
    longest = max((len(run) for run in _TICKS.findall(line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line[:1] in ("`", " ", "") or line[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def code_cell(line: str) -> str:
    """A line as code in a cell of a Markdown table, where a code span would end at a `|`."""
    shown = _PUNCTUATION.sub(lambda sign: f"&#{ord(sign[0])};", line)
    return f"<code>{shown}</code>"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a template as it is written: a variable's `${name}`, or literal text."""

    written: str
    name: str | None = None

    @property
    def text(self) -> str:
        """The meaning of a literal piece: a doubled dollar is one dollar."""
        return "$" if self.written == "$$" else self.written

    @property
    def is_stray(self) -> bool:
        """Whether it is a dollar that is neither doubled nor part of a `${name}`: `$`, or `${`."""
        return self.written in ("$", "${")


def template_tokens(text: str) -> Iterator[Token]:
    """Split a template at `${name}`, `$$` and stray dollars. Does not check the names."""
    at = 0
    for match in _TEMPLATE.finditer(text):
        if match.start() > at:
            yield Token(text[at : match.start()])
        yield Token(match[0], match["name"])
        at = match.end()
    if at < len(text):
        yield Token(text[at:])


def slug(value: str, *, distinct: bool = False) -> str:
    """A variable's value as names write it: `Navy Blue` → `navy-blue`, `0.5` → `0.5`.

    Lower-case letters, digits and dots, joined by `-`, at most 60 characters; letters of other
    scripts are written in ASCII. A value that is cut, has such letters or no words, or must be
    `distinct` from another with the same words, gets 8 hex digits of its hash.
    """
    text, foreign = romanized(_without_apostrophes(value))
    words = _VALUE_WORD.findall(text.lower())
    if "." in text:
        words = list(filter(None, (word.strip(".") for word in words)))
    whole = "-".join(words)
    if whole and len(whole) <= _SLUG_LENGTH and not (foreign or distinct):
        return whole
    hashed = digest(seen(value) if distinct else value)
    return f"{(whole or 'value')[:_SLUG_LENGTH].rstrip('-.')}-{hashed}"


def prompt_id(text: str, *, distinct: bool = False) -> str:
    """The id of a prompt that has none: its words in lower case, joined by `-`.

    At most 60 characters, in whole words; letters of other scripts are written in ASCII. A text
    that has such letters or no words, or must be `distinct` from another with the same words, gets
    8 hex digits of its hash.
    """
    written, foreign = romanized(_without_apostrophes(text))
    words: list[str] = []
    length = -1
    for word in _WORD.findall(written.lower()):
        length += 1 + len(word)
        if length > _SLUG_LENGTH and words:
            break
        words.append(word[:_SLUG_LENGTH])
    whole = "-".join(words)
    if whole and not (foreign or distinct):
        return whole
    return f"{whole or 'prompt'}-{digest(seen(text) if distinct else text)}"


def _without_apostrophes(text: str) -> str:
    return text.replace("'", "").replace("\N{RIGHT SINGLE QUOTATION MARK}", "")


def picture_id(name: str, *, longest: int) -> str:
    """The id of an input that has none, from its file's name without the extension.

    Keeps letters, digits, `.`, `_` and `-`, removes accents, writes `-` for other characters, and
    cuts to `longest` characters. A name with letters of other scripts gets 8 hex digits of its
    hash, so that no two are alike.
    """
    folded, foreign = without_accents(name)
    whole = _NO_ID.sub("-", folded).strip("-._")
    if whole and not foreign:
        return whole[:longest].rstrip("-._")
    hashed = digest(name)
    return f"{(whole or 'picture')[: longest - len(hashed) - 1].rstrip('-._')}-{hashed}"


def digest(text: str) -> str:
    """8 hex digits of a text's SHA-256, the same however its accents are encoded."""
    whole = unicodedata.normalize("NFC", text).encode(errors="surrogatepass")
    return hashlib.sha256(whole).hexdigest()[:8]


def seen(text: str) -> str:
    """The text as readers see it: accents composed, single spaces, no zero-width characters."""
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(c for c in composed if unicodedata.category(c) != "Cf").split())


def without_accents(text: str) -> tuple[str, bool]:
    """The text without its accents, and whether it still has letters that are not ASCII."""
    if text.isascii():
        return text, False
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return plain, any(c.isalnum() and not c.isascii() for c in plain)


def romanized(text: str) -> tuple[str, bool]:
    """The text with its letters in ASCII, and whether it had letters of other scripts."""
    plain, foreign = without_accents(text)
    if not foreign:
        return plain, False
    return "".join(map(_romanized, unicodedata.normalize("NFC", text))), True


@lru_cache(maxsize=10_000)
def _romanized(character: str) -> str:
    from anyascii import anyascii  # its tables are needed for few recipes

    plain, foreign = without_accents(character)
    category = unicodedata.category(character)
    if not foreign and not (plain and category.startswith("M")):
        return plain
    written = _MARKS.sub("", anyascii(character))
    # Ideographs and Hangul syllables are separate words: anyascii begins them with a capital.
    return f"-{written}" if category == "Lo" and written[:1].isupper() else written


def letters(text: str) -> str:
    """The letters and digits of a text, without case and accents, to compare texts."""
    plain, _ = without_accents(text)
    return "".join(c for c in plain.casefold() if c.isalnum())


_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that begins so
_FORMULA_FIRST = frozenset(("'", *_FORMULA))


def escape_formula(text: str) -> str:
    """Text for a cell of a CSV file, with an apostrophe before a formula.

    Text that looks escaped already gets another one, so that `unescape_formula` restores it.
    """
    return f"'{text}" if _looks_escaped(text) else text


def unescape_formula(text: str) -> str:
    """The text that `escape_formula` was given."""
    return text[1:] if text.startswith("'") and _looks_escaped(text) else text


def _looks_escaped(text: str) -> bool:
    return text[:1] in _FORMULA_FIRST and text.lstrip("'").startswith(_FORMULA)
