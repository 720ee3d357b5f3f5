# rspamd's mark, put there by ezmail-filter, which removes what came with the mail.
require ["fileinto", "mailbox", "envelope"];

if header :is "X-Spam" "Yes" {
    fileinto :create "Junk";
    stop;
}

# A bounce stays with who redirects: redirected as well it would bounce again, and then nobody hears of
# the message that was lost.
if allof (envelope :is "from" "", address :localpart :is "from" "mailer-daemon") {
    fileinto "INBOX";
    stop;
}
