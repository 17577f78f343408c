//! Chromium without a screen, driven by its DevTools protocol: JSON over two named pipes, which a
//! shell hands over as the descriptors that `--remote-debugging-pipe` wants.
//!
//! Without Chromium a test says ABSENT past the harness's capture and does not run; with CI set it fails.

use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use tickspin_testkit::process::{TempDir, wait_until};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--touch-events=enabled",
    "--remote-debugging-pipe",
];
/// Longest wait for anything.
const BOUND: Duration = Duration::from_secs(60);

pub(crate) struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    last_id: u64,
    session: Option<String>,
    /// What the page said without being asked, in order.
    pub(crate) events: Vec<Value>,
    pub(crate) home: TempDir,
}

impl Browser {
    /// Starts one with an empty page.
    pub(crate) fn start() -> Option<Browser> {
        let Some(chromium) = NAMES.iter().find_map(|name| find(name)) else {
            assert!(std::env::var("CI").is_err(), "chromium is absent, and CI is set");
            let _ = writeln!(std::io::stderr(), "ABSENT chromium (package chromium)");
            return None;
        };
        let home = TempDir::new().unwrap();
        let [into, out] = ["in", "out"].map(|name| home.path().join(name));
        assert!(Command::new("mkfifo").args([&into, &out]).status().unwrap().success());
        let profile = format!("--user-data-dir={}", home.path().join("profile").display());
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<in 4>out"])
            .arg(&chromium)
            .args(FLAGS)
            .args([&profile, "about:blank"])
            .current_dir(home.path())
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its own group: all of its processes end with it.
            .process_group(0)
            .spawn()
            .unwrap();
        let to = OpenOptions::new().write(true).open(&into).unwrap();
        let mut lines = BufReader::new(File::open(&out).unwrap());
        let (send, from) = channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            while lines.read_until(0, &mut bytes).is_ok_and(|count| count > 0) {
                bytes.pop();
                let message = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                if send.send(message).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
        let mut browser =
            Browser { child, to, from, last_id: 0, session: None, events: Vec::new(), home };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// One command and its answer; what comes in between is kept.
    pub(crate) fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let answer = self.from.recv_timeout(BOUND).unwrap_or_else(|e| panic!("{method}: {e}"));
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Opens a file and waits until it is loaded.
    pub(crate) fn open(&mut self, path: &Path) {
        let url = format!("file://{}", path.display());
        let known = self.events.len();
        let answer = self.ask("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.wait_for("Page.loadEventFired", known);
    }

    /// An event of that name after the first `known` ones.
    fn wait_for(&mut self, method: &str, known: usize) {
        let end = Instant::now() + BOUND;
        while !self.events[known..].iter().any(|event| event["method"] == method) {
            let left = end.saturating_duration_since(Instant::now());
            let event = self.from.recv_timeout(left).unwrap_or_else(|e| panic!("{method}: {e}"));
            self.events.push(event);
        }
    }

    /// What an expression of the page's own language comes to. The policy of the page does not bind us.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let question = json!({ "expression": expression, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", question);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Places in the page, from an expression that gives `[x, y]` of the window.
    pub(crate) fn point(&mut self, expression: &str) -> (f64, f64) {
        let point = self.value(expression);
        (point[0].as_f64().unwrap(), point[1].as_f64().unwrap())
    }

    pub(crate) fn mouse_to(&mut self, (x, y): (f64, f64)) {
        let event = json!({ "type": "mouseMoved", "x": x, "y": y });
        self.ask("Input.dispatchMouseEvent", event);
    }

    pub(crate) fn tap(&mut self, (x, y): (f64, f64)) {
        let down = json!({ "type": "touchStart", "touchPoints": [{ "x": x, "y": y }] });
        self.ask("Input.dispatchTouchEvent", down);
        self.ask("Input.dispatchTouchEvent", json!({ "type": "touchEnd", "touchPoints": [] }));
    }

    /// A window of that size, as a phone has it or a desk, in a theme of the system.
    pub(crate) fn become_window(&mut self, width: u32, is_phone: bool, theme: &str) {
        let scale = if is_phone { 2 } else { 1 };
        let size = json!({
            "width": width, "height": 900, "deviceScaleFactor": scale, "mobile": is_phone,
        });
        self.ask("Emulation.setDeviceMetricsOverride", size);
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// The whole page as a picture, where `TICKSPIN_PICTURES` names a folder for a person to look into.
    pub(crate) fn picture(&mut self, name: &str) {
        use base64::Engine as _;
        let Some(folder) = std::env::var_os("TICKSPIN_PICTURES") else { return };
        let question = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.ask("Page.captureScreenshot", question);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(answer["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), bytes).unwrap();
    }

    /// Errors, warnings and whatever else the console got.
    pub(crate) fn complaints(&self) -> Vec<&Value> {
        let loud = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
        let is_loud = |event: &&Value| loud.iter().any(|method| event["method"] == *method);
        self.events.iter().filter(is_loud).collect()
    }

    /// Addresses of everything that was asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        let sent =
            self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.map(|event| event["params"]["request"]["url"].as_str().unwrap_or("?").to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The group that it leads, and nothing else; its helpers write into the folder to the last.
        let group = format!("-{}", self.child.id());
        let signal = |signal: &str| {
            let mut kill = Command::new("kill");
            kill.args([signal, "--", &group]).stderr(Stdio::null()).status()
        };
        let _ = signal("-9");
        let _ = self.child.wait();
        wait_until(Duration::from_secs(5), || !signal("-0").is_ok_and(|status| status.success()));
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}
