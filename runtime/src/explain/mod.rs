//! The handshake made visible: `--explain` draws it while it happens, `--trace` writes it for a trace viewer.
//!
//! Both are made of the driver's events and the table's words (`sync_model::table`): nothing is printed from the places
//! where the work is done, and a message that the table gains is in the drawing at once.

mod chrome;
mod drawing;
#[cfg(test)]
mod tests;
mod timeline;

use std::fs::File;
use std::path::{Path, PathBuf};

use sync_model::{Event, LogLine, Observer};

use self::drawing::Drawing;
use self::timeline::Timeline;
use crate::process::creator::Watch;
use crate::sys;

/// Watches one handshake from the creator's side.
#[derive(Debug)]
pub struct Explain {
    timeline: Timeline,
    drawing: Option<Drawing>,
    trace: Option<(PathBuf, File)>,
}

impl Explain {
    /// `None` if neither is asked for. The clock starts now.
    ///
    /// # Errors
    /// The trace file cannot be opened: better known before there is a container.
    pub fn new(draw: bool, trace: Option<&Path>) -> sys::Result<Option<Self>> {
        if !draw && trace.is_none() {
            return Ok(None);
        }
        let trace = trace.map(chrome::open).transpose()?;
        let mut drawing = draw.then(Drawing::on_stderr);
        if let Some(drawing) = &mut drawing {
            drawing.head();
        }
        Ok(Some(Self {
            timeline: Timeline::new(),
            drawing,
            trace,
        }))
    }

    /// After the last message: the last line, and the trace file.
    ///
    /// # Errors
    /// The trace file cannot be written.
    pub fn end(&mut self, outcome: &str) -> sys::Result<()> {
        let last = self.timeline.end();
        if let Some(drawing) = &mut self.drawing {
            drawing.tail(&last, outcome);
        }
        match &mut self.trace {
            Some((path, file)) => chrome::write(path, file, &self.timeline),
            None => Ok(()),
        }
    }
}

impl Observer for Explain {
    fn event(&mut self, event: &Event) {
        if let Some(entry) = self.timeline.message(event)
            && let Some(drawing) = &mut self.drawing
        {
            drawing.message(&entry);
        }
    }
}

impl Watch for Explain {
    fn line(&mut self, line: &LogLine) {
        let at = self.timeline.note(&line.message);
        if let Some(drawing) = &mut self.drawing {
            drawing.note(at, &line.message);
        }
    }
}
