//! The image's own rspamd with the rendered files, valkey and a resolver: what it decides.

use super::Appliance;

/// Starts valkey and rspamd, and defines `judge FIELDS`: what rspamd decides about a message of Alice's
/// with these header fields, `printf`'s way.
const RSPAMD: &str = r#"
mkdir -p /run/rspamd /run/valkey /run/ezmail/rspamd /run/ezmail/limits
cd /tmp
valkey-server /etc/valkey/valkey.conf --supervised no --dir /tmp >/tmp/valkey.log &
valkey=$!
rspamd -i -f -c /etc/rspamd/rspamd.conf >/tmp/rspamd.log 2>&1 &
rspamd=$!
trap 'kill $rspamd $valkey; wait $rspamd $valkey || :' EXIT
n=0
until test -S /run/ezmail/rspamd/normal.sock -a -S /run/valkey/valkey.sock; do
  n=$((n + 1)); test $n -lt 300 || { cat /tmp/rspamd.log; exit 1; }; sleep 0.2
done
judge() {
  printf "Received: by mx\nSubject: s\nTo: a@example.net\n$1\n\nhello, this is a message of a few words\n" |
    curl -q -sS --max-time 120 --unix-socket /run/ezmail/rspamd/normal.sock --data-binary @- \
      -H 'Content-Type: message/rfc822' -H 'Queue-ID: 1' -H 'IP: 192.0.2.1' \
      -H 'User: alice+phone@example.org' -H 'Ezmail-Senders: alice@example.org,al@example.net' \
      -H 'From: <alice@example.org>' -H 'Rcpt: <a@example.net>' -H 'Rcpt: <b@example.net>' \
      http://localhost/checkv2 |
    sed 's/.*"action":"\([^"]*\)".*/\1/'
  echo
}
"#;

#[test]
fn rspamd_holds_users_to_their_own_addresses() {
    let appliance = Appliance::new("small");
    let cases = [
        r#"From: Alice <alice@example.org>"#,
        r#"From: "Bob <bob@x.example>" <alice+shop@Example.Org> (not bob@x.example)"#,
        r#"From: =?utf-8?q?bob=40x=2eexample?= <al@example.net>"#,
        r#"From: alice@example.org, al@example.net\nSender: alice@example.org"#,
        r#"From: alice@example.org\nResent-From: al@example.net"#,
        r#"From: bob@x.example"#,
        r#"From: bob@x.example <alice@example.org>"#,
        r#"From: alice@example.org, bob@x.example"#,
        r#"From: alice@example.org\n bob@x.example"#,
        r#"From: "Alice" <alice@example.org> <bob@x.example>"#,
        r#"From: Group: alice@example.org, bob@x.example;"#,
        r#"From: =?utf-8?q?alice=40example=2eorg?="#,
        r#"From: alice@example.org\nFrom: alice@example.org"#,
        r#"From: alice@example.org\nFROM\t: bob@x.example"#,
        r#"From: alice@example.org\nno field at all\nFrom: bob@x.example"#,
        r#"From: alice@example.org\nSender: bob@x.example"#,
        r#"From: alice@example.org\nResent-From: bob@x.example"#,
        r#"From: bob@x.example\nResent-From: alice@example.org"#,
        r#"X-From: alice@example.org"#,
    ];
    let lines = cases.map(|case| format!("echo \"$(judge '{case}'): \"'{case}'"));
    let said = appliance.run(&format!("{RSPAMD}\n{}", lines.join("\n")));
    insta::assert_snapshot!(said);
}

#[test]
fn rspamd_counts_messages_of_a_user_and_not_recipients() {
    let appliance = Appliance::new("small");
    let script = "for n in $(seq 103); do judge 'From: alice@example.org'; done | sort | uniq -c; \
                  sed 's/[0-9]\\{10\\}/TIME/g' /run/ezmail/limits/*.json | tr '{},' '\\n' | sort; \
                  grep -c 'is over the limit of 100 messages in an hour' /tmp/rspamd.log; \
                  grep -i 'error\\|cannot\\|warn' /tmp/rspamd.log | grep -v dkim || :";
    let said = appliance.run(&format!("{RSPAMD}\n{script}"));
    insta::assert_snapshot!(said);
}

/// Starts a resolver for which there are these answers and nothing else in the world.
const BLOCK_LISTS: &str = r#"
cat >/tmp/lists.lua <<'END'
net.listen('127.0.0.1', 53, { kind = 'dns' })
local function answer(name, address)
  policy.add(policy.domains(policy.ANSWER({ [kres.type.A] = { rdata = kres.str2ip(address), ttl = 60 } }),
    policy.todnames({ name })))
end
-- every list, of whatever address or name: an error
for digit, address in pairs({ ['2'] = '127.255.255.254', ['3'] = '127.255.255.255', ['4'] = '127.0.0.1',
  ['5'] = '192.0.2.80' }) do
  for _, list in ipairs({ 'zen.spamhaus.org', 'bl.spamcop.net', 'psbl.surriel.com', 'rep.mailspike.net',
    'list.dnswl.org', 'dbl.spamhaus.org', 'multi.surbl.org' }) do
    answer(digit .. '.2.18.198.' .. list, address)
    answer('link' .. digit .. '.com.' .. list, address)
  end
end
answer('10.2.18.198.zen.spamhaus.org', '127.0.0.2')
answer('10.2.18.198.bl.spamcop.net', '127.0.0.2')
answer('link10.com.dbl.spamhaus.org', '127.0.1.2')
answer('link10.com.multi.surbl.org', '127.0.0.64')
policy.add(policy.all(policy.DENY))
END
mkdir -p /tmp/kresd && (cd /tmp/kresd && exec kresd -n -c /tmp/lists.lua >/tmp/kresd.log 2>&1) &
kresd=$!
trap 'kill $rspamd $valkey $kresd; wait $rspamd $valkey $kresd || :' EXIT
symbols() {
  printf "Received: by mx\nSubject: s\nFrom: b@example.net\nTo: a@example.org\nMessage-ID: <$1@example.net>\n\nplease look at http://link$1.com/x for more\n" |
    curl -q -sS --max-time 120 --unix-socket /run/ezmail/rspamd/normal.sock --data-binary @- \
      -H 'Content-Type: message/rfc822' -H "IP: 198.18.2.$1" \
      -H 'From: <b@example.net>' -H 'Rcpt: <a@example.org>' http://localhost/checkv2 |
    grep -oE '"(RBL|RWL|RCVD_IN_DNSWL|DBL|SURBL|SPAMCOP|PSBL|MAILSPIKE|SPAMHAUS)[A-Z_]*"' | sort -u | tr '\n' ' '
  echo
}
"#;

#[test]
fn rspamd_takes_no_error_of_a_block_list_for_a_listing() {
    let appliance = Appliance::new("small");
    let lines = ["2", "3", "4", "5", "10"].map(|n| format!("echo \"{n}: $(symbols {n})\""));
    let said = appliance.run(&format!("{RSPAMD}{BLOCK_LISTS}{}", lines.join("\n")));
    insta::assert_snapshot!(said.lines().map(str::trim).collect::<Vec<_>>().join("\n"), @r#"
    2:
    3:
    4:
    5:
    10: "DBL_SPAM" "RBL_SPAMCOP" "RBL_SPAMHAUS_SBL" "SURBL_LISTED"
    "#);
}
