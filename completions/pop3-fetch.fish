complete -c pop3-fetch -s s -l server -d 'The same as an option' -r
complete -c pop3-fetch -s a -l account -d 'Take server, user and password from [account.NAME] of the config' -r
complete -c pop3-fetch -l pipe -d 'Start this program and speak to its stdin and stdout, as to a server that inetd starts' -r
complete -c pop3-fetch -l top -d 'Write message N\'s header and the first lines of its body to stdout' -r
complete -c pop3-fetch -l retr -d 'Write message N to stdout, whatever was fetched before; N as 3 or 1,4,7' -r
complete -c pop3-fetch -l maildir -d 'Deliver into this Maildir' -r -F
complete -c pop3-fetch -l mbox -d 'Append to this mbox (mboxrd)' -r -F
complete -c pop3-fetch -l exec -d 'Run this program for each message, which it reads on its stdin' -r
complete -c pop3-fetch -l spool -d 'Put messages in this spool, for --recipient; mailq-run delivers them' -r -F
complete -c pop3-fetch -l lmtp -d 'Hand messages to this LMTP server, for --recipient' -r
complete -c pop3-fetch -l recipient -d 'Whom messages that go to --spool or --lmtp are for; may be given more than once' -r
complete -c pop3-fetch -l keep-days -d 'Delete messages so long after they were first seen here, as 30 or 1d12h' -r
complete -c pop3-fetch -l max-size -d 'Messages over this size fail: octets, or 500K, 50M, 1G' -r
complete -c pop3-fetch -l skip-size -d 'Messages over this size are left alone' -r
complete -c pop3-fetch -l max-messages -d 'Fetch at most so many new messages' -r
complete -c pop3-fetch -l filter -d 'Run this program for each new message\'s header, before the rest is fetched' -r
complete -c pop3-fetch -l state -d 'Remember in this file what was fetched [default: a file for each mailbox in ~/.local/state/postroad/pop3]' -r -F
complete -c pop3-fetch -l watch -d 'Look again every so many seconds (or 5m), until a signal comes' -r
complete -c pop3-fetch -l transcript -d 'Write the session that is typed to this file, too' -r -F
complete -c pop3-fetch -l lines -d 'How many lines of the body --top gives [default: 10]' -r
complete -c pop3-fetch -l login -d 'Log in by this alone: auth (SASL), apop or user (USER and PASS) [default: the strongest that is offered]' -r -f -a "auth\t'AUTH, by a SASL mechanism'
apop\t'A digest of password and greeting'
user\t'USER and PASS'"
complete -c pop3-fetch -l lang -d 'Ask for the texts of responses in this language, as de or pt-BR; --serverinfo lists what there is' -r
complete -c pop3-fetch -l discard-capa -d 'Act as if the server did not offer these capabilities' -r
complete -c pop3-fetch -l config -d 'Config file [default: $POSTROAD_CONFIG, else ~/.config/postroad/config.toml over /etc/postroad/config.toml]' -r -F
complete -c pop3-fetch -l source -d 'Connect from this address' -r
complete -c pop3-fetch -l timeout -d 'Longest wait for the peer, in seconds or as 30s, 5m' -r
complete -c pop3-fetch -l proxy-header -d 'Begin with a header of the PROXY protocol, as a load balancer would, to a server that expects one' -r -f -a "v1\t'A line of text'
v2\t'Binary'"
complete -c pop3-fetch -l proxy-source -d 'Where --proxy-header says that the connection comes from [default: where it does]' -r
complete -c pop3-fetch -l proxy-dest -d 'Where --proxy-header says that the connection went to [default: where it does]' -r
complete -c pop3-fetch -l user -d 'Log in as this user' -r
complete -c pop3-fetch -l auth -d 'Log in by these mechanisms, the first choice first' -r
complete -c pop3-fetch -l authzid -d 'Act as this user once logged in (the authorization identity)' -r
complete -c pop3-fetch -l password-command -d 'The password is the first line that this command prints' -r
complete -c pop3-fetch -l password-timeout -d 'Longest wait for a password command, the account\'s too, in seconds or as 30s, 5m [default: 2m]' -r
complete -c pop3-fetch -l password-file -d 'The password is the first line of this file' -r -F
complete -c pop3-fetch -l password-fd -d 'The password is the first line that can be read from this file descriptor' -r
complete -c pop3-fetch -l credential -d 'The password is the first line of $CREDENTIALS_DIRECTORY/NAME' -r
complete -c pop3-fetch -l tls -d 'Whether to encrypt: require, opportunistic or never' -r -f -a "require\t'Encrypted and verified, or not at all'
opportunistic\t'Encrypted where the server offers it, unverified'
never\t'Plain text'"
complete -c pop3-fetch -l tls-ca -d 'Trust the authorities in this PEM file, in place of the system\'s' -r -F
complete -c pop3-fetch -l tls-cert -d 'Show this certificate chain to the server (PEM)' -r -F
complete -c pop3-fetch -l tls-key -d 'The private key of --tls-cert (PEM)' -r -F
complete -c pop3-fetch -l tls-name -d 'The name that the certificate must hold, in place of the server\'s' -r
complete -c pop3-fetch -l tls-sni -d 'The name to ask the server for (SNI), in place of the one that is verified' -r
complete -c pop3-fetch -l tls-fingerprint -d 'Take the certificate with this SHA-256 fingerprint and no other' -r
complete -c pop3-fetch -l tls-min -d 'Oldest version of TLS to speak' -r -f -a "1.2\t''
1.3\t''"
complete -c pop3-fetch -l trace -d 'Write the session to this file as -v shows it; with -v -v also when each line was seen' -r -F
complete -c pop3-fetch -l trace-json -d 'Write the dialogue to this file, one JSON object a line' -r -F
complete -c pop3-fetch -l log -d 'Where the log goes: stderr, syslog, none, or a FILE (a path with a slash)' -r
complete -c pop3-fetch -l log-format -d 'The form of a log line: text, or one JSON object a line' -r -f -a "text\t'key=value'
json\t'One object a line'"
complete -c pop3-fetch -l all-accounts -d 'Every account of the config that is a POP3 mailbox'
complete -c pop3-fetch -l list -d 'List the messages: number, size, unique-id'
complete -c pop3-fetch -l stat -d 'Say how many messages there are, and how many octets they have'
complete -c pop3-fetch -l serverinfo -d 'Say what the server offers, and what its certificate says; nobody logs in'
complete -c pop3-fetch -l interactive -d 'Type the protocol by hand, with editing, history and STLS'
complete -c pop3-fetch -l stdout -d 'Write messages to stdout; the default'
complete -c pop3-fetch -l crlf -d 'CRLF for line ends on stdout, as on the wire'
complete -c pop3-fetch -l create -d 'Make the Maildir, or the spool, if it is not there'
complete -c pop3-fetch -l keep -d 'Leave messages on the server; the default'
complete -c pop3-fetch -l delete -d 'Delete messages on the server once they are safe here'
complete -c pop3-fetch -l flush-seen -d 'Delete what earlier runs fetched, whatever becomes of new messages'
complete -c pop3-fetch -l only-new -d 'Only messages that no earlier run fetched; the default'
complete -c pop3-fetch -l all -d 'Also messages that an earlier run fetched'
complete -c pop3-fetch -l dry-run -d 'Fetch nothing and delete nothing; say what would be'
complete -c pop3-fetch -l exit-empty -d 'Status 66 where there was nothing to fetch, in place of 0'
complete -c pop3-fetch -l json -d 'Results as one JSON object a line'
complete -c pop3-fetch -s v -l verbose -d 'Show the session on stderr; twice: with times'
complete -c pop3-fetch -s q -l quiet -d 'No progress bar, and nothing on stderr but what ends the tool'
complete -c pop3-fetch -s 4 -d 'IPv4 only'
complete -c pop3-fetch -s 6 -d 'IPv6 only'
complete -c pop3-fetch -l auth-optional -d 'Go on without logging in where the server offers no way to'
complete -c pop3-fetch -l allow-plaintext-auth -d 'Send passwords also where there is no TLS'
complete -c pop3-fetch -l show-secrets -d 'Show passwords in transcripts, where <hidden> stands otherwise'
complete -c pop3-fetch -l tls-implicit -d 'Start TLS at once, before the first reply (as smtps:// does)'
complete -c pop3-fetch -l tls-insecure -d 'Encrypt without verifying the certificate'
complete -c pop3-fetch -l explain -d 'Explain each exchange in plain words, with the session on stderr'
complete -c pop3-fetch -l hex -d 'Show the session on stderr with the bytes of each line; what is secret is hidden there, too'
complete -c pop3-fetch -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pop3-fetch -s V -l version -d 'Print version'
