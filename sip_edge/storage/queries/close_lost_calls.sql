-- The calls that a process had when it died: nobody knows more of them than when that was.
UPDATE calls SET
    state = 'lost',
    outcome = 'failed',
    ended_by = 'internal',
    ended_at = greatest(started_at, $2::timestamptz),
    updated_at = now()
WHERE instance_id = $1::uuid AND state = 'open';
