-- Admission in one round trip: rate limit, idempotency look-up, lock.
-- KEYS: rate limit, answer of the idempotency key, its lock
-- ARGV: now (ms), window (ms), limit, member, has a key ('1'), lock token, lock time (ms),
--       business time (ms), by which answers expire
local now, window, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - window)
local used = redis.call('ZCARD', KEYS[1])
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local reset = now + window
if oldest[2] then reset = tonumber(oldest[2]) + window end
if used >= limit then
    return {'limited', 0, reset}
end
redis.call('ZADD', KEYS[1], now, ARGV[4])
redis.call('PEXPIRE', KEYS[1], window)
local remaining = limit - used - 1
if ARGV[5] == '1' then
    local answer = redis.call('GET', KEYS[2])
    if answer and tonumber(string.match(answer, '^%d+')) > tonumber(ARGV[8]) then
        return {'answered', remaining, reset, answer}
    end
    if not redis.call('SET', KEYS[3], ARGV[6], 'NX', 'PX', ARGV[7]) then
        return {'locked', remaining, reset}
    end
end
return {'admitted', remaining, reset}
