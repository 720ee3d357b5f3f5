# For users without a script of their own: what comes to user+folder@ goes to the folder of that
# name, if the user has made one. Strangers choose the name, so not to where mail is thrown away or
# not looked for.
require ["envelope", "subaddress", "variables", "mailbox", "fileinto"];

if envelope :matches :detail "to" "*" {
    set "folder" "${1}";
}
if allof (
    not string :is "${folder}" ["", "INBOX", "Drafts", "Sent", "Archive", "Trash", "Junk"],
    mailboxexists "${folder}"
) {
    fileinto "${folder}";
}
