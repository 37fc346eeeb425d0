"""The checkpoint's tables, their version, and the migrations from older versions."""

from __future__ import annotations

from spark_batch.jobs import State

# "SPKB" in ASCII, in the header field of SQLite for the kind of a file.
APPLICATION_ID = 0x53504B42

# History of the schema:
# 1  request, placement, attempt, event.
# 2  attempt.settled (the settlement by `resolve`), attempt.suspect (what is odd about a picture).
# 3  placement.image, placement.source (the places of a line's picture and prompt), request.fit.
# 4  used_plan (saved plans that have been used), placement.replaced (a file of other bytes that
#    stays in a picture's place), attempt.recipe_commit, attempt.received_sha256 (a picture as
#    downloaded, without metadata).
# 5  attempt_bytes (an index to find pictures with the same bytes).
# 6  attempt.pruned (a picture that was deleted on purpose), attempt.checks (the results of the
#    recipe's checks), request.parameters (further parameters of a model), and requests without
#    seed, scale or size.
VERSION = 6

# Its columns are in the order of `Checkpoint.sync_jobs`.
_REQUEST = """
CREATE TABLE request (
    key     TEXT PRIMARY KEY,
    model   TEXT NOT NULL,
    prompt  TEXT NOT NULL,
    picture TEXT,                -- SHA-256 of the input picture's file, or
    url     TEXT,                -- its URL
    seed    INTEGER,             -- NULL where it is not sent, like the next three
    scale   REAL,
    width   INTEGER,             -- as asked, in pixels
    height  INTEGER,
    take    INTEGER NOT NULL,
    fit     TEXT,                -- what is done to the picture before it is sent, in words
    parameters TEXT              -- a JSON object: further parameters, and a size that is a text
) WITHOUT ROWID"""

# Tables that a migration recreates, as the version before has them: SQLite cannot drop NOT NULL.
REPLACED = {
    5: {
        "request": """
CREATE TABLE request (
    key     TEXT PRIMARY KEY,
    model   TEXT NOT NULL,
    prompt  TEXT NOT NULL,
    picture TEXT,
    url     TEXT,
    seed    INTEGER NOT NULL,
    scale   REAL NOT NULL,
    width   INTEGER NOT NULL,
    height  INTEGER NOT NULL,
    take    INTEGER NOT NULL,
    fit     TEXT
) WITHOUT ROWID"""
    }
}

# Statements that migrate a file of a version to the next one.
MIGRATIONS = {
    1: (
        "ALTER TABLE attempt ADD COLUMN settled TEXT",
        "ALTER TABLE attempt ADD COLUMN suspect TEXT",
    ),
    2: (
        "ALTER TABLE request ADD COLUMN fit TEXT",
        "ALTER TABLE placement ADD COLUMN image TEXT",
        "ALTER TABLE placement ADD COLUMN source TEXT",
    ),
    3: (
        "ALTER TABLE placement ADD COLUMN replaced INTEGER",
        "CREATE TABLE used_plan (id TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID",
        "ALTER TABLE attempt ADD COLUMN recipe_commit TEXT",
        "ALTER TABLE attempt ADD COLUMN received_sha256 TEXT",
    ),
    4: ("CREATE INDEX attempt_bytes ON attempt (coalesce(received_sha256, sha256))",),
    5: (
        "ALTER TABLE attempt ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE attempt ADD COLUMN checks TEXT",
        "CREATE TEMP TABLE before AS SELECT * FROM request",
        "DROP TABLE request",
        _REQUEST,
        "INSERT INTO request SELECT key, model, prompt, picture, url, seed, scale, width, height,"
        " take, fit, NULL FROM before",
        "DROP TABLE before",
    ),
}

# The event of an attempt that a run resumed.
TAKEN_UP = "taken up"
# The event of an attempt whose output name another request has now; its detail is that name.
NAME_TAKEN = "name taken"

SCHEMA = f"""
-- What the API sees: one row a key. Rows are never removed, since attempts belong to them.
{_REQUEST};

-- Where a recipe wants the picture of a request. Two placements may share a key.
CREATE TABLE placement (
    output    TEXT PRIMARY KEY,  -- below the output folder, without extension
    key       TEXT NOT NULL REFERENCES request (key),
    position  INTEGER NOT NULL,  -- in the recipe's order
    recipe    TEXT NOT NULL,
    input     TEXT NOT NULL,     -- ids
    prompt_id TEXT NOT NULL,
    variables TEXT NOT NULL,     -- a JSON object
    current   INTEGER NOT NULL,  -- 1 while the recipe has it
    file      TEXT,              -- with extension, once it is on disk
    image     TEXT,              -- the input's file from the recipe's folder, or its URL
    source    TEXT,              -- file:line:column of the prompt, from the recipe's folder
    replaced  INTEGER            -- bytes of a file that stays in the picture's place, as it is
) WITHOUT ROWID;
CREATE INDEX placement_key ON placement (key);
CREATE INDEX placement_position ON placement (position);

-- Every attempt ever made. No state moves backwards, no row is removed.
CREATE TABLE attempt (
    id            INTEGER PRIMARY KEY,
    key           TEXT NOT NULL REFERENCES request (key),
    number        INTEGER NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ({", ".join(f"'{s.value}'" for s in State)})),
    unsent        INTEGER NOT NULL DEFAULT 0,
    reserved      TEXT,          -- USD, a decimal; NULL while no price is known
    api           TEXT NOT NULL,
    task_id       TEXT,
    url           TEXT,          -- signed, of the result; only while it is being fetched
    told_bytes    INTEGER,
    remote_job_id TEXT,
    cost          TEXT,          -- USD, a decimal
    discount      TEXT,
    input_tokens  INTEGER,
    output_tokens INTEGER,
    total_tokens  INTEGER,
    generated_images INTEGER,
    format        TEXT,
    width         INTEGER,       -- of the picture that came back, in pixels
    height        INTEGER,
    bytes         INTEGER,
    sha256        TEXT,
    error_code    TEXT,
    error_message TEXT,
    again         TEXT,          -- of a failed attempt: never, new-task, create
    lost          INTEGER NOT NULL DEFAULT 0,
    submitted_at  TEXT,          -- UTC, ISO 8601
    completed_at  TEXT,
    settled       TEXT,          -- by the user, of an uncertain one: not-charged, resubmit
    suspect       TEXT,          -- what is odd about the picture that came
    recipe_commit TEXT,          -- of git, when the attempt was made; -dirty when it differed
    received_sha256 TEXT,        -- of the picture as it came, before metadata were written into it
    pruned        INTEGER NOT NULL DEFAULT 0, -- the picture was deleted on purpose, and stays away
    checks        TEXT,          -- a JSON list: the results of the recipe's checks
    UNIQUE (key, number)
);
CREATE UNIQUE INDEX attempt_task ON attempt (api, task_id) WHERE task_id IS NOT NULL;
CREATE INDEX attempt_bytes ON attempt (coalesce(received_sha256, sha256));
CREATE INDEX attempt_open ON attempt (state) WHERE state NOT IN ('done', 'failed');

-- The history, one row a transition.
CREATE TABLE event (
    attempt INTEGER NOT NULL REFERENCES attempt (id),
    at      TEXT NOT NULL,
    what    TEXT NOT NULL,
    detail  TEXT
);
CREATE INDEX event_attempt ON event (attempt);

-- Saved plans that have been used, each only once.
CREATE TABLE used_plan (
    id TEXT PRIMARY KEY,
    at TEXT NOT NULL
) WITHOUT ROWID;
"""
