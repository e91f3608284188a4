//! How far a long piece of work is, for people who watch.
//!
//! **Invariant:** nothing is shown unless standard error is a terminal, and nothing is left behind
//! when the work is done.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A line that shows how far the work is.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Over so many bytes, if it is known how many there are.
    pub fn of_bytes(total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => "{msg} {bar:30} {bytes}/{total_bytes} {eta}",
            None => "{msg} {spinner} {bytes} {elapsed}",
        };
        // The templates are constants; without them the bar is only plainer.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar }
    }

    /// Over objects, nobody knows how many.
    pub fn of_objects() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} {spinner} {pos} objects {elapsed}") {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar }
    }

    /// Shows where it is.
    pub fn at(&self, bytes: u64, message: String) {
        self.bar.set_position(bytes);
        self.bar.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
