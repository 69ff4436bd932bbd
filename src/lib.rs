//! Postroad: small Unix utilities for Internet mail over one library. This file is the map of its floors and holds no code.
//!
//! A file imports lower floors, and on its own floor only files that stand above it in this list. `tests/floors.rs` reads the
//! list and the `use` lines and fails on a breach. A `tests.rs` belongs to the file whose tests it holds.
//!
//! ```text
//! bytes   0   std and codecs only
//!   bytes/escape.rs        bytes made harmless for a terminal or a log
//!   bytes/line.rs          CRLF lines with a length cap; refuses bare CR and LF; knows no verb
//!   bytes/dot.rs           streaming dot-stuffing and its removal; knows no reply
//!   bytes/newline.rs       LF or CRLF in, CRLF out, and back
//!   bytes/from_quote.rs    lines that an mbox would take for its own
//!   bytes/lone_dot.rs      a message that a line with a dot ends
//!   bytes/secret.rs        a value that never prints itself
//!   bytes/xtext.rs         values of SMTP parameters
//!   bytes/mutf7.rs         mailbox names of IMAP4rev1 beyond ASCII
//!   bytes/charset.rs       character sets become UTF-8
//!   bytes/transfer/base64.rs            base64 as a stream, 76-column lines out, anything in
//!   bytes/transfer/quoted_printable.rs  quoted-printable as a stream
//!   bytes/transfer/uuencode.rs          uuencode read as a stream
//!   bytes/transfer.rs      content-transfer-encodings: chosen by content, written, read
//!   bytes/flowed.rs        format=flowed as a stream
//!   bytes/html/entity.rs   characters that HTML names
//!   bytes/html/layout.rs   words set in lines
//!   bytes/html.rs          HTML as plain text
//!   bytes/overlong.rs      the first line that is too long for a message
//!   bytes/encoded_word.rs  encoded words of header fields
//! mail    1   parsed values; no I/O, no clock
//!   mail/address.rs        local part, domain, mailbox, paths
//!   mail/notify.rs         what a sender asks of delivery status notifications
//!   mail/envelope.rs       reverse-path, recipients (never empty), and what is asked for them
//!   mail/reply.rs          reply code, enhanced status, reply
//!   mail/outcome.rs        what became of one recipient
//!   mail/queue_id.rs       the name of a queued message
//!   mail/date.rs           RFC 5322 and RFC 3339 dates
//!   mail/network.rs        networks as configuration names them
//!   mail/address_list.rs   addresses of header fields: names, groups, comments
//!   mail/header/fold.rs    header fields written: folded, encoded, never injected
//!   mail/header/readable.rs  values of fields as text, encoded words decoded where they count
//!   mail/header.rs         header fields read over borrowed bytes
//!   mail/header/search.rs  fields of one name out of a header that comes in pieces
//!   mail/mime/param.rs     values with parameters, RFC 2231 both ways
//!   mail/mime/head.rs      what a part's header says; damage flags
//!   mail/mime/scan.rs      the parts of a message as a stream
//!   mail/mime/embedded.rs  files in uuencode within a text, as parts of it
//!   mail/mime/report.rs    reports about mail, read
//!   mail/mime/lint/finding.rs  what a message breaks, and where
//!   mail/mime/lint/params.rs   parameters held to the grammar
//!   mail/mime/lint/header.rs   one header held to the RFCs
//!   mail/mime/lint/status.rs   what a report says held to its RFC
//!   mail/mime/lint/content.rs  content held to what its header says
//!   mail/mime/lint.rs      a message held to the RFCs
//!   mail/mime/select.rs    which parts are meant
//!   mail/mime/safe_name.rs the name that a part gets as a file
//!   mail/mime/survey.rs    what of a message has to change for a narrower way
//!   mail/mime/beyond_ascii.rs  whether the headers of parts go beyond ASCII
//!   mail/mime/rewrite.rs   a message changed that way, as a stream
//!   mail/mime/build.rs     a message made of parts, as text and places for content
//!   mail/complete.rs       fields that a submitted message lacks
//!   mail/submitted.rs      the recipients that a submitted header names, and what must not leave
//!   mail/server.rs         a server as people write it: scheme, user, host and port, or socket
//!   mail/trace.rs          Received, Return-Path and Delivered-To fields
//!   mail/dsn.rs            the report that a message was delivered, was not, or not yet
//!   mail/mx.rs             the hosts of a domain in order of trial; what delivery asks the DNS
//! protocol 2  bytes in, steps out; no socket, file, clock, thread, log
//!   protocol/engine.rs     the trait of every engine, and its steps
//!   protocol/dns.rs        DNS responses read along their aliases
//!   protocol/sasl/words.rs          SASL's mechanisms by name, who logs in, what can go wrong
//!   protocol/sasl/prepare.rs        names and passwords as mechanisms compare them
//!   protocol/sasl/scram.rs          SCRAM, with and without channel binding
//!   protocol/sasl/simple.rs         PLAIN, LOGIN, CRAM-MD5, EXTERNAL, and the two for tokens
//!   protocol/sasl.rs                one exchange as a client; knows no protocol that carries it
//!   protocol/sasl/carried.rs        an exchange in lines of base64, as three protocols carry it
//!   protocol/session.rs    when TLS starts, and how a session with a mailbox's server fails
//!   protocol/hand.rs       a conversation led by hand, step by step
//!   protocol/proxy.rs      the PROXY protocol's header, written
//!   protocol/typed.rs      an engine that somebody types to, with LF for CRLF
//!   protocol/smtp/reply.rs          replies on the wire, read and written
//!   protocol/smtp/dialect.rs        replies as a conversation by hand hears them
//!   protocol/smtp/extensions.rs     what an EHLO reply offers
//!   protocol/smtp/grammar.rs        commands as a server reads them
//!   protocol/smtp/client/stage.rs   how far a session goes
//!   protocol/smtp/client/words.rs   what the client engine is told and says
//!   protocol/smtp/client/auth.rs    AUTH: a mechanism chosen, its messages in lines
//!   protocol/smtp/client/parameters.rs   what MAIL and RCPT say, and what an EHLO rules out beforehand
//!   protocol/smtp/client/chunks.rs       a body in chunks of bounded size, as BDAT sends it
//!   protocol/smtp/client/transaction.rs  MAIL, RCPT, the message: replies matched with commands, one outcome a recipient
//!   protocol/smtp/client.rs         the SMTP and LMTP client engine
//!   protocol/smtp/server/config.rs  what does not change during a session
//!   protocol/smtp/server/replies.rs the server's fixed replies
//!   protocol/smtp/server/data.rs    reading a message's data
//!   protocol/smtp/server/session.rs what the server remembers between commands
//!   protocol/smtp/server.rs         the SMTP and LMTP server engine
//!   protocol/pop3/response.rs       responses on the wire, and the codes in them
//!   protocol/pop3/capabilities.rs   what CAPA offers
//!   protocol/pop3/words.rs          what the client engine is told and says
//!   protocol/pop3/auth.rs           ways to log in, and one exchange of AUTH in lines
//!   protocol/pop3/dialect.rs        responses as they are heard by hand
//!   protocol/pop3/authorization.rs  the authorization state: greeting, CAPA, STLS, logging in
//!   protocol/pop3/listing.rs        the rows of LIST and UIDL
//!   protocol/pop3/window.rs         commands under way in the transaction state, and their answers
//!   protocol/pop3/client.rs         the POP3 client engine
//!   protocol/imap/scan.rs           the tokenizer under every response
//!   protocol/imap/set.rs            sets of message numbers
//!   protocol/imap/flag.rs           flags of messages
//!   protocol/imap/mailbox.rs        names, LIST, STATUS, NAMESPACE
//!   protocol/imap/code.rs           OK, NO, BAD and their codes
//!   protocol/imap/envelope.rs       ENVELOPE
//!   protocol/imap/structure.rs      BODYSTRUCTURE
//!   protocol/imap/fetch.rs          what FETCH says of one message
//!   protocol/imap/search.rs         what SEARCH, SORT and THREAD find
//!   protocol/imap/access.rs         quotas, rights, annotations, ID
//!   protocol/imap/response.rs       one response, read; what cannot be read is kept
//!   protocol/imap/parts.rs          results with a number for each message, cut into parts
//!   protocol/imap/framing.rs        bytes cut into responses; long literals pass through
//!   protocol/imap/capabilities.rs   what a server offers
//!   protocol/imap/command.rs        commands as values: text that cannot end its line, and literals
//!   protocol/imap/words.rs          what the client engine is told and says
//!   protocol/imap/auth.rs           ways to log in, and one exchange of AUTHENTICATE in lines
//!   protocol/imap/authorization.rs  from the greeting to the first command: CAPABILITY, STARTTLS, logging in
//!   protocol/imap/pipeline.rs       commands on their way out, and their ends
//!   protocol/imap/idle.rs           IDLE, begun again in time
//!   protocol/imap/state.rs          how far a session is
//!   protocol/imap/client.rs         the IMAP client engine
//! net     3   the only place with sockets and TLS
//!   net/peer.rs            who is at the other end of a descriptor
//!   net/wire.rs            descriptors read and written without blocking or flags
//!   net/tls/layer.rs       what the others know of TLS; names no library
//!   net/tls/certificate.rs what a report says of a certificate
//!   net/tls/files.rs       certificates and keys in PEM files
//!   net/tls/hello.rs       version and cipher, read from the ServerHello
//!   net/tls/openssl.rs     sessions by the openssl crate
//!   net/tls/native.rs      sessions by native-tls: clients that verify by name and chain
//!   net/tls/client.rs      how a client knows the server
//!   net/tls/server.rs      a server's certificate and versions
//!   net/deflate.rs         both directions of a connection compressed
//!   net/connection.rs      a wire, in clear or inside TLS, and its peer
//!   net/mailbox.rs         words from other threads for a conversation that waits
//!   net/drive/held.rs      bytes of the peer between the wire and the engine
//!   net/drive/fault.rs     what cuts a conversation short
//!   net/drive/work.rs      what stands above an engine while it is driven
//!   net/drive.rs           runs an engine over a connection
//!   net/inherited.rs       descriptors that come from whoever started us
//!   net/through.rs         our own streams passed to a UNIX socket
//!   net/listen.rs          how a server starts and takes clients
//!   net/race.rs            several addresses of a host at once
//!   net/command.rs         a server that is a program of ours
//!   net/dial.rs            connects to a host, a UNIX socket or a program
//!   net/dns.rs             the DNS as blocking calls; the only file with tokio
//! disk    3   the only place with mail on disk
//!   disk/fs.rs             the trait of every file operation, so that a model can stand in
//!   disk/real.rs           the operating system behind that trait
//!   disk/lock.rs           locks that die with their holder
//!   disk/atomic.rs         small files replaced as a whole
//!   disk/scratch.rs        a message held in an unlinked temporary file
//!   disk/group.rs          one directory sync for all who wait for one
//!   disk/maildir.rs        delivery into a Maildir
//!   disk/batch.rs          many messages into a Maildir with one sync of it
//!   disk/mbox_append.rs    messages appended to an mbox that others use, too
//!   disk/journal/record.rs one line of a journal
//!   disk/journal/place.rs  the file that it stands in
//!   disk/journal.rs        what was fetched from one mailbox
//!   disk/pickup.rs         a Maildir's messages read, and taken away
//!   disk/mbox.rs           an mbox read as a stream
//!   disk/spool/mark.rs     what is settled about a recipient
//!   disk/spool/format.rs   the file of one message, and how it vouches for itself
//!   disk/spool/history.rs  the records behind it
//!   disk/spool/layout.rs   directories and names; making and opening a spool
//!   disk/spool/accept.rs   a message on its way in
//!   disk/spool/control.rs  orders by hand for a message in flight
//!   disk/spool/slots.rs    how many runners there may be
//!   disk/spool/find.rs     where a message stands, and files with two names
//!   disk/spool/facts.rs    what a message's file says
//!   disk/spool/message.rs  a claimed message, its body, and the steps that settle it
//!   disk/spool/edit.rs     changing a recipient
//!   disk/spool/queue.rs    what is due, and claiming it
//!   disk/spool/list.rs     every message, for showing
//!   disk/spool/staged.rs   children of a message
//!   disk/spool/judge.rs    one file of a message, and what is wrong with it
//!   disk/spool/check.rs    the whole spool looked at, and set right
//! relay   4   one task in mail words; clock, dialer and spool are passed in
//!   relay/clock.rs         time and chance as values that are passed in
//!   relay/alias.rs         sendmail's aliases, of addresses only
//!   relay/retry.rs         when to try again and when to give up
//!   relay/template.rs      paths with {user} and {domain} in them
//!   relay/route.rs         the next hop of a recipient: alias, route, local, mx
//!   relay/event.rs         what a log is told: one event a session and a recipient
//!   relay/policy.rs        who may send to whom through this host
//!   relay/receive.rs       the work behind one session of our server
//!   relay/sink.rs          where received messages go: spool, Maildir, nowhere
//!   relay/body.rs          a message's body, as often as wanted, and made fit for the server at hand
//!   relay/session.rs       one session as a client: transactions from an outbox
//!   relay/ended.rs         how a session with a mailbox's server ended
//!   relay/own_name.rs      what we call ourselves to servers
//!   relay/deliver.rs       a destination's hosts in turn, until one serves
//!   relay/demand.rs        what is to have verified TLS all the way, or is not to go
//!   relay/plan.rs          where mail would go, without going there
//!   relay/survey.rs        a look at a server: greeting, extensions, certificate
//!   relay/child.rs         programs that take a message on stdin
//!   relay/local.rs         final delivery: Maildir and pipe
//!   relay/desk.rs          what settling a message needs around it
//!   relay/bounce.rs        a message's children: reports and expansions
//!   relay/settle.rs        from outcomes to marks, the next try, or the end
//!   relay/consign.rs       a message in its turn, its jobs on many threads
//!   relay/board.rs         jobs by next hop
//!   relay/halt.rs          the end of a pass from outside
//!   relay/lane.rs          the jobs of one next hop, brought there
//!   relay/patient.rs       a login that fails is no reason to give mail back
//!   relay/pass.rs          one pass over the spool
//! fetch   4   a POP3 mailbox brought home; clock, target and journal are passed in
//!   fetch/words.rs         what a mailbox lists, and what came of each message
//!   fetch/name.rs          names of files and paths on one line
//!   fetch/labels.rs        flags and dates as Maildirs and mboxes keep them
//!   fetch/policy.rs        which messages are fetched, and which are deleted
//!   fetch/target.rs        what a target of fetched messages is
//!   fetch/target/stream.rs into a stream, one behind the other
//!   fetch/target/exec.rs   to a program's stdin, one run a message
//!   fetch/target/maildir.rs into a Maildir, many at a time
//!   fetch/target/mbox.rs   to the end of an mbox
//!   fetch/target/spool.rs  into the spool, for recipients that are given
//!   fetch/target/lmtp.rs   to an LMTP server, for recipients that are given
//!   fetch/filter.rs        a program that judges by the header
//!   fetch/target/judged.rs behind a filter, where the header does not come alone
//!   fetch/told.rs          rows in the order of their messages
//!   fetch/settle.rs        what an earlier run left unfinished
//!   fetch/item.rs          what a keeper knows of each message
//!   fetch/missing.rs       messages that the server does not list any more
//!   fetch/recall.rs        which message of the journal one on the server is
//!   fetch/spare.rs         messages beyond the most that a session fetches
//!   fetch/keeper.rs        policy, journal and target behind one face
//!   fetch/session.rs       one POP3 session, logged in, watched, and spent on a job
//!   fetch/sizes.rs         sizes by message number, in little memory
//!   fetch/listing.rs       what a mailbox holds
//!   fetch/reading.rs       single messages, or their tops, written out whole
//!   fetch/fetching.rs      a mailbox brought home, as the keeper has it
//! browse  4   an IMAP account looked at and changed; the connection is passed in
//!   browse/words.rs        a typed line parted into words
//!   browse/set.rs          sets of messages as people write them
//!   browse/flags.rs        flags by the names that people give them
//!   browse/asked.rs        messages that were asked for, and those that did not come
//!   browse/line.rs         a command's line as parts that cannot inject
//!   browse/day.rs          days, lengths of time and sizes as people write them
//!   browse/order.rs        keys to sort by, algorithms of threads
//!   browse/criteria.rs     what to search for, in people's words
//!   browse/items.rs        what of messages is fetched, leaving \Seen alone
//!   browse/commands.rs     the shell's commands, for help
//!   browse/complete.rs     what may follow a line that is being typed
//!   browse/watch.rs        mailboxes that are watched
//!   browse/plan/kinds.rs    what a plan is made with, and made of
//!   browse/plan.rs         what a typed command sends, and how its answers are shown
//!   browse/plan/about.rs    what stands beside a mailbox: quotas, rights, notes
//!   browse/plan/extensions.rs  commands of extensions that have no other
//!   browse/session.rs      one IMAP session, led by commands
//!   browse/local.rs        names of files made of what others wrote
//! cli     5   the only floor that prints, reads the environment, or picks a status
//!   cli/stdio.rs           stdout and stderr, which never panic; a closed stdout told apart
//!   cli/exit.rs            the one table of exit statuses, and every tool's main
//!   cli/clock.rs           the system's time and chance
//!   cli/signal.rs          signals held while something is set right
//!   cli/args.rs            command lines parsed, with our statuses
//!   cli/report.rs          result rows, for people and as JSON
//!   cli/log.rs             the log: stderr, file or syslog
//!   cli/veil/words.rs      what is spoken, and what stands for what is hidden
//!   cli/veil/pop3.rs       what of a POP3 session may be shown
//!   cli/veil/imap.rs       what of an IMAP session may be shown
//!   cli/veil.rs            what of a session may be shown: no messages of AUTH
//!   cli/transcript.rs      the session on stderr, with the marks of swaks
//!   cli/explain/extensions.rs  what a server offers, in plain words
//!   cli/explain/smtp.rs    an exchange of SMTP in plain words
//!   cli/explain/pop3.rs    an exchange of POP3 in plain words, and what a server offers
//!   cli/explain/imap.rs    an exchange of IMAP in plain words, and what a server offers
//!   cli/follow/event.rs    what is told of a session that is followed
//!   cli/follow/line.rs     the line that is coming in one direction
//!   cli/follow/pop3.rs     a POP3 session followed
//!   cli/follow/imap.rs     an IMAP session followed
//!   cli/follow.rs          a session followed: commands, messages, and what a reply answers
//!   cli/record.rs          lines of sessions in a file
//!   cli/trace.rs           the dialogue for machines
//!   cli/certificate.rs     what TLS came to, in words
//!   cli/input.rs           lines that somebody types: editing, history, completion
//!   cli/raw.rs             bytes as people write them
//!   cli/conversation.rs    a conversation led by hand, in a thread of its own
//!   cli/typing.rs          what a session led by hand has to know of its protocol
//!   cli/screen.rs          a client's sessions on stderr
//!   cli/progress.rs        a bar for what takes over a second on a terminal
//!   cli/message.rs         the message on stdin, in wire form, as often as wanted
//!   cli/message/edit.rs    a message changed before it is sent
//!   cli/linked.rs          files that options name, through symbolic links
//!   cli/program.rs         programs that options name
//!   cli/family.rs          a program and what it started, ended together
//!   cli/pager.rs           long output on a terminal, page by page
//!   cli/interactive.rs     a protocol typed by hand
//!   cli/secret/file.rs     secrets in files and streams
//!   cli/secret/netrc.rs    the .netrc, read
//!   cli/secret/program.rs  secrets that a program prints
//!   cli/secret/terminal.rs a question on the terminal whose answer is not shown
//!   cli/secret.rs          where a secret comes from, fetched when it is needed
//!   cli/opts/duration.rs   lengths of time as options and config write them
//!   cli/opts/size.rs       sizes as options and config write them
//!   cli/opts/fingerprint.rs  fingerprints of certificates
//!   cli/config/place.rs    errors of a config file, with their lines
//!   cli/config/keys.rs     the keys of a config file as they stand there
//!   cli/config/settings.rs what the config says, with its defaults
//!   cli/config/layer.rs    one config file, checked
//!   cli/config/router.rs   the config's routes, users and aliases as the relay floor wants them
//!   cli/config.rs          where the config comes from
//!   cli/opts/trace.rs      options: how the session is shown
//!   cli/opts/client.rs     options: config, JSON, -v and -q, as every client takes them
//!   cli/opts/log.rs        options: where the log goes
//!   cli/opts/server.rs     options: which server, and how to get there
//!   cli/opts/auth.rs       options: who logs in, how, and where the password is
//!   cli/opts/spool.rs      options: which spool
//!   cli/opts/tls.rs        options: TLS, of clients and of the server
//!   cli/opts/way.rs        the way to a server that mailboxes are kept at
//!   cli/opts/session.rs    what those come to for a client's sessions
//! cmd     5   one file per tool: arguments and run()
//!   cmd/mime_pack/options.rs     what the command line says of a message to compose
//!   cmd/mime_pack/unique.rs      names that nothing else has
//!   cmd/mime_pack/message.rs     messages on stdin, read part by part
//!   cmd/mime_pack/render.rs      text parts as UTF-8 to be read
//!   cmd/mailq_run/args.rs      the command line of mailq-run
//!   cmd/mailq_run/identity.rs  becoming the spool's owner, or a recipient
//!   cmd/mailq_run/rows.rs      what list and show print
//!   cmd/mailq_run/show.rs      the commands that look
//!   cmd/mailq_run/check.rs    the command that looks for damage
//!   cmd/mailq_run/manage.rs    the commands that change messages
//!   cmd/mailq_run/store.rs     the helper behind delivery as root
//!   cmd/mailq_run/runner.rs    one pass, or a watch
//!   cmd/mailq_run.rs           mailq-run
//!   cmd/mime_pack/attachment.rs  an attachment as the command line names it; types of files
//!   cmd/mime_pack/content.rs     content that is read twice in constant memory
//!   cmd/mime_pack/text.rs        the text of a message, to be read
//!   cmd/mime_pack/source.rs      the leaves of a composed message
//!   cmd/mime_pack/writing.rs     a composed message written out
//!   cmd/mime_pack/related.rs     files that a page shows
//!   cmd/mime_pack/seal.rs        signing and encrypting by a program
//!   cmd/mime_pack/answer.rs      a message answered or passed on
//!   cmd/mime_pack/fields.rs      the header of a composed message
//!   cmd/mime_pack/compose.rs     a message composed from a body and files
//!   cmd/mime_pack/list.rs        the part tree as lines or JSON
//!   cmd/mime_pack/pick.rs        one field or one part out of a message
//!   cmd/mime_pack/check.rs       what a message breaks of the RFCs; what a report says
//!   cmd/mime_pack/extract.rs     parts written as files
//!   cmd/mime_pack/edit.rs        header fields changed, all other bytes kept
//!   cmd/mime_pack.rs       MIME messages made and taken apart
//!   cmd/mx_lookup/report.rs what mx-lookup finds out about one domain
//!   cmd/mx_lookup.rs       where a domain's mail goes
//!   cmd/pop3_fetch/signals.rs   signals that end the session
//!   cmd/pop3_fetch/hop.rs       the LMTP server that messages are handed to
//!   cmd/pop3_fetch/objects.rs   messages on stdout for machines
//!   cmd/pop3_fetch/target.rs    options: where messages go, and what becomes of them on the server
//!   cmd/pop3_fetch/args.rs      pop3-fetch's command line
//!   cmd/pop3_fetch/way.rs       the way to one mailbox: server, TLS, login
//!   cmd/pop3_fetch/rows.rs      what is told of a mailbox and its messages
//!   cmd/pop3_fetch/serverinfo.rs  what a POP3 server says of itself
//!   cmd/pop3_fetch/logging.rs   what a log is told of a mailbox
//!   cmd/pop3_fetch/mailbox.rs   one mailbox, in one session
//!   cmd/pop3_fetch/typist.rs    POP3 as somebody types it
//!   cmd/pop3_fetch.rs      a POP3 mailbox listed, read, or brought home
//!   cmd/imap_shell/args.rs      imap-shell's command line
//!   cmd/imap_shell/way.rs       the way to one account: server, TLS, login
//!   cmd/imap_shell/door.rs      sessions at it, as many as are wanted
//!   cmd/imap_shell/signals.rs   signals that end what is watched, or shown
//!   cmd/imap_shell/output.rs    rows, and messages between them
//!   cmd/imap_shell/rows.rs      rows made of responses
//!   cmd/imap_shell/tree.rs      mailboxes drawn as a tree
//!   cmd/imap_shell/text.rs      a message to be read by people
//!   cmd/imap_shell/events.rs    what happens in watched mailboxes, told
//!   cmd/imap_shell/hearing.rs   what is made of the answers to one command
//!   cmd/imap_shell/shell.rs     what is known between two commands
//!   cmd/imap_shell/help.rs      the commands in a list, and one of them
//!   cmd/imap_shell/section.rs   one section of one message
//!   cmd/imap_shell/reading.rs   one message read or saved
//!   cmd/imap_shell/letter.rs    a message on its way into one, in wire form
//!   cmd/imap_shell/append.rs    messages put into a mailbox
//!   cmd/imap_shell/export.rs    messages brought home
//!   cmd/imap_shell/commands.rs  one typed command after the other
//!   cmd/imap_shell/watch.rs     mailboxes watched, over as many connections as it takes
//!   cmd/imap_shell/interactive.rs  commands typed at a prompt
//!   cmd/imap_shell.rs      an IMAP account, command by command
//!   cmd/smtp_listen/args.rs     smtp-listen's command line
//!   cmd/smtp_listen/settings.rs what command line and config come to
//!   cmd/smtp_listen/sinks.rs    sinks of this tool alone: a command, stdout
//!   cmd/smtp_listen/session.rs  one session: engine, work and connection
//!   cmd/smtp_listen/start.rs    inetd, systemd, or sockets of its own
//!   cmd/smtp_listen.rs     speaks SMTP and LMTP to clients and stores what it accepts
//!   cmd/smtp_send/debugging.rs  its options that look at a server
//!   cmd/smtp_send/source.rs  where messages come from: stdin, an mbox, a Maildir
//!   cmd/smtp_send/extensions.rs  options: delivery reports, TLS all the way, extensions that do not count
//!   cmd/smtp_send/compose.rs  header fields set, added, and a message made up for a first try
//!   cmd/smtp_send/args.rs  smtp-send's command line
//!   cmd/smtp_send/results.rs  what became of each recipient, and the status of all
//!   cmd/smtp_send/queue.rs    into the spool: instead of sending, or what was deferred
//!   cmd/smtp_send/letter.rs   a message with its envelope, and its results so far
//!   cmd/smtp_send/logline.rs  the line of the log that a message gets
//!   cmd/smtp_send/ledger.rs   what is told of each message when it is done
//!   cmd/smtp_send/mailbag.rs  gives out letters, whatever they were read from
//!   cmd/smtp_send/sending.rs  recipients by where they go, sessions, results
//!   cmd/smtp_send/serverinfo.rs  what a server says of itself
//!   cmd/smtp_send/dry_run.rs  what would be sent, without sending it
//!   cmd/smtp_send/typist.rs  what a typed line means
//!   cmd/smtp_send/hand_login.rs  logging in within a session led by hand
//!   cmd/smtp_send/tongue.rs  SMTP as somebody types it
//!   cmd/smtp_send/script.rs  a dialogue written down
//!   cmd/smtp_send/quit_after.rs  sessions that end early, to try a server
//!   cmd/smtp_send/sendmail/switches.rs  the switches of sendmail(8)
//!   cmd/smtp_send/sendmail/verify.rs  recipients judged by the routes of our own spool
//!   cmd/smtp_send/sendmail/speak.rs  SMTP with a program that calls sendmail -bs
//!   cmd/smtp_send/sendmail.rs  smtp-send under the name of sendmail(8)
//!   cmd/smtp_send.rs       sends the message on stdin
//! ```

pub mod browse;
pub mod bytes;
pub mod cli;
pub mod cmd;
pub mod disk;
pub mod fetch;
pub mod mail;
pub mod net;
pub mod protocol;
pub mod relay;
