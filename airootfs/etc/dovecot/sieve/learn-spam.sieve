# A mail was moved into Junk.
require ["vnd.dovecot.pipe", "copy"];

pipe :copy :try "learn" ["spam"];
