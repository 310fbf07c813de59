-- Numbers a message, keeps it in the topic's log and hands it to all processes.
--
-- KEYS: state (hash: base, last, bytes), log (stream, one entry "<seq>-0" per
-- message), seen (the last message that the publisher had accepted)
-- ARGV: channel, key, body ("" = a message was lost: only its number is used
-- up), count, bytes and age (ms) to keep, age of the state (ms), number of the
-- message at the publisher
--
-- Returns 1, or 0 for a message that was accepted before: its answer was lost.
local state, log, accepted = KEYS[1], KEYS[2], KEYS[3]
local channel, key, body = ARGV[1], ARGV[2], ARGV[3]

local seen = redis.call('GET', accepted)
if seen and tonumber(seen) >= tonumber(ARGV[8]) then
  return 0
end

if redis.call('HEXISTS', state, 'last') == 0 then
  local now = redis.call('TIME')
  local base = now[1] .. string.format('%06d', tonumber(now[2]))
  redis.call('HSET', state, 'base', base, 'last', base)
  redis.call('DEL', log)
end
redis.call('HINCRBY', state, 'last', 1)
redis.call('SET', accepted, ARGV[8], 'PX', ARGV[7])
-- Read back as text: Lua would print the number as 1.7e+15.
local seq = redis.call('HGET', state, 'last')

if body ~= '' then
  if redis.call('EXISTS', log) == 0 then
    redis.call('HSET', state, 'bytes', 0)
  end
  redis.call('XADD', log, seq .. '-0', 'k', key, 'b', body)
  local bytes = redis.call('HINCRBY', state, 'bytes', #body)
  local count = redis.call('XLEN', log)
  while count > tonumber(ARGV[4]) or (bytes > tonumber(ARGV[5]) and count > 0) do
    local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    redis.call('XDEL', log, oldest[1])
    bytes = redis.call('HINCRBY', state, 'bytes', -#oldest[2][4])
    count = count - 1
  end
  redis.call('PEXPIRE', log, ARGV[6])
end
redis.call('PEXPIRE', state, ARGV[7])
redis.call('PUBLISH', channel, seq .. ' ' .. key .. '\n' .. body)
return 1
