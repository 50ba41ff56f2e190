-- Which agents there are, which numbers there are, and which way each number's calls go.
--
-- There are no foreign keys between the two: an agent may be removed while numbers still name it
-- (the edge skips it), and a number may be written before its agent. Texts that other features will
-- add words to (a number's status, a provider's name) are checked for their shape only.

CREATE TABLE agents (
    id                uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name              text        NOT NULL DEFAULT '',
    status            text        NOT NULL DEFAULT 'active'
                                  CHECK (status IN ('active', 'paused', 'deleted')),
    -- ws:// or wss://; an agent without one is never offered a call.
    worker_url        text,
    -- accept_timeout_seconds, first_audio_timeout_seconds, abnormal_end ('failover' | 'hangup'),
    -- bearer_token and signing_secret (both as 'env:NAME'); other keys are kept and ignored.
    worker_options    jsonb       DEFAULT '{}',
    voicemail_message text,
    -- The language of voicemail_message, as in BCP 47 ('en', 'ja').
    language          text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE phone_numbers (
    id                uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    phone_number      text        NOT NULL UNIQUE
                                  CHECK (phone_number ~ '^\+[1-9][0-9]{1,14}$'),
    friendly_name     text,
    -- 'twilio', 'telnyx'; a number answers only calls that come from its own provider.
    provider          text        NOT NULL DEFAULT 'twilio'
                                  CHECK (provider ~ '^[a-z][a-z0-9_]*$'),
    agent_id          uuid,
    -- Only 'active' numbers are answered.
    status            text        NOT NULL DEFAULT 'active',
    inbound_trunk_id  text,
    outbound_trunk_id text,
    dispatch_rule_id  text,
    credential_id     uuid,
    provider_config   jsonb       DEFAULT '{}',
    -- {"agent_id", "fallback": {"agent_id"}, "voicemail_message"}; other keys are kept and ignored.
    -- SQL NULL, JSON null and {} mean that the number is outbound-only.
    inbound_routing   jsonb,
    sms_capable       boolean,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX phone_numbers_agent_id_idx ON phone_numbers (agent_id);

CREATE FUNCTION sip_edge_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TRIGGER agents_touch BEFORE UPDATE ON agents
    FOR EACH ROW WHEN (NEW.* IS DISTINCT FROM OLD.*) EXECUTE FUNCTION sip_edge_touch();
CREATE TRIGGER phone_numbers_touch BEFORE UPDATE ON phone_numbers
    FOR EACH ROW WHEN (NEW.* IS DISTINCT FROM OLD.*) EXECUTE FUNCTION sip_edge_touch();

-- Tell every edge what a statement changed: '<table>:<key>,<key>...' on channel sip_edge_routes, or
-- '<table>:*' when there are too many keys for one notification (8000 bytes). One notification a
-- statement, so that a change to 100,000 rows sends one. The argument is the column with the key.
CREATE FUNCTION sip_edge_notify_routes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key_column CONSTANT text := TG_ARGV[0];
    -- 180 keys of 36 characters and their commas are 6660 bytes.
    max_keys CONSTANT integer := 180;
    changed_rows text;
    keys text[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify('sip_edge_routes', TG_TABLE_NAME || ':*');
        RETURN NULL;
    END IF;
    changed_rows := CASE TG_OP
        WHEN 'INSERT' THEN format('SELECT %I AS key FROM new_rows', key_column)
        WHEN 'DELETE' THEN format('SELECT %I AS key FROM old_rows', key_column)
        ELSE format('SELECT %1$I AS key FROM old_rows UNION ALL SELECT %1$I FROM new_rows',
                    key_column)
    END;
    -- A key occurs at most twice, as old and as new: 361 rows hold more than 180 keys.
    EXECUTE format('SELECT array_agg(DISTINCT key::text) FROM (SELECT key FROM (%s) AS changed '
                   'LIMIT %s) AS few', changed_rows, 2 * max_keys + 1)
        INTO keys;
    IF cardinality(keys) > max_keys THEN
        PERFORM pg_notify('sip_edge_routes', TG_TABLE_NAME || ':*');
    ELSIF cardinality(keys) > 0 THEN
        PERFORM pg_notify('sip_edge_routes',
                          TG_TABLE_NAME || ':' || array_to_string(keys, ','));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER agents_inserted AFTER INSERT ON agents REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_notify_routes('id');
CREATE TRIGGER agents_updated AFTER UPDATE ON agents
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_notify_routes('id');
CREATE TRIGGER agents_deleted AFTER DELETE ON agents REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_notify_routes('id');
CREATE TRIGGER agents_truncated AFTER TRUNCATE ON agents
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_notify_routes('id');

CREATE TRIGGER phone_numbers_inserted AFTER INSERT ON phone_numbers REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_notify_routes('phone_number');
CREATE TRIGGER phone_numbers_updated AFTER UPDATE ON phone_numbers
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_notify_routes('phone_number');
CREATE TRIGGER phone_numbers_deleted AFTER DELETE ON phone_numbers REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_notify_routes('phone_number');
CREATE TRIGGER phone_numbers_truncated AFTER TRUNCATE ON phone_numbers
    FOR EACH STATEMENT EXECUTE FUNCTION sip_edge_notify_routes('phone_number');
