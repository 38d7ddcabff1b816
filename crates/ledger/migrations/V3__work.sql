-- Work: an event is a job from the moment it is accepted until its run is recorded.
--
-- A worker claims a job until a moment. When that has passed, as it does after a crash, another
-- worker may claim it. Times of events and claims are microseconds since 1970-01-01T00:00:00Z.

-- Every job that was ever accepted: the id of the newest one. No fixture's job was ever removed.
ALTER TABLE totals ADD COLUMN jobs_accepted BIGINT NOT NULL DEFAULT 0;
UPDATE totals SET jobs_accepted = queue_length;

-- When the event came, and at which process, by the clock of that process alone. A fixture's jobs
-- have no event.
ALTER TABLE jobs ADD COLUMN event_at_us BIGINT;
ALTER TABLE jobs ADD COLUMN accepted_by TEXT;
ALTER TABLE jobs ADD COLUMN accepted_elapsed_us BIGINT;

ALTER TABLE jobs ADD COLUMN claimed_by TEXT;
ALTER TABLE jobs ADD COLUMN claimed_until_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN claims BIGINT NOT NULL DEFAULT 0;

-- A job has one run at most, whoever works on it.
ALTER TABLE organism_runs ADD COLUMN job_id BIGINT;
CREATE UNIQUE INDEX organism_runs_job ON organism_runs (job_id);
