-- What became of each call: one row an INVITE, kept when numbers and agents are gone.
--
-- A row is written when its call begins (`open`), and again when it has ended (`ended`): an end
-- replaces what was known before, and nothing replaces an end. A call whose process died is `lost`:
-- its successor closes it. Words of features to come (an outcome, a provider) are not checked here.

CREATE TABLE calls (
    -- Made when the INVITE arrives.
    id               uuid             PRIMARY KEY,
    state            text             NOT NULL DEFAULT 'open'
                                      CHECK (state IN ('open', 'ended', 'lost')),
    -- The process that has the call: `instance_id` is another one after each start.
    instance_id      uuid             NOT NULL,
    process          text             NOT NULL DEFAULT '',
    -- The carrier as the configuration names it, and the provider whose numbers it may call.
    carrier          text             NOT NULL DEFAULT '',
    provider         text,
    -- The SIP Call-ID, the id that workers are told, and the carrier's own (Twilio's CallSid,
    -- Telnyx's session id).
    sip_call_id      text             NOT NULL DEFAULT '',
    call_sid         text             NOT NULL DEFAULT '',
    carrier_call_id  text,
    -- The caller as the carrier wrote it; the numbers are E.164.
    caller           text             NOT NULL DEFAULT '',
    caller_number    text,
    called_number    text,
    -- By the wall clock at the INVITE; the later ones are measured from it.
    started_at       timestamptz      NOT NULL,
    answered_at      timestamptz,
    ended_at         timestamptz,
    -- The words of metrics and logs. NULL while the call goes on, or where they do not apply.
    outcome          text,
    refusal          text,
    -- The final response to the INVITE.
    status           integer,
    ended_by         text,
    -- The last agent that spoke with the caller, in which role, and how its turn ended.
    agent_id         uuid,
    role             text,
    agent_end        text,
    is_stale_route   boolean          NOT NULL DEFAULT false,
    -- [{"role", "agent_id", "result", "ms", "detail"}]: the agents that were offered the call.
    attempts         jsonb            NOT NULL DEFAULT '[]',
    -- [{"lost", "to_role", "ms"}]: agents that were lost in mid-call, and who took over.
    moves            jsonb            NOT NULL DEFAULT '[]',
    -- {"trying": 0.4, ...}: milliseconds from the INVITE to each stage that was reached.
    timeline         jsonb            NOT NULL DEFAULT '{}',
    codec            text,
    packets_sent     bigint           NOT NULL DEFAULT 0,
    packets_received bigint           NOT NULL DEFAULT 0,
    packets_lost     bigint           NOT NULL DEFAULT 0,
    -- NULL where there was no sound, so that an average is one of calls.
    jitter_ms        double precision,
    updated_at       timestamptz      NOT NULL DEFAULT now()
);

-- Pages of calls, newest first: of all, of a number that was called, of one that called.
CREATE INDEX calls_started_at_idx ON calls (started_at DESC, id DESC);
CREATE INDEX calls_called_number_idx ON calls (called_number, started_at DESC, id DESC);
CREATE INDEX calls_caller_number_idx ON calls (caller_number, started_at DESC, id DESC);

-- The calls that go on now, for whoever must close those of a dead process.
CREATE INDEX calls_open_idx ON calls (instance_id) WHERE state = 'open';
