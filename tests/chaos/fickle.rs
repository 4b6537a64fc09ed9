//! A bot that no replay can repeat: it counts in a place that outlives its sessions.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use tallyho::bot::{Bot, Context, Outcome, Who};

static REQUESTS: AtomicU64 = AtomicU64::new(0);

#[derive(Deserialize)]
pub(crate) struct Config {}

pub(crate) struct Fickle;

impl Bot for Fickle {
    const NAME: &'static str = "fickle";
    type Config = Config;
    type Carry = ();

    fn new(_: Rc<Config>, _: Who, (): ()) -> Self {
        Self
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let path = format!("/{}", REQUESTS.fetch_add(1, Ordering::Relaxed));
        let _any_answer = ctx.get(&path).name("count").send().await;
        Outcome::Done
    }

    fn carry(self) {}
}
