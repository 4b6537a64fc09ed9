//! `docs/run.schema.json` is what the types of a report say: derived here and compared.

use schemars::generate::SchemaSettings;

use super::{Report, SCHEMA};

#[test]
fn the_published_schema_is_that_of_the_types() {
    // What is written is published; reading is more tolerant.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), SCHEMA.into());
    let mut schema = serde_json::to_value(schema).unwrap();
    without_defaults(&mut schema);
    schema["properties"]["schema"]["const"] = SCHEMA.into();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/run.schema.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(published == text, "docs/run.schema.json is old; UPDATE_GOLDEN=1 rewrites it");
}

/// Defaults and `readOnly` speak of reading, which the schema does not describe.
fn without_defaults(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(members) => {
            members.remove("default");
            members.remove("readOnly");
            members.values_mut().for_each(without_defaults);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_defaults),
        _ => {}
    }
}
