//! A visitor of the stand-in API: logs in once, then looks around until the run ends.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tallyho::bot::{ActionSet, Bot, Context, Outcome, Secret, Who, dispatch, site};

/// What a scenario says about the bot: its `config`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    think_ms: u64,
}

struct Visitor {
    config: Rc<Config>,
    phone: String,
    /// The login; it outlives the session.
    token: Option<Secret>,
}

impl Bot for Visitor {
    const NAME: &'static str = "visitor";
    type Config = Config;
    type Carry = Option<Secret>;

    fn new(config: Rc<Config>, who: Who, token: Option<Secret>) -> Self {
        Self { config, phone: format!("+1555{:07}", who.bot), token }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        if self.token.is_none() && self.log_in(ctx).await.is_none() {
            return Outcome::Failed("no login".into());
        }
        let bearer = self.token.map(|token| format!("Bearer {token}")).unwrap_or_default();
        let mut looks = ActionSet::new("looks");
        while !ctx.stopping() {
            let think = Duration::from_millis(self.config.think_ms);
            let wait = ctx.draw(site!("think")).duration(Duration::ZERO..=think);
            ctx.sleep(wait).await;
            let _chosen = dispatch!(ctx, looks, {
                "levels": 3 => look(ctx, "config/towerdata", &bearer).await,
                "charities": 1 => look(ctx, "config/charitydata", &bearer).await,
            });
        }
        Outcome::Done
    }

    fn carry(self) -> Option<Secret> {
        self.token
    }
}

impl Visitor {
    /// Signs up and logs in; nothing if a step was refused.
    async fn log_in(&mut self, ctx: &mut Context) -> Option<Secret> {
        let phone = &self.phone;
        let sign_up = format!(r#"{{"Username": "{phone}", "Password": "Password1!"}}"#);
        cognito(ctx, "SignUp", &sign_up, "").await;
        let begin = format!(
            r#"{{"AuthFlow": "CUSTOM_AUTH", "AuthParameters": {{"USERNAME": "{phone}"}}}}"#
        );
        let session = cognito(ctx, "InitiateAuth", &begin, "/Session").await?;
        let answer = format!(
            r#"{{"ChallengeName": "CUSTOM_CHALLENGE", "Session": "{session}",
               "ChallengeResponses": {{"USERNAME": "{phone}", "ANSWER": "123456"}}}}"#
        );
        let place = "/AuthenticationResult/AccessToken";
        self.token = cognito(ctx, "RespondToAuthChallenge", &answer, place).await;
        self.token
    }
}

/// One step of a login; the secret at this place of the answer.
async fn cognito(ctx: &mut Context, name: &'static str, body: &str, at: &str) -> Option<Secret> {
    let target = format!("AWSCognitoIdentityProviderService.{name}");
    let request = ctx.post("/").name(name).header("X-Amz-Target", &target);
    let request = request.header("Content-Type", "application/x-amz-json-1.1").text(body);
    let response = request.send().await.ok()?;
    if at.is_empty() { None } else { response.pointer(at).ok() }
}

/// Loads a document, which must be there.
async fn look(ctx: &mut Context, name: &'static str, bearer: &str) {
    #[derive(Serialize, Deserialize)]
    struct Document {}
    let url = format!("/api/v1/{name}");
    if let Ok(response) = ctx.get(&url).name(name).header("Authorization", bearer).send().await {
        ctx.check("documents are json", response.pointer::<Vec<Document>>("/data").is_ok());
    }
}

fn main() -> ExitCode {
    let mut bots = tallyho::built_in_bots();
    bots.register::<Visitor>();
    tallyho::main(bots)
}
