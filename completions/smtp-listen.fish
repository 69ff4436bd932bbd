complete -c smtp-listen -l role -d 'Speak SMTP as an MX does, or LMTP' -r -f -a "mx\t'SMTP'
lmtp\t'LMTP (RFC 2033): one reply for each recipient'"
complete -c smtp-listen -l hostname -d 'Our name in greetings and trace fields [default: the config\'s, else the system\'s]' -r
complete -c smtp-listen -l config -d 'Config file [default: $POSTROAD_CONFIG, else /etc/postroad/config.toml]' -r -F
complete -c smtp-listen -l listen -d 'Listen on ADDRESS:PORT, or on a socket for users of this host as unix:/PATH. Prints `listening ADDRESS:PORT`' -r
complete -c smtp-listen -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c smtp-listen -l maildir -d 'Into this Maildir, made if it is not there' -r -F
complete -c smtp-listen -l exec -d 'To the stdin of this command, once a message; no shell. Status 0 takes it, 75 defers it, others refuse it' -r
complete -c smtp-listen -l domain -d 'Accept mail for any user of this domain' -r
complete -c smtp-listen -l relay-from -d 'Let clients of this network send anywhere [default: the config\'s relay-from]' -r
complete -c smtp-listen -l max-size -d 'Largest message, as 50M [default: the config\'s, else 50M]' -r
complete -c smtp-listen -l max-rcpt -d 'Most recipients of one message [default: the config\'s, else 1000]' -r
complete -c smtp-listen -l max-conn -d 'Most clients at once [default: the config\'s, else 200]' -r
complete -c smtp-listen -l timeout -d 'How long a client may be silent, as 5m [default: the config\'s, else 5m]' -r
complete -c smtp-listen -l tls-cert -d 'Offer STARTTLS with this certificate chain (PEM)' -r -F
complete -c smtp-listen -l tls-key -d 'The private key of --tls-cert (PEM)' -r -F
complete -c smtp-listen -l tls-min -d 'Oldest version of TLS to speak' -r -f -a "1.2\t''
1.3\t''"
complete -c smtp-listen -l log -d 'Where the log goes: stderr, syslog, none, or a FILE (a path with a slash)' -r
complete -c smtp-listen -l log-format -d 'The form of a log line: text, or one JSON object a line' -r -f -a "text\t'key=value'
json\t'One object a line'"
complete -c smtp-listen -s v -l verbose -d 'Show the session on stderr; twice: with times'
complete -c smtp-listen -s q -l quiet -d 'Say nothing on stderr'
complete -c smtp-listen -l inetd -d 'Speak to one client on fd 0 and 1, as inetd starts it'
complete -c smtp-listen -l stdout -d 'To stdout, each message behind an mbox `From ` line'
complete -c smtp-listen -l discard -d 'Nowhere'
complete -c smtp-listen -l crlf -d 'Keep CRLF line ends with --stdout'
complete -c smtp-listen -l tls-implicit -d 'Start TLS at once, before the greeting'
complete -c smtp-listen -s h -l help -d 'Print help (see more with \'--help\')'
complete -c smtp-listen -s V -l version -d 'Print version'
