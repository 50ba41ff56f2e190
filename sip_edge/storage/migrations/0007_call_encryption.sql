-- How a call's sound was encrypted: 'none', 'sdes:AES_CM_128_HMAC_SHA1_80' (RFC 4568) ... NULL where
-- nothing was agreed, and in rows of before.
ALTER TABLE calls ADD COLUMN encryption text;
