//! The pure parts of the hot path, each as something that can be run again and again.
//!
//! One list for two measurements: nanoseconds in `hot_paths.rs`, instructions in `instructions.rs`.
//! Everything is warm after the first turn, and a turn leaves things as it found them. The call of
//! a turn costs a nanosecond or two, which counts only for draws and histograms.

mod codec;
mod draws;
mod metrics;
mod sessions;
mod traces;

/// Something that is measured.
pub(crate) struct Path {
    /// `GROUP/WHAT`.
    pub(crate) name: String,
    /// How many things one turn does.
    pub(crate) elements: u64,
    pub(crate) run: Box<dyn FnMut()>,
}

impl Path {
    /// A path of which one turn is one thing done; its result is kept from being optimised away.
    fn new<R>(name: impl Into<String>, mut run: impl FnMut() -> R + 'static) -> Self {
        let run = Box::new(move || drop(std::hint::black_box(run())));
        Self { name: name.into(), elements: 1, run }
    }

    fn of(self, elements: u64) -> Self {
        Self { elements, ..self }
    }
}

/// All of them, in the order of a request's life.
pub(crate) fn all() -> Vec<Path> {
    let lists = [draws::all(), sessions::all(), codec::all(), metrics::all(), traces::all()];
    lists.into_iter().flatten().collect()
}

/// A response's body, about as large as the answers of an API are.
pub(crate) const BODY: &[u8] =
    br#"{"id":12345,"name":"ada","items":[1,2,3],"more":{"a":"b","c":[true,false]}}"#;

/// A body of about 10 kB, whose captured values lie behind most of it.
pub(crate) fn large_body() -> Vec<u8> {
    let items: Vec<String> = (0..200)
        .map(|number| format!(r#"{{"item":{number},"title":"number {number}","on":true}}"#))
        .collect();
    format!(r#"{{"items":[{}],"id":12345,"name":"ada"}}"#, items.join(",")).into_bytes()
}
