//! Finds actions that can never be chosen, and sessions that come to a point where none can.
//!
//! Works on what is certain and nothing else: a variable counts only if all that is ever put into
//! it are constants. Then its values are few, guards can be evaluated for each of them, and a
//! search through the states that the certain actions lead to finds the dead ends. What depends on
//! a response is never reported.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use tallyho_replay::flow::{
    Action, Definition, Expression, JsonTemplate, Step, Value, constant_value,
};

use super::diagnostic::Diagnostic;

/// Where an action stands.
#[derive(Clone, Debug)]
pub(super) struct ActionPlace {
    /// Its name.
    pub(super) action: Range<usize>,
    /// Its guard.
    pub(super) when: Option<Range<usize>>,
    /// Its weight.
    pub(super) weight: Range<usize>,
}

/// States looked at before the search gives up: more than a scenario written by hand has.
const STATES_MAX: usize = 5_000;
/// Combinations of values tried for one guard.
const COMBINATIONS_MAX: usize = 20_000;

/// Whether an expression always gives the same, and whether that holds.
pub(super) fn constant(expression: &Expression) -> Option<bool> {
    constant_value(expression, &|_| None).map(|value| value.holds())
}

/// Whether an action can never be chosen, whatever the variables are.
pub(super) fn is_never(action: &Action) -> bool {
    action.weight == Expression::Integer(0)
        || action.when.as_ref().and_then(constant) == Some(false)
}

/// Reports actions that are never chosen by themselves.
pub(super) fn check_each(actions: &[Action], places: &[ActionPlace], found: &mut Vec<Diagnostic>) {
    for (action, place) in actions.iter().zip(places) {
        if action.weight == Expression::Integer(0) {
            found.push(
                Diagnostic::warning(
                    place.weight.clone(),
                    format!("`{}` is never chosen", action.name),
                )
                .label("a weight of zero")
                .help("remove the action, or give it a weight"),
            );
        }
        let Some(when) = &action.when else { continue };
        let range = place.when.clone().unwrap_or_else(|| place.action.clone());
        if constant(when) == Some(false) || contradicts_itself(when) {
            found.push(never(&action.name, range));
        } else if constant(when) == Some(true) {
            let always = Diagnostic::warning(range, "this guard says nothing");
            found.push(always.label("always holds").help("remove it"));
        }
    }
}

fn never(action: &str, range: Range<usize>) -> Diagnostic {
    Diagnostic::error(range, format!("`{action}` is never chosen"))
        .label("this guard can never hold")
        .help("change the guard, or remove the action")
}

/// Whether the parts of `a && b && ...` exclude each other: bounds on one value that leave nothing
/// between them.
fn contradicts_itself(guard: &Expression) -> bool {
    use tallyho_replay::flow::{Binary, Unary};
    let mut parts = Vec::new();
    conjuncts(guard, &mut parts);
    let mut bounds: Vec<(&Expression, i64, i64)> = Vec::new();
    let mut texts: Vec<(&Expression, &str)> = Vec::new();
    for part in &parts {
        if let Expression::Unary(Unary::Not, inner) = part
            && parts.contains(&&**inner)
        {
            return true;
        }
        let Expression::Binary(operator, subject, limit) = part else { continue };
        if let (Binary::Equal, Expression::Text(text)) = (operator, &**limit) {
            texts.push((subject, text));
            continue;
        }
        let Expression::Integer(n) = **limit else { continue };
        let (low, high) = match operator {
            Binary::Equal => (n, n),
            Binary::Less => (i64::MIN, n.saturating_sub(1)),
            Binary::LessOrEqual => (i64::MIN, n),
            Binary::Greater => (n.saturating_add(1), i64::MAX),
            Binary::GreaterOrEqual => (n, i64::MAX),
            _ => continue,
        };
        match bounds.iter_mut().find(|(known, _, _)| *known == &**subject) {
            Some(known) => *known = (known.0, known.1.max(low), known.2.min(high)),
            None => bounds.push((subject, low, high)),
        }
    }
    let two_texts = texts.iter().any(|(subject, text)| {
        texts.iter().any(|(other, another)| subject == other && text != another)
    });
    // A number that is not whole may lie between two whole ones, so only a true gap counts.
    two_texts || bounds.iter().any(|(_, low, high)| low > &high.saturating_add(1))
}

fn conjuncts<'e>(guard: &'e Expression, out: &mut Vec<&'e Expression>) {
    match guard {
        Expression::Binary(tallyho_replay::flow::Binary::And, a, b) => {
            conjuncts(a, out);
            conjuncts(b, out);
        }
        other => out.push(other),
    }
}

type State = BTreeMap<String, Value>;

/// Checks the actions of a bot against all states that are certain to come up.
pub(super) fn check(definition: &Definition, places: &[ActionPlace], found: &mut Vec<Diagnostic>) {
    let tracked = constants(definition);
    for (action, place) in definition.actions.iter().zip(places) {
        if let (Some(when), Some(range)) = (&action.when, &place.when)
            && constant(when).is_none()
            && never_holds(when, &tracked)
        {
            found.push(never(&action.name, range.clone()));
        }
    }
    if definition.actions.iter().all(is_never) {
        let range = places[0].action.clone();
        found.push(
            Diagnostic::error(range, "none of the actions can ever be chosen")
                .help("give at least one of them a weight and a guard that can hold"),
        );
        return;
    }
    dead_end(definition, places, &tracked, found);
}

/// Variables into which only constants are ever put, with all of them. Each may also have no value.
fn constants(definition: &Definition) -> BTreeMap<String, Vec<Value>> {
    let mut values: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut others: BTreeSet<String> = definition.keep.iter().cloned().collect();
    let mut note = |variable: &str, value: Option<Value>| match value {
        Some(value) => {
            let known = values.entry(variable.to_owned()).or_default();
            if !known.iter().any(|other| other.equals(&value)) {
                known.push(value);
            }
        }
        None => {
            others.insert(variable.to_owned());
        }
    };
    for assignment in &definition.variables {
        note(&assignment.variable, constant_json(&assignment.value, &State::new()));
    }
    let mut visit = |step: &Step| match step {
        Step::Set(assignments) => {
            for set in assignments {
                note(&set.variable, constant_json(&set.value, &State::new()));
            }
        }
        Step::Request(request) => {
            request.captures.iter().for_each(|capture| note(&capture.variable, None));
        }
        Step::CountBots(variable) => note(variable, None),
        _ => {}
    };
    Step::walk(&definition.steps, &mut visit);
    definition.actions.iter().for_each(|action| Step::walk(&action.steps, &mut visit));
    if let Some(auth) = &definition.auth {
        Step::walk(&auth.login, &mut visit);
        Step::walk(&auth.refresh, &mut visit);
    }
    values.retain(|variable, _| !others.contains(variable));
    values
}

fn constant_json(value: &JsonTemplate, state: &State) -> Option<Value> {
    match value {
        JsonTemplate::Null => Some(Value::Null),
        JsonTemplate::Bool(b) => Some(Value::Bool(*b)),
        JsonTemplate::Number(number) => number.parse().ok().map(Value::Integer),
        JsonTemplate::Text(template) => match (template.as_plain(), template.as_hole()) {
            (Some(text), _) => Some(Value::from(text)),
            (None, Some(hole)) => constant_value(hole, &|name| state.get(name).cloned()),
            _ => None,
        },
        JsonTemplate::List(_) | JsonTemplate::Object(_) => None,
    }
}

/// Whether a guard is false for every combination of the values that its variables can have.
fn never_holds(guard: &Expression, tracked: &BTreeMap<String, Vec<Value>>) -> bool {
    let mut variables = BTreeSet::new();
    guard.walk(&mut |part| {
        if let Expression::Variable(name) = part {
            variables.insert(name.clone());
        }
    });
    let mut states = vec![State::new()];
    for name in variables {
        let Some(values) = tracked.get(&name) else { continue };
        let mut more = Vec::new();
        for state in &states {
            for value in values.iter().chain([&Value::Null]) {
                let mut state = state.clone();
                state.insert(name.clone(), value.clone());
                more.push(state);
            }
        }
        states = more;
        if states.len() > COMBINATIONS_MAX {
            return false;
        }
    }
    states.iter().all(|state| {
        let value = constant_value(guard, &|name| state.get(name).cloned());
        value.is_some_and(|value| !value.holds())
    })
}

/// Looks for a state, certain to be reachable, in which no action is enabled.
fn dead_end(
    definition: &Definition,
    places: &[ActionPlace],
    tracked: &BTreeMap<String, Vec<Value>>,
    found: &mut Vec<Diagnostic>,
) {
    let mut start: State = tracked.keys().map(|variable| (variable.clone(), Value::Null)).collect();
    for assignment in &definition.variables {
        assign(&assignment.variable, &assignment.value, &mut start);
    }
    if run(&definition.steps, &mut start) != Ran::ToTheEnd {
        // A session that leaves its steps early is over.
        return;
    }
    let mut seen = BTreeSet::from([key(&start)]);
    let mut queue = VecDeque::from([(start, Vec::new())]);
    while let Some((state, path)) = queue.pop_front() {
        let mut open = false;
        for (index, action) in definition.actions.iter().enumerate() {
            let enabled = enabled(action, &state);
            open |= enabled != Some(false);
            if enabled != Some(true) {
                continue;
            }
            let mut after = state.clone();
            if run(&action.steps, &mut after) == Ran::Elsewhere || !seen.insert(key(&after)) {
                continue;
            }
            let mut path: Vec<usize> = path.clone();
            path.push(index);
            queue.push_back((after, path));
        }
        if !open && goes_on_after(definition, path.len()) {
            report_dead_end(definition, places, &path, found);
            return;
        }
        if seen.len() > STATES_MAX {
            return;
        }
    }
}

fn key(state: &State) -> String {
    serde_json::to_string(state).expect("plain data serialises")
}

/// Whether a session is certain to choose another action after so many.
fn goes_on_after(definition: &Definition, actions: usize) -> bool {
    match definition.limits.actions {
        None => true,
        Some(Expression::Integer(most)) => i64::try_from(actions).is_ok_and(|n| n < most),
        Some(_) => false,
    }
}

fn report_dead_end(
    definition: &Definition,
    places: &[ActionPlace],
    path: &[usize],
    found: &mut Vec<Diagnostic>,
) {
    let names: Vec<&str> =
        path.iter().map(|index| definition.actions[*index].name.as_str()).collect();
    let (place, title) = match path.last() {
        Some(last) => {
            (&places[*last], format!("after `{}` no action is enabled", names.join("`, `")))
        }
        None => (&places[0], "after the steps no action is enabled".to_owned()),
    };
    found.push(
        Diagnostic::error(place.action.clone(), title)
            .label("every guard is false then")
            .help("add an action without a guard, or end the session with {\"end\": \"session\"}"),
    );
}

/// Whether an action can be chosen in a state; none when that is not certain.
fn enabled(action: &Action, state: &State) -> Option<bool> {
    let known = |name: &str| state.get(name).cloned();
    let weight = constant_value(&action.weight, &known).map(|weight| weight.holds());
    let when = match &action.when {
        Some(when) => constant_value(when, &known).map(|value| value.holds()),
        None => Some(true),
    };
    match (weight, when) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// How far steps were followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ran {
    ToTheEnd,
    /// Out of the action.
    Left,
    /// The session ends, or it is not certain what happens.
    Elsewhere,
}

fn assign(variable: &str, value: &JsonTemplate, state: &mut State) {
    if state.contains_key(variable)
        && let Some(value) = constant_json(value, &state.clone())
    {
        state.insert(variable.to_owned(), value);
    }
}

/// Follows steps as far as they are certain, assuming that requests succeed.
fn run(steps: &[Step], state: &mut State) -> Ran {
    for step in steps {
        match step {
            Step::Set(assignments) => {
                for set in assignments {
                    assign(&set.variable, &set.value, state);
                }
            }
            Step::If { condition, then, otherwise } => {
                let value = constant_value(condition, &|name| state.get(name).cloned());
                let taken = match value {
                    Some(value) if value.holds() => then,
                    Some(_) => otherwise,
                    None => return Ran::Elsewhere,
                };
                let ran = run(taken, state);
                if ran != Ran::ToTheEnd {
                    return ran;
                }
            }
            Step::While { .. } | Step::Repeat { .. } | Step::Choose { .. } => {
                return Ran::Elsewhere;
            }
            Step::Leave => return Ran::Left,
            Step::End | Step::StopBot | Step::Fail(_) | Step::Abort(_) => return Ran::Elsewhere,
            _ => {}
        }
    }
    Ran::ToTheEnd
}
