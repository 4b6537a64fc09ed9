//! provisional
mod machine;
mod target;
use std::sync::Arc;
use std::time::Duration;
use crate::cli::RunArgs;
use crate::engine::{self, Control, DriverReport, Observer, Profile, RunPlan};
use crate::exit::Exit;
use tallyho_replay::RunFacts;
pub fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let control = Arc::new(Control::default());
    let resolver = crate::background::start(Arc::clone(&control))?;
    let request = target::request(&args.target, &args.request)?;
    let machine = machine::Machine::prepare(args)?;
    let (bot, origin) = target::bot(request)?;
    let origin = target::reach(&origin, &resolver)?;
    let plan = RunPlan {
        bot, facts: RunFacts::default(), scenario: "default".into(), profile: profile(args), task_index: 0,
        pins: machine.pins.clone(), io_driver: args.machine.io_driver, origins: vec![origin], resolver, scenario_key: 0,
        sources: args.machine.local_ips.iter().flatten().copied().collect(), timeout: args.request.timeout, drain: args.drain };
    struct O; impl Observer for O { fn started(&mut self, d: &[DriverReport]) { eprintln!("{}", d[0]); } fn tick(&mut self, _: Duration, _: u64, _: &crate::metrics::Collector) {} }
    let r = engine::run(plan, &control, &mut O).map_err(anyhow::Error::msg)?;
    println!("{:?} cpu {:?} lost {}", r.elapsed, r.process_cpu, r.lost_workers);
    println!("{:?}", r.measured.totals.scenarios);
    Ok(Exit::Ok)
}
fn profile(args: &RunArgs) -> Profile {
    let vus = args.bots;
    match (args.rate, args.iterations) {
        (Some(rate), iterations) => Profile::ConstantArrivalRate { rate, duration: args.duration.unwrap_or(Duration::from_secs(10)), iterations, vus },
        (None, Some(iterations)) => Profile::SharedIterations { vus: vus.min(iterations), iterations, max_duration: Duration::from_secs(600) },
        (None, None) => Profile::ConstantVus { vus, duration: args.duration.unwrap_or(Duration::from_secs(10)) },
    }
}
