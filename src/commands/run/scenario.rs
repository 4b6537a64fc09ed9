//! A scenario file as a job: checked, its bots made, its set-up and teardown ready.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use tallyho_replay::flow::{self, Definition, Flow};
use tallyho_replay::{Bot, BotType, Companions, Registry};

use super::job::{Job, Load, Part, PartBot};
use super::{heartbeat, identity};
use crate::cli::RunArgs;
use crate::commands::check;
use crate::config::{self, BotKind, BotPlan, Findings, Options, Overrides, Plan};
use crate::engine::{BotMaker, OnNoFreeBot, Profile, Rate, Spacing, Stage, Supply};
use crate::metrics::Threshold;

/// Reads the scenario with what the command line says about it.
///
/// # Errors
///
/// Everything that is wrong with the file.
pub(super) fn job(path: &Path, args: &RunArgs, bots: &Registry) -> Result<Job, Findings> {
    let options = Options {
        target: args.scenario.target.clone(),
        parameters: args.scenario.parameters.clone(),
        load: Overrides {
            vus: args.bots,
            duration: args.duration,
            iterations: args.iterations,
            stages: args.load.stages.iter().map(stage).collect(),
            rate: args.rate.map(|rate| (rate.count, rate.unit)),
        },
        seed: args.seed,
        delay_scale_ppm: args.scenario.delay_scale,
        max_redirects: args.request.max_redirects,
        ..check::scenario_options(bots)
    };
    let mut checked = check::checked(path, &options, bots)?;
    let thresholds = thresholds(&checked.plan, &mut checked.findings);
    if checked.findings.has_errors() {
        return Err(checked.findings);
    }
    check::show(&checked.findings);
    Ok(from_plan(path, &checked.plan, thresholds, bots))
}

/// Reads thresholds; one that cannot be read is an error at its place in the file.
fn thresholds(plan: &Plan, findings: &mut Findings) -> Vec<Threshold> {
    let mut thresholds = Vec::new();
    for wanted in &plan.thresholds {
        match Threshold::parse(&wanted.metric, &wanted.expression) {
            Ok(mut threshold) => {
                if let config::Abort::After(delay) = wanted.abort {
                    threshold.abort_on_fail = true;
                    threshold.delay_abort_eval = delay;
                }
                threshold.fail_on_no_data = wanted.no_data == config::NoData::Fails;
                thresholds.push(threshold);
            }
            Err(error) => findings.diagnostics.push(wanted.error(error.to_string())),
        }
    }
    thresholds
}

fn from_plan(path: &Path, plan: &Plan, thresholds: Vec<Threshold>, bots: &Registry) -> Job {
    let loads = plan.loads.iter().map(|load| Load {
        name: load.name.clone(),
        bot: maker(&plan.bots[load.bot], bots),
        bot_config: config_of(&plan.bots[load.bot]).1,
        profile: profile(&load.profile),
        start: load.start_time,
        graceful_stop: load.graceful_stop,
    });
    let part = |definition: &Option<Definition>, timeout| {
        let definition = definition.clone()?;
        Some(Part { bot: PartBot::Declared(Box::new(definition)), timeout })
    };
    let companion = |choose: fn(Companions) -> Option<&'static str>, timeout| {
        let mut parts = plan.bots.iter().filter_map(|bot| companion(bot, bots, choose));
        parts.next().map(|bot| Part { bot, timeout })
    };
    Job {
        title: path.display().to_string(),
        target: plan.target.clone(),
        seed: plan.seed,
        run_number: None,
        loads: loads.collect(),
        bots_per_task: plan.bots_per_task(),
        secret_key: identity::secret_key(),
        shared_secrets: Vec::new(),
        secrets: plan.secrets.clone(),
        weights: plan.weights.clone(),
        thresholds,
        network: plan.network.clone(),
        setup: part(&plan.setup, plan.setup_timeout)
            .or_else(|| companion(|all| all.set_up, plan.setup_timeout)),
        heartbeat: companion(|all| all.heartbeat, heartbeat::DURATION_MAX),
        teardown: part(&plan.teardown, plan.teardown_timeout),
        config: describe(plan),
    }
}

/// The profile in the engine's own terms.
fn profile(profile: &config::Profile) -> Profile {
    let spacing = Spacing::Even;
    match profile.clone() {
        config::Profile::SharedIterations { vus, iterations, max_duration } => {
            Profile::SharedIterations { vus, iterations, max_duration }
        }
        config::Profile::PerVuIterations { vus, iterations, max_duration } => {
            Profile::PerVuIterations { vus, iterations, max_duration }
        }
        config::Profile::ConstantVus { vus, duration } => Profile::ConstantVus { vus, duration },
        config::Profile::RampingVus { start_vus, stages: ramp, graceful_ramp_down } => {
            Profile::RampingVus { start_vus, stages: stages(&ramp), graceful_ramp_down }
        }
        config::Profile::ConstantArrivalRate { rate, time_unit, duration, supply: bots } => {
            let rate = Rate { count: rate, unit: time_unit };
            let supply = supply(bots);
            Profile::ConstantArrivalRate { rate, duration, iterations: None, supply, spacing }
        }
        config::Profile::RampingArrivalRate {
            start_rate,
            time_unit,
            stages: ramp,
            supply: bots,
        } => {
            let (stages, supply) = (stages(&ramp), supply(bots));
            Profile::RampingArrivalRate { start_rate, unit: time_unit, stages, supply, spacing }
        }
    }
}

fn stage(stage: &Stage) -> config::Stage {
    config::Stage { duration: stage.duration, target: stage.target }
}

fn stages(stages: &[config::Stage]) -> Vec<Stage> {
    stages.iter().map(|s| Stage { duration: s.duration, target: s.target }).collect()
}

fn supply(supply: config::Supply) -> Supply {
    let on_no_free_bot = match supply.on_no_free_bot {
        config::OnNoFreeBot::Drop => OnNoFreeBot::Drop,
        config::OnNoFreeBot::Wait => OnNoFreeBot::Wait,
    };
    Supply { prepared: supply.bots_prepared, max: supply.bots_max, on_no_free_bot }
}

/// The bot's kind, and its configuration as a trace keeps it: secrets as references.
pub(in crate::commands) fn config_of(bot: &BotPlan) -> (String, serde_json::Value) {
    let (name, config) = match &bot.kind {
        BotKind::Declared(definition) => {
            (<Flow as Bot>::NAME.to_owned(), serde_json::to_value(definition))
        }
        BotKind::Registered { bot, config } => (bot.clone(), serde_json::from_str(config)),
    };
    (name, config.expect("the check read it before"))
}

/// A maker of bots of this kind; each worker makes its own.
fn maker(bot: &BotPlan, bots: &Registry) -> BotMaker {
    match bot.kind.clone() {
        BotKind::Declared(definition) => declared(*definition),
        BotKind::Registered { bot, config } => {
            let bots = bots.clone();
            Box::new(move || {
                let made = bots.bot(&bot, &config).expect("the check knows this bot");
                Rc::new(made.expect("the check read its config"))
            })
        }
    }
}

/// The bot that a bot written in code needs besides itself, with its configuration.
fn companion(
    bot: &BotPlan,
    bots: &Registry,
    choose: fn(Companions) -> Option<&'static str>,
) -> Option<PartBot> {
    let BotKind::Registered { bot, config } = &bot.kind else { return None };
    let name = choose(bots.companions(bot))?.to_owned();
    let kind = BotKind::Registered { bot: name.clone(), config: config.clone() };
    let plan = BotPlan { name, kind };
    let make = Arc::new(maker(&plan, bots));
    Some(PartBot::Coded { make, config: config_of(&plan).1 })
}

/// A maker of declared bots.
pub(super) fn declared(definition: Definition) -> BotMaker {
    Box::new(move || {
        let program = flow::compile(&definition).expect("the check compiled it before");
        Rc::new(BotType::new::<Flow>(Rc::new(program)))
    })
}

/// The scenario as it was understood, for run.json; secrets are not in it.
fn describe(plan: &Plan) -> serde_json::Value {
    let loads = plan.loads.iter().map(|load| {
        serde_json::json!({
            "name": load.name,
            "executor": load.profile.executor(),
            "bots_max": load.profile.bots_max(),
            "duration_us": u64::try_from(load.profile.duration().as_micros()).unwrap_or(u64::MAX),
        })
    });
    serde_json::json!({
        "scenario": plan.name,
        "target": plan.target,
        "loads": loads.collect::<Vec<_>>(),
    })
}
