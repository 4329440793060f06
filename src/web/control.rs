//! Requests to supervisors from the page, where the application has allowed them.
//!
//! A browser sends a form of any other site along with the cookies of this one, so what changes something is refused unless the browser says
//! that its own page has sent it.

use std::time::Duration;

use actix::{Addr, MailboxError};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN},
    },
    web::{Bytes, Data, Path},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{Mounted, tree};
use crate::{
    error::ChildError,
    info::TreeNode,
    messages::{Kill, Restart, Resume, Terminate},
    supervisor::Supervisor,
    token::ChildToken,
};

/// How long the answer waits for what was asked: less than a server gives its requests when it is stopped, which may be what was asked.
const LIMIT: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Deed {
    Restart,
    Terminate,
    Kill,
    Resume,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// Which child; for [`Deed::Resume`], which nested supervisor, or none for the root.
    token: Option<String>,
}

pub(super) async fn handle(
    deed: Path<Deed>,
    request: HttpRequest,
    body: Bytes,
    mounted: Data<Mounted>,
) -> HttpResponse {
    if !is_same_origin(&request) {
        let said = "only the page itself may ask for that: send Sec-Fetch-Site: same-origin, or an Origin that is this host";
        return refuse(StatusCode::FORBIDDEN, said);
    }
    let is_json = header(&request, &CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be application/json");
    }
    let Ok(body) = serde_json::from_slice::<Body>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, r##"the body has to be {"token": "#1.2"}"##);
    };
    let token = body.token.as_deref().map(ChildToken::parsed);
    if token == Some(None) {
        return refuse(StatusCode::BAD_REQUEST, r##"a token is like "#1.2""##);
    }
    match timeout(LIMIT, carry_out(deed.into_inner(), token.flatten(), &mounted)).await {
        Ok(Ok(())) => HttpResponse::Ok().json(json!({ "done": true })),
        // It goes on all the same.
        Err(_) => HttpResponse::Accepted().json(json!({ "done": false })),
        Ok(Err(refused)) => refuse(refused.status(), &refused.to_string()),
    }
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("this has to be about a child: name its token")]
    NoToken,
    #[error("only a supervisor that is up can resume")]
    NoSupervisor,
    #[error("{0}")]
    Child(#[from] ChildError),
    #[error("the supervisor does not answer: {0}")]
    Silent(#[from] MailboxError),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken => StatusCode::BAD_REQUEST,
            Self::Child(ChildError::NotFound | ChildError::WrongSupervisor) => {
                StatusCode::NOT_FOUND
            }
            Self::NoSupervisor | Self::Child(_) => StatusCode::CONFLICT,
            Self::Silent(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

async fn carry_out(
    deed: Deed,
    token: Option<ChildToken>,
    mounted: &Mounted,
) -> Result<(), Refused> {
    let root = &mounted.root;
    match deed {
        Deed::Resume => {
            let supervisor = match token {
                None => root.clone(),
                Some(token) => {
                    let tree = tree::ask(root).await?;
                    below(&tree, token).ok_or(Refused::NoSupervisor)?
                }
            };
            Ok(supervisor.send(Resume).await?)
        }
        Deed::Restart => {
            let (token, supervisor) = found(token, root).await?;
            Ok(supervisor.send(Restart(token)).await??)
        }
        Deed::Terminate => {
            let (token, supervisor) = found(token, root).await?;
            Ok(supervisor.send(Terminate(token)).await??)
        }
        Deed::Kill => {
            let (token, supervisor) = found(token, root).await?;
            Ok(supervisor.send(Kill(token)).await??)
        }
    }
}

/// A child, and the supervisor that it is of.
async fn found(
    token: Option<ChildToken>,
    root: &Addr<Supervisor>,
) -> Result<(ChildToken, Addr<Supervisor>), Refused> {
    let token = token.ok_or(Refused::NoToken)?;
    let tree = tree::ask(root).await?;
    let supervisor = above(&tree, token, root).ok_or(ChildError::NotFound)?;
    Ok((token, supervisor))
}

fn above(node: &TreeNode, token: ChildToken, addr: &Addr<Supervisor>) -> Option<Addr<Supervisor>> {
    if node.children.iter().any(|child| child.token == token) {
        return Some(addr.clone());
    }
    node.supervisors.iter().find_map(|nested| {
        let addr = nested.token.and_then(|token| child(node, token))?;
        above(nested, token, &addr)
    })
}

fn below(node: &TreeNode, token: ChildToken) -> Option<Addr<Supervisor>> {
    child(node, token).or_else(|| node.supervisors.iter().find_map(|nested| below(nested, token)))
}

/// The address of a nested supervisor, by its token.
fn child(node: &TreeNode, token: ChildToken) -> Option<Addr<Supervisor>> {
    node.children.iter().find(|child| child.token == token)?.addr()
}

fn refuse(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": message }))
}

fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn is_same_origin(request: &HttpRequest) -> bool {
    let host = header(request, &HOST).or_else(|| request.uri().authority().map(|it| it.as_str()));
    let site = HeaderName::from_static("sec-fetch-site");
    same_origin(header(request, &site), header(request, &ORIGIN), host)
}

/// What the browser says of the site that has sent a request, which no page can forge, and which holds behind a proxy that changes the host;
/// where the browser is too old for that, the origin that it names. Who says neither is refused.
fn same_origin(site: Option<&str>, origin: Option<&str>, host: Option<&str>) -> bool {
    if let Some(site) = site {
        return site == "same-origin";
    }
    let Some((origin, host)) = origin.zip(host) else { return false };
    let origin = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::same_origin;

    #[test]
    fn only_a_request_of_its_own_page_has_the_same_origin() {
        let host = Some("app.example:8080");
        for (site, origin, expected) in [
            (Some("same-origin"), Some("https://app.example:8080"), true),
            (Some("same-origin"), None, true),
            (Some("same-site"), Some("https://app.example:8080"), false),
            (Some("cross-site"), None, false),
            (Some("none"), None, false),
            (None, Some("https://app.example:8080"), true),
            (None, Some("http://APP.example:8080"), true),
            (None, Some("https://app.example"), false),
            (None, Some("https://evil.example"), false),
            (None, Some("https://app.example:8080.evil.example"), false),
            (None, Some("null"), false),
            (None, Some("app.example:8080"), false),
            (None, None, false),
        ] {
            assert_eq!(same_origin(site, origin, host), expected, "{site:?} {origin:?}");
        }
        assert!(!same_origin(None, Some("https://app.example"), None));
    }
}
