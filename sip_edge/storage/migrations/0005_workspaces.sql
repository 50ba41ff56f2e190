-- Whose rows are whose, who may ask the control API, and what it keeps for itself.
--
-- A workspace owns agents and numbers; a call and its voicemail belong to the workspace that the
-- called number had then (NULL: nobody's). What is written by plain SQL falls to the first one.

CREATE TABLE workspaces (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text        NOT NULL UNIQUE CHECK (name <> ''),
    is_default boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX workspaces_default_idx ON workspaces (is_default) WHERE is_default;

INSERT INTO workspaces (name, is_default) VALUES ('default', true);

-- STABLE, so that adding a column with this default does not write a table anew.
CREATE FUNCTION sip_edge_default_workspace() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT id FROM workspaces WHERE is_default
$$;

ALTER TABLE agents ADD COLUMN workspace_id uuid NOT NULL DEFAULT sip_edge_default_workspace()
    REFERENCES workspaces (id);
ALTER TABLE phone_numbers ADD COLUMN workspace_id uuid NOT NULL
    DEFAULT sip_edge_default_workspace() REFERENCES workspaces (id);

-- No foreign key: a record is written however late, and whatever has become of the workspace.
ALTER TABLE calls ADD COLUMN workspace_id uuid;
ALTER TABLE voicemails ADD COLUMN workspace_id uuid;

UPDATE calls SET workspace_id = phone_numbers.workspace_id
    FROM phone_numbers WHERE phone_numbers.phone_number = calls.called_number;
UPDATE voicemails SET workspace_id = phone_numbers.workspace_id
    FROM phone_numbers WHERE phone_numbers.phone_number = voicemails.phone_number;

-- Pages of a workspace's rows, newest first.
CREATE INDEX agents_workspace_idx ON agents (workspace_id, created_at DESC, id DESC);
CREATE INDEX phone_numbers_workspace_idx
    ON phone_numbers (workspace_id, created_at DESC, id DESC);
CREATE INDEX calls_workspace_idx ON calls (workspace_id, started_at DESC, id DESC)
    WHERE workspace_id IS NOT NULL;
CREATE INDEX calls_workspace_outcome_idx
    ON calls (workspace_id, outcome, started_at DESC, id DESC) WHERE workspace_id IS NOT NULL;
CREATE INDEX voicemails_workspace_idx ON voicemails (workspace_id, received_at DESC, id DESC)
    WHERE workspace_id IS NOT NULL;

-- Keys of the control API. The secret itself is shown once and kept nowhere.
CREATE TABLE api_keys (
    id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid        NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name         text        NOT NULL DEFAULT '',
    -- How the secret begins, so that people can tell their keys apart.
    prefix       text        NOT NULL,
    -- SHA-256 of the secret.
    digest       bytea       NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- To within some minutes.
    last_used_at timestamptz,
    revoked_at   timestamptz
);

CREATE INDEX api_keys_workspace_idx ON api_keys (workspace_id, created_at DESC, id DESC)
    WHERE revoked_at IS NULL;

-- Accounts at carriers.
CREATE TABLE integrations (
    id           uuid        PRIMARY KEY,
    workspace_id uuid        NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name         text        NOT NULL,
    provider     text        NOT NULL CHECK (provider ~ '^[a-z][a-z0-9_]*$'),
    -- The account's key, encrypted (AES-256-GCM) and bound to this row's id.
    sealed_key   bytea       NOT NULL,
    -- {"account_sid", "phone_number", "sip_trunk"}; other keys are kept.
    metadata     jsonb       NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX integrations_workspace_idx
    ON integrations (workspace_id, created_at DESC, id DESC);

CREATE TRIGGER integrations_touch BEFORE UPDATE ON integrations
    FOR EACH ROW WHEN (NEW.* IS DISTINCT FROM OLD.*) EXECUTE FUNCTION sip_edge_touch();

-- Answers that a repeated request gets again (the header Idempotency-Key).
CREATE TABLE idempotency_keys (
    workspace_id uuid        NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    key          text        NOT NULL,
    -- SHA-256 of the operation and the body: the same key with another one is a mistake.
    request      bytea       NOT NULL,
    -- Whoever holds the key until then is working on it; a dead one's claim runs out.
    holder       uuid        NOT NULL,
    held_until   timestamptz NOT NULL,
    -- NULL until there is an answer.
    status       integer,
    body         bytea,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, key)
);

CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);
