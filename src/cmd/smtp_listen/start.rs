//! How smtp-listen starts: one client on fd 0 and 1, sockets of a service manager, or sockets of its own.

use super::Args;
use super::session::Host;
use super::settings::{Settings, Store};
use crate::cli::clock::System;
use crate::cli::config::settings::Config;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::log::Target;
use crate::cli::report::Rows;
use crate::cli::stdio::{say, stdout_line};
use crate::net::connection::Connection;
use crate::net::listen::{self, Handed, Listener};
use crate::net::mailbox::mailbox;
use crate::net::peer::Peer;
use crate::net::wire::Wire;
use crate::net::{inherited, tls};
use crate::protocol::smtp::server::ServerTell;
use anyhow::Context;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
