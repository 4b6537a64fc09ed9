//! Random scenarios of a declared bot.

use crate::dice::Dice;

/// Steps that read whatever comes, and go on with what they have.
pub(crate) fn scenario(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut steps = Vec::new();
    for nth in 0..4 + dice.below(5) {
        steps.push(match dice.below(8) {
            0 => r#"{ "think": "0ms..3ms" }"#.to_owned(),
            1 => r#"{ "countBots": "n" }"#.to_owned(),
            2 => format!(r#"{{ "if": "id > 2", "then": [{}] }}"#, request(&mut dice, nth)),
            3 => format!(
                r#"{{ "choose": [
                    {{ "name": "a{nth}", "weight": 1, "steps": [{}] }},
                    {{ "name": "b{nth}", "weight": 2, "steps": [{}] }}], "name": "c{nth}" }}"#,
                request(&mut dice, nth),
                request(&mut dice, nth)
            ),
            4 => r#"{ "set": { "id": "${draw.id.between(0, 4)}", "u": "${uuid}" } }"#.to_owned(),
            _ => request(&mut dice, nth),
        });
    }
    let steps = steps.join(",\n");
    format!(
        r#"{{ "vus": 14, "iterations": 60, "executor": "shared-iterations",
             "defaults": {{ "timeout": "150ms" }},
             "variables": {{ "id": 0, "n": 0, "u": "", "items": [], "token": "" }},
             "steps": [{steps}] }}"#
    )
}

fn request(dice: &mut Dice, nth: u64) -> String {
    let what = match dice.below(4) {
        0 => format!(r#""get": "/items/${{id}}?x=${{draw.x.between(1, 9)}}", "name": "item{nth}""#),
        1 => r#""post": "/u", "json": { "u": "${u}", "items": "${items}" }"#.to_owned(),
        2 => r#""put": "/f", "form": { "id": "${id}", "t": "${token}" }"#.to_owned(),
        _ => format!(r#""get": "/plain{nth}""#),
    };
    let optional =
        |name: &str, at: &str| format!(r#""{name}": {{ "json": "{at}", "optional": true }}"#);
    let capture = match dice.below(4) {
        0 => optional("id", "/id"),
        1 => optional("items", "/items"),
        2 => optional("token", "/name"),
        _ => r#""id": { "header": "X-Id" }"#.to_owned(),
    };
    let check = dice.one_of(&[
        r#""check": { "small": "length(body) < 1000 || status == 404" }, "#,
        r#""check": { "has id": "json('/id') > 1" }, "#,
        "",
    ]);
    let check = check.replace("length(body) < 1000", "header('X-Id') < 4");
    let retry = dice.one_of(&[r#""retry": { "tries": 2, "wait": "1ms" }, "#, "", ""]);
    let after = dice.one_of(&["continue", "continue", "leave"]);
    format!(r#"{{ {what}, {check}{retry}"capture": {{ {capture} }}, "onFailure": "{after}" }}"#)
}
