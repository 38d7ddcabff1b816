//! One alert through a real Prometheus and a real Alertmanager: fired and resolved at each receiver.
//!
//! The receivers are Slack's, mail's, and a webhook's, all on the loopback interface. The configuration is
//! the one that is made of a contract; only waits are shorter, and places are here.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use perf_passport_monitor::{
    monitoring::{Part, files},
    settings::{MailSettings, Settings},
};
use serde_norway::Value;

use crate::{are_there, ledger};

/// Within which an alert must have fired and ended everywhere.
const DEADLINE: Duration = Duration::from_secs(30);

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, arguments: &[String]) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

/// Serves each connection in a thread of its own; returns the port.
fn serve(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer(stream));
        }
    });
    port
}

/// The body of a request that is answered with this text.
fn http(stream: &TcpStream, response: &str) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
    let mut stream = stream;
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{response}", response.len())?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The text of a mail, from its data.
fn mail(stream: &TcpStream) -> std::io::Result<String> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let (mut line, mut text) = (String::new(), String::new());
    writer.write_all(b"220 here\r\n")?;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(text);
        }
        match line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                loop {
                    line.clear();
                    if reader.read_line(&mut line)? == 0 || line.trim_end() == "." {
                        break;
                    }
                    text += &line;
                }
                writer.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => {
                writer.write_all(b"221 bye\r\n")?;
                return Ok(text);
            }
            _ => writer.write_all(b"250 yes\r\n")?,
        }
    }
}

/// What the receivers got, each with its name.
fn receivers() -> ([u16; 3], Receiver<(&'static str, String)>) {
    let (sender, received) = channel();
    let sender = Arc::new(Mutex::new(sender));
    let of_http = |name: &'static str| {
        let sender = Arc::clone(&sender);
        serve(move |stream| {
            if let Ok(body) = http(&stream, "ok") {
                // The test may have ended.
                let _ = sender.lock().unwrap().send((name, body));
            }
        })
    };
    let ports = [of_http("webhook"), of_http("slack"), {
        let sender = Arc::clone(&sender);
        serve(move |stream| {
            if let Ok(text) = mail(&stream) {
                let _ = sender.lock().unwrap().send(("mail", text));
            }
        })
    }];
    (ports, received)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The configuration of the ledger with shorter waits, these receivers, and secrets in files here.
fn configuration(directory: &Path, [webhook, slack, smtp]: [u16; 3]) {
    let address = "ledger-alerts@localhost".to_owned();
    let smarthost = format!("127.0.0.1:{smtp}");
    let settings = Settings {
        slack_channel: Some("#ledger-alerts".to_owned()),
        mail: Some(MailSettings { to: address.clone(), from: address, smarthost }),
        ..Settings::of("ledger")
    };
    for file in files(&ledger(), &settings, &[Part::Alertmanager]).unwrap() {
        let path = directory.join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.text).unwrap();
    }
    fs::write(directory.join("slack_url"), format!("http://127.0.0.1:{slack}/hook")).unwrap();
    fs::write(directory.join("smtp_password"), "not a password").unwrap();
    let path = directory.join("alertmanager/alertmanager.yml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text
        .replace("/run/secrets", directory.to_str().unwrap())
        .replace("group_interval: 10s", "group_interval: 1s")
        .replace("group_wait: 10s", "group_wait: 0s");
    let mut value: Value = serde_norway::from_str(&text).unwrap();
    value["global"]["smtp_require_tls"] = false.into();
    // The receiver of what cannot wait.
    let hook = format!("[{{ url: 'http://127.0.0.1:{webhook}/', send_resolved: true }}]");
    value["receivers"][0]["webhook_configs"] = serde_norway::from_str(&hook).unwrap();
    fs::write(path, serde_norway::to_string(&value).unwrap()).unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "other processes are waited for")]
fn an_alert_fires_and_ends_at_each_receiver() {
    if !are_there(&["prometheus", "prometheus-alertmanager"]) {
        return;
    }
    let directory = tempfile::TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (ports, received) = receivers();
    configuration(directory.path(), ports);

    // A service whose fault comes and goes.
    let fault = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&fault);
    let scraped = serve(move |stream| {
        let value = u8::from(told.load(Ordering::SeqCst));
        // A scrape that breaks off is made again.
        let _ = http(&stream, &format!("# TYPE fault gauge\nfault {value}\n"));
    });
    let (web, manager) = (free_port(), free_port());
    let rules = "groups: [{ name: live, rules: [{ alert: Fault, expr: fault > 0, \
        labels: { severity: critical }, annotations: { summary: 'a <fault> & more' } }] }]";
    fs::write(directory.path().join("rules.yml"), rules).unwrap();
    let scrape = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [rules.yml]\n\
         alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['127.0.0.1:{manager}'] }}] }}] }}\n\
         scrape_configs: [{{ job_name: live, static_configs: [{{ targets: ['127.0.0.1:{scraped}'] }}] }}]\n"
    );
    fs::write(directory.path().join("prometheus.yml"), scrape).unwrap();
    let _alertmanager = start(
        "prometheus-alertmanager",
        &[
            format!("--config.file={}", at("alertmanager/alertmanager.yml")),
            format!("--storage.path={}", at("notifications")),
            format!("--web.listen-address=127.0.0.1:{manager}"),
            "--cluster.listen-address=".to_owned(),
        ],
    );
    let _prometheus = start(
        "prometheus",
        &[
            format!("--config.file={}", at("prometheus.yml")),
            format!("--storage.tsdb.path={}", at("samples")),
            format!("--web.listen-address=127.0.0.1:{web}"),
        ],
    );

    let started = Instant::now();
    let mut all = Vec::new();
    for state in ["firing", "resolved"] {
        let mut waiting = vec!["mail", "slack", "webhook"];
        while !waiting.is_empty() {
            let left = DEADLINE.saturating_sub(started.elapsed());
            let Ok((name, text)) = received.recv_timeout(left) else {
                panic!("not {state} at {waiting:?} after {DEADLINE:?}; what came: {all:#?}");
            };
            if text.contains(state) {
                waiting.retain(|it| *it != name);
            }
            all.push((name, text));
        }
        println!("{state} at three receivers after {:.1} s", started.elapsed().as_secs_f64());
        fault.store(false, Ordering::SeqCst);
    }
    let of = |name: &str| -> String {
        all.iter().filter(|it| it.0 == name).map(|it| it.1.as_str()).collect()
    };
    // What an annotation has is escaped for where it goes.
    assert!(of("slack").contains(r"a \u0026lt;fault\u0026gt; \u0026amp; more"), "{}", of("slack"));
    assert!(of("mail").contains("Fault of live"), "{}", of("mail"));
    assert!(!of("mail").contains("<fault>"), "{}", of("mail"));
    assert!(all.iter().all(|it| !it.1.contains("not a password")));
}
