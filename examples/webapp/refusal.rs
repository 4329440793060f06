//! What a client is told when it does not get what it asked for.

use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, MailboxError, Message, dev::ToEnvelope};
use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header::RETRY_AFTER},
};
use serde_json::json;

/// How long a request may take before its client is told so.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the body is not a JSON object of finite numbers and other values: {0}")]
    Invalid(String),
    #[error("there is no document {0}")]
    Unknown(i64),
    #[error(
        "{part} failed or was stopped with this request in hand; the failed are restarted, so try again"
    )]
    Crashed { part: String },
    #[error("{part} did not answer within {LIMIT:?}; what was asked for may still happen")]
    Late { part: String },
    #[error("store: {0}; it is restarted, so try again")]
    Database(String),
}

impl Refusal {
    /// One word for programs; the text is for people.
    fn kind(&self) -> &'static str {
        match self {
            Refusal::Invalid(_) => "invalid",
            Refusal::Unknown(_) => "unknown",
            Refusal::Crashed { .. } => "crashed",
            Refusal::Late { .. } => "late",
            Refusal::Database(_) => "database",
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Refusal::Invalid(_) => StatusCode::BAD_REQUEST,
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Crashed { .. } | Refusal::Late { .. } | Refusal::Database(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "1"));
        }
        response.json(json!({ "error": self.kind(), "message": self.to_string() }))
    }
}

/// Sends `message` to `part` and waits for the answer.
///
/// While the part is down its mailbox keeps the message, and the answer only takes longer. There is none if the part failed
/// with this very message in hand.
pub(crate) async fn ask<A, M>(part: &str, addr: &Addr<A>, message: M) -> Result<M::Result, Refusal>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    addr.send(message).timeout(LIMIT).await.map_err(|error| match error {
        MailboxError::Closed => Refusal::Crashed { part: part.into() },
        MailboxError::Timeout => Refusal::Late { part: part.into() },
    })
}
