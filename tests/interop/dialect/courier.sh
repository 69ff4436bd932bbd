# Courier with the mailbox of alice in WORK/mail. From the environment: PASSWORD and the ports POP3, POP3S, IMAP, IMAPS.
work=$1
lib=/usr/lib/courier
echo 'courier:x:998:8::/:/bin/sh' >>/etc/passwd
mkdir -p /run/courier/authdaemon
cat >/etc/courier/authdaemonrc <<C
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=2
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
C
hash=$(openssl passwd -1 "$PASSWORD")
printf 'alice\tuid=65534|gid=65534|home=%s|pop3pw=%s|imappw=%s\n' "$work/mail/alice" "$hash" "$hash" >/etc/courier/userdb
chmod 600 /etc/courier/userdb
makeuserdb
cat "$work/host.key" "$work/host.crt" >/etc/courier/host.pem
chown courier /etc/courier/host.pem

# As the scripts of the packages start them.
set -a
for file in imapd-ssl imapd pop3d-ssl pop3d; do
    . "/etc/courier/$file"
done
POP3AUTH='LOGIN PLAIN' POP3AUTH_TLS='LOGIN PLAIN' POP3_STARTTLS=YES POP3_TLS=1
IMAP_STARTTLS=YES IMAP_TLS=1
COURIERTLS=/usr/bin/couriertls TLS_CERTFILE=/etc/courier/host.pem TLS_PRIVATE_KEYFILE=/etc/courier/host.pem
unset TLS_DHPARAMS TLS_CACHEFILE TLS_TRUSTCERTS
set +a
$lib/courier-authlib/authdaemond &
serve() {
    couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup "$@" &
}
tls='/usr/bin/couriertls -server -tcpd'
env -u POP3_TLS couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup \
    "$POP3" $lib/courier/courierpop3login $lib/courier/courierpop3d Maildir &
env -u IMAP_TLS couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup \
    "$IMAP" $lib/courier/imaplogin /usr/bin/imapd Maildir &
# shellcheck disable=SC2086 # words of a command
serve "$POP3S" $tls $lib/courier/courierpop3login $lib/courier/courierpop3d Maildir
# shellcheck disable=SC2086
serve "$IMAPS" $tls $lib/courier/imaplogin /usr/bin/imapd Maildir
wait
