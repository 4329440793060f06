//! Chromium through chromedriver, by the few words of WebDriver that are needed.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use ureq::Agent;

/// A guard against hanging, far above what anything here takes.
const GUARD: Duration = Duration::from_secs(60);

pub(crate) struct Browser {
    driver: Child,
    agent: Agent,
    session: String,
}

impl Browser {
    pub(crate) fn open(dark: bool) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver");
        let said = BufReader::new(driver.stdout.take().expect("its output"));
        let port = said.lines().find_map(|line| {
            let line = line.expect("what chromedriver says");
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = port.expect("chromedriver says its port");
        let config =
            Agent::config_builder().timeout_global(Some(GUARD)).http_status_as_error(false);
        let agent = config.build().new_agent();
        let mut args =
            vec!["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        args.extend(["--hide-scrollbars", "--force-device-scale-factor=1", "--lang=en"]);
        if dark {
            args.push("--blink-settings=preferredColorScheme=0");
        }
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL"}}}});
        let mut browser =
            Self { driver, agent, session: format!("http://127.0.0.1:{port}/session") };
        let session = browser.post("", &wanted);
        browser.session =
            format!("{}/{}", browser.session, session["sessionId"].as_str().expect("a session"));
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.agent.post(format!("{}{path}", self.session)).send_json(body);
        let mut answer = answer.expect("chromedriver answers");
        let told: Value = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_json()
            .expect("it answers with JSON");
        assert!(answer.status().is_success(), "{path} {body}: {told}");
        told["value"].clone()
    }

    pub(crate) fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    pub(crate) fn size(&self, width: u32, height: u32) {
        // A headless window is never narrower than some hundred pixels; what is emulated is.
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    pub(crate) fn devtools(&self, command: &str, params: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": params}))
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until a script returns something true, and says how long that took.
    pub(crate) fn until(&self, script: &str) -> Duration {
        let begun = Instant::now();
        loop {
            let told = self.run(&format!("return ({script});"));
            if !matches!(told, Value::Null | Value::Bool(false)) {
                return begun.elapsed();
            }
            let page = || self.run("return document.body.innerText").to_string();
            assert!(begun.elapsed() < GUARD / 2, "{script} does not become true in {}", page());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the page shows, as text.
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?}).innerText");
        self.run(&script).as_str().expect(selector).to_owned()
    }

    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let set = format!("const e = document.querySelector({selector:?}); e.value = {text:?};");
        self.run(&format!("{set} e.dispatchEvent(new Event('input'));"));
    }

    pub(crate) fn click(&self, selector: &str) {
        self.run(&format!("document.querySelector({selector:?}).click()"));
    }

    /// A key as a hand presses it.
    pub(crate) fn key(&self, key: &str) {
        for kind in ["rawKeyDown", "keyUp"] {
            self.devtools("Input.dispatchKeyEvent", &json!({"type": kind, "key": key}));
        }
    }

    pub(crate) fn picture(&self) -> String {
        let shot = self.devtools("Page.captureScreenshot", &json!({"format": "png"}));
        shot["data"].as_str().expect("a picture").to_owned()
    }

    /// What the page and the browser have complained about, but for a connection that was lost.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let log = log.as_array().expect("a log").iter();
        let lines = log.map(|line| line["message"].as_str().unwrap_or_default().to_owned());
        lines.filter(|line| !line.contains("net::ERR_")).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
