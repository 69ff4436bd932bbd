//! Orders by hand for a message that another process is at: marks in `state/ctl/`, read before each transaction.

use super::layout::{CTL, Spool, SpoolError};
use crate::disk::atomic;
use crate::disk::fs::At;
use crate::disk::lock::present;
use crate::mail::queue_id::QueueId;
use std::path::PathBuf;

/// What is to be done with a message once its transaction in flight is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Hold,
    Delete,
    /// Refuse all that is pending and tell the sender.
    Bounce,
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Order::Hold => "hold\n",
            Order::Delete => "delete\n",
            Order::Bounce => "bounce\n",
        }
    }

    fn parse(word: &[u8]) -> Option<Order> {
        [Order::Hold, Order::Delete, Order::Bounce].into_iter().find(|order| order.word().as_bytes() == word)
    }
}

impl Spool {
    /// Leaves an order for whoever has the message, or will claim it next. It replaces an earlier one.
    pub fn order(&self, id: &QueueId, order: Order) -> Result<(), SpoolError> {
        Ok(atomic::replace(self.fs.as_ref(), &self.order_path(id), order.word().as_bytes())?)
    }

    /// The order that stands for a message.
    pub fn standing_order(&self, id: &QueueId) -> Result<Option<Order>, SpoolError> {
        let word = atomic::read(self.fs.as_ref(), &self.order_path(id), 64)?;
        Ok(word.and_then(|word| Order::parse(&word)))
    }

    /// Takes an order back, or away once it is carried out.
    pub fn cancel_order(&self, id: &QueueId) -> Result<(), SpoolError> {
        let path = self.order_path(id);
        present(self.fs.unlink(&path)).at("remove", &path)?;
        Ok(())
    }

    /// Takes away the order for a message that is gone, if it is: one on its way from one directory to another may be missed, so a
    /// miss counts the second time. What removed the message is made durable first, or a power cut could bring it back without
    /// its order.
    pub fn cancel_stale_order(&self, id: &QueueId) -> Result<(), SpoolError> {
        if self.find(id)?.is_some() {
            return Ok(());
        }
        self.sync_places()?;
        self.cancel_order(id)
    }

    /// Makes it durable where every message stands, and where none stands any more, whoever moved or removed it.
    pub(super) fn sync_places(&self) -> Result<(), SpoolError> {
        for dir in self.places()? {
            present(self.fs.sync_dir(&dir)).at("sync", &dir)?;
        }
        Ok(())
    }

    /// The messages that orders stand for. At the start of a pass each is claimed to carry its order out; where there is no such
    /// message any more, the order is stale.
    pub fn ordered(&self) -> Result<Vec<QueueId>, SpoolError> {
        let dir = self.dir(CTL);
        let mut ids = Vec::new();
        for name in self.fs.names(&dir).at("read", &dir)? {
            ids.extend(name.at("read", &dir)?.to_str().and_then(|name| name.parse::<QueueId>().ok()));
        }
        Ok(ids)
    }

    fn order_path(&self, id: &QueueId) -> PathBuf {
        self.dir(CTL).join(id.as_str())
    }
}
