-- Indexes stand apart from the tables: a bulk load drops them and runs this file again at its end.

CREATE UNIQUE INDEX blocks_id ON blocks (id);
CREATE UNIQUE INDEX statements_id ON statements (id);
CREATE UNIQUE INDEX statements_hash ON statements (hash);
CREATE UNIQUE INDEX proofs_id ON proofs (id);
CREATE INDEX proofs_statement ON proofs (statement_id);
CREATE UNIQUE INDEX jobs_id ON jobs (id);
CREATE UNIQUE INDEX organism_runs_id ON organism_runs (id);
