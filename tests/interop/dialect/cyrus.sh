# Cyrus with mailboxes of alice and bob, made when they log in. From the environment: PASSWORD and the ports POP3, POP3S, IMAP,
# IMAPS and LMTP.
work=$1
echo 'cyrus:x:999:8::/var/spool/cyrus:/bin/sh' >>/etc/passwd
mkdir -p /var/lib/cyrus /var/spool/cyrus/mail /run/cyrus/socket /run/cyrus/lock
cp "$work/host.crt" "$work/host.key" /etc/
chmod 644 /etc/host.key
cat >/etc/imapd.conf <<C
configdirectory: /var/lib/cyrus
partition-default: /var/spool/cyrus/mail
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: /etc/sasldb2
sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256
allowplaintext: yes
allowapop: yes
autocreate_users: alice bob
autocreate_post: yes
autocreate_quota: 0
unixhierarchysep: yes
duplicatesuppression: no
servername: localhost
virtdomains: userid
defaultdomain: localhost
tls_server_cert: /etc/host.crt
tls_server_key: /etc/host.key
C
cat >/etc/cyrus.conf <<C
START {
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd -U 30" listen="127.0.0.1:$IMAP" prefork=0
  imaps cmd="imapd -s -U 30" listen="127.0.0.1:$IMAPS" prefork=0
  pop3 cmd="pop3d -U 30" listen="127.0.0.1:$POP3" prefork=0
  pop3s cmd="pop3d -s -U 30" listen="127.0.0.1:$POP3S" prefork=0
  lmtp cmd="lmtpd -a" listen="127.0.0.1:$LMTP" prefork=0
}
C
for user in alice bob; do
    printf '%s' "$PASSWORD" | saslpasswd2 -p -c -u localhost $user
done
chown -R cyrus:mail /var/lib/cyrus /var/spool/cyrus /run/cyrus /etc/sasldb2
exec cyrmaster -M /etc/cyrus.conf -C /etc/imapd.conf
