//! A bot in Rust that does a little of everything, as its draws and the answers have it.

use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tallyho::bot::{
    ActionSet, Bot, Context, Failure, Level, Outcome, Question, Response, Secret, Who, dispatch,
    site,
};

#[derive(Deserialize)]
pub(crate) struct Config {
    /// Another host than the target.
    elsewhere: String,
}

pub(crate) struct Chaotic {
    config: Rc<Config>,
    /// What it has read; the last of it outlives the session.
    ids: Vec<u64>,
    token: Option<Secret>,
}

impl Bot for Chaotic {
    const NAME: &'static str = "chaotic";
    type Config = Config;
    type Carry = Vec<u64>;

    fn new(config: Rc<Config>, _: Who, ids: Vec<u64>) -> Self {
        Self { config, ids, token: None }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let mut acts = ActionSet::new("acts");
        for _ in 0..ctx.draw(site!("turns")).between(1..=8) {
            if ctx.stopping() {
                return Outcome::Done;
            }
            let _chosen = dispatch!(ctx, acts, {
                "read": 4 => self.read(ctx).await,
                "write": 2 => self.write(ctx).await,
                "rest": 1 => self.rest(ctx).await,
                "elsewhere": 1, if !self.ids.is_empty() => self.elsewhere(ctx).await,
                "tell": 1 => self.tell(ctx).await,
            });
        }
        match ctx.draw(site!("end")).below(20) {
            0 => panic!("after {} ids", self.ids.len()),
            1 => Outcome::Failed(format!("bad luck at {:?}", self.ids.last()).into()),
            _ => Outcome::Done,
        }
    }

    fn carry(self) -> Vec<u64> {
        self.ids.into_iter().rev().take(3).collect()
    }
}

impl Chaotic {
    async fn read(&mut self, ctx: &mut Context) {
        let page = ctx.draw(site!("page")).weighted(&[5, 2, 1]).unwrap_or(0);
        let path = format!("/items/{page}?after={}", self.ids.last().unwrap_or(&0));
        for _try in 0..2 {
            let sent = ctx.get(&path).name("items").timeout(TIMEOUT).send().await;
            match sent {
                Ok(response) => return self.take(ctx, &response),
                Err(Failure::FirstByteTimeout) => ctx.counter("silent", 1),
                Err(_) => {}
            }
        }
    }

    fn take(&mut self, ctx: &Context, response: &Response) {
        match ctx.draw(site!("look")).below(5) {
            0 => self.ids.extend(response.pointer::<u64>("/id")),
            1 => {
                let mut items = response.pointer::<Vec<Value>>("/items").unwrap_or_default();
                ctx.draw(site!("order")).shuffle(&mut items);
                self.ids.extend(items.first().and_then(Value::as_u64));
            }
            2 => self.token = response.pointer::<Secret>("/name").ok(),
            3 => {
                let text = response.text();
                ctx.check("it is text", text.is_ok());
                self.ids.push(text.map_or(0, |text| text.len() as u64));
            }
            _ => {
                let id = response.header("X-Id").and_then(|id| id.parse::<u64>().ok());
                self.ids.extend(id);
                ctx.trend("size", response.body_size() as f64);
            }
        }
        ctx.rate("found", response.is_success());
    }

    async fn write(&mut self, ctx: &mut Context) {
        let body = (&self.ids, &self.token);
        let request = ctx.post("/u").name("write").json(&body).header("X-Last", "ü%41");
        if let Ok(response) = request.timeout(TIMEOUT).expect_status(201).send().await {
            let whole: Result<Value, _> = response.json();
            let members = whole.as_ref().ok().and_then(Value::as_object).map_or(0, |map| map.len());
            ctx.gauge("members", members as f64);
        }
    }

    async fn rest(&mut self, ctx: &mut Context) {
        let most = Duration::from_millis(self.ids.len().min(4) as u64);
        ctx.sleep(ctx.draw(site!("rest")).duration(Duration::ZERO..=most)).await;
    }

    async fn elsewhere(&mut self, ctx: &mut Context) {
        let url = format!("{}/other", self.config.elsewhere);
        let sent = ctx.get(&url).name("other").timeout(TIMEOUT).discard_body().send().await;
        ctx.check("it is there", sent.is_ok_and(|response| response.status() != 503));
    }

    async fn tell(&mut self, ctx: &mut Context) {
        let bots = ctx.ask(Question::ActiveBots).await;
        ctx.log(Level::Info, format_args!("{bots} bots, {} ids", self.ids.len()));
        ctx.trend_time("since_start", ctx.now());
    }
}

/// Less than the server's silence.
const TIMEOUT: Duration = Duration::from_millis(150);
