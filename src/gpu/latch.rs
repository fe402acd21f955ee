//! Remembers that a device is gone.
//!
//! wgpu answers calls on a lost device as if they had worked and tells of the loss only through a callback
//! after the next poll; error scopes stay silent. So the first sign of loss is kept here and every later call asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// Locks without a panic: the data behind our locks stays consistent whatever a panicking thread was doing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first reason for which a context died, if it did.
#[derive(Clone, Default)]
pub(crate) struct Latch(Arc<Mutex<Option<(ErrorKind, String)>>>);

impl Latch {
    /// Records `reason` unless an earlier one is there.
    pub(crate) fn set(&self, kind: ErrorKind, reason: String) {
        lock(&self.0).get_or_insert((kind, reason));
    }

    /// An error naming the reason, once set.
    pub(crate) fn check(&self) -> Result<()> {
        match &*lock(&self.0) {
            None => Ok(()),
            Some((kind, reason)) => Err(Error::new(*kind, reason.clone())),
        }
    }
}
