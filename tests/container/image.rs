//! The commands around the image, with `docker` and `aws` played by scripts; and TallyUp's configs.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use crate::bucket::{ACCESS_KEY, BUCKET, Bucket, SECRET_KEY};
use crate::lambda::{self, Metric};
use crate::results::SCENARIO;
use crate::servers::Scratch;
use crate::task;

#[test]
fn start_docker_uploads_the_config_and_runs_the_image_with_what_ecs_gives_a_task() {
    let bucket = Bucket::start("start-docker");
    bucket.put("test-scenarios/old.json", "{}");
    let scratch = Scratch::new("start-docker-bin");
    let target = bucket.path("test-scenarios/mine.json");
    let aws = format!(
        "#!/bin/sh\n[ \"$1 $2 $4\" = \"s3 cp s3://{BUCKET}/test-scenarios/mine.json\" ] || exit 9\n\
         exec cp \"$3\" '{}'\n",
        target.display()
    );
    // What `docker run --rm -e NAME … IMAGE` does, with the program in the place of the image.
    let docker = format!(
        "#!/bin/sh\n[ \"$1 $2\" = \"run --rm\" ] || exit 9\nshift 2\nset_names=\n\
         while [ \"$1\" = -e ]; do eval \"v=\\${{$2-}}\"; \
         [ -z \"$v\" ] || set_names=\"$set_names $2=$v\"; shift 2; done\n\
         [ \"$*\" = tallyho ] || exit 9\n\
         exec env -i $set_names TALLYHO_PAUSE=1ms TALLYHO_WORK='{}' {} container\n",
        scratch.path().display(),
        env!("CARGO_BIN_EXE_tallyho")
    );
    for (name, text) in [("aws", aws), ("docker", docker)] {
        let path = scratch.file(name, &text);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("a script");
    }
    let config = scratch.file("config.json", SCENARIO);
    let path = std::env::var("PATH").expect("a path");
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docker/start.sh"))
        .env("PATH", format!("{}:{path}", scratch.path().display()))
        .env("CONFIG", &config)
        .env("S3_BUCKET", BUCKET)
        .env("TEST_ID", "mine")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_ENDPOINT_URL_S3", bucket.url())
        .output()
        .expect("the script runs");
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{log}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(bucket.read("test-scenarios/mine.json"), SCENARIO);
    let uuid = log.lines().find_map(|line| line.strip_prefix("UUID: ")).expect("a UUID");
    lambda::parse(&bucket.read(&format!("results/mine/{uuid}.json")));
}

/// `tallyho serve` on a port of its own.
struct Api(Child);

impl Drop for Api {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

/// As the console writes it: numbers are texts, and the bot is known by its stack.
const CONSOLE: &str = r#"{
  "executor": "ramping-vus", "startVus": "1", "vusMax": "4", "taskCount": "1",
  "stages": [
    { "duration": "1s", "target": "4" },
    { "duration": "2s", "target": "4" },
    { "duration": "1s", "target": "0" }
  ],
  "gracefulStop": "1s", "gracefulRampDown": "1s", "setupTimeout": "5m",
  "stack": "load", "events": [], "setUpPauseSec": 0, "enableDelays": false, "playAsync": false
}"#;

#[test]
fn a_config_of_tallyups_console_runs_as_it_is() {
    let mut api = Command::new(env!("CARGO_BIN_EXE_tallyho"))
        .args(["serve", "--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("tallyho serves");
    let mut line = String::new();
    BufReader::new(api.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let _api = Api(api);
    let address = line.trim().strip_prefix("listening on ").expect("an address");
    let bucket = Bucket::start("tallyup");
    bucket.put("test-scenarios/t.json", CONSOLE);
    let words = ["--", "--target", address];
    let ended = task::start_with(&bucket.url(), &[], &words).finish().expect_exit(0);
    let parsed = lambda::parse(&bucket.read(&format!("results/t/{}.json", ended.uuid())));
    let Metric::Counter(requests) = parsed.metrics["http_reqs"] else { panic!("no counter") };
    assert!(requests > 20.0, "{}", ended.log);
}
