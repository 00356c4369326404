-- The state of a circuit breaker that all execution environments share: one event, one round trip.
-- KEYS: the breaker
-- ARGV: event (look, failed, take_probe, probe_answered), ms since the caller's last answer or '',
--       probe, failures that open it, successes that close it, ms that it stays open, ms of a probe
-- Returns whether it is closed, and the ms to wait until one may try. The server's clock counts.
local event, ago, probe = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local most_failures, successes_needed = tonumber(ARGV[4]), tonumber(ARGV[5])
local open_ms, probe_ms = tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', KEYS[1],
    'failures', 'began', 'open_until', 'successes', 'probe', 'probe_until')
local failures, began = tonumber(found[1] or 0), tonumber(found[2] or 0)
local open_until, successes = tonumber(found[3] or 0), tonumber(found[4] or 0)
local trying, probe_until = found[5] or '', tonumber(found[6] or 0)

local function remember()
    redis.call('HSET', KEYS[1], 'failures', failures, 'began', began, 'open_until', open_until,
        'successes', successes, 'probe', trying, 'probe_until', probe_until)
    redis.call('PEXPIRE', KEYS[1], 10 * (open_ms + probe_ms))
end
local function open()
    open_until, successes, trying = now + open_ms, 0, ''
end
local function wait_ms()
    local wait = open_until - now
    if trying ~= '' then wait = math.max(wait, probe_until - now) end
    return math.max(0, wait)
end

if ago and failures > 0 and open_until == 0 and now - ago > began then
    failures = 0
    if event == 'look' then redis.call('DEL', KEYS[1]) end
end
if event == 'failed' then
    if open_until == 0 then
        if failures == 0 then began = now end
        failures = failures + 1
        if failures >= most_failures then open() end
        remember()
    elseif probe ~= '' and probe == trying then
        open()
        remember()
    end
elseif event == 'take_probe' and open_until ~= 0 and wait_ms() == 0 then
    trying, probe_until = probe, now + probe_ms
    remember()
    return {0, 0}
elseif event == 'probe_answered' and open_until ~= 0 and probe == trying then
    trying, successes = '', successes + 1
    if successes >= successes_needed then
        redis.call('DEL', KEYS[1])
        return {1, 0}
    end
    remember()
end
if open_until == 0 then return {1, 0} end
return {0, wait_ms()}
