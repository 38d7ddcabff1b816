//! Chromium through its driver (W3C WebDriver): what a page does in a real browser.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// Keys, as the standard numbers them.
pub const TAB: &str = "\u{e004}";
/// The same.
pub const ENTER: &str = "\u{e007}";
/// The same.
pub const ARROW_UP: &str = "\u{e013}";

/// Longer than anything that is asked of a browser here.
const ANSWER_MAX: Duration = Duration::from_secs(60);

const SWITCHES: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,900",
];

/// A browser with one window.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    /// One that runs; `None`, with a line that starts with `MISSING:`, where there is no driver or no browser.
    #[expect(clippy::print_stdout, reason = "what is missing is part of the result of a test")]
    pub fn start() -> Option<Self> {
        let Some(chromium) =
            ["chromium", "chromium-browser", "google-chrome"].iter().find_map(on_path)
        else {
            println!("MISSING: chromium");
            return None;
        };
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut driver) = driver.spawn() else {
            println!("MISSING: chromedriver");
            return None;
        };
        let said = BufReader::new(driver.stdout.take().unwrap());
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let port = port.expect("chromedriver says its port");
        let mut browser = Self { driver, port, session: String::new() };
        let options = json!({ "binary": chromium, "args": SWITCHES });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.ask("POST", "/session", Some(&wanted));
        session["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        Some(browser)
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// What a function body returns in the page.
    pub fn script(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Sends keys to what has the focus.
    pub fn press(&self, keys: &str) {
        let active = self.ask("GET", &self.path("element/active"), None);
        let element = active.as_object().and_then(|it| it.values().next()?.as_str()).unwrap();
        self.post(&format!("element/{element}/value"), &json!({ "text": keys }));
    }

    /// A command of the browser's own protocol.
    pub fn command(&self, name: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": name, "params": parameters }))
    }

    /// What the console was told since the last time, such as what the policy of a page refused.
    pub fn console(&self) -> Vec<String> {
        let told = self.post("se/log", &json!({ "type": "browser" }));
        told.as_array().unwrap().iter().map(ToString::to_string).collect()
    }

    fn path(&self, of: &str) -> String {
        format!("/session/{}/{of}", self.session)
    }

    fn post(&self, of: &str, body: &Value) -> Value {
        self.ask("POST", &self.path(of), Some(body))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        let (port, length) = (self.port, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            let head = line.to_ascii_lowercase();
            if let Some(it) = head.strip_prefix("content-length:") {
                length = it.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].take();
        assert!(value.get("error").is_none(), "{method} {path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", &format!("/session/{}", self.session), None);
        }
        // The driver ends the browser that it started.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn on_path(name: &&str) -> Option<String> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).map(|it| it.join(name)).find(|it| it.is_file())?;
    Some(found.to_string_lossy().into_owned())
}
