//! A produced `run.json` is valid by the published schema, and the schema is closed enough to
//! notice what it does not describe.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fixture;

use serde_json::{Map, Value, json};

/// Problems of a value by a schema. Only the keywords that the published schema uses are
/// understood; any other fails the test, so that nothing passes unread.
fn problems(schema: &Value, root: &Value, value: &Value, at: &str) -> Vec<String> {
    let rules = match schema {
        Value::Bool(true) => return Vec::new(),
        Value::Object(rules) => rules,
        other => return vec![format!("{at}: {other} is no schema")],
    };
    let mut found = Vec::new();
    for (keyword, rule) in rules {
        match keyword.as_str() {
            "title" | "description" | "$schema" | "$defs" | "format" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                found.extend(problems(root.pointer(pointer).unwrap(), root, value, at));
            }
            "type" => {
                let of_type = |name: &Value| is_of_type(name.as_str().unwrap(), value);
                let fits =
                    rule.as_array().map_or_else(|| of_type(rule), |any| any.iter().any(of_type));
                if !fits {
                    found.push(format!("{at}: {value} is not of type {rule}"));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                found.push(format!("{at}: {value} is none of {rule}"));
            }
            "const" if rule != value => found.push(format!("{at}: {value} is not {rule}")),
            "minimum" if value.is_number() && value.as_f64() < rule.as_f64() => {
                found.push(format!("{at}: {value} is below {rule}"));
            }
            "maximum" if value.is_number() && value.as_f64() > rule.as_f64() => {
                found.push(format!("{at}: {value} is above {rule}"));
            }
            "enum" | "const" | "minimum" | "maximum" => {}
            "anyOf" | "oneOf" => {
                let options = rule.as_array().unwrap().iter();
                let fits = options.filter(|option| problems(option, root, value, at).is_empty());
                if fits.count() == 0 {
                    found.push(format!("{at}: {value} fits none of {keyword}"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(problems(rule, root, item, &format!("{at}/{index}")));
                }
            }
            "properties" | "required" | "additionalProperties" | "patternProperties" => {
                if let (Some(object), true) = (value.as_object(), keyword != "required") {
                    found.extend(members(keyword, rule, (rules, root), object, at));
                } else if let Some(object) = value.as_object() {
                    let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                    let missing = names.filter(|name| !object.contains_key(*name));
                    found.extend(missing.map(|name| format!("{at}: {name} is missing")));
                }
            }
            other => found.push(format!("{at}: keyword {other} is not understood")),
        }
    }
    found
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        _ => false,
    }
}

fn members(
    keyword: &str,
    rule: &Value,
    (rules, root): (&Map<String, Value>, &Value),
    object: &Map<String, Value>,
    at: &str,
) -> Vec<String> {
    let declared = rules.get("properties").and_then(Value::as_object);
    let is_declared = |name: &String| declared.is_some_and(|names| names.contains_key(name));
    let mut found = Vec::new();
    for (name, member) in object {
        let at = format!("{at}/{name}");
        let schema = match keyword {
            "properties" => rule.get(name),
            "patternProperties" => rule.as_object().unwrap().values().next(),
            _ if rules.contains_key("patternProperties") || is_declared(name) => None,
            _ if *rule == json!(false) => {
                found.push(format!("{at} is not in the schema"));
                None
            }
            _ => Some(rule),
        };
        found.extend(schema.into_iter().flat_map(|schema| problems(schema, root, member, &at)));
    }
    found
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../docs/run.schema.json")).unwrap()
}

/// Members of a report that no schema describes.
fn undescribed(schema: &Value, root: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(pointer) => root.pointer(pointer.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let properties = schema.get("properties");
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => undescribed(schema, root, member, &at, found),
            None if properties.is_some() => found.push(at),
            None => {}
        }
    }
}

#[test]
fn a_produced_report_is_valid_by_the_published_schema() {
    let schema = schema();
    let report: Value = serde_json::from_str(&fixture::report().to_json()).unwrap();
    let problems = problems(&schema, &schema, &report, "");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let mut found = Vec::new();
    undescribed(&schema, &schema, &report, "", &mut found);
    assert!(found.is_empty(), "not described by the schema: {found:?}");
}

#[test]
fn the_schema_notices_what_is_wrong() {
    let schema = schema();
    let good: Value = serde_json::from_str(&fixture::report().to_json()).unwrap();
    let broken = |pointer: &str, value: Value| {
        let mut report = good.clone();
        *report.pointer_mut(pointer).unwrap() = value;
        problems(&schema, &schema, &report, "")
    };
    for (pointer, value) in [
        ("/schema", json!("tallyho.run.v2")),
        ("/duration_us", json!(-1)),
        ("/verdict/state", json!("splendid")),
        ("/totals", json!({})),
        ("/totals/schedule_lag/count", json!("many")),
        ("/timeline/rows/0/due", json!(null)),
        ("/thresholds/0/outcome", json!("maybe")),
        ("/warnings/0/evidence/kind", json!("weather")),
    ] {
        assert!(!broken(pointer, value).is_empty(), "{pointer}");
    }
}
