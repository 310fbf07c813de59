-- Reads a topic, and begins it when it is not there.
--
-- KEYS: state, log (see bus_redis_publish.lua)
-- ARGV: first number wanted, how many (0 = none), age of the state (ms), floor:
-- a number that the topic is known to have reached, so that it goes on rising
-- after Redis lost its last writes
--
-- Returns base, last, the log's entries, and whether a reader began the topic.
local state, log = KEYS[1], KEYS[2]

if redis.call('HEXISTS', state, 'last') == 0 then
  local now = redis.call('TIME')
  local base = now[1] .. string.format('%06d', tonumber(now[2]))
  redis.call('HSET', state, 'base', base, 'last', base, 'reader', 1)
  redis.call('DEL', log)
  redis.call('PEXPIRE', state, ARGV[3])
end
if tonumber(redis.call('HGET', state, 'last')) < tonumber(ARGV[4]) then
  redis.call('HSET', state, 'last', ARGV[4])
end

local entries = {}
if tonumber(ARGV[2]) > 0 then
  entries = redis.call('XRANGE', log, ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])
end
return {redis.call('HGET', state, 'base'), redis.call('HGET', state, 'last'), entries, redis.call('HEXISTS', state, 'reader')}
