-- Tables of the ledger, in the SQL that SQLite and PostgreSQL share.
-- Identifiers are dense, 1, 2, 3, ...: rows are only ever appended. Hashes are 64 lowercase
-- hexadecimal digits. Times are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE blocks (
    id BIGINT NOT NULL,
    merkle_root TEXT NOT NULL CHECK (length(merkle_root) = 64),
    previous_root TEXT NOT NULL CHECK (length(previous_root) = 64),
    statement_count BIGINT NOT NULL CHECK (statement_count >= 0),
    created_at_ms BIGINT NOT NULL
);

-- A premise is the id of an earlier statement; an axiom has none.
CREATE TABLE statements (
    id BIGINT NOT NULL,
    block_id BIGINT NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64),
    text TEXT NOT NULL,
    normalized_text TEXT NOT NULL,
    depth BIGINT NOT NULL CHECK (depth >= 0),
    premise_1 BIGINT CHECK (premise_1 < id),
    premise_2 BIGINT CHECK (premise_2 < id)
);

CREATE TABLE proofs (
    id BIGINT NOT NULL,
    statement_id BIGINT NOT NULL,
    method TEXT NOT NULL,
    success BIGINT NOT NULL CHECK (success IN (0, 1)),
    created_at_ms BIGINT NOT NULL
);

-- Work that waits.
CREATE TABLE jobs (
    id BIGINT NOT NULL,
    statement_id BIGINT NOT NULL,
    enqueued_at_ms BIGINT NOT NULL
);

-- Runs of the first organism: one closed loop from a statement to its attestation.
CREATE TABLE organism_runs (
    id BIGINT NOT NULL,
    completed BIGINT NOT NULL CHECK (completed IN (0, 1)),
    ht_hash TEXT NOT NULL CHECK (length(ht_hash) = 64),
    abstention_ppm BIGINT NOT NULL CHECK (abstention_ppm BETWEEN 0 AND 1000000),
    latency_us BIGINT NOT NULL CHECK (latency_us >= 0)
);

-- One row, written in the transaction of every write, so that reading totals costs the same
-- whatever the size of the tables.
CREATE TABLE totals (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    proofs_total BIGINT NOT NULL,
    proofs_success BIGINT NOT NULL,
    statements_total BIGINT NOT NULL,
    max_depth BIGINT NOT NULL,
    blocks_total BIGINT NOT NULL,
    height BIGINT NOT NULL,
    queue_length BIGINT NOT NULL
);

INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0, 0);

-- At most one row; none before the first run. Buckets are cumulative: `le` is "at most".
CREATE TABLE first_organism (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    runs_total BIGINT NOT NULL,
    runs_completed BIGINT NOT NULL,
    last_ht_hash TEXT NOT NULL CHECK (length(last_ht_hash) = 64),
    last_abstention_ppm BIGINT NOT NULL,
    last_latency_us BIGINT NOT NULL,
    latency_le_100_ms BIGINT NOT NULL,
    latency_le_500_ms BIGINT NOT NULL,
    latency_le_1_s BIGINT NOT NULL,
    latency_le_2_s BIGINT NOT NULL,
    latency_le_5_s BIGINT NOT NULL,
    latency_le_10_s BIGINT NOT NULL,
    abstention_le_5_pct BIGINT NOT NULL,
    abstention_le_10_pct BIGINT NOT NULL,
    abstention_le_15_pct BIGINT NOT NULL,
    abstention_le_20_pct BIGINT NOT NULL,
    abstention_le_30_pct BIGINT NOT NULL,
    abstention_le_50_pct BIGINT NOT NULL
);

-- Proofs that succeeded, by the second: a rate over a window reads at most one row a second.
CREATE TABLE proof_seconds (
    second BIGINT NOT NULL PRIMARY KEY,
    succeeded BIGINT NOT NULL CHECK (succeeded >= 0)
);

-- What was loaded, so that the same load again does nothing and another is refused.
CREATE TABLE fixture (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    seed TEXT NOT NULL
);
