-- Messages that callers have left.
--
-- No foreign keys: a message outlives the number and the agent that it was meant for, and is written
-- before or after the call's own row.

CREATE TABLE voicemails (
    -- Made when the recording begins, so that writing a row twice changes nothing.
    id            uuid        PRIMARY KEY,
    call_id       uuid        NOT NULL,
    -- The number that was called, and who called it (NULL if that was withheld); E.164.
    phone_number  text        NOT NULL,
    caller_number text,
    agent_id      uuid,
    -- When the caller began to speak.
    received_at   timestamptz NOT NULL,
    seconds       real        NOT NULL,
    bytes         bigint      NOT NULL,
    -- The WAV file (8000 Hz µ-law), below the edge's voicemail.directory.
    path          text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX voicemails_phone_number_idx ON voicemails (phone_number, received_at DESC);
CREATE INDEX voicemails_received_at_idx ON voicemails (received_at DESC);
CREATE INDEX voicemails_call_id_idx ON voicemails (call_id);
