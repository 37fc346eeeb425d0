-- What the API sees: one row a key. Rows are never removed, since attempts belong to them.
CREATE TABLE request (
    key     TEXT PRIMARY KEY,
    model   TEXT NOT NULL,
    prompt  TEXT NOT NULL,
    picture TEXT,                -- SHA-256 of the input picture's file, or
    url     TEXT,                -- its URL
    seed    INTEGER NOT NULL,
    scale   REAL NOT NULL,
    width   INTEGER NOT NULL,    -- as asked, in pixels
    height  INTEGER NOT NULL,
    take    INTEGER NOT NULL
) WITHOUT ROWID;

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
    file      TEXT               -- with extension, once it is on disk
) WITHOUT ROWID;
CREATE INDEX placement_key ON placement (key);
CREATE INDEX placement_position ON placement (position);

-- Every attempt ever made. No state moves backwards, no row is removed.
CREATE TABLE attempt (
    id            INTEGER PRIMARY KEY,
    key           TEXT NOT NULL REFERENCES request (key),
    number        INTEGER NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('submitting', 'running', 'fetching', 'done', 'failed', 'uncertain')),
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
    UNIQUE (key, number)
);
CREATE UNIQUE INDEX attempt_task ON attempt (api, task_id) WHERE task_id IS NOT NULL;
CREATE INDEX attempt_open ON attempt (state) WHERE state NOT IN ('done', 'failed');

-- The history, one row a transition.
CREATE TABLE event (
    attempt INTEGER NOT NULL REFERENCES attempt (id),
    at      TEXT NOT NULL,
    what    TEXT NOT NULL,
    detail  TEXT
);
CREATE INDEX event_attempt ON event (attempt);
