-- Who sends to which endpoint, and of which merchant: few execution environments at a time for each.
-- KEYS: a hash, field by endpoint or merchant, of "name:until" for each environment, blanks between them
-- ARGV: the caller's name, ms until a place is given up by itself, then pairs of one of them and how
--       many may be there; with 0 the caller leaves
-- Returns 1 or 0 for each pair: whether the caller is there now. The server's clock counts.
local caller, lease_ms = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local granted = {}
for number = 3, #ARGV, 2 do
    local endpoint, places = ARGV[number], tonumber(ARGV[number + 1])
    local others = {}
    for name, expires in string.gmatch(redis.call('HGET', KEYS[1], endpoint) or '', '(%S+):(%d+)') do
        if name ~= caller and tonumber(expires) > now then
            others[#others + 1] = name .. ':' .. expires
        end
    end
    local fits = #others < places
    if fits then
        others[#others + 1] = string.format('%s:%d', caller, now + lease_ms)
    end
    if #others > 0 then
        redis.call('HSET', KEYS[1], endpoint, table.concat(others, ' '))
    else
        redis.call('HDEL', KEYS[1], endpoint)
    end
    granted[#granted + 1] = fits and 1 or 0
end
redis.call('PEXPIRE', KEYS[1], lease_ms * 2)
return granted
