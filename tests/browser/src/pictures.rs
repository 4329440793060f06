//! The pictures of the guide.

use std::{path::Path, thread::sleep, time::Duration};

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::{NAMES, browser::Browser, open, row, site, site::Site};

pub(crate) fn make(into: &str) {
    let into = Path::new(into);
    let save = |browser: &Browser, name: &str| {
        let png = BASE64_STANDARD.decode(browser.picture()).expect("base64");
        std::fs::write(into.join(name), png).expect("the picture is written");
        println!("{name}");
    };
    let site = Site::open(|| site::shop(NAMES));
    let browser = Browser::open(false);
    browser.size(1200, 700);
    open(&browser, &site);
    site.crash(1, "the printer is out of paper");
    browser.until(&format!("{}.textContent.includes('1 ↻')", row("worker-2")));
    sleep(Duration::from_secs(2));
    save(&browser, "web-healthy.png");

    site.crash(3, "a document without a page");
    for worker in [0, 2, 1, 0, 2, 2] {
        site.crash(worker, "no connection to the printer");
        sleep(Duration::from_millis(100));
    }
    browser.until(&format!("{}.textContent.includes('paused')", row("workers")));
    browser.run(&format!("{}.querySelector('.label').click()", row("worker-3")));
    browser.until("document.querySelector('#child .fallen')");
    sleep(Duration::from_secs(2));
    save(&browser, "web-pause.png");
    drop(browser);

    let browser = Browser::open(true);
    browser.size(390, 760);
    open(&browser, &site);
    sleep(Duration::from_secs(1));
    save(&browser, "web-phone.png");
}
