//! A failed step of init, on its way to whoever started it.

use std::error::Error;

use sync_model::{Step, WireError};

use crate::sys;

/// What failed, and why.
#[derive(Debug)]
pub struct Failure {
    step: Step,
    errno: i32,
    path: String,
    message: String,
}

impl Failure {
    /// `error` happened at `step`. Its text is complete; its sources are only searched for the system call.
    pub fn new(step: Step, error: &(dyn Error + 'static)) -> Self {
        let mut call = None;
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let (None, Some(error)) = (call, next) {
            call = error.downcast_ref::<sys::Error>();
            next = error.source();
        }
        Self {
            step,
            errno: call.map_or(0, |call| call.errno as i32),
            path: call.map_or_else(String::new, |call| call.object.clone()),
            message: error.to_string(),
        }
    }

    /// The kernel's, or 0.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// As it goes over the wire.
    pub fn to_wire(&self) -> WireError {
        WireError {
            step: self.step,
            errno: self.errno,
            path: self.path.clone(),
            message: self.message.clone(),
        }
    }
}

/// Names the step at which an error happened.
pub trait At<T> {
    /// The error, as a [`Failure`] of `step`.
    fn at(self, step: Step) -> Result<T, Failure>;
}

impl<T, E: Error + 'static> At<T> for Result<T, E> {
    fn at(self, step: Step) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(step, &error))
    }
}
