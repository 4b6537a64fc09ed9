//! `env.NAME`: where its value comes from.
//!
//! In this order: `-e` on the command line, the process's environment, `env` of a scenario, `env`
//! of the file. Values are put into the definition, so that a trace holds what the bots saw; secret
//! ones stay references.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where the environment's values come from; tests give a map.
pub type Environment = fn(&str) -> Option<String>;

/// Values of `env.NAME`.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    /// From `-e`.
    given: BTreeMap<String, String>,
    /// Asked only for names that the scenario uses.
    environment: Option<Environment>,
    /// From the file.
    defaults: BTreeMap<String, String>,
    /// Values that the file holds itself where a secret belongs, under names of our own.
    literals: Rc<RefCell<Vec<(String, String)>>>,
}

/// A value, or the promise that there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Plain(String),
    Secret(String),
}

impl Parameters {
    pub(super) fn new(given: &[(String, String)], environment: Option<Environment>) -> Parameters {
        let given = given.iter().cloned().collect();
        Parameters { given, environment, ..Parameters::default() }
    }

    /// The same with more defaults, which win over those that are there.
    pub(super) fn with_defaults(&self, defaults: Vec<(String, String)>) -> Parameters {
        let mut more = self.clone();
        more.defaults.extend(defaults);
        more
    }

    /// Takes in a value that stands in the file where a secret belongs, and names it.
    pub(super) fn hide(&self, value: &str) -> String {
        let mut literals = self.literals.borrow_mut();
        if let Some((name, _)) = literals.iter().find(|(_, known)| known == value) {
            return name.clone();
        }
        let name = format!("literal_secret_{}", literals.len());
        literals.push((name.clone(), value.to_owned()));
        name
    }

    /// What was hidden so far: names and values.
    pub(super) fn literals(&self) -> Vec<(String, String)> {
        self.literals.borrow().clone()
    }

    pub(super) fn look_up(&self, name: &str) -> Option<Parameter> {
        let value = self
            .given
            .get(name)
            .cloned()
            .or_else(|| self.environment.and_then(|environment| environment(name)))
            .or_else(|| self.defaults.get(name).cloned())?;
        Some(if looks_secret(name) { Parameter::Secret(value) } else { Parameter::Plain(value) })
    }
}

/// Whether a name promises something that no trace or report may show.
pub(super) fn looks_secret(name: &str) -> bool {
    let name: String =
        name.to_lowercase().chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).collect();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// The scheme of a header's value with the space behind it, if it has one, and the rest: of
/// `Bearer abc` the first word is no secret, and helps to read a trace.
pub(crate) fn scheme_and_secret(value: &str) -> (&str, &str) {
    match value.split_once(' ') {
        Some((scheme, secret))
            if !secret.contains(' ') && scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) =>
        {
            value.split_at(scheme.len() + 1)
        }
        _ => ("", value),
    }
}

/// Parts of names, without separators.
const SECRET_WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "credential",
    "authorization",
    "cookie",
    "bearer",
    "jwt",
];
