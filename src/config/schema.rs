//! The JSON schema of scenario files, for editors, made of the same tables that check them.
//!
//! Editors complete keys and show their sentences; what is beyond types, such as names, only
//! `check` knows.

use serde_json::{Map, Value, json};

use super::format::{ACTION, SCENARIO_FILE, STEPS_KNOWN};
use super::shape::{Kind, Need, Shape};

/// The schema, draft 2020-12.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    let mut file = object(&SCENARIO_FILE, &mut definitions);
    let members = file.as_object_mut().expect("an object");
    members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    members.insert("title".into(), json!("A tallyho scenario"));
    members.insert("$defs".into(), Value::Object(definitions));
    file
}

fn object(shape: &Shape, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in shape.keys {
        let mut schema = of(&key.kind, definitions);
        if let Some(members) = schema.as_object_mut() {
            members.insert("description".into(), json!(key.about));
            if matches!(key.kind, Kind::Ignored) {
                members.insert("deprecated".into(), json!(true));
            }
        }
        properties.insert(key.name.into(), schema);
    }
    let required: Vec<&str> =
        shape.keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": shape.about,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if !shape.verbs.is_empty() {
        let one: Vec<Value> = shape.verbs.iter().map(|verb| json!({"required": [verb]})).collect();
        schema["oneOf"] = json!(one);
    }
    schema
}

/// A reference to an object's schema, which is written once.
fn reference(shape: &'static Shape, definitions: &mut Map<String, Value>) -> Value {
    let name = shape.name.trim_start_matches("a ").trim_start_matches("an ").replace(' ', "-");
    if !definitions.contains_key(&name) {
        // Before its content, so that a step inside a step finds it.
        definitions.insert(name.clone(), Value::Null);
        let schema = object(shape, definitions);
        definitions.insert(name.clone(), schema);
    }
    json!({"$ref": format!("#/$defs/{name}")})
}

fn of(kind: &'static Kind, definitions: &mut Map<String, Value>) -> Value {
    match kind {
        Kind::Any | Kind::Ignored => json!({}),
        Kind::Text | Kind::Name => json!({"type": "string"}),
        Kind::Template | Kind::Expression => json!({"type": ["string", "number", "boolean"]}),
        Kind::Integer(least) => json!({"anyOf": [
            {"type": "integer", "minimum": least},
            {"type": "string", "pattern": "^-?[0-9]+$"},
        ]}),
        Kind::Ratio => json!({"type": ["number", "string"], "minimum": 0}),
        Kind::Bool => json!({"enum": [true, false, "true", "false"]}),
        Kind::Duration => json!({"type": "string", "examples": ["30s", "1m30s", "500ms"]}),
        Kind::LoadDuration => json!({"type": ["string", "integer"], "examples": ["30s", "1m30s"]}),
        Kind::Delay => json!({"anyOf": [
            {"type": "string", "examples": ["2s", "1s..3s"]},
            {
                "type": "object",
                "properties": {"exponential": {"type": "string"}},
                "required": ["exponential"],
                "additionalProperties": false,
            },
        ]}),
        Kind::Rate => json!({"type": ["integer", "string"], "examples": [100, "100/s", "6000/m"]}),
        Kind::Statuses => {
            let one = json!({"type": ["integer", "string"], "examples": [200, "2xx", "200..299"]});
            json!({"anyOf": [one, {"type": "array", "items": one}]})
        }
        Kind::Word(words) => json!({"enum": words}),
        Kind::List(kind) => json!({"type": "array", "items": of(kind, definitions)}),
        Kind::Map(kind) => json!({
            "type": "object",
            "additionalProperties": of(kind, definitions),
        }),
        Kind::Object(shape) => reference(shape, definitions),
        Kind::Steps => {
            let steps: Vec<Value> =
                STEPS_KNOWN.iter().map(|shape| reference(shape, definitions)).collect();
            json!({"type": "array", "items": {"anyOf": steps}})
        }
        Kind::Actions => json!({"type": "array", "items": reference(&ACTION, definitions)}),
        Kind::OneOrMore(kind) => {
            let one = of(kind, definitions);
            json!({"anyOf": [one, {"type": "array", "items": one}]})
        }
        Kind::WordOr(words, shape) => {
            json!({"anyOf": [{"enum": words}, reference(shape, definitions)]})
        }
        Kind::TextOr(shape) => {
            json!({"anyOf": [{"type": "string"}, reference(shape, definitions)]})
        }
    }
}
