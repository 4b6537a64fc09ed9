//! A visitor of the stand-in API: opens the app once, then looks around until the run ends.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use tallyho::bot::{ActionSet, Bot, Context, Outcome, Who, dispatch, site};

/// What a scenario says about the bot: its `config`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    think_ms: u64,
}

struct Visitor {
    config: Rc<Config>,
    /// How often it has been here; it outlives the session.
    visits: u32,
}

impl Bot for Visitor {
    const NAME: &'static str = "visitor";
    type Config = Config;
    type Carry = u32;

    fn new(config: Rc<Config>, _: Who, visits: u32) -> Self {
        Self { config, visits: visits + 1 }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let startup = ctx.post("/api/v1/startup").name("startup").json(&[self.visits]);
        if startup.send().await.is_err() {
            return Outcome::Failed("the app does not open".into());
        }
        let mut looks = ActionSet::new("looks");
        for _ in 0..20 {
            let think = Duration::from_millis(self.config.think_ms);
            let wait = ctx.draw(site!("think")).duration(Duration::ZERO..=think);
            ctx.sleep(wait).await;
            if ctx.stopping() {
                break;
            }
            let _chosen = dispatch!(ctx, looks, {
                "health": 3 => self.look_at_health(ctx).await,
                "nothing": 1, if self.visits > 1 => ctx.counter("idle_looks", 1),
            });
        }
        Outcome::Done
    }

    fn carry(self) -> u32 {
        self.visits
    }
}

impl Visitor {
    async fn look_at_health(&self, ctx: &mut Context) {
        if let Ok(response) = ctx.get("/health").name("health").send().await {
            let status = response.pointer::<String>("/status");
            ctx.check("the server is well", status.as_deref() == Ok("ok"));
        }
    }
}

fn main() -> ExitCode {
    let mut bots = tallyho::built_in_bots();
    bots.register::<Visitor>();
    tallyho::main(bots)
}
