//! The page of the feature `web` in a real browser. `cargo run` tries what it promises; `cargo run -- pictures DIR` makes the pictures of the
//! guide.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program that reports")]

mod browser;
mod pictures;
mod site;

use std::{env, time::Duration};

use self::{browser::Browser, site::Site};

const NAMES: [&str; 4] = ["worker-1", "worker-2", "worker-3", "worker-4"];
/// How soon something has to be seen.
const SOON: Duration = Duration::from_secs(1);

fn main() {
    actix_supervisor::install_panic_hook();
    let args: Vec<String> = env::args().skip(1).collect();
    if let [what, into] = &args[..]
        && what == "pictures"
    {
        return pictures::make(into);
    }
    let tries: [(&str, fn(&Browser)); 8] = [
        ("it opens and shows the whole tree", opens),
        ("a crash is seen within a second", crash),
        ("a child's page tells of its failures", child),
        ("a backoff and a pause count down", countdowns),
        ("a lost connection is told, and that it is back, and nothing is missed", reconnects),
        ("the search and the filters sift", sifts),
        ("a child named <script> stays a name", hostile),
        ("ten thousand children and a thousand events a second stay fluent", many),
    ];
    let browser = Browser::open(false);
    browser.size(1280, 800);
    for (what, attempt) in tries {
        println!("{what} …");
        attempt(&browser);
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }
    println!("{} of {}: all is well", tries.len(), tries.len());
}

fn open(browser: &Browser, site: &Site) {
    browser.go(&site.url());
    browser.until("document.querySelector('#link').textContent === 'live'");
    browser.until("document.querySelectorAll('.row').length > 3");
}

/// The row of a child, as an expression.
fn row(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('.row')].find(row => row.querySelector('.label').textContent === {name:?})"
    )
}

fn opens(browser: &Browser) {
    let site = Site::open(|| site::shop(NAMES));
    open(browser, &site);
    browser.until("document.querySelectorAll('.row').length === 12");
    let names = browser.run("return rows.map(node => node.name).join()");
    assert_eq!(
        names,
        "shop,store,search index,workers,worker-1,worker-2,worker-3,worker-4,mail,outbox,smtp,http"
    );
    // By keyboard: to the workers, closed, and up again.
    browser.run("document.querySelector('#rows').focus()");
    for key in ["Home", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft"] {
        browser.key(key);
    }
    browser.until("rows.length === 8");
    browser.key("ArrowRight");
    browser.until("rows.length === 12");
    browser.key("Enter");
    browser.until("document.querySelector('#child h2').textContent === 'workers'");
    browser.key("Escape");
    browser.until("document.querySelector('#child').hidden");
}

fn crash(browser: &Browser) {
    let site = Site::open(|| site::shop(NAMES));
    open(browser, &site);
    browser.until("document.querySelectorAll('.row').length === 12");
    site.crash(0, "no more paper");
    let took =
        browser.until("document.querySelector('#stream').textContent.includes('no more paper')");
    assert!(took < SOON, "it took {took:?}");
    browser.until(&format!("{}.textContent.includes('1 ↻')", row("worker-1")));
    browser.until(&format!("{}.querySelectorAll('rect').length === 1", row("worker-1")));
    browser.until(&format!("{}.textContent.includes('1.0 of 5 failures')", row("workers")));
}

fn child(browser: &Browser) {
    let site = Site::open(|| site::shop(NAMES));
    open(browser, &site);
    browser.until(&format!("{}.textContent.includes('running')", row("store")));
    browser.run(&format!("{}.querySelector('.label').click()", row("store")));
    browser.until("document.querySelector('#child h2')?.textContent === 'store'");
    assert!(browser.text("#child").contains("the tree is not ready without it"), "it is essential");
    site.crash(1, "no more paper");
    browser.until(&format!("{}.textContent.includes('1 ↻')", row("worker-2")));
    browser.run(&format!("{}.querySelector('.label').click()", row("worker-2")));
    browser.until("document.querySelector('#child .place')?.textContent.includes('site.rs')");
    let page = browser.text("#child");
    assert!(page.contains("shop / workers / worker-2") && page.contains("no more paper"), "{page}");
    assert!(page.contains("Time in each state") && page.contains("restarted (no. 1)"), "{page}");
    // A restart has to be confirmed, and is carried out.
    browser.click("[data-deed=restart]");
    browser.until("document.querySelector('#confirm').open");
    browser.click("#confirm-yes");
    browser.until(&format!("{}.textContent.includes('2 ↻')", row("worker-2")));
}

fn countdowns(browser: &Browser) {
    let seconds = |script: &str| browser.run(&format!("return {script}.match(/ in (\\d+)/)?.[1]"));
    let falls = |script: &str| {
        browser.until(&format!("/ in \\d+/.test({script})"));
        let first: u32 = seconds(script).as_str().expect("a time").parse().expect("a number");
        browser.until(&format!("+{script}.match(/ in (\\d+)/)[1] <= {}", first - 2));
    };
    let site = Site::open(|| site::shop(NAMES));
    open(browser, &site);
    site.crash(3, "slowly");
    falls(&format!("{}.textContent", row("worker-4")));
    for _ in 0..8 {
        site.crash(0, "again and again");
    }
    browser.until(&format!("{}.textContent.includes('paused')", row("workers")));
    falls(&format!("{}.textContent", row("workers")));
    browser.run(&format!("{}.querySelector('.label').click()", row("workers")));
    browser.click("[data-deed=resume]");
    browser.click("#confirm-yes");
    browser.until(&format!("{}.textContent.includes('running')", row("workers")));
}

fn reconnects(browser: &Browser) {
    let mut site = Site::open(|| site::shop(NAMES));
    open(browser, &site);
    site.stop_serving();
    browser.until(
        "document.querySelector('#notice').textContent.startsWith('The connection is lost')",
    );
    assert_eq!(browser.text("#link"), "connection lost");
    site.crash(2, "while nobody looked");
    site.serve();
    browser.until(
        "document.querySelector('#notice').textContent.startsWith('The connection is back')",
    );
    browser.until("document.querySelector('#stream').textContent.includes('while nobody looked')");
    browser.until(&format!("{}.textContent.includes('1 ↻')", row("worker-3")));
}

fn sifts(browser: &Browser) {
    let site = Site::open(|| site::shop(NAMES));
    open(browser, &site);
    browser.fill("#search", "WORKER-3");
    browser.until("rows.map(node => node.name).join() === 'shop,workers,worker-3'");
    assert_eq!(browser.text("#left-out"), "1 match of 12");
    browser.fill("#search", "");
    site.crash(3, "out of ink");
    browser.until("document.querySelector('#stream').textContent.includes('out of ink')");
    browser.fill("#states", "trouble");
    browser.until("rows.map(node => node.name).join() === 'shop,workers,worker-4'");
    browser.fill("#states", "");
    site.crash(0, "out of paper");
    browser.until("document.querySelector('#stream').textContent.includes('out of paper')");
    browser.fill("#kinds", "failures");
    browser.until("document.querySelectorAll('#stream li').length === 2");
    browser.fill("#sift", "PAPER");
    browser.until("document.querySelectorAll('#stream li').length === 1");
    assert!(browser.text("#stream").contains("out of paper"));
}

fn hostile(browser: &Browser) {
    const SCRIPT: &str = "<script>document.title='stolen'</script>";
    const IMAGE: &str = "<img src=x onerror=\"document.title='stolen'\">";
    let site = Site::open(|| site::shop([SCRIPT, IMAGE, "\u{202e}'\"`${alert(1)}", "a\nb"]));
    open(browser, &site);
    browser.until("rows.length === 12");
    site.crash(0, IMAGE);
    browser.until("document.querySelector('#stream').textContent.includes('<img')");
    browser.run("choose(rows[4].key)");
    browser.until("document.querySelector('#child .fallen')");
    assert_eq!(browser.text("#child h2"), SCRIPT);
    assert_eq!(browser.run("return document.scripts.length + document.images.length"), 1);
    assert_eq!(browser.run("return document.title.includes('stolen')"), false);
}

fn many(browser: &Browser) {
    let site = Site::open(|| site::shop(NAMES));
    site.add(10_000);
    open(browser, &site);
    browser.until("nodes.size === 10012");
    let there = browser.run("return document.querySelectorAll('.row').length");
    assert!(there.as_u64() < Some(60), "only what is in sight is in the document, and not {there}");
    browser.run("document.querySelector('#rows').focus()");
    browser.key("End");
    browser.until(&row("child-9999"));
    // Frames while a thousand things happen in a second, and then some.
    browser.run("window.frames_ = []; let last = performance.now(); (function frame() { const now = performance.now(); \
        window.frames_.push(now - last); last = now; requestAnimationFrame(frame); })()");
    site.add(1_000);
    browser.until("nodes.size === 11012");
    browser.until("document.querySelector('#sifted').textContent.includes('are shown')");
    assert!(
        browser.run("return document.querySelectorAll('#stream li').length").as_u64() <= Some(150)
    );
    let frames = browser.run("return window.frames_.sort((a, b) => a - b)");
    let frames: Vec<f64> =
        frames.as_array().expect("times").iter().filter_map(|time| time.as_f64()).collect();
    let (median, worst) = (frames[frames.len() / 2], frames[frames.len() - 1]);
    println!("    {} frames: {median:.0} ms in the median, {worst:.0} ms at most", frames.len());
    assert!(median < 100.0, "half of the frames took more than {median:.0} ms");
}
