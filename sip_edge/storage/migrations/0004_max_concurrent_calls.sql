-- How many calls a number takes at once; NULL for as many as the server takes.

ALTER TABLE phone_numbers ADD COLUMN max_concurrent_calls integer
    CHECK (max_concurrent_calls >= 0);
