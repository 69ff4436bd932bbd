complete -c smtp-send -s f -l from -d 'Whom the message is from, for bounces; \'\' is the null reverse-path [default: the account\'s from, else the message\'s From]' -r
complete -c smtp-send -l ehlo -d 'Our name in EHLO [default: the config\'s hostname, else the system\'s, else the connection\'s address]' -r
complete -c smtp-send -l spool -d 'Put what was deferred in this spool, for mailq-run to try again; it then counts as done' -r -F
complete -c smtp-send -l config -d 'Config file [default: $POSTROAD_CONFIG, else ~/.config/postroad/config.toml over /etc/postroad/config.toml]' -r -F
complete -c smtp-send -l header -d 'Set a header field: the first of that name is replaced, or it is added at the end' -r
complete -c smtp-send -l maildir -d 'Send each message of this Maildir, new and cur, in order of name' -r -F
complete -c smtp-send -s s -l server -d 'The server: host[:port], URL, mx:DOMAIN, or a socket as unix:/PATH or lmtp:/PATH' -r
complete -c smtp-send -s a -l account -d 'Take the server and what belongs to it from [account.NAME] of the config' -r
complete -c smtp-send -l pipe -d 'Start this program and speak to its stdin and stdout, as to a server that inetd starts' -r
complete -c smtp-send -l source -d 'Connect from this address' -r
complete -c smtp-send -l timeout -d 'Longest wait for the peer, in seconds or as 30s, 5m' -r
complete -c smtp-send -l proxy-header -d 'Begin with a header of the PROXY protocol, as a load balancer would, to a server that expects one' -r -f -a "v1\t'A line of text'
v2\t'Binary'"
complete -c smtp-send -l proxy-source -d 'Where --proxy-header says that the connection comes from [default: where it does]' -r
complete -c smtp-send -l proxy-dest -d 'Where --proxy-header says that the connection went to [default: where it does]' -r
complete -c smtp-send -l user -d 'Log in as this user' -r
complete -c smtp-send -l auth -d 'Log in by these mechanisms, the first choice first' -r
complete -c smtp-send -l authzid -d 'Act as this user once logged in (the authorization identity)' -r
complete -c smtp-send -l password-command -d 'The password is the first line that this command prints' -r
complete -c smtp-send -l password-timeout -d 'Longest wait for a password command, the account\'s too, in seconds or as 30s, 5m [default: 2m]' -r
complete -c smtp-send -l password-file -d 'The password is the first line of this file' -r -F
complete -c smtp-send -l password-fd -d 'The password is the first line that can be read from this file descriptor' -r
complete -c smtp-send -l credential -d 'The password is the first line of $CREDENTIALS_DIRECTORY/NAME' -r
complete -c smtp-send -l tls -d 'Whether to encrypt: require, opportunistic or never' -r -f -a "require\t'Encrypted and verified, or not at all'
opportunistic\t'Encrypted where the server offers it, unverified'
never\t'Plain text'"
complete -c smtp-send -l tls-ca -d 'Trust the authorities in this PEM file, in place of the system\'s' -r -F
complete -c smtp-send -l tls-cert -d 'Show this certificate chain to the server (PEM)' -r -F
complete -c smtp-send -l tls-key -d 'The private key of --tls-cert (PEM)' -r -F
complete -c smtp-send -l tls-name -d 'The name that the certificate must hold, in place of the server\'s' -r
complete -c smtp-send -l tls-sni -d 'The name to ask the server for (SNI), in place of the one that is verified' -r
complete -c smtp-send -l tls-fingerprint -d 'Take the certificate with this SHA-256 fingerprint and no other' -r
complete -c smtp-send -l tls-min -d 'Oldest version of TLS to speak' -r -f -a "1.2\t''
1.3\t''"
complete -c smtp-send -l quit-after -d 'End after connect, ehlo, tls, auth, mail, rcpt, data or dot' -r -f -a "connect\t''
ehlo\t''
tls\t''
auth\t''
mail\t''
rcpt\t''
data\t''
dot\t''"
complete -c smtp-send -l transcript -d 'Write the session that is typed to this file, too' -r -F
complete -c smtp-send -l script -d 'Carry out the dialogue in this file, to try a server with what no honest client sends; see SCRIPTS' -r -F
complete -c smtp-send -l notify -d 'When the recipients\' systems are to report: never, or a list of success, failure, delay' -r
complete -c smtp-send -l ret -d 'How much of the message a report of its failure brings back: full or hdrs' -r
complete -c smtp-send -l envid -d 'What reports call this message' -r
complete -c smtp-send -l discard-ehlo -d 'Act as if the server\'s EHLO reply did not have these keywords (CHUNKING,PIPELINING)' -r
complete -c smtp-send -l trace -d 'Write the session to this file as -v shows it; with -v -v also when each line was seen' -r -F
complete -c smtp-send -l trace-json -d 'Write the dialogue to this file, one JSON object a line' -r -F
complete -c smtp-send -l log -d 'Where the log goes: stderr, syslog, none, or a FILE (a path with a slash)' -r
complete -c smtp-send -l log-format -d 'The form of a log line: text, or one JSON object a line' -r -f -a "text\t'key=value'
json\t'One object a line'"
complete -c smtp-send -s t -l take-recipients -d 'Take recipients from To, Cc and Bcc (or the newest Resent- ones), too'
complete -c smtp-send -l mx -d 'No server: each recipient\'s own MX hosts'
complete -c smtp-send -l keep-bcc -d 'Leave Bcc fields in the message'
complete -c smtp-send -l enqueue -d 'Only put the message in the spool [default: the config\'s spool]'
complete -c smtp-send -l json -d 'Results as one JSON object a line'
complete -c smtp-send -s v -l verbose -d 'Show the session on stderr; twice: with times'
complete -c smtp-send -s q -l quiet -d 'No progress bar, and nothing on stderr but what ends the tool'
complete -c smtp-send -l add-headers -d 'Add From, Date and Message-ID where they are missing'
complete -c smtp-send -l sample -d 'Send a small message made up for a first try, and read no stdin'
complete -c smtp-send -l fix-lines -d 'Encode or fold lines longer than 998 octets, which are refused otherwise'
complete -c smtp-send -l batch -d 'Send each message of the mbox on stdin, all over one connection'
complete -c smtp-send -l remove -d 'Remove from the Maildir what was accepted for all its recipients'
complete -c smtp-send -l lmtp -d 'Speak LMTP to --pipe'
complete -c smtp-send -s 4 -d 'IPv4 only'
complete -c smtp-send -s 6 -d 'IPv6 only'
complete -c smtp-send -l auth-optional -d 'Go on without logging in where the server offers no way to'
complete -c smtp-send -l allow-plaintext-auth -d 'Send passwords also where there is no TLS'
complete -c smtp-send -l show-secrets -d 'Show passwords in transcripts, where <hidden> stands otherwise'
complete -c smtp-send -l tls-implicit -d 'Start TLS at once, before the first reply (as smtps:// does)'
complete -c smtp-send -l tls-insecure -d 'Encrypt without verifying the certificate'
complete -c smtp-send -l serverinfo -d 'Tell what the server says of itself, in plain words'
complete -c smtp-send -l dry-run -d 'Tell what would be sent to whom by which hosts, and send nothing'
complete -c smtp-send -l interactive -d 'Type the protocol by hand, with editing, history and STARTTLS'
complete -c smtp-send -l require-tls -d 'Verified TLS all the way, or the message does not go (REQUIRETLS, RFC 8689)'
complete -c smtp-send -l explain -d 'Explain each exchange in plain words, with the session on stderr'
complete -c smtp-send -l hex -d 'Show the session on stderr with the bytes of each line; what is secret is hidden there, too'
complete -c smtp-send -s h -l help -d 'Print help (see more with \'--help\')'
complete -c smtp-send -s V -l version -d 'Print version'
