//! Alive, ready, measured.

use actix_web::http::Method;

use crate::*;

#[test]
fn a_tree_is_alive_as_long_as_it_answers() {
    run(async {
        let root = Supervisor::new("root").start();
        let app = app(web::scope(root.clone())).await;
        assert_eq!(get(&app, "/supervisor/healthz").await, (200, "ok\n".into()));
        let ask = TestRequest::with_uri("/supervisor/healthz").method(Method::HEAD).to_request();
        assert_eq!(test::call_service(&app, ask).await.status(), StatusCode::OK);
        root.send(Stop).await.unwrap();
        let ended = (503, "the supervisor has ended\n".to_owned());
        assert_eq!(get(&app, "/supervisor/healthz").await, ended);
        assert_eq!(get(&app, "/supervisor/readyz").await, ended);
    });
}

#[test]
fn it_is_ready_or_one_line_says_what_is_wrong() {
    run(async {
        let slowly = Backoff::constant(Duration::from_secs(60));
        let store = worker("sto\nre").essential(true).backoff(slowly);
        let addr = store.addr();
        let root = Supervisor::new("root").child(store).start();
        let hidden = app(web::scope(root.clone())).await;
        let shown = app(web::scope(root).show_failures(true)).await;
        while get(&hidden, "/supervisor/readyz").await.1 != "ready\n" {}

        addr.send(Crash).await.unwrap_err();
        let (status, line) = get(&hidden, "/supervisor/readyz").await;
        assert_eq!((status, &*line), (503, "not ready: root/sto re is down: panic\n"));
        let (status, line) = get(&shown, "/supervisor/readyz").await;
        assert!(status == 503 && line.contains(SECRET), "{line}");
    });
}

#[test]
fn metrics_are_what_the_application_renders() {
    run(async {
        let root = Supervisor::new("root").start();
        let plain = app(web::scope(root.clone())).await;
        assert_eq!(get(&plain, "/supervisor/metrics").await.0, 404);
        let broken = app(web::scope(root.clone()).metrics(|| panic!("{SECRET}"))).await;
        let (status, said) = get(&broken, "/supervisor/metrics").await;
        assert!(status == 500 && !said.contains(SECRET), "{said}");
        let with = app(web::scope(root).metrics(|| "up 1\n".to_owned())).await;
        assert_eq!(get(&with, "/supervisor/metrics").await, (200, "up 1\n".into()));
    });
}
