//! What is shown while a run goes on, on standard error, since results go to standard output.
//!
//! On a terminal a screen of a few lines that is drawn again; elsewhere, and on a terminal that
//! cannot move its cursor, a line every few seconds, which suits a log. Nothing with `--quiet`.
//! Runs on the coordinator's thread, never on a worker's.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::ground::Ground;
use super::lines::Lines;
use super::live::{About, Live, Stage};
use super::machine;
use super::painter::Painter;
use super::screen;
use crate::cli::RunArgs;
use crate::engine::{Control, DriverReport, Notice, Observer, Profile, RunPlan, ScenarioPlan};
use crate::metrics::Collector;

/// The screen is not drawn more often.
const FRAME_INTERVAL: Duration = Duration::from_millis(250);

/// Shows how a run goes.
pub(super) struct Progress {
    display: Display,
    heading: String,
    live: Live,
    control: Arc<Control>,
    signals_shown: u8,
    task_index: u32,
}

enum Display {
    Quiet,
    Lines(Lines),
    Screen { painter: Painter, next: Duration },
}

impl Progress {
    pub(super) fn new(args: &RunArgs, title: &str, ground: &Ground, plan: &RunPlan) -> Self {
        let target = match Path::new(title).file_name() {
            Some(file) if !title.contains("://") => {
                format!("{} -> {}", file.to_string_lossy(), ground.target)
            }
            _ => title.to_owned(),
        };
        let loads: Vec<String> = plan.scenarios.iter().map(load).collect();
        let about = About {
            target,
            load: match plan.scenarios.as_slice() {
                [one] => one.profile.to_string(),
                _ => loads.join("; "),
            },
            seed: ground.identity.seed,
            workers: plan.pins.len(),
            driver: String::new(),
            duration: plan.duration(),
            sessions: plan.scenarios.iter().map(|scenario| sessions(&scenario.profile)).sum(),
            bots: plan.vus(),
        };
        let mut heading = format!("run      {title}\ntarget   {}\n", ground.target);
        if ground.target.starts_with("https:") {
            heading.push_str(&format!("tls      {}\n", ground.tls.trusted()));
        }
        for load in &loads {
            heading.push_str(&format!("load     {load}\n"));
        }
        let machine = ground.machine.describe();
        heading.push_str(&format!("machine  {machine}\nseed     {}\n", about.seed));
        Self {
            display: Display::new(args),
            heading,
            live: Live::new(about),
            control: Arc::clone(&ground.control),
            signals_shown: 0,
            task_index: args.task_index,
        }
    }

    /// Draws the end of the run, to be kept above the results.
    pub(super) fn finish(&mut self) {
        self.live.stage = Stage::Ended;
        if let Display::Screen { painter, .. } = &mut self.display {
            let size = Painter::size();
            painter.paint(&screen::draw(&self.live, size), size);
        }
    }

    /// Off a terminal: that a signal has come.
    fn tell_signals(&mut self) {
        let signals = self.control.signals();
        if signals > self.signals_shown {
            self.signals_shown = signals;
            print(match signals {
                1 => "stopping: no new sessions, waiting for running ones; again to stop now\n",
                _ => "stopping now: running requests are cut off\n",
            });
        }
    }
}

impl Display {
    fn new(args: &RunArgs) -> Self {
        let stderr = std::io::stderr();
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if args.output.quiet {
            Self::Quiet
        } else if stderr.is_terminal() && !is_dumb {
            let painter = Painter::new(args.output.colour_on(&stderr));
            Self::Screen { painter, next: Duration::ZERO }
        } else {
            Self::Lines(Lines::default())
        }
    }
}

impl Observer for Progress {
    fn started(&mut self, drivers: &[DriverReport]) {
        let Some(driver) = drivers.first() else { return };
        driver.name.clone_into(&mut self.live.about.driver);
        if let Display::Lines(_) = self.display {
            print(&format!("{}driver   {driver}\n\n", self.heading));
        }
    }

    fn noticed(&mut self, notice: &Notice) {
        if let Display::Lines(_) = self.display {
            print(&format!("{}\n", machine::warning(self.task_index, notice)));
        }
    }

    fn tick(&mut self, elapsed: Duration, _active_bots: u64, collector: &Collector) {
        if let Display::Quiet = self.display {
            return;
        }
        let asked = match self.control.signals() {
            0 if self.control.abort_reason().is_some() => Stage::Aborting,
            0 => Stage::Running,
            1 => Stage::Stopping,
            _ => Stage::Cut,
        };
        self.live.take(elapsed, asked, collector);
        match &mut self.display {
            Display::Quiet => {}
            Display::Lines(lines) => {
                let text = lines.next(&self.live);
                text.iter().for_each(|text| print(text));
                self.tell_signals();
            }
            Display::Screen { painter, next } => {
                if elapsed >= *next {
                    *next = elapsed + FRAME_INTERVAL;
                    let size = Painter::size();
                    painter.paint(&screen::draw(&self.live, size), size);
                }
            }
        }
    }
}

fn load(scenario: &ScenarioPlan) -> String {
    format!("{}: {}", scenario.name, scenario.profile)
}

/// How many sessions there are in all, where a number ends the run.
fn sessions(profile: &Profile) -> Option<u64> {
    match profile {
        Profile::SharedIterations { iterations, .. } => Some(*iterations),
        Profile::ConstantArrivalRate { iterations, .. } => *iterations,
        Profile::PerVuIterations { vus, iterations, .. } => Some(vus.saturating_mul(*iterations)),
        Profile::ConstantVus { .. }
        | Profile::RampingVus { .. }
        | Profile::RampingArrivalRate { .. } => None,
    }
}

/// Prints progress; a pipe that nobody reads is no reason to end the run.
fn print(text: &str) {
    let _nobody_reads = std::io::stderr().write_all(text.as_bytes());
}
