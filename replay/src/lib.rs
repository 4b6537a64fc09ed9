//! The deterministic half of Tallyho.

#![forbid(unsafe_code)]

pub mod bot;
pub mod dispatch;
pub mod draw;
mod failure;
pub mod flow;
mod name;
pub mod observe;
pub mod replayer;
pub mod request;
mod run;
pub mod secret;
pub mod session;
mod state;
pub mod trace;

pub use bot::{Bot, BotType, ConfigError, Context, Registry, RequestBuilder};
pub use draw::{Draw, SAMPLER_VERSION, SessionKey, Site, permuted, site};
pub use failure::Failure;
pub use name::Name;
pub use observe::{Level, Note, ReadError, Response, ResponseParts};
pub use request::{BodyUse, Expected, Method, Prepared, Request, RequestError};
pub use run::{NamedSecrets, RunFacts};
pub use secret::{Place, Secret, SecretKey, Vault};
pub use session::{
    Carry, Command, Event, Fault, FaultKind, Input, Outcome, Question, Session, Start, Who,
};
pub use state::{Recording, SITES_MAX, Scratch};
