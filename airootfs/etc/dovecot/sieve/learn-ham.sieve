# A mail was moved out of Junk: it is none, unless it was thrown away.
require ["vnd.dovecot.pipe", "copy", "imapsieve", "environment", "variables"];

if environment :matches "imap.mailbox" "*" {
    set "mailbox" "${1}";
}
if not string "${mailbox}" ["Trash", "Junk"] {
    pipe :copy :try "learn" ["ham"];
}
