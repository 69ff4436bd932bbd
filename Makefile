# Postroad. `make try` shows a message going all the way; `make test` runs the tests; `make install` installs.

CARGO   ?= cargo
PREFIX  ?= /usr/local
DESTDIR ?=

BINDIR     = $(PREFIX)/bin
SBINDIR    = $(PREFIX)/sbin
MANDIR     = $(PREFIX)/share/man
DOCDIR     = $(PREFIX)/share/doc/postroad
UNITDIR    = $(PREFIX)/lib/systemd/system
BASHDIR    = $(PREFIX)/share/bash-completion/completions
ZSHDIR     = $(PREFIX)/share/zsh/site-functions
FISHDIR    = $(PREFIX)/share/fish/vendor_completions.d
SYSUSERSDIR = $(PREFIX)/lib/sysusers.d
TMPFILESDIR = $(PREFIX)/lib/tmpfiles.d

# Where `make install` takes the tools from.
BUILT = target/release
TOOLS = $(patsubst src/bin/%.rs,%,$(wildcard src/bin/*.rs))

# The system's OpenSSL where its headers are, else one built from source (which takes perl and some minutes).
# `make OPENSSL_FROM=system` and `make OPENSSL_FROM=vendored` decide by hand.
ifndef OPENSSL_FROM
OPENSSL_FROM := $(shell scripts/openssl)
endif
FEATURES = $(if $(filter vendored,$(OPENSSL_FROM)),--features vendored)
ifeq ($(words $(OPENSSL_FROM)),2)
export OPENSSL_LIB_DIR     := $(word 1,$(OPENSSL_FROM))
export OPENSSL_INCLUDE_DIR := $(word 2,$(OPENSSL_FROM))
endif

.PHONY: all build release try test proof fuzz interop bench bench-spool bench-smtp bench-pop3 bench-imap bench-mime docs install install-sendmail ci

all: build

build:
	$(CARGO) build --locked $(FEATURES) --bins

release:
	$(CARGO) build --locked --release $(FEATURES) --bins

# A message from Alice to Bob, every step on the screen. Leaves nothing behind.
try: build
	$(CARGO) build --locked $(FEATURES) --example throwaway-cert
	scripts/try

test:
	@scripts/mandoc
	$(CARGO) test --locked $(FEATURES)

# That nothing acknowledged is lost. On a model of the disk: every crash, error and kill, and that it notices when any sync, mark or lock
# check is missing. On the tools themselves: every call to the file system fails once, or is the last before a kill -9; and a storm of
# 10,000 messages under kills; and 200 kills of pop3-fetch for each of its targets. Takes strace, root (who delivers as somebody else) and the
# better part of an hour; the lines with counts are the result.
proof:
	scripts/proof
	$(CARGO) test --locked $(FEATURES) --features proof --test model -- --nocapture
	$(CARGO) test --locked $(FEATURES) --features proof --test mutations -- --nocapture
	$(CARGO) test --locked $(FEATURES) --features proof --test inject -- --nocapture
	$(CARGO) test --locked $(FEATURES) --features proof --test storm -- --nocapture the_storm
	$(CARGO) test --locked $(FEATURES) --features proof --test pop3_kill -- --nocapture two_hundred_kills

# With real Postfix, Dovecot, inetd, systemd, swaks and curl from Debian. As root, since Postfix wants that; then what is missing is installed.
# Also a message of 1 GiB all the way, which takes a minute and 2 GiB below $TMPDIR, one of 256 MiB fetched, and a part of 4 GiB listed.
interop:
	scripts/interop
	$(CARGO) test --locked $(FEATURES) --features interop --test interop
	$(CARGO) test --locked $(FEATURES) --features interop --test must_hold large::
	$(CARGO) test --locked $(FEATURES) --features interop --test mime_pack huge::
	$(CARGO) test --locked $(FEATURES) --features interop --test pop3_memory
	$(CARGO) test --locked $(FEATURES) --features interop --test imap_memory

# The IMAP tokenizer and engine by libFuzzer; then mutated sessions against both, and messages made and mutated against the MIME parser and what
# reads its parts, the same ones in every run. FUZZ_SECONDS each.
FUZZ_SECONDS ?= 600
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) CARGO='$(CARGO)' scripts/fuzz
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --locked $(FEATURES) --test imap_client -- --exact mutated::mutated_sessions_do_no_harm --nocapture
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --locked $(FEATURES) --test mime_pack -- --exact mutated::nothing_panics_and_no_byte_is_lost --nocapture

# How long the tools take to start, beside a program that does nothing.
bench:
	CARGO='$(CARGO)' FEATURES='$(FEATURES)' scripts/bench-start

# The spool beside bare files with as many syncs, and a pass over a million messages beside an empty one: ratios, each ok or MISSED. Wants a
# disk below $TMPDIR with some 5 GB and a million files free, and ten minutes. SPOOL='accept', 'listen' or 'pass' measures that alone.
# Not optimized across crates as the release is: here the system calls count.
bench-spool:
	CARGO_PROFILE_BENCH_LTO=off $(CARGO) bench --locked $(FEATURES) --bench spool -- $(SPOOL)

# smtp-send beside smtp-source and curl: many messages, one, one with STARTTLS, and the memory of a large one. Each ok or MISSED.
# SMTP='many' or another name measures that alone.
bench-smtp:
	CARGO='$(CARGO)' FEATURES='$(FEATURES)' scripts/bench-smtp $(SMTP)

# pop3-fetch beside mpop and curl at the same Dovecot: 1,000 messages into a synced Maildir, the same inside TLS and over a line of 20 ms, and
# the memory of a large message. Each ok or MISSED. POP3='disk' or another name measures that alone.
bench-pop3:
	CARGO='$(CARGO)' FEATURES='$(FEATURES)' scripts/bench-pop3 $(POP3)

# imap-shell's export beside mbsync and curl at the same Dovecot: 1,000 messages into a synced Maildir, the same inside TLS and over a line of
# 20 ms, and the memory of a large message. Each ok or MISSED. IMAP='disk' or another name measures that alone.
bench-imap:
	CARGO='$(CARGO)' FEATURES='$(FEATURES)' scripts/bench-imap $(IMAP)

# mime-pack beside coreutils base64, mpack and munpack: CPU and memory for 256 MiB, a part of more than 4 GiB, messages made to cost. Each ok or
# MISSED. MIME='pack' or another name measures that alone.
bench-mime:
	CARGO='$(CARGO)' FEATURES='$(FEATURES)' scripts/bench-mime $(MIME)

# Man pages and completions, from the tools' own definitions.
docs:
	UPDATE=1 $(CARGO) test --locked $(FEATURES) --test docs pages_and_completions_are_fresh
	$(CARGO) test --locked $(FEATURES) --test docs

# Where there is no cargo, as for root after `make release`, what was built is installed.
install:
	@if command -v $(CARGO) >/dev/null; then $(MAKE) release; fi
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 \
		$(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(UNITDIR) \
		$(DESTDIR)$(SYSUSERSDIR) $(DESTDIR)$(TMPFILESDIR)
	set -e; for tool in $(TOOLS); do \
		install -m 755 $(BUILT)/$$tool $(DESTDIR)$(BINDIR)/$$tool; \
		install -m 644 man/$$tool.1 $(DESTDIR)$(MANDIR)/man1/$$tool.1; \
		install -m 644 completions/$$tool.bash $(DESTDIR)$(BASHDIR)/$$tool; \
		install -m 644 completions/_$$tool $(DESTDIR)$(ZSHDIR)/_$$tool; \
		install -m 644 completions/$$tool.fish $(DESTDIR)$(FISHDIR)/$$tool.fish; \
	done
	install -m 644 man/*.5 $(DESTDIR)$(MANDIR)/man5/
	install -m 644 man/*.7 $(DESTDIR)$(MANDIR)/man7/
	set -e; for unit in $(wildcard contrib/systemd/*.socket contrib/systemd/*.service contrib/systemd/*.timer); do \
		sed 's,@BINDIR@,$(BINDIR),g' "$$unit" > "$(DESTDIR)$(UNITDIR)/$${unit##*/}"; \
		chmod 644 "$(DESTDIR)$(UNITDIR)/$${unit##*/}"; \
	done
	install -m 644 contrib/systemd/postroad.sysusers $(DESTDIR)$(SYSUSERSDIR)/postroad.conf
	install -m 644 contrib/systemd/postroad.tmpfiles $(DESTDIR)$(TMPFILESDIR)/postroad.conf
	set -e; for line in inetd.conf cron; do \
		sed 's,@BINDIR@,$(BINDIR),g' contrib/$$line > $(DESTDIR)$(DOCDIR)/$$line; chmod 644 $(DESTDIR)$(DOCDIR)/$$line; \
	done
	install -m 644 README.md CHANGELOG.md VIOLATIONS.md LICENSE-MIT LICENSE-APACHE $(DESTDIR)$(DOCDIR)/
	install -m 644 contrib/README.md $(DESTDIR)$(DOCDIR)/contrib.md

# The names that other programs call: never in the place of another mail system's, unless FORCE=1.
install-sendmail: install
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR)
	set -e; for link in $(SBINDIR)/sendmail=smtp-send $(BINDIR)/newaliases=smtp-send $(BINDIR)/mailq=mailq-run; do \
		at=$(DESTDIR)$${link%%=*}; to=$(BINDIR)/$${link#*=}; \
		if [ -e "$$at" ] || [ -L "$$at" ]; then \
			if [ "$$(readlink "$$at")" != "$$to" ] && [ "$(FORCE)" != 1 ]; then \
				echo "$$at is there already: make install-sendmail FORCE=1 puts ours in its place" >&2; exit 1; \
			fi; \
		fi; \
		ln -sfn "$$to" "$$at"; \
	done

ci:
	.ci/run
