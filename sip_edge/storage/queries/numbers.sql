-- What a call needs to know of each number. `row_hash` is the same in every client and changes with
-- any of the columns, so that a row that has not changed need not be decoded again.
SELECT
    phone_number,
    id::text AS id,
    provider,
    status,
    agent_id::text AS agent_id,
    inbound_routing::text AS inbound_routing,
    provider_config->>'account_sid' AS account_sid,
    max_concurrent_calls,
    workspace_id::text AS workspace_id,
    hashtextextended(
        ROW(provider_config->>'account_sid', max_concurrent_calls,
            id, phone_number, provider, status, agent_id, inbound_routing, workspace_id)::text, 0
    ) AS row_hash
FROM phone_numbers;
