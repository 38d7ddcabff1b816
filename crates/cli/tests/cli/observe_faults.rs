//! `passport observe` where counters are not what they look like: it abstains with a sentence, or refuses, and
//! says nothing that is wrong.

use std::sync::{Arc, Mutex};

use perf_passport_test_support::program::{Workspace, assert_says, finish};

use crate::{
    observe::{
        CONTRACT, NOW, Series, TRAFFIC, Traffic, claim, exposed, observe, prometheus, series,
    },
    server::{Server, response},
};

const INSTANCE: [(&str, &str); 2] = [("job", "shop"), ("instance", "a:1")];

/// When the process of `a:1` began, as it says at each scrape.
fn started(at: impl Fn(i64) -> i64 + Send + Sync + 'static) -> Series {
    series("process_start_time_seconds", &INSTANCE, move |it| Some(at(it).to_string()))
}

/// The same series with other values: made of the scrape and the value that it had there.
fn changed(
    all: Vec<Series>,
    change: impl Fn(i64, u64) -> Option<u64> + Clone + Send + Sync + 'static,
) -> Vec<Series> {
    let one = |it: Series| {
        let (value, change) = (Arc::clone(&it.value), change.clone());
        let value = move |scrape: i64| {
            let known = value(scrape)?.parse().unwrap();
            change(scrape, known).map(|it| it.to_string())
        };
        Series { value: Arc::new(value), ..it }
    };
    all.into_iter().map(one).collect()
}

const LATENCY: &str = "production-latency";
const ERRORS: &str = "production-errors";

#[track_caller]
fn abstains(all: Vec<Series>, reason: &str, kinds: &[&str], said: &str) {
    let (workspace, finished) = observe(CONTRACT, &prometheus(all), &[]);
    assert_says(&finished.exits(4).stdout, said);
    for kind in kinds {
        assert_eq!(claim(&workspace, kind), ("ABSTAIN".to_owned(), reason.to_owned()), "{kind}");
    }
    workspace.run(&["verify", "production_passport.json"]).exits(0);
}

#[test]
fn two_processes_behind_one_name_abstain() {
    // Every third scrape asks another process, which has counted 500 requests less at a time.
    let two = || {
        changed(TRAFFIC.series(), |it, value| {
            Some(if it % 3 == 0 { value / 4 } else { value + 100 })
        })
    };
    let said = "several processes count under one set of labels: scrape each process";
    abstains(two(), "several-processes", &[LATENCY, ERRORS], said);
    let mut telling = two();
    telling.push(started(|it| NOW - if it % 3 == 0 { 9_000 } else { 8_000 }));
    abstains(telling, "several-processes", &[LATENCY, ERRORS], said);
    // Two that count alike are told by when they began.
    let mut alike = TRAFFIC.series();
    alike.push(started(|it| NOW - if it % 3 == 0 { 9_000 } else { 8_000 }));
    abstains(alike, "several-processes", &[LATENCY, ERRORS], said);
}

#[test]
fn requests_that_never_end_are_not_left_out() {
    let at_work = |from: i64, to: i64| {
        let mut all = TRAFFIC.series();
        all.push(series("http_active_requests", &INSTANCE, move |it| {
            Some((from + (to - from) * it / 240).to_string())
        }));
        all
    };
    let said = "300 requests had begun and not ended, and decide it: look for requests that hang";
    abstains(at_work(5, 305), "unfinished", &[LATENCY, ERRORS], said);
    // As many as at the beginning, or fewer, say nothing.
    for (from, to) in [(300, 300), (300, 4)] {
        observe(CONTRACT, &prometheus(at_work(from, to)), &[]).1.exits(0);
    }
}

#[test]
fn a_counter_that_falls_a_little_abstains() {
    let dip = || {
        changed(TRAFFIC.series(), |it, value| {
            Some(if it == 100 { value.saturating_sub(30) } else { value })
        })
    };
    let mut telling = dip();
    telling.push(started(|_| NOW - 9_000));
    let said = "a counter fell, and its process did not begin anew";
    abstains(telling, "counters-fell", &[LATENCY, ERRORS], said);
    // One counter of several.
    let mut one = TRAFFIC.series();
    one[0] = dip().swap_remove(0);
    abstains(one, "counters-fell", &[LATENCY, ERRORS], said);
    // Nobody tells whether it began anew: what all of them had may be from before, and no error is among it.
    let (workspace, finished) = observe(CONTRACT, &prometheus(dip()), &[]);
    finished.exits(0);
    let passport = workspace.json("production_passport.json");
    let route = &passport["production"]["evidence"]["routes"][0];
    assert_eq!(route["unsure"]["requests"], 1_970 + 50);
    let share = &passport["production"]["results"][0]["shares"][0];
    assert_eq!((&share["requests"], &share["unsure"]), (&4_760.into(), &2_020.into()));
}

#[test]
fn a_restart_that_the_process_tells_is_counted() {
    let restarted = |it: i64, value: u64| Some(if it < 100 { value } else { value - 1_990 });
    let mut all =
        changed(
            TRAFFIC.series(),
            move |it, value| {
                if value == 0 { Some(0) } else { restarted(it, value) }
            },
        );
    all.push(started(|it| if it < 100 { NOW - 9_000 } else { NOW - 3_600 + 100 * 15 - 7 }));
    let (workspace, finished) = observe(CONTRACT, &prometheus(all), &[]);
    assert_says(&finished.exits(0).stdout, "counters began anew once");
    let passport = workspace.json("production_passport.json");
    // 99 scrapes before, ten requests between the restart and the next scrape, 140 scrapes after.
    let share = &passport["production"]["results"][0]["shares"][0];
    assert_eq!(share["requests"], 99 * 20 + 10 + 140 * 20);
    assert!(share["unsure"].is_null(), "{share}");
}

/// The same series by another label from the middle on; what they have goes on.
fn relabelled(all: Vec<Series>) -> Vec<Series> {
    let halves = all.into_iter().flat_map(|it| {
        let half = |version: &str, is_first: bool| {
            let mut labels = it.labels.clone();
            labels.push(("version", version.to_owned()));
            let value = Arc::clone(&it.value);
            let value =
                move |scrape: i64| ((scrape <= 120) == is_first).then(|| value(scrape)).flatten();
            Series { name: it.name, labels, value: Arc::new(value) }
        };
        [half("1", true), half("2", false)]
    });
    halves.collect()
}

#[test]
fn labels_that_change_midway_make_no_new_requests() {
    // 500 requests failed long ago.
    let old = |all: Vec<Series>| {
        let one = |it: Series| {
            let is_bad = it.labels.iter().any(|label| label.1 == "5xx");
            let is_bucket = it.name.ends_with("_bucket");
            let more = match (is_bad, is_bucket) {
                (true, _) => 500,
                (false, true) => 100_500,
                (false, false) => 100_000,
            };
            changed(vec![it], move |_, value| Some(value + more))
        };
        all.into_iter().flat_map(one).collect::<Vec<_>>()
    };
    let with_start = |mut all: Vec<Series>| {
        all.push(started(|_| NOW - 90_000));
        all
    };
    let (_, finished) = observe(CONTRACT, &prometheus(with_start(old(TRAFFIC.series()))), &[]);
    finished.exits(0);
    let all = with_start(relabelled(old(TRAFFIC.series())));
    let (workspace, finished) = observe(CONTRACT, &prometheus(all), &[]);
    let finished = finished.exits(4);
    assert_says(
        &finished.stdout,
        "requests may be from before this time, and decide it: observe a time",
    );
    assert_eq!(claim(&workspace, ERRORS).1, "unsure-counts");
    // All are as fast as they must be, whenever they were.
    assert_eq!(claim(&workspace, LATENCY).0, "PASS");
    let passport = workspace.json("production_passport.json");
    let share = &passport["production"]["results"][0]["shares"][0];
    assert_eq!((&share["requests"], &share["bad"]), (&4_780.into(), &0.into()));
}

#[test]
fn the_first_errors_of_a_process_that_was_scraped_before_count() {
    let mut all: Vec<Series> = Traffic { failing: 60, ..TRAFFIC }
        .series()
        .into_iter()
        .map(|it| {
            let is_bad = it.labels.iter().any(|label| label.1 == "5xx");
            // The series is there from its first increment on.
            let change = move |scrape, value| (!is_bad || scrape >= 4).then_some(value);
            changed(vec![it], change).remove(0)
        })
        .collect();
    all.push(started(|_| NOW - 90_000));
    let (workspace, finished) = observe(CONTRACT, &prometheus(all), &[]);
    finished.exits(1);
    let passport = workspace.json("production_passport.json");
    let share = &passport["production"]["results"][0]["shares"][0];
    assert_eq!((&share["requests"], &share["bad"]), (&4_800.into(), &144.into()));
}

#[test]
fn a_histogram_that_contradicts_itself_abstains() {
    let buckets = |change: fn(&Series, i64, u64) -> u64| {
        let one = |it: Series| {
            let kept = it.clone();
            changed(vec![it], move |scrape, value| Some(change(&kept, scrape, value)))
        };
        TRAFFIC.series().into_iter().flat_map(one).collect::<Vec<_>>()
    };
    let said = "the histogram has more requests within a time than within a longer one";
    let above = buckets(|it, scrape, value| {
        let is_it = it.labels.contains(&("le", "0.01".to_owned()));
        value + u64::from(is_it && scrape == 77)
    });
    abstains(above, "histogram-broken", &[LATENCY], said);
    let mut count = TRAFFIC.series();
    let all = Arc::clone(&count[0].value);
    let labels = count[0].labels.clone();
    let (name, value) = ("http_request_duration_seconds_count", Arc::clone(&all));
    count.push(Series { name, labels, value });
    observe(CONTRACT, &prometheus(count.clone()), &[]).1.exits(0);
    let last = count.len() - 1;
    count[last].value = Arc::new(move |it| {
        let count: u64 = all(it)?.parse().unwrap();
        Some((count + u64::from(it > 200)).to_string())
    });
    abstains(count, "histogram-broken", &[LATENCY], said);
    let mut negative = TRAFFIC.series();
    negative[3].value = Arc::new(|_| Some("-1".to_owned()));
    let (_, finished) = observe(CONTRACT, &prometheus(negative), &[]);
    assert_says(&finished.refused(3), "has `-1`, where a counter is a whole number");
}

#[test]
fn a_histogram_of_a_few_of_the_requests_says_nothing_of_all() {
    let few: Vec<Series> = TRAFFIC
        .series()
        .into_iter()
        .map(|it| {
            let is_bucket = it.name.ends_with("_bucket");
            changed(vec![it], move |_, value| Some(if is_bucket { value / 5 } else { value }))
                .remove(0)
        })
        .collect();
    let (workspace, finished) = observe(CONTRACT, &prometheus(few), &[]);
    let finished = finished.exits(4);
    assert_says(
        &finished.stdout,
        "the histogram of durations has 20.0000 % of the requests that the counter of requests has",
    );
    assert_eq!(claim(&workspace, LATENCY).1, "counts-disagree");
    assert_eq!(claim(&workspace, ERRORS).0, "PASS");
}

#[test]
fn a_label_that_the_series_lack_is_named() {
    for (key, label) in [("route_label", "path"), ("method_label", "verb")] {
        let named = CONTRACT.replace("[service]\n", &format!("[service]\n{key} = \"{label}\"\n"));
        // Without an objective too.
        let routes_alone = named.split("[slo.api]").next().unwrap().to_owned();
        for contract in [named, routes_alone] {
            let (_, finished) = observe(&contract, &prometheus(TRAFFIC.series()), &[]);
            let said = finished.refused(3);
            assert_says(
                &said,
                &format!("has the label `{label}`, which `{key}` of [service] names"),
            );
            assert_says(&said, "their labels are `");
        }
    }
    let other = CONTRACT.replace("path = \"/orders\"", "path = \"/order\"");
    let (_, finished) = observe(&other, &prometheus(TRAFFIC.series()), &[]);
    assert_says(&finished.refused(3), "the routes that are there are GET /orders");
    let status = CONTRACT.replace("[service]\n", "[service]\nstatus_label = \"code\"\n");
    let (_, finished) = observe(&status, &prometheus(TRAFFIC.series()), &[]);
    assert_says(&finished.refused(3), "without the label `code`: see `status_label` of [service]");
}

#[test]
fn a_prometheus_that_is_younger_says_since_when_it_has_anything() {
    let late = || changed(TRAFFIC.series(), |it, value| (it >= 160).then_some(value));
    let (workspace, finished) = observe(CONTRACT, &prometheus(late()), &[]);
    let stdout = finished.exits(4).stdout;
    assert_says(&stdout, "counters begin at 2023-11-14T22:53:20.000Z");
    assert_says(&stdout, "Prometheus has nothing from before; observe a shorter time with --for");
    assert_eq!(claim(&workspace, LATENCY).1, "counters-missing");
    observe(CONTRACT, &prometheus(late()), &["--for", "19m"]).1.exits(0);
    // It has another service of that time.
    let mut others = late();
    others.push(series("other", &INSTANCE, |_| Some("1".to_owned())));
    let (_, finished) = observe(CONTRACT, &prometheus(others), &[]);
    assert_says(&finished.exits(4).stdout, "it was not scraped before");
    let (_, finished) = observe(CONTRACT, &prometheus(Vec::new()), &[]);
    assert_says(&finished.refused(3), "Prometheus has nothing at all of that time");
}

#[test]
fn what_was_seen_stands_beside_its_interval_and_the_hash_of_the_evidence() {
    let slow = Traffic { slow: 5, ..TRAFFIC };
    let (workspace, finished) = observe(CONTRACT, &prometheus(slow.series()), &[]);
    let stdout = finished.exits(0).stdout;
    let passport = workspace.json("production_passport.json");
    assert_says(&stdout, "0.2500 % (0.");
    assert_says(&stdout, &format!("evidence hash {}", passport["evidence_hash"].as_str().unwrap()));
    // Where edges leave it open, from the least to the most.
    let apart = Traffic { edges: &["0.005", "0.05"], slow: 60, ..TRAFFIC };
    let (_, finished) = observe(CONTRACT, &prometheus(apart.series()), &[]);
    let stdout = finished.exits(4).stdout;
    assert_says(&stdout, "0.0000 % to 3.0000 % (0.0000 % to ");
    assert_says(&stdout, "api: production-latency 10.0 ms 0.0000 % to 3.0000 % (0.0000 % to ");
}

#[test]
fn no_secret_of_a_url_is_told() {
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let keeps = |arguments: &[&str], code: i32, said: &str| {
        let finished = workspace.run(&[&["observe"][..], arguments].concat());
        let finished = finished.exits(code);
        finished.keeps_to_itself("s3cret");
        assert_says(&format!("{}{}", finished.stdout, finished.stderr), said);
        let passport = workspace.path("production_passport.json");
        if passport.exists() {
            assert!(!workspace.read("production_passport.json").contains("s3cret"));
            std::fs::remove_file(passport).unwrap();
        }
    };
    keeps(&["--prometheus", "http://127.0.0.1:9/s3cret"], 3, "http://127.0.0.1:9/...");
    keeps(&["--prometheus", "http://127.0.0.1:9/?key=s3cret"], 2, "give the base URL");
    keeps(&["--scrape", "http://127.0.0.1:9/metrics?key=s3cret"], 3, "http://127.0.0.1:9/...");
    keeps(&["--scrape", "http://127.0.0.1:9/metrics#s3cret"], 2, "has a fragment");
    keeps(&["--prometheus", "s3cret:9090"], 2, "does not begin with http://");
    keeps(&["--prometheus", "http://u:s3cret@127.0.0.1:9"], 2, "has credentials");
    let at = |server: &Server, path: &str| format!("{}{path}", server.url());
    let echo = r#"{"status":"error","error":"no /s3cret/api here"}"#;
    let echoing = Server::answering("400 Bad Request", "application/json", echo);
    keeps(&["--prometheus", &at(&echoing, "/s3cret")], 3, "no /******/api here");
    let text = exposed(7, 0);
    let exposing = Server::start(move |head| {
        assert!(head.starts_with("GET /m/s3cret?key=s3cret "), "{head}");
        Some(response("200 OK", "text/plain", &text))
    });
    let url = at(&exposing, "/m/s3cret?key=s3cret");
    keeps(&["--scrape", &url, "--for", "1s"], 4, "ABSTAIN");
}

#[test]
fn an_answer_that_is_none_says_what_it_is() {
    let refused = |status: &str, media_type: &str, body: &str, said: &str| {
        let server = Server::answering(status, media_type, body);
        let (_, finished) = observe(CONTRACT, &server, &[]);
        assert_says(&finished.refused(3), said);
    };
    refused(
        "200 OK",
        "text/html; charset=utf-8",
        "<html>",
        "an HTML page instead of an answer of its API",
    );
    refused(
        "404 Not Found",
        "text/plain",
        "404",
        "status 404 instead of an answer of its API: give its base URL",
    );
    refused("302 Found", "text/plain", "", "redirects (status 302), which is not followed");
    let tls = "Client sent an HTTP request to an HTTPS server.\n";
    refused("400 Bad Request", "text/plain", tls, "speaks https: give the URL with https://");
    refused("502 Bad Gateway", "text/plain", "", "status 502 instead of");
}

#[test]
fn a_secret_of_the_environment_goes_to_the_host_that_it_is_for() {
    let heads = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&heads);
    let server = Server::start(move |head| {
        *kept.lock().unwrap() += head;
        Some(response("401 Unauthorized", "text/plain", ""))
    });
    let workspace = Workspace::with_contract(crate::PASSPORT, CONTRACT);
    let run = |host: Option<&str>, more: &[&str]| {
        let url = server.url();
        let mut command =
            workspace.command(&[&["observe", "--prometheus", &url][..], more].concat());
        command.env("PASSPORT_OBSERVE_TOKEN", "s3cret").env("PASSPORT_OBSERVE_PASSWORD", "s3cret");
        if let Some(host) = host {
            command.env("PASSPORT_OBSERVE_HOST", host);
        }
        let finished = finish(&mut command);
        finished.keeps_to_itself("s3cret");
        let head = std::mem::take(&mut *heads.lock().unwrap()).to_ascii_lowercase();
        (finished.code, finished.stderr, head.contains("authorization: "))
    };
    let address = server.address.to_string();
    for host in ["127.0.0.1", address.as_str()] {
        let (code, stderr, is_sent) = run(Some(host), &[]);
        assert!(is_sent && code == Some(3), "{stderr}");
    }
    for host in [None, Some("prometheus.example"), Some("127.0.0.1:1")] {
        let (code, stderr, is_sent) = run(host, &[]);
        assert!(!is_sent && code == Some(3), "{stderr}");
        assert_says(
            &stderr,
            "PASSPORT_OBSERVE_TOKEN is not sent, as PASSPORT_OBSERVE_HOST does not name",
        );
        let (code, stderr, _) = run(host, &["--user", "me"]);
        assert_eq!(code, Some(2), "{stderr}");
    }
    // Without TLS it leaves the machine only where that is allowed.
    workspace.write("token", "s3cret");
    let plain = ["observe", "--prometheus", "http://192.0.2.1:9", "--token-file", "token"];
    let refused = workspace.run(&plain).refused(2);
    assert_says(&refused, "is plain http to another machine");
}
