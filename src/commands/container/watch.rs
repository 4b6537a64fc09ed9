//! Looks on while the load goes on, and prints the lines that dashboards read.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::container::{Emf, LiveLine, print};
use crate::engine::{DriverReport, Observer};
use crate::metrics::Collector;
use crate::output;

/// The lines of a run.
pub(super) struct Watching {
    pub(super) live: Rc<RefCell<LiveLine>>,
    pub(super) emf: Option<Emf>,
}

impl Observer for Watching {
    fn started(&mut self, drivers: &[DriverReport]) {
        drivers.first().iter().for_each(|driver| print(&format!("IO driver: {driver}")));
    }

    fn tick(&mut self, elapsed: Duration, _active_bots: u64, collector: &Collector) {
        let line = self.live.borrow_mut().next(elapsed, collector.totals());
        line.iter().for_each(|line| say(line));
        let line = self.emf.as_mut().and_then(|emf| emf.next(elapsed, collector));
        line.iter().for_each(|line| say(line));
    }
}

/// Prints a line as it is.
pub(super) fn say(line: &str) {
    output::print(&format!("{line}\n"));
}
