//! The editors' schema is current, accepts what the checker accepts, and every key of the format is
//! explained.

use std::path::Path;

use serde_json::Value;
use tallyho::config;

const PATH: &str = "docs/scenario.schema.json";

fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&config::json_schema()).expect("plain data");
    text.push('\n');
    text
}

#[test]
fn the_schema_in_docs_is_the_format() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PATH, schema_text()).expect("writable");
    }
    let written = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(written == schema_text(), "{PATH} is old; UPDATE_GOLDEN=1 rewrites it");
}

#[test]
fn every_scenario_fits_the_schema() {
    for entry in std::fs::read_dir("scenarios").expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let problems = problems_of(&path);
            assert!(problems.is_empty(), "{}: {problems:?}", path.display());
        }
    }
}

#[test]
fn what_the_checker_refuses_for_its_shape_does_not_fit_the_schema() {
    for name in ["unknown_keys", "wrong_types", "two_verbs"] {
        let path = format!("tests/golden/diagnostics/{name}.json");
        assert!(!problems_of(Path::new(&path)).is_empty(), "{name}");
    }
}

#[test]
fn every_key_of_the_format_is_explained() {
    let docs = std::fs::read_to_string("docs/scenario.md").expect("readable");
    let schema = config::json_schema();
    let mut missing = Vec::new();
    let objects = schema["$defs"].as_object().expect("definitions").values();
    for object in objects.chain([&schema]) {
        for (key, value) in object["properties"].as_object().expect("an object's keys") {
            let is_explained =
                docs.contains(&format!("`{key}`")) || docs.contains(&format!("\"{key}\":"));
            if !is_explained && value.get("deprecated").is_none() {
                missing.push(key.clone());
            }
        }
    }
    assert!(missing.is_empty(), "docs/scenario.md does not explain {missing:?}");
}

#[test]
fn every_word_of_expressions_is_explained() {
    let docs = std::fs::read_to_string("docs/scenario.md").expect("readable");
    for word in tallyho_replay::flow::words() {
        let is_explained =
            docs.contains(&format!("`{word}")) || docs.contains(&format!("`body {word} "));
        assert!(is_explained, "docs/scenario.md does not explain {word}");
    }
}

#[test]
fn every_scenario_in_the_docs_is_without_errors() {
    let docs = std::fs::read_to_string("docs/scenario.md").expect("readable");
    let mut count = 0;
    for block in docs.split("```json\n").skip(1) {
        let text = block.split("```").next().expect("a block ends");
        let options = config::Options::default();
        if let Err(findings) =
            config::check_text("docs/scenario.md", text, Path::new("scenarios"), &options)
        {
            panic!("{}", findings.render(config::Colour::Never));
        }
        count += 1;
    }
    assert!(count >= 5, "{count}");
}

/// Where a file does not fit the schema.
fn problems_of(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("readable");
    let value: Value = serde_json::from_str(&without_comments(&text)).expect("JSON");
    let schema = config::json_schema();
    let mut problems = Vec::new();
    fit(&value, &schema, &schema, "", &mut problems);
    problems
}

/// Enough of JSON schema for what ours uses.
fn fit(value: &Value, schema: &Value, root: &Value, at: &str, problems: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        return fit(value, &root["$defs"][name], root, at, problems);
    }
    let fits = |schema: &Value| {
        let mut problems = Vec::new();
        fit(value, schema, root, at, &mut problems);
        problems.is_empty()
    };
    if let Some(options) = schema["anyOf"].as_array()
        && !options.iter().any(fits)
    {
        problems.push(format!("{at}: nothing fits {value}"));
    }
    if let Some(options) = schema["oneOf"].as_array()
        && options.iter().filter(|option| fits(option)).count() != 1
    {
        problems.push(format!("{at}: not exactly one fits"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        problems.push(format!("{at}: not one of {words:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !types.is_empty() && !types.iter().any(|name| is_type(value, name)) {
        problems.push(format!("{at}: {value} is not {types:?}"));
        return;
    }
    if let Some(least) = schema["minimum"].as_f64()
        && value.as_f64().is_some_and(|n| n < least)
    {
        problems.push(format!("{at}: less than {least}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        if schema.get("items").is_some() {
            fit(item, &schema["items"], root, &format!("{at}/{index}"), problems);
        }
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().expect("a name")) {
            problems.push(format!("{at}: {name} is missing"));
        }
    }
    for (key, member) in members {
        let known = schema["properties"].get(key);
        let known = known.or(schema.get("additionalProperties"));
        match known {
            Some(Value::Bool(false)) => problems.push(format!("{at}: no key {key}")),
            Some(known) => fit(member, known, root, &format!("{at}/{key}"), problems),
            None => {}
        }
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("unknown type {other}"),
    }
}

/// Blanks out `//` comments, and commas before a closing bracket.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut in_text = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if in_text => out.extend([Some(c), characters.next()].into_iter().flatten()),
            '"' => {
                in_text = !in_text;
                out.push(c);
            }
            '/' if !in_text && characters.peek() == Some(&'/') => {
                characters.by_ref().take_while(|c| *c != '\n').for_each(drop);
                out.push('\n');
            }
            _ => out.push(c),
        }
    }
    out
}
