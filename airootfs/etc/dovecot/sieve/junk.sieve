# rspamd's mark, put there by ezmail-filter, which removes what came with the mail.
require ["fileinto", "mailbox"];

if header :is "X-Spam" "Yes" {
    fileinto :create "Junk";
    stop;
}
