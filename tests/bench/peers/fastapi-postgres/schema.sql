CREATE TABLE github_events (
    id text PRIMARY KEY,
    event text NOT NULL,
    payload jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
