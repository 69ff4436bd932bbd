//! Who mailq-run is: the owner of the spool, whoever started it.

use crate::cli::exit::{Failure, OrStatus, Status};
use crate::disk::spool::layout::Spool;
use anyhow::Context;
use nix::unistd::{Gid, Uid, User, geteuid, setgid, setgroups, setuid};

/// As root, becomes the spool's owner for good. A spool of root's own leaves us root: see [`is_root`].
pub fn become_owner(spool: &Spool) -> Result<(), Failure> {
    let owner = Uid::from_raw(spool.owner());
    if !geteuid().is_root() || owner.is_root() {
        return Ok(());
    }
    let user = User::from_uid(owner).or_status(Status::Os)?;
    // A uid without an account has a group of the same number, as the first steps of every useradd have it.
    let gid = user.map_or(Gid::from_raw(owner.as_raw()), |user| user.gid);
    become_user(owner, gid)
}

/// Gives up all rights but those of a user and its group.
pub fn become_user(uid: Uid, gid: Gid) -> Result<(), Failure> {
    let give_up = || -> nix::Result<()> {
        setgroups(&[gid])?;
        setgid(gid)?;
        setuid(uid)
    };
    give_up().with_context(|| format!("cannot become uid {uid}")).or_status(Status::Os)
}

pub fn is_root() -> bool {
    geteuid().is_root()
}
