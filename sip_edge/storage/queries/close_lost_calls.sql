-- The calls that a process had when it died: nobody knows more of them than when that was. Their
-- workspace was known to that process alone; the number's present one is the best guess.
UPDATE calls SET
    state = 'lost',
    outcome = 'failed',
    ended_by = 'internal',
    workspace_id = (SELECT workspace_id FROM phone_numbers WHERE phone_number = called_number),
    ended_at = greatest(started_at, $2::timestamptz),
    updated_at = now()
WHERE instance_id = $1::uuid AND state = 'open';
