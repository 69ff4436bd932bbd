//! Who may send to whom through this host. Nothing listed, nothing taken: no site is an open relay by omission.

use crate::mail::address::{Domain, ForwardPath, ReversePath};
use crate::mail::network::Network;
use crate::mail::reply::Reply;
use std::net::IpAddr;

/// Who may send to whom.
pub trait Policy {
    /// May this client, whose address is `client` (none: not the network's), send to this recipient? The error is the reply.
    fn recipient(&self, client: Option<IpAddr>, recipient: &ForwardPath) -> Result<(), Reply>;

    /// May a user of this host, as the kernel names it, send to this recipient?
    fn recipient_of_user(&self, recipient: &ForwardPath) -> Result<(), Reply> {
        self.recipient(None, recipient)
    }

    /// May this user of this host send under this reverse-path?
    fn sender_of_user(&self, _user: &str, _reverse_path: &ReversePath) -> Result<(), Reply> {
        Ok(())
    }
}

/// Every recipient is taken: for sinks from which nothing leaves.
pub struct TakeAll;

impl Policy for TakeAll {
    fn recipient(&self, _: Option<IpAddr>, _: &ForwardPath) -> Result<(), Reply> {
        Ok(())
    }
}

/// The policy of a host: our domains with their users, domains that we relay for, clients that may relay. Nothing listed, nothing
/// taken.
pub struct HostPolicy<'a> {
    /// Any recipient here is taken: our domains whose users are not listed, and those that we are a backup for.
    pub open_domains: &'a [Domain],
    /// Our domains whose users are known.
    pub local_domains: &'a [Domain],
    /// Is this recipient, in one of `local_domains`, a user or an alias of ours? The error is the reply.
    pub local: &'a (dyn Fn(&ForwardPath) -> Result<(), Reply> + Sync),
    /// Clients that may send anywhere.
    pub relay_from: &'a [Network],
}

impl Policy for HostPolicy<'_> {
    fn recipient(&self, client: Option<IpAddr>, recipient: &ForwardPath) -> Result<(), Reply> {
        let Some(domain) = recipient.domain() else { return self.postmaster() };
        if self.local_domains.contains(domain) {
            return (self.local)(recipient);
        }
        if self.open_domains.contains(domain)
            || client.is_some_and(|client| self.relay_from.iter().any(|net| net.contains(client)))
        {
            return Ok(());
        }
        Err(Reply::enhanced(550, 7, 1, "Relaying denied: not a domain of ours"))
    }
}

impl HostPolicy<'_> {
    /// RFC 5321 section 4.5.1: a host that takes mail at all takes it for `Postmaster`.
    fn postmaster(&self) -> Result<(), Reply> {
        if self.local_domains.is_empty() && self.open_domains.is_empty() {
            return Err(Reply::enhanced(550, 1, 1, "No domain of ours, so no postmaster"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(policy: &HostPolicy<'_>, client: &str, recipient: &str) -> u16 {
        let reply = policy.recipient(client.parse().ok(), &recipient.parse().unwrap());
        reply.map_or_else(|reply| reply.code.value(), |()| 250)
    }

    #[test]
    fn nothing_listed_is_nothing_taken() {
        let policy = HostPolicy { open_domains: &[], local_domains: &[], local: &|_| Ok(()), relay_from: &[] };
        for recipient in ["bob@hamburger.test", "postmaster", "bob@[127.0.0.1]"] {
            assert_eq!(verdict(&policy, "127.0.0.1", recipient), 550, "{recipient}");
        }
    }

    #[test]
    fn ours_are_asked_for_users_and_only_listed_clients_relay() {
        let policy = HostPolicy {
            open_domains: &["backup.test".parse().unwrap()],
            local_domains: &["hamburger.test".parse().unwrap()],
            local: &|recipient| {
                let unknown = Reply::enhanced(550, 1, 1, "no such user here");
                if recipient.to_string().starts_with("bob@") { Ok(()) } else { Err(unknown) }
            },
            relay_from: &["192.0.2.0/24".parse().unwrap()],
        };
        let of = |client, recipient| verdict(&policy, client, recipient);
        assert_eq!((of("203.0.113.1", "bob@HAMBURGER.test"), of("203.0.113.1", "eve@hamburger.test")), (250, 550));
        assert_eq!((of("203.0.113.1", "any@backup.test"), of("203.0.113.1", "postmaster")), (250, 250));
        assert_eq!((of("203.0.113.1", "x@else.test"), of("192.0.2.9", "x@else.test")), (550, 250));
        assert_eq!(of("192.0.2.9", "eve@hamburger.test"), 550, "a relay client cannot reach users that we know do not exist");
        assert_eq!(of("no address", "x@else.test"), 550, "a pipe has no relay rights");
    }
}
