//! What is shown of failures.

use crate::*;

#[test]
fn what_a_failure_says_is_shown_only_where_that_is_allowed() {
    run(async {
        let first = worker("first").backoff(Backoff::constant(Duration::from_secs(60)));
        let addr = first.addr();
        let unlucky = ChildSpec::service("unlucky", |_| async { Err::<(), _>(SECRET) });
        let spec = Spec::default().failure_threshold(0.5);
        let below = Supervisor::with_spec("below", spec).unwrap().child(unlucky);
        let below = ChildSpec::supervisor(below);
        let root = Supervisor::new("root").child(first).child(below);
        let scope = web::scope(root.addr());
        let root = root.start();
        let (hidden, shown) = (app(scope).await, app(web::scope(root).show_failures(true)).await);
        let mut stream = Stream::open(&hidden, "/supervisor/events?last=50", None).await;
        addr.send(Crash).await.unwrap_err();
        let mut told = String::new();
        let token = loop {
            let (_, event) = stream.happened().await;
            told.push_str(&event.to_string());
            if event["path"] == json!(["root", "first"]) && event["kind"] == "ChildFailed" {
                break event["token"].as_str().unwrap().replace('#', "%23");
            }
        };
        let child = format!("/supervisor/child.json?token={token}");
        for path in ["/supervisor/tree.json", &child, "/supervisor/readyz"] {
            told.push_str(&get(&hidden, path).await.1);
        }
        assert!(told.contains("panic") && told.contains("ChildFailed"), "{told}");
        assert!(!told.contains(SECRET) && !told.contains("tests/web.rs"), "{told}");

        for path in ["/supervisor/tree.json", &child] {
            let told = get(&shown, path).await.1;
            assert!(told.contains(SECRET), "{path}: {told}");
        }
        let mut stream = Stream::open(&shown, "/supervisor/events?last=50", None).await;
        let (_, failed) = stream.until("ChildFailed").await;
        assert_eq!(failed["failure"]["message"], SECRET);
    });
}

#[test]
fn a_child_has_a_history_and_a_time_in_each_state() {
    run(async {
        let worker = worker("worker");
        let addr = worker.addr();
        let root = Supervisor::new("root").child(worker);
        let scope = web::scope(root.addr()).show_failures(true);
        let root = root.start();
        let app = app(scope).await;
        for _ in 0..3 {
            addr.send(Crash).await.unwrap_err();
        }
        let tree = json_of(&app, "/supervisor/tree.json").await;
        let token = tree["tree"]["children"][0]["token"].as_str().unwrap();
        let path = format!("/supervisor/child.json?token={}", token.replace('#', "%23"));
        let child = json_of(&app, &path).await;
        assert_eq!(child["failures"].as_array().unwrap().len(), 3, "{child}");
        assert_eq!(child["failures"][0]["failure"]["message"], SECRET);
        let history = child["history"].as_array().unwrap().iter().rev();
        let kinds: Vec<_> = history.map(|event| event["kind"].as_str().unwrap()).collect();
        let again = ["ChildReady", "ChildFailed", "ChildRestarted"];
        assert_eq!(kinds[..6], [again, again].concat());
        assert!(child["spent"]["running"].as_f64().is_some(), "{child}");

        assert_eq!(get(&app, "/supervisor/child.json?token=nonsense").await.0, 400);
        let unknown = json_of(&app, "/supervisor/child.json?token=%230.99").await;
        assert_eq!(unknown["known"], false);
        root.send(Stop).await.unwrap();
    });
}
