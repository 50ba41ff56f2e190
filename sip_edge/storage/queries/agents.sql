-- What a call needs to know of each agent; `row_hash` as for the numbers.
SELECT
    id::text AS id,
    name,
    status,
    worker_url,
    worker_options::text AS worker_options,
    voicemail_message,
    language,
    hashtextextended(
        ROW(id, name, status, worker_url, worker_options, voicemail_message, language)::text, 0
    ) AS row_hash
FROM agents;
