//! Stand-ins until the replay crate has these.
use std::rc::Rc;
#[derive(Clone, Debug)]
pub enum Name {
    Static(&'static str),
    Shared(Rc<str>),
}
impl Name {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
    pub fn address(&self) -> usize {
        self.as_str().as_ptr() as usize
    }
}
impl From<&'static str> for Name {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Ord, PartialOrd)]
#[repr(u8)]
pub enum Failure {
    Dns,
    Refused,
    ConnectTimeout,
    Reset,
    FilesExhausted,
}
impl Failure {
    pub const ALL: &[Self] =
        &[Self::Dns, Self::Refused, Self::ConnectTimeout, Self::Reset, Self::FilesExhausted];
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect timeout",
            Self::Reset => "reset",
            Self::FilesExhausted => "files exhausted",
        }
    }
    pub fn generator_fault(self) -> bool {
        matches!(self, Self::FilesExhausted)
    }
}
pub enum Level {
    Info,
}
pub enum Note {
    Check { name: Name, passed: bool },
    Counter { name: Name, by: u64 },
    Rate { name: Name, hit: bool },
    Gauge { name: Name, value: f64 },
    Trend { name: Name, value: f64 },
    Action { name: Name, took_us: u64 },
    Log { level: Level, text: String },
}
