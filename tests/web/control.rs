//! Requests of the page.

use crate::*;

async fn post(
    app: &impl Service<Req, Response = Res, Error = Error>,
    deed: &str,
    body: &Value,
    headers: &[(&'static str, &'static str)],
) -> (u16, Value) {
    let mut ask = TestRequest::post().uri(&format!("/supervisor/control/{deed}"));
    for header in headers {
        ask = ask.insert_header(*header);
    }
    let response = test::call_service(app, ask.set_payload(body.to_string()).to_request()).await;
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&test::read_body(response).await).unwrap_or_default())
}

const OURS: [(&str, &str); 2] =
    [("sec-fetch-site", "same-origin"), ("content-type", "application/json")];

#[test]
fn nothing_can_be_changed_unless_that_is_allowed() {
    run(async {
        let root = Supervisor::new("root").child(quiet("child")).start();
        let app = app(web::scope(root)).await;
        assert_eq!(post(&app, "kill", &json!({"token": "#1.1"}), &OURS).await.0, 404);
    });
}

#[test]
fn only_a_json_post_of_the_page_itself_is_heard() {
    run(async {
        let root = Supervisor::new("root").child(quiet("child")).start();
        let app = app(web::scope(root).allow_control()).await;
        let tree = json_of(&app, "/supervisor/tree.json").await;
        let body = json!({"token": tree["tree"]["children"][0]["token"]});
        let json = ("content-type", "application/json");
        for (headers, status) in [
            (&[json][..], 403),
            (&[("sec-fetch-site", "cross-site"), json], 403),
            (&[("sec-fetch-site", "same-site"), json], 403),
            (&[("host", "us"), ("origin", "https://them"), json], 403),
            (&[("sec-fetch-site", "same-origin"), ("content-type", "text/plain")], 415),
            (&[("host", "us"), ("origin", "https://us"), json], 200),
            (&OURS, 200),
        ] {
            assert_eq!(post(&app, "restart", &body, headers).await.0, status, "{headers:?}");
        }
        assert_eq!(get(&app, "/supervisor/control/restart").await.0, 405);
        assert_eq!(post(&app, "format", &body, &OURS).await.0, 404);
        assert_eq!(post(&app, "kill", &json!({"token": "1"}), &OURS).await.0, 400);
        assert_eq!(post(&app, "kill", &json!({}), &OURS).await.0, 400);
        assert_eq!(post(&app, "kill", &json!({"token": "#0.7"}), &OURS).await.0, 404);
    });
}

#[test]
fn a_child_of_a_nested_supervisor_is_restarted_terminated_and_killed_and_a_pause_ended() {
    run(async {
        let spec = Spec::default().failure_threshold(0.5);
        let below = Supervisor::with_spec("below", spec).unwrap().child(worker("leaf"));
        let root = Supervisor::new("root").child(ChildSpec::supervisor(below)).start();
        let app = app(web::scope(root).allow_control()).await;
        let mut stream = Stream::open(&app, "/supervisor/events", None).await;
        stream.named("hello").await;
        let tree = json_of(&app, "/supervisor/tree.json").await;
        let below = json!({"token": tree["tree"]["children"][0]["token"]});
        let leaf = json!({"token": tree["tree"]["supervisors"][0]["children"][0]["token"]});
        for (deed, child, told) in [
            ("restart", &leaf, "ChildRestarted"),
            ("terminate", &leaf, "ChildStopped"),
            ("restart", &leaf, "ChildRestarted"),
            ("kill", &leaf, "BackoffEntered"),
            ("resume", &below, "BackoffLeft"),
            ("resume", &json!({}), ""),
        ] {
            let answer = post(&app, deed, child, &OURS).await;
            assert_eq!(answer, (200, json!({"done": true})), "{deed}");
            if !told.is_empty() {
                stream.until(told).await;
            }
        }
    });
}
