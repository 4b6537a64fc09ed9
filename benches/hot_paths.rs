//! What each part of a request costs, in nanoseconds.
//!
//! `cargo bench` runs them all; `cargo bench --bench hot_paths -- json` those whose name holds a
//! word. docs/benchmarks.md says how to compare two versions. Where wall time is noise, see
//! `instructions.rs`, which counts instructions of the same paths.

mod paths;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn measure(criterion: &mut Criterion) {
    for path in paths::all() {
        let paths::Path { name, elements, mut run } = path;
        let (group, name) = name.split_once('/').expect("names are GROUP/WHAT");
        let mut group = criterion.benchmark_group(group);
        if elements > 1 {
            group.throughput(Throughput::Elements(elements));
        }
        group.bench_function(name, |bencher| bencher.iter(&mut run));
        group.finish();
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);
