complete -c imap-shell -s s -l server -d 'The same as an option' -r
complete -c imap-shell -s a -l account -d 'Take server, user and password from [account.NAME] of the config' -r
complete -c imap-shell -l pipe -d 'Start this program and speak to its stdin and stdout, as to a server that inetd starts' -r
complete -c imap-shell -s c -l command -d 'Run this command; may be given more than once' -r
complete -c imap-shell -l login -d 'Log in by this alone: auth (AUTHENTICATE) or login (LOGIN) [default: the strongest that is offered]' -r -f -a "auth\t'AUTHENTICATE, by a SASL mechanism'
login\t'LOGIN'"
complete -c imap-shell -l disable-extension -d 'Act as if the server did not offer these extensions' -r
complete -c imap-shell -l tags -d 'Tag commands with PREFIX and a number, for who reads along [default: by chance]' -r
complete -c imap-shell -l config -d 'Config file [default: $POSTROAD_CONFIG, else ~/.config/postroad/config.toml over /etc/postroad/config.toml]' -r -F
complete -c imap-shell -l source -d 'Connect from this address' -r
complete -c imap-shell -l timeout -d 'Longest wait for the peer, in seconds or as 30s, 5m' -r
complete -c imap-shell -l proxy-header -d 'Begin with a header of the PROXY protocol, as a load balancer would, to a server that expects one' -r -f -a "v1\t'A line of text'
v2\t'Binary'"
complete -c imap-shell -l proxy-source -d 'Where --proxy-header says that the connection comes from [default: where it does]' -r
complete -c imap-shell -l proxy-dest -d 'Where --proxy-header says that the connection went to [default: where it does]' -r
complete -c imap-shell -l user -d 'Log in as this user' -r
complete -c imap-shell -l auth -d 'Log in by these mechanisms, the first choice first' -r
complete -c imap-shell -l authzid -d 'Act as this user once logged in (the authorization identity)' -r
complete -c imap-shell -l password-command -d 'The password is the first line that this command prints' -r
complete -c imap-shell -l password-timeout -d 'Longest wait for a password command, the account\'s too, in seconds or as 30s, 5m [default: 2m]' -r
complete -c imap-shell -l password-file -d 'The password is the first line of this file' -r -F
complete -c imap-shell -l password-fd -d 'The password is the first line that can be read from this file descriptor' -r
complete -c imap-shell -l credential -d 'The password is the first line of $CREDENTIALS_DIRECTORY/NAME' -r
complete -c imap-shell -l tls -d 'Whether to encrypt: require, opportunistic or never' -r -f -a "require\t'Encrypted and verified, or not at all'
opportunistic\t'Encrypted where the server offers it, unverified'
never\t'Plain text'"
complete -c imap-shell -l tls-ca -d 'Trust the authorities in this PEM file, in place of the system\'s' -r -F
complete -c imap-shell -l tls-cert -d 'Show this certificate chain to the server (PEM)' -r -F
complete -c imap-shell -l tls-key -d 'The private key of --tls-cert (PEM)' -r -F
complete -c imap-shell -l tls-name -d 'The name that the certificate must hold, in place of the server\'s' -r
complete -c imap-shell -l tls-sni -d 'The name to ask the server for (SNI), in place of the one that is verified' -r
complete -c imap-shell -l tls-fingerprint -d 'Take the certificate with this SHA-256 fingerprint and no other' -r
complete -c imap-shell -l tls-min -d 'Oldest version of TLS to speak' -r -f -a "1.2\t''
1.3\t''"
complete -c imap-shell -l trace -d 'Write the session to this file as -v shows it; with -v -v also when each line was seen' -r -F
complete -c imap-shell -l trace-json -d 'Write the dialogue to this file, one JSON object a line' -r -F
complete -c imap-shell -s k -l keep-going -d 'Go on behind a command that failed'
complete -c imap-shell -s r -l read-only -d 'Open mailboxes to be read only, whatever the command says, and refuse commands that change something'
complete -c imap-shell -l seen -d 'Reading a message sets \\Seen'
complete -c imap-shell -l crlf -d 'Messages with CRLF for line ends, as they came'
complete -c imap-shell -l no-initial-response -d 'Send the first message of AUTHENTICATE in a line of its own, though the server offers SASL-IR'
complete -c imap-shell -l json -d 'Results as one JSON object a line'
complete -c imap-shell -s v -l verbose -d 'Show the session on stderr; twice: with times'
complete -c imap-shell -s 4 -d 'IPv4 only'
complete -c imap-shell -s 6 -d 'IPv6 only'
complete -c imap-shell -l auth-optional -d 'Go on without logging in where the server offers no way to'
complete -c imap-shell -l allow-plaintext-auth -d 'Send passwords also where there is no TLS'
complete -c imap-shell -l show-secrets -d 'Show passwords in transcripts, where <hidden> stands otherwise'
complete -c imap-shell -l tls-implicit -d 'Start TLS at once, before the first reply (as smtps:// does)'
complete -c imap-shell -l tls-insecure -d 'Encrypt without verifying the certificate'
complete -c imap-shell -l explain -d 'Explain each exchange in plain words, with the session on stderr'
complete -c imap-shell -l hex -d 'Show the session on stderr with the bytes of each line; what is secret is hidden there, too'
complete -c imap-shell -s q -l quiet -d 'Nothing on stderr but what failed'
complete -c imap-shell -s h -l help -d 'Print help (see more with \'--help\')'
complete -c imap-shell -s V -l version -d 'Print version'
