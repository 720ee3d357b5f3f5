-- Written by ezmail-agent: changes are lost.
--
-- Who is logged in writes as himself: every address in From and Sender has to be one that smtpd
-- would take from him in the envelope (`senders` in smtpd.conf). ezmail-filter looks them up and
-- tells them; "+detail" and case do not count. Anything else is refused.

local util = require 'rspamd_util'

local function base(address)
  local name, domain = string.match(string.lower(tostring(address or '')), '^(.*)@([^@]*)$')
  if not name then
    return nil
  end
  return string.gsub(name, '%+.*$', '') .. '@' .. domain
end

local function refuse(task, why)
  task:insert_result('FORGED_OWN_FROM', 1.0, why)
  task:set_pre_result('reject', 'From is not an address of the user who is logged in',
    'ezmail')
end

rspamd_config:register_symbol({
  name = 'FORGED_OWN_FROM',
  type = 'prefilter',
  priority = 10,
  score = 0.0,
  group = 'ezmail',
  description = 'A logged-in user wrote somebody else in From or Sender',
  callback = function(task)
    if not task:get_user() then
      return
    end
    local told = task:get_request_header('Ezmail-Senders')
    if not told then
      task:set_pre_result('soft reject', 'The addresses of the user are not known now',
        'ezmail')
      return
    end
    local own = {}
    for address in string.gmatch(tostring(told), '[^,]+') do
      own[base(address) or ''] = true
    end
    own[''] = nil

    local fields = task:get_header_full('From') or {}
    if #fields ~= 1 then
      return refuse(task, #fields .. ' From fields')
    end
    for _, name in ipairs({ 'From', 'Sender' }) do
      for _, field in ipairs(task:get_header_full(name) or {}) do
        local list = util.parse_mail_address(field.value, task:get_mempool()) or {}
        if #list == 0 then
          return refuse(task, name .. ' has no address')
        end
        for _, mailbox in ipairs(list) do
          if not own[base(mailbox.addr) or ''] then
            return refuse(task, name .. ': ' .. mailbox.addr)
          end
        end
      end
    end
  end,
})
