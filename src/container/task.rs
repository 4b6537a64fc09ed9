//! Which task of which test this is, and the keys of its files.
//!
//! A function outside runs for every object below `results/` whose key ends in `json` and counts it
//! as a finished task: there must be exactly one such object a task, and it is written last of all
//! results. Everything else lies below `runs/`.

use crate::s3::Address;

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The bucket of the scenarios and the results.
    pub bucket: String,
    /// The test's id.
    pub test_id: String,
    /// The task's number among those of the test.
    pub index: u32,
    /// New for every start of a task.
    pub uuid: String,
}

impl Task {
    /// A new task.
    ///
    /// # Errors
    ///
    /// When the bucket or the test's id cannot be one.
    pub fn new(bucket: &str, test_id: &str, index: u32) -> Result<Self, String> {
        let is_id = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if test_id.is_empty() || !test_id.chars().all(is_id) {
            return Err(format!(
                "TEST_ID={test_id}: not the id of a test; expected letters, digits, - and _ only"
            ));
        }
        if bucket.is_empty() || bucket.contains(['/', ':']) {
            return Err(format!(
                "S3_BUCKET={bucket}: not the name of a bucket; expected the name alone, without \
                 s3:// and without a path"
            ));
        }
        let uuid = uuid();
        Ok(Self { bucket: bucket.to_owned(), test_id: test_id.to_owned(), index, uuid })
    }

    /// What is to be run.
    #[must_use]
    pub fn config(&self) -> Address {
        self.at(format!("test-scenarios/{}.json", self.test_id))
    }

    /// What the task measured, for the function that reads it.
    #[must_use]
    pub fn result(&self) -> Address {
        self.at(format!("results/{}/{}.json", self.test_id, self.uuid))
    }

    /// Written before the load: it shows that results may be written, and which tasks began.
    #[must_use]
    pub fn started(&self) -> Address {
        self.at(format!("results/{}/{}.started", self.test_id, self.uuid))
    }

    /// Any other file of the task.
    #[must_use]
    pub fn file(&self, name: &str) -> Address {
        self.at(format!("runs/{}/{}/{name}", self.test_id, self.uuid))
    }

    fn at(&self, key: String) -> Address {
        Address::new(&self.bucket, key)
    }
}

/// A random UUID (version 4).
fn uuid() -> String {
    let number = || getrandom::u64().expect("the operating system gives random numbers");
    let (high, low) = (number() & !0xf000 | 0x4000, number() & (u64::MAX >> 2) | 1 << 63);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_container_that_this_one_stands_in_for() {
        let mut task = Task::new("bucket", "aB3_-x", 2).expect("a task");
        task.uuid = "u".to_owned();
        assert_eq!(task.config().to_string(), "s3://bucket/test-scenarios/aB3_-x.json");
        assert_eq!(task.result().to_string(), "s3://bucket/results/aB3_-x/u.json");
        assert_eq!(task.file("run.json").to_string(), "s3://bucket/runs/aB3_-x/u/run.json");
        assert!(!task.started().key.ends_with("json"), "only the result may");
    }

    #[test]
    fn a_uuid_has_its_version_and_its_variant_and_is_new_every_time() {
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }

    #[test]
    fn what_cannot_be_an_id_or_a_bucket_is_refused() {
        for (bucket, test_id) in
            [("b", ""), ("b", "../x"), ("b", "a b"), ("s3://b", "x"), ("", "x")]
        {
            assert!(Task::new(bucket, test_id, 0).is_err(), "{bucket} {test_id}");
        }
    }
}
