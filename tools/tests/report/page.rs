//! The page of a real run, in Chromium: it loads, says nothing, asks for nothing, and gives values.

use crate::browser::Browser;
use crate::place::Place;
use crate::{Desk, log, seen, slow, text};
use base64::Engine as _;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tickspin_results::hlog;
use tickspin_testkit::process::wait_until;

/// `[x, y]` in the window of a place in a picture that is shown: shares from left and from top.
fn place_in(kind: &str, x: f64, y: f64) -> String {
    format!(
        "(() => {{ const svg = [...document.querySelectorAll('svg[data-kind={kind}]')]\
         .find((svg) => svg.getClientRects().length > 0); svg.scrollIntoView({{block: 'center'}}); \
         const box = svg.getBoundingClientRect(), unit = box.width / svg.viewBox.baseVal.width; \
         const left = Number(svg.dataset.left), right = Number(svg.dataset.right); \
         return [box.left + (left + {x} * (right - left)) * unit, box.top + {y} * box.height]; }})()"
    )
}

/// What stands in the readouts: `{at: "p99", values: {tag: "1,234 ns"}}`.
const READOUT: &str = "({at: document.querySelector('.curves .at').textContent, \
    values: Object.fromEntries([...document.querySelectorAll('.curves li[data-tag]')]\
    .map((item) => [item.dataset.tag, item.querySelector('.value').textContent]))})";

/// Every value that is shown is the one that the logs have at the percentile that is shown.
fn assert_values(readout: &Value, folder: &Path) -> String {
    let name = readout["at"].as_str().unwrap().to_owned();
    let quantile: f64 = format!("{}e-2", name.strip_prefix('p').unwrap()).parse().unwrap();
    let mut checked = 0;
    for file in ["feed.hlog", "engine.hlog"] {
        let bytes = fs::read(folder.join(file)).unwrap();
        let intervals = hlog::read(&bytes, false).unwrap().0;
        for (tag, sum) in hlog::totals(&intervals).unwrap().iter().filter(|(_, s)| !s.is_empty()) {
            let shown =
                readout["values"][tag].as_str().unwrap_or_else(|| panic!("{tag}: {readout}"));
            let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
            let value = sum.value_at_quantile(quantile);
            assert_eq!(digits, value.to_string(), "{tag} at {name}: {shown}");
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} curves");
    name
}

/// A run of two seconds, and its page in `report.html` beside the logs.
fn a_run(place: &Place) -> String {
    place.summary("out", &["--duration", "2s", "--name", "seen"]);
    let finished = place.run(&["report", "out", "--slo", "tick_to_order p50 < 1s"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stdout.contains("SLO: met"), "{}", finished.stdout);
    fs::read_to_string(place.path("out/report.html")).unwrap()
}

#[test]
fn the_page_of_a_run_works_without_a_network_and_gives_the_logs_own_values() {
    let Some(mut browser) = Browser::start() else { return };
    let place = Place::new();
    let page = seen(&a_run(&place));
    let folder = place.path("out");
    let notes = place.read("out")["notes"].as_array().unwrap().clone();
    assert!(!notes.is_empty());
    for note in &notes {
        assert!(page.contains(note.as_str().unwrap()), "{note} is not shown");
    }
    for said in ["taken when the report was made", "irq_affinity", "isolated", "core 0"] {
        assert!(page.contains(said), "{said} is not shown");
    }
    browser.become_window(1_100, false, "light");
    browser.open(&folder.join("report.html"));
    assert_eq!(browser.value("document.querySelector('h1').textContent"), "seen");

    // Curves: one for each tag with values, in both sizes, made of many steps.
    let curves = browser.value(
        "[...document.querySelectorAll('svg[data-kind=curves] path.curve')]\
         .map((path) => [path.getTotalLength(), path.getAttribute('d').length])",
    );
    let curves = curves.as_array().unwrap();
    assert!(curves.len() >= 16, "{} curves", curves.len());
    for curve in curves {
        assert!(curve[0].as_f64() > Some(100.0) && curve[1].as_u64() > Some(40), "{curve}");
    }

    // The mouse over the chart: another percentile, and its values.
    let before = assert_values(&browser.value(READOUT), &folder);
    let mut seen = vec![before];
    for x in [0.02, 0.31, 0.5, 0.77, 0.999] {
        let point = browser.point(&place_in("curves", x, 0.5));
        browser.mouse_to(point);
        let name = assert_values(&browser.value(READOUT), &folder);
        assert!(!seen.contains(&name), "{name} again: {seen:?}");
        seen.push(name);
    }
    let point = browser.point(&place_in("strip", 0.3, 0.8));
    browser.mouse_to(point);
    let said = browser.value("document.getElementById('moment').textContent");
    assert!(said.as_str().unwrap().contains(": max "), "{said}");

    // Both themes of the system, and the button against them.
    let colours = "(() => { const of = getComputedStyle(document.body); \
                   return [of.backgroundColor, of.color]; })()";
    let light = browser.value(colours);
    browser.picture("run-light");
    browser.become_window(1_100, false, "dark");
    let dark = browser.value(colours);
    browser.picture("run-dark");
    for colours in [&light, &dark] {
        assert!(contrast(colours) >= 7.0, "{colours}: {}", contrast(colours));
    }
    assert!(brightness(&light[0]) > 0.8 && brightness(&dark[0]) < 0.05, "{light} {dark}");
    browser.value("document.getElementById('theme').click()");
    assert_eq!(browser.value(colours), light, "the button outvotes the system");

    // Nothing went anywhere but to the page itself, and nothing was said.
    let requests = browser.requests();
    let others: Vec<_> = requests.iter().filter(|url| !url.starts_with("data:,")).collect();
    assert_eq!(others.len(), 1, "{others:?}");
    assert!(others[0].ends_with("/out/report.html"), "{others:?}");
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
    let refused = browser.value(
        "new Promise((tell) => { addEventListener('securitypolicyviolation', (e) => \
         tell(e.effectiveDirective)); new Image().src = 'http://127.0.0.1:9/x.png'; \
         setTimeout(() => tell('nothing was refused'), 3000); }).then((said) => { window.said = said; })",
    );
    let _ = refused;
    let is_refused = wait_until(Duration::from_secs(5), || {
        let said = browser.value("window.said || null");
        said == "img-src"
    });
    assert!(is_refused, "the page's policy let a picture from elsewhere in");
}

#[test]
fn a_tap_on_a_phone_gives_values_and_nothing_is_wider_than_the_screen() {
    let Some(mut browser) = Browser::start() else { return };
    let place = Place::new();
    a_run(&place);
    let folder = place.path("out");
    for theme in ["light", "dark"] {
        browser.become_window(390, true, theme);
        browser.open(&folder.join("report.html"));
        let wide = browser.value("document.documentElement.scrollWidth");
        let beyond = browser.value(
            "[...document.querySelectorAll('body *')].filter((e) => !e.closest('.scroll') \
             && e.getBoundingClientRect().right > 390.5).map((e) => e.outerHTML.slice(0, 120))",
        );
        assert_eq!(wide, 390, "the page is wider than the phone: {beyond:?}");
        let small = browser.value(
            "[...document.querySelectorAll('svg.chart')].filter((svg) => svg.getClientRects().length)\
             .flatMap((svg) => [...svg.querySelectorAll('text')].map((text) => \
             parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width \
             / svg.viewBox.baseVal.width)).reduce((a, b) => Math.min(a, b), 99)",
        );
        assert!(small.as_f64() > Some(10.0), "letters of {small} pixels");
        let point = browser.point(&place_in("curves", 0.6, 0.5));
        browser.tap(point);
        let name = assert_values(&browser.value(READOUT), &folder);
        assert_ne!(name, "p99", "the tap changed nothing");
        browser.value("scrollTo(0, 0)");
        browser.picture(&format!("phone-{theme}"));
    }
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
}

#[test]
fn the_logs_come_out_of_the_page_as_they_went_in() {
    let Some(mut browser) = Browser::start() else { return };
    let place = Place::new();
    a_run(&place);
    let folder = place.path("out");
    let downloads = browser.home.path().join("downloads");
    fs::create_dir(&downloads).unwrap();
    let allow = json!({ "behavior": "allow", "downloadPath": downloads });
    browser.ask("Page.setDownloadBehavior", allow);
    browser.open(&folder.join("report.html"));
    for file in ["engine.hlog", "feed.hlog", "summary.json"] {
        let original = fs::read(folder.join(file)).unwrap();
        let link = format!("document.querySelector('a[download=\"{file}\"]')");
        let address = browser.value(&format!("{link}.href"));
        let (_, encoded) = address.as_str().unwrap().split_once("base64,").unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        assert!(bytes == original, "{file}: the link holds other bytes");
        browser.value(&format!("{link}.click()"));
        let downloaded = downloads.join(file);
        let is_there = wait_until(Duration::from_secs(20), || {
            fs::read(&downloaded).is_ok_and(|bytes| bytes == original)
        });
        assert!(is_there, "{file}: not downloaded, or not as it was");
    }
}

#[test]
fn slow_ticks_are_marked_and_say_their_cause() {
    let Some(mut browser) = Browser::start() else { return };
    let desk = Desk::new();
    desk.write("run/engine.hlog", log(&[("response", &[400, 900, 50_000])], 10));
    let records = [
        slow(2.5, "host_steal", 450_000, "the hypervisor ran another guest"),
        slow(7.25, "interrupt", 90_000, "an interrupt on the engine's core"),
    ];
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    desk.write("run/slow.jsonl", lines);
    let output = desk.report(&["run"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for is_phone in [false, true] {
        browser.become_window(if is_phone { 390 } else { 1_100 }, is_phone, "light");
        browser.open(&desk.path("run/report.html"));
        let marks = "[...document.querySelectorAll('svg[data-kind=strip]')]\
                     .filter((svg) => svg.getClientRects().length)\
                     .flatMap((svg) => [...svg.querySelectorAll('.mark')])";
        let looks = browser.value(&format!("{marks}.map((mark) => mark.getAttribute('class'))"));
        let looks = looks.as_array().unwrap();
        assert!(looks.len() == 2 && looks[0] != looks[1], "two causes look alike: {looks:?}");
        for (nth, why) in ["ran another guest", "on the engine's core"].into_iter().enumerate() {
            let point = browser.point(&format!(
                "(() => {{ const mark = {marks}[{nth}]; mark.scrollIntoView({{block: 'center'}}); \
                 const box = mark.getBoundingClientRect(); \
                 return [box.left + box.width / 2, box.top + box.height / 2]; }})()"
            ));
            if is_phone {
                browser.tap(point)
            } else {
                browser.mouse_to(point)
            }
            let said = browser.value("document.getElementById('moment').textContent");
            assert!(said.as_str().unwrap().contains(why), "{nth}: {said}");
        }
        // Half way through the fourth second, in the row of the response.
        let point = browser.point(&place_in("strip", 0.35, 0.83));
        if is_phone {
            browser.tap(point)
        } else {
            browser.mouse_to(point)
        }
        let fourth =
            &hlog::read(&fs::read(desk.path("run/engine.hlog")).unwrap(), false).unwrap().0[3];
        let said = browser.value("document.getElementById('moment').textContent");
        let max = tickspin_results::table::grouped(fourth.values.max());
        let expected = format!("response, 3 to 4 s: max {max} ns");
        assert!(said.as_str().unwrap().starts_with(&expected), "{expected}: {said}");
        browser.picture(if is_phone { "slow-phone" } else { "slow" });
    }
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
}

/// Relative luminance of `rgb(…)`.
fn brightness(colour: &Value) -> f64 {
    let text = colour.as_str().unwrap();
    let parts = text.trim_start_matches("rgb(").trim_end_matches(')').split(',');
    let linear = parts.map(|part| {
        let part: f64 = part.trim().parse::<f64>().unwrap() / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    linear.zip([0.2126, 0.7152, 0.0722]).map(|(part, weight)| part * weight).sum()
}

/// As the accessibility guidelines count it: 1 to 21.
fn contrast(colours: &Value) -> f64 {
    let (a, b) = (brightness(&colours[0]), brightness(&colours[1]));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}
