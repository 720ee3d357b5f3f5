-- Written by ezmail-agent: changes are lost.
--
-- Whom the server knows: addresses that its users have written to, and networks that good mail has
-- come from. Such mail is not greylisted (greylist.conf), and the former has a better score. Kept in
-- valkey, addresses as hashes.

local hash = require 'rspamd_cryptobox_hash'
local logger = require 'rspamd_logger'
local lua_redis = require 'lua_redis'

-- seconds; each message begins them anew
local correspondent_time = 180 * 86400
local network_time = 30 * 86400
-- above this a message does not speak for its network
local good_score = 3.0

local redis = lua_redis.parse_redis_server('ezmail')
if not redis then
  return
end

local function correspondent_key(address)
  return 'ezmail_known_' .. hash.create(string.lower(address)):hex():sub(1, 32)
end

-- The /24, in v6 the /64.
local function network_key(task)
  local ip = task:get_from_ip()
  if not ip or not ip:is_valid() or ip:is_local() then
    return nil
  end
  return 'ezmail_network_' .. tostring(ip:apply_mask(ip:get_version() == 6 and 64 or 24))
end

local function is_from_outside(task)
  local ip = task:get_from_ip()
  return not task:get_user() and ip and ip:is_valid() and not ip:is_local()
end

-- The address in From, if the server that brings it may write it: anybody can put a name there.
local function proven_sender(task)
  local from = task:get_from('mime')
  if not from or #from ~= 1 or not from[1].domain then
    return nil
  end
  local address, domain = string.lower(from[1].addr), string.lower(from[1].domain)
  if task:has_symbol('DMARC_POLICY_ALLOW') then
    return address
  end
  local envelope = task:get_from('smtp')
  if task:has_symbol('R_SPF_ALLOW') and envelope and envelope[1]
    and string.lower(envelope[1].domain or '') == domain then
    return address
  end
  local trace = task:get_symbol('DKIM_TRACE')
  for _, option in ipairs(trace and trace[1].options or {}) do
    if string.lower(option) == domain .. ':+' then
      return address
    end
  end
  return nil
end

local function failed(task, err)
  if err then
    logger.errx(task, 'valkey does not tell whom we know: %s', err)
  end
  return err
end

local function look(task, key, found)
  lua_redis.redis_make_request(task, redis, key, false, function(err, data)
    if not failed(task, err) and data == '1' then
      found()
    end
  end, 'GET', { key })
end

local function keep(task, key, seconds)
  lua_redis.redis_make_request(task, redis, key, true, function(err)
    failed(task, err)
  end, 'SETEX', { key, tostring(seconds), '1' })
end

rspamd_config:register_symbol({
  name = 'KNOWN_CORRESPONDENT',
  type = 'normal',
  flags = 'nice',
  score = -3.0,
  group = 'ezmail',
  description = 'Our users have written to the sender, who is no forgery',
  callback = function(task)
    local sender = is_from_outside(task) and proven_sender(task)
    if sender then
      look(task, correspondent_key(sender), function()
        task:insert_result('KNOWN_CORRESPONDENT', 1.0)
      end)
    end
  end,
})
for _, name in ipairs({ 'SPF_CHECK', 'DKIM_CHECK', 'DMARC_CHECK' }) do
  rspamd_config:register_dependency('KNOWN_CORRESPONDENT', name)
end

rspamd_config:register_symbol({
  name = 'KNOWN_NETWORK',
  type = 'normal',
  score = 0.0,
  group = 'ezmail',
  description = 'Good mail has come from this network',
  callback = function(task)
    local key = is_from_outside(task) and network_key(task)
    if key then
      look(task, key, function()
        task:insert_result('KNOWN_NETWORK', 1.0)
      end)
    end
  end,
})

-- After the verdict.
rspamd_config:register_symbol({
  name = 'KNOWN_KEEP',
  type = 'idempotent',
  flags = 'explicit_disable,ignore_passthrough',
  group = 'ezmail',
  callback = function(task)
    -- what is handed in by hand, for learning or to look at it, has no number of smtpd's
    if not task:get_queue_id() or task:get_metric_action() ~= 'no action' then
      return
    end
    if task:get_user() then
      for _, recipient in ipairs(task:get_recipients('smtp') or {}) do
        keep(task, correspondent_key(recipient.addr), correspondent_time)
      end
    elseif is_from_outside(task) and task:get_metric_score()[1] < good_score
      and (task:get_from('smtp') or {})[1] then
      local key = network_key(task)
      if key then
        keep(task, key, network_time)
      end
    end
  end,
})
