"""Check that an open SQLite file is a checkpoint as spark-batch writes it: its schema and its rows.

A checkpoint may come from a cache, an artifact or a branch, so a stranger may have written it.
A view, a trigger or a generated column in it would run as SQL; a negative cost would raise a limit;
a file name with `..` would lead out of the output folder. See "Defense Against The Dark Arts",
https://www.sqlite.org/security.html.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType

from spark_batch.checkpoint.schema import MIGRATIONS, REPLACED, SCHEMA, VERSION
from spark_batch.jobs import State
from spark_batch.jobs.request import KEY_DIGITS

_MOST_OBJECTS = 100  # of a schema; ours has 16
_MOST_SQL = 100_000  # characters of an object's SQL; ours has 2 500
_MOST_TEXT = 1 << 20  # bytes; a recipe, and so a prompt, has no more
_MOST_NAME = 4 << 10  # bytes of an id
_MOST_PATH = 64 << 10  # bytes; 400 characters of output.name may become 80 names of 200 bytes
_MOST_PART = 255  # characters of a folder's or file's name; most disks allow as many bytes
_MOST_NUMBER = 10_000_000  # of an attempt
_MOST_VALUE = 2e19  # of a parameter; a recipe's numbers have 64 bits
_MOST_DEPTH = 200  # of a parameter's value; deeper than any recipe
_MOST_AMOUNT = 512  # characters; a recipe's price of 5e-324 has 326
# Digits before the point of an amount in USD. The client accepts no larger cost from the API; a
# reservation may be a recipe's price, which has 64 bits.
_COST_DIGITS = 10
_RESERVED_DIGITS = 19
_SHOWN = 60  # characters of a name in an error

# Tokens of SQL, by SQLite's rules for white space, comments and literals.
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|\s+|.""", re.ASCII | re.DOTALL
)

# A definition in SQL: its beginning, its columns and constraints, its end. Columns have another
# order in a file that was migrated.
_Definition = tuple[str, tuple[str, ...], str]
_Object = tuple[str, str, str]  # type, name, table


def fault(connection: sqlite3.Connection, version: int) -> str | None:
    """The first thing in a checkpoint that spark-batch would not write, or None.

    Raises sqlite3.Error when SQLite cannot read it.
    """
    fault = _schema_fault(connection, version) or _page_fault(connection)
    return fault or row_fault(connection, version) or _orphan_fault(connection)


def rules_digest() -> str:
    """A SHA-256 of all rules: the schema, and the conditions for the columns."""
    rules = [SCHEMA, *map(repr, (*MIGRATIONS.items(), *REPLACED.items()))]
    rules += [f"{table} {dict(columns)}" for table, columns in _RULES.items()]
    return hashlib.sha256("\n".join(rules).encode()).hexdigest()


def _page_fault(connection: sqlite3.Connection) -> str | None:
    """The error that SQLite finds in the pages and indexes, or None.

    `quick_check` would skip the indexes: one with other values than its table would hide attempts,
    and let values be read that `row_fault` has not checked.
    """
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return None if found == "ok" else str(found)


def _orphan_fault(connection: sqlite3.Connection) -> str | None:
    # Uses the index of the keys, and is ten times as fast as PRAGMA foreign_key_check.
    for table in ("placement", "attempt"):
        query = f"SELECT 1 FROM {table} WHERE key NOT IN (SELECT key FROM request) LIMIT 1"
        if connection.execute(query).fetchone():
            return f"a row of its table {table} belongs to no request"
    return None


@cache
def columns(table: str, version: int = VERSION) -> tuple[str, ...]:
    """The names of a table's columns, in no particular order; none for an unknown table."""
    definition = _expected(version).get(("table", table, table))
    names = [part.split()[0] for part in definition[1]] if definition else []
    return tuple(name for name in names if name != "UNIQUE")


def _schema_fault(connection: sqlite3.Connection, version: int) -> str | None:
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?"
    expected = dict(_expected(version))
    for kind, name, table, sql in connection.execute(query, (_MOST_OBJECTS,)):
        if kind == "index" and sql is None:  # SQLite makes it for a constraint of the table
            continue
        definition = expected.pop((kind, name, table), None)
        if definition is None:
            return f"it has a {kind} that is not spark-batch's: {repr(name)[:_SHOWN]}"
        if not isinstance(sql, str) or len(sql) > _MOST_SQL or _parsed(sql) != definition:
            return f"its {kind} {name} is not defined as spark-batch defines it"
    missing = next(iter(expected), None)
    return f"it has no {missing[0]} {missing[1]}" if missing else None


@cache
def _expected(version: int) -> Mapping[_Object, _Definition]:
    """The objects of a version's schema: the present ones without later additions."""
    database = sqlite3.connect(":memory:")
    database.executescript(SCHEMA)
    rows = database.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql NOT NULL"
    )
    objects = {(kind, name, table): _parsed(sql) for kind, name, table, sql in rows}
    database.close()
    for later in range(version, VERSION):
        for table, sql in REPLACED.get(later, {}).items():
            objects["table", table, table] = _parsed(sql)
    for later in range(version, VERSION):
        for statement in MIGRATIONS[later]:
            if " ADD COLUMN " in statement or later not in REPLACED:
                _take_back(statement.split(), objects)
    return MappingProxyType(objects)


def _take_back(words: list[str], objects: dict[_Object, _Definition]) -> None:
    """Remove from the objects of a schema what a migration adds."""
    key = ("table", words[2], words[2])
    if words[:2] == ["CREATE", "INDEX"]:
        del objects["index", words[2], words[4]]
    elif words[0] == "CREATE":
        del objects[key]
    else:  # ALTER TABLE … ADD COLUMN …
        head, parts, tail = objects[key]
        added = " ".join(words[5:])
        objects[key] = head, tuple(part for part in parts if part != added), tail


@lru_cache(_MOST_OBJECTS)
def _parsed(sql: str) -> _Definition:
    tokens = [
        token
        for token in _TOKEN.findall(sql)
        if not token.isspace() and not token.startswith(("--", "/*"))
    ]
    head: list[str] = []
    parts: list[list[str]] = [[]]
    tail: list[str] = []
    depth, now = 0, head
    for token in tokens:
        depth -= token == ")"
        if token == "(" and depth == 0 and now is head:
            now = parts[-1]
        elif token == ")" and depth == 0 and now is not tail:
            now = tail
        elif token == "," and depth == 1:
            now = []
            parts.append(now)
        else:
            now.append(token)
        depth += token == "("
    return " ".join(head), tuple(sorted(map(" ".join, parts))), " ".join(tail)


def row_fault(
    connection: sqlite3.Connection, version: int, *, key: str | None = None
) -> str | None:
    """The first value in a row that spark-batch would not write; with `key` only in its rows."""
    for table, rules in _RULES.items():
        known = {name: rules[name] for name in columns(table, version)}
        if not known or (key is not None and "key" not in known):
            continue
        sound = " AND ".join(f"({rule})" for rule in known.values())
        wrong = f"FROM {table} WHERE ({sound}) IS NOT TRUE"
        if key is not None:
            wrong += " AND key = ?"
        given = () if key is None else (key,)
        # Which rule it breaks is a question of its own: SQLite would compile it for every file.
        if connection.execute(f"SELECT 1 {wrong} LIMIT 1", given).fetchone():
            cases = " ".join(f"WHEN ({rule}) IS NOT TRUE THEN '{n}'" for n, rule in known.items())
            found = connection.execute(f"SELECT CASE {cases} END {wrong} LIMIT 1", given).fetchone()
            if found is not None:
                return (
                    f"a row of its table {table} has a {found[0]} that spark-batch does not write"
                )
    return None


def _rules(**rules: str) -> Mapping[str, str]:
    """The conditions for columns, in SQL: `rules` with the column's name in place of `@`."""
    return MappingProxyType({name: rule.replace("@", name) for name, rule in rules.items()})


def _text(most: int = _MOST_TEXT) -> str:
    # instr, since for most functions of SQLite a text ends at a zero byte.
    return f"typeof(@) = 'text' AND length(CAST(@ AS BLOB)) <= {most} AND NOT instr(@, char(0))"


def _hex(digits: int) -> str:
    return f"{_text(digits)} AND length(@) = {digits} AND @ NOT GLOB '*[^0-9a-f]*'"


def _whole(least: int, most: int = (1 << 63) - 1) -> str:
    return f"typeof(@) = 'integer' AND @ BETWEEN {least} AND {most}"


def _optional(rule: str) -> str:
    return f"(@ IS NULL OR ({rule}))"


def _one_of(*texts: str) -> str:
    listed = ", ".join(f"'{text}'" for text in texts)
    return f"@ IN ({listed})"


def _amount(digits: int) -> str:
    """An amount in USD with at most `digits` digits before the point."""
    return f"{_DECIMAL} AND @ GLOB '[0-9]*' AND instr(@ || '.', '.') <= {digits + 1}"


_FLAG = "@ IN (0, 1)"
_DECIMAL = (
    f"{_text(_MOST_AMOUNT)} AND (@ GLOB '[0-9]*' OR @ GLOB '-[0-9]*')"
    " AND substr(@, 2) NOT GLOB '*[^0-9.]*' AND @ NOT GLOB '*.*.*'"
)
# strftime turns an invalid date such as February 30 into another one. Python 3.10 reads only
# milliseconds and microseconds.
_TIME = (
    f"{_text(40)} AND @ BETWEEN '1' AND '3'"
    " AND strftime('%Y-%m-%dT%H:%M:%S', substr(@, 1, 19), '+0 days') = substr(@, 1, 19)"
    " AND (substr(@, 20) = 'Z' OR (length(@) IN (24, 27) AND @ GLOB '*Z' AND substr(@, 20, 1) = '.'"
    " AND substr(@, 21, length(@) - 21) NOT GLOB '*[^0-9]*'))"
)
_LONG = "[^/]" * (_MOST_PART + 1)
_PATH = (  # below a folder, as the manifest's schema has it; Windows separates names by a backslash
    f"{_text(_MOST_PATH)} AND length(@) > 0"
    r" AND '/' || replace(@, '\', '/') || '/' NOT GLOB '*/../*'"
    r" AND '/' || replace(@, '\', '/') NOT GLOB '//*' AND @ NOT GLOB '?:*'"
    " AND '/' || @ NOT GLOB '*/.*' AND @ NOT GLOB '*[' || char(1) || '-' || char(31) || ']*'"
    f" AND (length(@) <= {_MOST_PART} OR @ NOT GLOB '*{_LONG}*')"
)
_PICTURE = f"{_PATH} AND (@ GLOB '*.jpg' OR @ GLOB '*.png' OR @ GLOB '*.webp')"
# `jobs.checks.results_text`; json_each of anything but a list would return other rows.
_RESULTS = (
    f"{_text()} AND json_valid(@) AND json_type(@) = 'array' AND NOT EXISTS (SELECT 1 FROM"
    " json_each(@) AS r WHERE json_type(r.value) <> 'object'"
    " OR coalesce(json_type(r.value, '$.check'), '') <> 'text'"
    " OR coalesce(json_type(r.value, '$.passed'), '') NOT IN ('true', 'false')"
    " OR coalesce(json_type(r.value, '$.reason'), '') <> 'text')"
)
_OBJECT = f"{_text()} AND json_valid(@) AND json_type(@) = 'object'"


_TEXTS = f"{_OBJECT} AND NOT EXISTS (SELECT 1 FROM json_each(@) AS v WHERE v.type <> 'text')"
# Values of any kind, with numbers of 64 bits; values that are nested too deep cannot be read.
_VALUES = (
    f"{_OBJECT} AND NOT EXISTS (SELECT 1 FROM json_tree(@) AS v WHERE"
    f" (v.type IN ('integer', 'real') AND v.value NOT BETWEEN {-_MOST_VALUE} AND {_MOST_VALUE})"
    " OR (v.type = 'null' AND v.path = '$')"
    " OR length(v.path) - length(replace(replace(v.path, '[', ''), '.', ''))"
    f" > {_MOST_DEPTH})"
)

_RULES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "request": _rules(
            key=_hex(KEY_DIGITS),
            model=_text(_MOST_NAME),
            prompt=_text(),
            # Also the name of an input's copy below the output folder.
            picture=_optional(f"{_text(_MOST_NAME)} AND @ NOT GLOB '*[^0-9A-Za-z]*'"),
            url=_optional(_text()),
            seed=_optional(_whole(-(1 << 62))),
            scale=_optional("typeof(@) = 'real' AND @ BETWEEN -1e9 AND 1e9"),
            width=_optional(_whole(0, 1 << 31)),
            height=_optional(_whole(0, 1 << 31)),
            take=_whole(1),
            fit=_optional(_text()),
            parameters=_optional(_VALUES),
        ),
        "placement": _rules(
            output=_PATH,
            key=_hex(KEY_DIGITS),
            position=_whole(0),
            recipe=_text(_MOST_NAME),
            input=_text(_MOST_NAME),
            prompt_id=_text(_MOST_NAME),
            variables=_TEXTS,
            current=_FLAG,
            file=_optional(_PICTURE),
            image=_optional(_text()),
            source=_optional(_text()),
            replaced=_optional(_whole(0)),
        ),
        "attempt": _rules(
            id=_whole(1),
            key=_hex(KEY_DIGITS),
            number=_whole(1, _MOST_NUMBER),
            state=_one_of(*(state.value for state in State)),
            unsent=_FLAG,
            reserved=_optional(_amount(_RESERVED_DIGITS)),
            api=_text(_MOST_NAME),
            task_id=_optional(_text(_MOST_NAME)),
            url=_optional(_text()),
            told_bytes=_optional(_whole(0)),
            remote_job_id=_optional(_text()),
            cost=_optional(_amount(_COST_DIGITS)),
            discount=_optional(_DECIMAL),
            input_tokens=_optional(_whole(0)),
            output_tokens=_optional(_whole(0)),
            total_tokens=_optional(_whole(0)),
            generated_images=_optional(_whole(0)),
            format=_optional(_one_of("JPEG", "PNG", "WEBP")),
            width=_optional(_whole(0, 1 << 31)),
            height=_optional(_whole(0, 1 << 31)),
            bytes=_optional(_whole(0)),
            sha256=_optional(_hex(64)),
            error_code=_optional(_text()),
            error_message=_optional(_text()),
            again=_optional(_text(_MOST_NAME)),
            lost=_FLAG,
            submitted_at=_optional(_TIME),
            completed_at=_optional(_TIME),
            settled=_optional(_one_of("not-charged", "resubmit")),
            suspect=_optional(_text()),
            recipe_commit=_optional(_text(_MOST_NAME)),
            received_sha256=_optional(_hex(64)),
            pruned=_FLAG,
            checks=_optional(_RESULTS),
        ),
        "event": _rules(
            attempt=_whole(1), at=_TIME, what=_text(_MOST_NAME), detail=_optional(_text())
        ),
        "used_plan": _rules(id=_text(_MOST_NAME), at=_TIME),
    }
)
