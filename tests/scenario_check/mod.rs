//! What must hold for any bytes given as a scenario: shared by the tests and the fuzzer.

use std::path::Path;

use tallyho::config::{self, BotKind, Colour, Options};
use tallyho_replay::flow::{Program, compile};

/// Reads bytes as a scenario. What is accepted compiles, and is the same after a trace held it.
pub(crate) fn check_scenario(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // No folder: the fuzzer reads no files but those it names itself, and there are none.
    let folder = Path::new("/nowhere");
    let options = Options { registered_bots: vec!["tallyup".into()], ..Options::default() };
    let checked = match config::check_text("fuzz.json", text, folder, &options) {
        Ok(checked) => checked,
        Err(findings) => {
            assert!(findings.has_errors());
            assert!(findings.render(Colour::Never).contains("error"));
            return;
        }
    };
    assert!(!checked.findings.has_errors());
    let plan = checked.plan;
    assert!(!plan.loads.is_empty() && plan.bots_per_task() > 0);
    let declared = plan.bots.iter().filter_map(|bot| match &bot.kind {
        BotKind::Declared(definition) => Some(&**definition),
        BotKind::Registered { .. } => None,
    });
    for definition in declared.chain(&plan.setup).chain(&plan.teardown) {
        let program = compile(definition).expect("what is accepted compiles");
        let json = serde_json::to_string(definition).expect("plain data");
        let again: Program = serde_json::from_str(&json).expect("a trace can hold it");
        assert_eq!(program.hash(), again.hash());
    }
}
