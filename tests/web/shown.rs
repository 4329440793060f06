//! What is served, and how.

use crate::*;

#[test]
fn the_page_is_served_with_and_without_a_slash_and_runs_no_script_but_its_own() {
    run(async {
        let root = Supervisor::new("root").child(quiet("<script>")).start();
        let app = app(web::scope(root).at("/inside/")).await;
        for path in ["/inside", "/inside/"] {
            let response =
                test::call_service(&app, TestRequest::get().uri(path).to_request()).await;
            assert_eq!(response.status(), StatusCode::OK);
            let policy =
                response.headers().get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
            let (_, nonce) = policy.split_once("script-src 'nonce-").unwrap();
            let nonce = nonce[..32].to_owned();
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            let body = test::read_body(response).await;
            let page = std::str::from_utf8(&body).unwrap();
            assert!(page.contains(&format!(r#"<script nonce="{nonce}">"#)));
            assert_eq!((page.matches("<script").count(), page.matches("{{").count()), (1, 0));
            assert!(!page.contains("https://") && !page.contains("innerHTML"));
        }
        let nonces = [get(&app, "/inside").await, get(&app, "/inside").await];
        assert_ne!(nonces[0], nonces[1], "each page has a nonce of its own");
    });
}

#[test]
fn no_answer_is_kept_framed_or_taken_for_something_else() {
    run(async {
        let app = app(web::scope(Supervisor::new("root").start())).await;
        let paths = ["", "/tree.json", "/events", "/healthz", "/readyz", "/metrics", "/child.json"];
        for path in paths.into_iter().chain(["/control/kill", "/nothing"]) {
            let ask = TestRequest::get().uri(&format!("/supervisor{path}")).to_request();
            let response = test::call_service(&app, ask).await;
            let is = |name: HeaderName, value: &str| {
                let given =
                    response.headers().get(&name).unwrap_or_else(|| panic!("{path}: {name}"));
                assert!(given.to_str().unwrap().contains(value), "{path}: {name}: {given:?}");
            };
            is(header::CACHE_CONTROL, "no-store");
            is(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            is(header::CONTENT_SECURITY_POLICY, "default-src 'none'");
            is(header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'");
        }
    });
}

#[test]
fn a_tree_is_told_with_its_nested_supervisors_and_the_number_of_the_last_event() {
    run(async {
        let below = Supervisor::new("below").child(quiet("leaf").essential(true));
        let root = Supervisor::new("root").child(ChildSpec::supervisor(below)).start();
        let app = app(web::scope(root)).await;
        let told = json_of(&app, "/supervisor/tree.json").await;
        assert!(told["latest"].is_u64(), "{told}");
        assert_eq!(told["failures_shown"], false);
        let tree = &told["tree"];
        assert_eq!(tree["status"]["name"], "root");
        assert_eq!(tree["supervisors"][0]["token"], tree["children"][0]["token"]);
        let leaf = &tree["supervisors"][0]["children"][0];
        assert_eq!((&leaf["name"], &leaf["kind"]), (&json!("leaf"), &json!("service")));
        assert_eq!(leaf["essential"], true);
    });
}

#[test]
fn ten_thousand_children_are_one_answer_that_is_shared() {
    run(async {
        let mut root = Supervisor::new("root");
        for number in 0..10_000 {
            root = root.child(quiet(&format!("child-{number}")));
        }
        let root = root.start();
        let (one, other) = (app(web::scope(root.clone())).await, app(web::scope(root)).await);
        let path = "/supervisor/tree.json";
        let (one, other) = tokio::join!(get(&one, path), get(&other, path));
        assert_eq!(one, other);
        let tree: Value = serde_json::from_str(&one.1).unwrap();
        assert_eq!(tree["tree"]["children"].as_array().unwrap().len(), 10_000);
    });
}

#[test]
fn a_scope_is_printed_for_debugging_with_what_it_allows() {
    run(async {
        let scope = web::scope(Supervisor::new("root").addr());
        let printed = format!("{scope:?}");
        assert_eq!(
            printed,
            r#"Scope { at: "/supervisor", control: false, show_failures: false, .. }"#
        );
        let printed = format!("{:?}", scope.at("/here").allow_control().show_failures(true));
        assert_eq!(printed, r#"Scope { at: "/here", control: true, show_failures: true, .. }"#);
    });
}
