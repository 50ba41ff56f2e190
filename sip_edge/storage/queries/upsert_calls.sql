-- Write rows of calls, given as a JSON array of objects whose keys are the columns. What a row lacks
-- (it may have waited in a spool since an older version) gets the column's default. The end of a
-- call replaces what was known before; nothing replaces the end.
INSERT INTO calls (
    id, state, instance_id, process, carrier, provider, sip_call_id, call_sid, carrier_call_id,
    caller, caller_number, called_number, started_at, answered_at, ended_at,
    outcome, refusal, status, ended_by, agent_id, role, agent_end, is_stale_route,
    workspace_id, attempts, moves, timeline, codec, encryption,
    packets_sent, packets_received, packets_lost, jitter_ms
)
SELECT
    id, state, instance_id, coalesce(process, ''), coalesce(carrier, ''), provider,
    coalesce(sip_call_id, ''), coalesce(call_sid, ''), carrier_call_id,
    coalesce(caller, ''), caller_number, called_number, started_at, answered_at, ended_at,
    outcome, refusal, status, ended_by, agent_id, role, agent_end, coalesce(is_stale_route, false),
    workspace_id,
    coalesce(attempts, '[]'), coalesce(moves, '[]'), coalesce(timeline, '{}'), codec,
    encryption,
    coalesce(packets_sent, 0), coalesce(packets_received, 0), coalesce(packets_lost, 0), jitter_ms
FROM json_to_recordset($1::json) AS given (
    id uuid, state text, instance_id uuid, process text, carrier text, provider text,
    sip_call_id text, call_sid text, carrier_call_id text,
    caller text, caller_number text, called_number text,
    started_at timestamptz, answered_at timestamptz, ended_at timestamptz,
    outcome text, refusal text, status integer, ended_by text, agent_id uuid, role text,
    agent_end text, is_stale_route boolean, workspace_id uuid,
    attempts jsonb, moves jsonb, timeline jsonb, codec text, encryption text,
    packets_sent bigint, packets_received bigint, packets_lost bigint, jitter_ms double precision
)
ON CONFLICT (id) DO UPDATE SET
    state = EXCLUDED.state,
    answered_at = EXCLUDED.answered_at,
    ended_at = EXCLUDED.ended_at,
    outcome = EXCLUDED.outcome,
    refusal = EXCLUDED.refusal,
    status = EXCLUDED.status,
    ended_by = EXCLUDED.ended_by,
    agent_id = EXCLUDED.agent_id,
    role = EXCLUDED.role,
    agent_end = EXCLUDED.agent_end,
    is_stale_route = EXCLUDED.is_stale_route,
    workspace_id = EXCLUDED.workspace_id,
    attempts = EXCLUDED.attempts,
    moves = EXCLUDED.moves,
    timeline = EXCLUDED.timeline,
    codec = EXCLUDED.codec,
    encryption = EXCLUDED.encryption,
    packets_sent = EXCLUDED.packets_sent,
    packets_received = EXCLUDED.packets_received,
    packets_lost = EXCLUDED.packets_lost,
    jitter_ms = EXCLUDED.jitter_ms,
    updated_at = now()
WHERE EXCLUDED.state = 'ended' AND calls.state <> 'ended';
