#!/bin/sh
# Runs in the new Debian's root: a mail server as a manual sets one up, for one domain and one user.
# setup.env says whose: hostname, domain, user, password, and the addresses of the network.
set -eu
# mmdebstrap is told to make no initramfs, since this makes it
unset INITRD
# shellcheck source=/dev/null
. /root/setup.env
: "${hostname:?}" "${domain:?}" "${user:?}" "${password:?}" "${resolver4:?}" "${resolver6:?}"
: "${address4:?}" "${address6:?}" "${gateway4:?}" "${gateway6:?}"

# --- the machine: one network card, one disk
echo "$hostname" >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s %s\n::1 localhost\n' "$hostname" "${hostname%%.*}" >/etc/hosts
printf 'nameserver %s\nnameserver %s\n' "$resolver4" "$resolver6" >/etc/resolv.conf
echo '/dev/vda / ext4 defaults 0 1' >/etc/fstab
cat >/etc/systemd/network/10-card.network <<END
[Match]
Type=ether
[Network]
Address=$address4
Address=$address6
Gateway=$gateway4
Gateway=$gateway6
IPv6AcceptRA=no
IPv6DuplicateAddressDetection=0
END
systemctl enable systemd-networkd.service
# emulated, everything takes longer
mkdir -p /etc/systemd/system.conf.d
printf '[Manager]\nDefaultTimeoutStartSec=15min\n' >/etc/systemd/system.conf.d/slow.conf
# only what it takes to find the disk
sed -i 's/^MODULES=.*/MODULES=list/' /etc/initramfs-tools/initramfs.conf
printf 'virtio_pci\nvirtio_blk\next4\n' >>/etc/initramfs-tools/modules
kernel=$(basename /boot/vmlinuz-*)
update-initramfs -c -k "${kernel#vmlinuz-}"
install -m 644 /boot/vmlinuz-* /boot/vmlinuz
install -m 644 /boot/initrd.img-* /boot/initrd.img

# --- postfix: rspamd as milter, dovecot for logins and delivery (POSTFIX SASL_README, MILTER_README)
cat >/etc/postfix/main.cf <<END
compatibility_level = 3.6
myhostname = $hostname
mydestination = localhost
mynetworks = 127.0.0.0/8 [::1]/128
inet_protocols = all
message_size_limit = 52428800
virtual_mailbox_domains = $domain
virtual_mailbox_maps = hash:/etc/postfix/mailboxes
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_tls_cert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file = /etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level = may
smtp_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_milters = inet:127.0.0.1:11332
non_smtpd_milters = inet:127.0.0.1:11332
milter_mail_macros = i {mail_addr} {client_addr} {client_name} {auth_authen}
END
echo "$user $user" >/etc/postfix/mailboxes
postmap /etc/postfix/mailboxes
for service in submission submissions; do
  postconf -Me "$service/inet=$service inet n - y - - smtpd"
  postconf -Pe "$service/inet/smtpd_sasl_auth_enable=yes" \
    "$service/inet/smtpd_recipient_restrictions=permit_sasl_authenticated,reject"
done
postconf -Pe submission/inet/smtpd_tls_security_level=encrypt submissions/inet/smtpd_tls_wrappermode=yes
# makes its folders: dovecot, which may start first, listens in one of them
postfix check

# --- dovecot: Maildir, LMTP and IMAP with Sieve, logins for postfix
groupadd -g 5000 vmail
useradd -u 5000 -g vmail -d /var/vmail -m -s /usr/sbin/nologin vmail
printf '%s:%s::::::\n' "$user" "$(doveadm pw -s SHA512-CRYPT -p "$password")" >/etc/dovecot/users
chown root:dovecot /etc/dovecot/users
chmod 640 /etc/dovecot/users
version=$(dovecot --version | sed 's/[- ].*//')
cat >/etc/dovecot/dovecot.conf <<END
dovecot_config_version = $version
dovecot_storage_version = $version
protocols = imap lmtp
postmaster_address = $user
ssl = required
ssl_server_cert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem
ssl_server_key_file = /etc/ssl/private/ssl-cert-snakeoil.key
auth_mechanisms = plain login
mail_driver = maildir
mail_home = /var/vmail/%{user | domain}/%{user | username}
mail_path = ~/Maildir
mail_uid = vmail
mail_gid = vmail
namespace inbox {
  inbox = yes
  separator = /
}
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
userdb static {
}
protocol lmtp {
  mail_plugins = sieve
}
service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    mode = 0600
    user = postfix
    group = postfix
  }
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
END
doveconf -n >/dev/null

# --- rspamd with its defaults: statistics in redis, results in headers, two keys sign
cd /etc/rspamd/local.d
echo 'servers = "127.0.0.1";' >redis.conf
echo 'use = ["authentication-results", "x-spam-status", "x-spam-level"];' >milter_headers.conf
install -d -o _rspamd -g _rspamd -m 750 /var/lib/rspamd/dkim
: >/root/records
for type in rsa ed25519; do
  key=/var/lib/rspamd/dkim/$type.key
  rspamadm dkim_keygen -d "$domain" -s "$type" -t "$type" -b 2048 -k "$key" |
    sed "s/^$type\._domainkey /$type._domainkey.$domain. /" >>/root/records
  chown _rspamd:_rspamd "$key"
done
printf '%s. IN MX 10 %s.\n%s. IN TXT "v=spf1 mx -all"\n' "$domain" "$hostname" "$domain" >>/root/records
cat >dkim_signing.conf <<END
allow_username_mismatch = true;
domain {
  "$domain" {
    selectors = [
      { selector = "rsa"; path = "/var/lib/rspamd/dkim/rsa.key"; },
      { selector = "ed25519"; path = "/var/lib/rspamd/dkim/ed25519.key"; },
    ];
  }
}
END
rspamadm configtest
rm /root/setup.env /root/setup.sh
