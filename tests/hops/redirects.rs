//! Redirects by nginx, followed by a URL's bot and by a scenario's.

use crate::assert_replays;
use crate::servers::{Nginx, Scratch};
use crate::tallyho::{DRIVERS, run};

const LOCATIONS: &str = "
    location /old { return 301 /new; }
    location /new { return 200 'here'; }
    location /round { return 302 /round; }
    location /login { return 303 /home?from=login; }
    location /home { default_type application/json; return 200 '{\"user\":\"ada\"}'; }
    location /again { return 307 /echo; }
    location /echo { return 200 $request_method; }";

#[test]
fn a_url_is_followed_and_each_hop_is_a_request_of_its_own() {
    let Some(nginx) = Nginx::start("moved", LOCATIONS) else { return };
    let mut logged_before = 0;
    for driver in DRIVERS {
        let url = nginx.url("/old");
        let ended = run(&[&url, "-n", "40", "-c", "4", "--io-driver", driver]).expect_exit(0);
        let report = ended.report();
        nginx.wait_for_requests(logged_before + 80);
        logged_before += 80;
        assert_eq!(report.number("/summary/requests"), 80);
        assert_eq!(report.number("/summary/requests_failed"), 0);
        assert!(report.number("/totals/counters/connections_opened") <= 4, "hops share one");
        let text = report.0.to_string();
        assert!(text.contains(&format!("{url} (redirect)")), "a series of its own");
        assert_replays(ended.path("").as_path());
    }
}

#[test]
fn a_loop_ends_at_the_limit_with_the_redirect() {
    let Some(nginx) = Nginx::start("round", LOCATIONS) else { return };
    let url = nginx.url("/round");
    for (flags, requests) in [(&[][..], 11), (&["--max-redirects", "2"][..], 3)] {
        let ended = run(&[&[url.as_str(), "-n", "5"][..], flags].concat()).expect_exit(0);
        assert_eq!(ended.report().number("/summary/requests"), 5 * requests);
        assert_replays(ended.path("").as_path());
    }
}

#[test]
fn a_scenario_follows_redirects_as_it_says() {
    let Some(nginx) = Nginx::start("story", LOCATIONS) else { return };
    let scratch = Scratch::new("redirects");
    let file = scratch.file(
        "shop.json",
        r#"{"iterations": 6, "vus": 2, "maxRedirects": 3, "steps": [
            {"post": "/login", "json": {"name": "ada"}, "expect": 200,
             "capture": {"user": "/user"}, "check": {"is ada": "user == 'ada'"}},
            {"post": "/again", "text": "x", "check": {"is a post": "body contains 'POST'"}},
            {"get": "/login", "maxRedirects": 0, "expect": 303,
             "check": {"leads home": "header('Location') contains 'home'"}},
            {"get": "/round", "expect": 302}
        ]}"#,
    );
    let file = file.to_str().expect("a path in UTF-8");
    for driver in DRIVERS {
        let words = [file, "--target", &nginx.url(""), "--io-driver", driver];
        let ended = run(&words).expect_exit(0);
        let report = ended.report();
        assert_eq!(report.number("/summary/requests"), 6 * (2 + 2 + 1 + 4));
        assert_eq!(report.number("/summary/requests_failed"), 0);
        assert_eq!(report.number("/summary/failed"), 0, "sessions");
        assert_replays(ended.path("").as_path());
    }
}
