-- The index of a history, in the SQL that SQLite and PostgreSQL share. All of it is derived from the files
-- of the store, and may be deleted. Identifiers are dense from 1, in the order in which rows came.

CREATE TABLE passports (
    id BIGINT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
    contract TEXT NOT NULL,
    measured_at TEXT NOT NULL,
    status TEXT NOT NULL,
    -- `placed`, or why the passport is on no series, such as `dirty` or `not-said`.
    standing TEXT NOT NULL,
    commit_hash TEXT,
    tree_hash TEXT,
    environment BIGINT NOT NULL,
    -- What it was compared with.
    baseline TEXT,
    -- The `[history]` table of its contract as JSON; empty where it has none.
    settings TEXT NOT NULL
);

-- Texts that many rows share: environments, tracks, responses.
CREATE TABLE words (
    id BIGINT NOT NULL PRIMARY KEY,
    word TEXT NOT NULL UNIQUE
);

CREATE TABLE series (
    id BIGINT NOT NULL PRIMARY KEY,
    contract TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- What is told of it, such as `allocations` or `slow-share`.
    kind TEXT NOT NULL,
    UNIQUE (contract, subject, kind)
);

-- `low` and `high` are the least and the most of a number, or the id of a word twice.
CREATE TABLE points (
    series BIGINT NOT NULL,
    passport BIGINT NOT NULL,
    track BIGINT NOT NULL,
    low BIGINT NOT NULL,
    high BIGINT NOT NULL,
    PRIMARY KEY (series, passport)
);
