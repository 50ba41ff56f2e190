-- Where numbers come from, what outbound calls log in with, and purchases, which must not be lost.

ALTER TABLE phone_numbers
    -- 'registered': a customer's own; 'purchased': bought on the platform's account at the carrier.
    ADD COLUMN origin text NOT NULL DEFAULT 'registered'
        CHECK (origin IN ('registered', 'purchased')),
    -- Whether the workspace has proved that the number is its own. An unverified row makes way for
    -- whoever proves it. Rows written by SQL are the operator's word.
    ADD COLUMN is_verified boolean NOT NULL DEFAULT true,
    -- The number's id at the carrier: PN... at Twilio, digits at Telnyx.
    ADD COLUMN carrier_number_id text,
    -- Whether registering has attached the number to inbound_trunk_id, and where it was before:
    -- deleting puts it back.
    ADD COLUMN was_attached boolean NOT NULL DEFAULT false,
    ADD COLUMN previous_trunk_id text;

CREATE INDEX phone_numbers_workspace_agent_idx
    ON phone_numbers (workspace_id, agent_id, created_at DESC, id DESC);

-- What outbound calls from a number log in with; phone_numbers.outbound_trunk_id is the id.
CREATE TABLE outbound_trunks (
    id              uuid        PRIMARY KEY,
    workspace_id    uuid        NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    -- No foreign key, which would forbid TRUNCATE phone_numbers: triggers take the row away.
    phone_number_id uuid        NOT NULL UNIQUE,
    provider        text        NOT NULL CHECK (provider ~ '^[a-z][a-z0-9_]*$'),
    trunk_address   text        NOT NULL,
    auth_username   text        NOT NULL,
    -- Encrypted (AES-256-GCM) and bound to this row's id. NULL: the platform's own trunk, whose
    -- password is {PROVIDER}_SIP_PASSWORD of the environment.
    sealed_password bytea,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX outbound_trunks_workspace_idx ON outbound_trunks (workspace_id);

-- A number's password goes with it, whoever removes it.
CREATE FUNCTION sip_edge_drop_outbound_trunks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM outbound_trunks;
    ELSE
        DELETE FROM outbound_trunks USING old_rows
            WHERE outbound_trunks.phone_number_id = old_rows.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER phone_numbers_deleted_trunks AFTER DELETE ON phone_numbers
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_drop_outbound_trunks();
CREATE TRIGGER phone_numbers_truncated_trunks AFTER TRUNCATE ON phone_numbers
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_drop_outbound_trunks();

-- Numbers bought on the platform's account: a row is written before the carrier is called, and kept
-- for good. A workspace with purchases cannot be removed.
CREATE TABLE purchases (
    -- The carrier keeps it with the order (oneinbox-<id in hex>).
    id                uuid        PRIMARY KEY,
    workspace_id      uuid        NOT NULL REFERENCES workspaces (id),
    -- The id that the number has, had, or will have. No foreign key: its row comes and goes.
    number_id         uuid        NOT NULL UNIQUE,
    provider          text        NOT NULL CHECK (provider ~ '^[a-z][a-z0-9_]*$'),
    -- Whose money it is: Twilio's account SID. NULL where the carrier has no such id.
    account_id        text,
    phone_number      text        NOT NULL CHECK (phone_number ~ '^\+[1-9][0-9]{1,14}$'),
    -- What was wanted.
    agent_id          uuid        NOT NULL,
    friendly_name     text,
    inbound_routing   jsonb,
    idempotency_key   text,
    state             text        NOT NULL CHECK (state IN (
                          'ordering', 'bought', 'releasing', 'doubtful',
                          'active', 'failed', 'released')),
    trunk_id          text        NOT NULL,
    carrier_number_id text,
    sms_capable       boolean,
    -- The API's word for why it came to nothing.
    failure           text,
    attempts          integer     NOT NULL DEFAULT 0,
    is_order_known    boolean     NOT NULL DEFAULT false,
    state_since       timestamptz NOT NULL,
    -- When the next step may be made, by whoever comes; until then somebody works on it.
    due_at            timestamptz NOT NULL,
    created_at        timestamptz NOT NULL,
    -- Grows with each write: a write that knows an older one is refused.
    version           integer     NOT NULL DEFAULT 0
);

-- The same request buys once; one that came to nothing may be made again.
CREATE UNIQUE INDEX purchases_idempotency_key_idx
    ON purchases (workspace_id, idempotency_key) WHERE state <> 'failed';

-- Nobody else buys a number while it is being bought or given back.
CREATE UNIQUE INDEX purchases_under_way_idx
    ON purchases (phone_number) WHERE state IN ('ordering', 'bought', 'releasing');

-- What is left to do.
CREATE INDEX purchases_due_idx
    ON purchases (due_at) WHERE state IN ('ordering', 'bought', 'releasing', 'doubtful');
