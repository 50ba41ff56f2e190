-- What `docker compose --profile demo` adds: an agent whose worker is the demo worker, one whose
-- worker is not there, and fictional numbers that lead to them. Running it again changes nothing.

INSERT INTO agents (id, name, worker_url) VALUES
    ('00000000-0000-4000-8000-00000000000a', 'Ada', 'ws://127.0.0.1:7860/echo'),
    ('00000000-0000-4000-8000-00000000000b', 'Bob, whose worker is not running', 'ws://127.0.0.1:7999/nobody-listens-here')
ON CONFLICT (id) DO NOTHING;

INSERT INTO phone_numbers (phone_number, friendly_name, inbound_routing) VALUES
    ('+12025550100', 'An agent answers',
     '{"agent_id": "00000000-0000-4000-8000-00000000000a"}'),
    ('+12025550101', 'The fallback agent answers, because the primary''s worker is down',
     '{"agent_id": "00000000-0000-4000-8000-00000000000b",
       "fallback": {"agent_id": "00000000-0000-4000-8000-00000000000a"}}')
ON CONFLICT (phone_number) DO NOTHING;
