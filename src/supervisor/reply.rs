//! Answers that come later.

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use actix::{
    Context, Message,
    dev::{MessageResponse, OneshotSender},
};
use futures::future::{Either, select};
use tokio::sync::oneshot;

use super::{
    Supervisor,
    blueprint::{Blueprint, Ended},
    shell::{Answer, Refused},
};
use crate::{
    error::{ChildError, RemoveError},
    info::StopReport,
    machine::Settled,
    messages::{Join, Stop},
};

/// An answer that comes later. Nothing is kept for one who does not wait for it any more.
#[expect(missing_debug_implementations, reason = "public to the compiler only")]
pub struct Reply<T>(Pin<Box<dyn Future<Output = T>>>);

impl<T> Reply<T> {
    pub(super) fn when(answer: impl Future<Output = T> + 'static) -> Self {
        Self(Box::pin(answer))
    }
}

impl<M: Message> MessageResponse<Supervisor, M> for Reply<M::Result> {
    fn handle(self, _ctx: &mut Context<Supervisor>, sender: Option<OneshotSender<M::Result>>) {
        let Some(mut sender) = sender else { return };
        actix_rt::spawn(async move {
            let answer = match select(self.0, pin!(sender.closed())).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => return,
            };
            // Who has gone away since needs no answer.
            let _ = sender.send(answer);
        });
    }
}

/// An answer that the supervisor gives when it has ended. Nothing waits for it but who has asked.
#[expect(missing_debug_implementations, reason = "public to the compiler only")]
pub struct AtItsEnd(pub(super) Arc<Blueprint>);

impl MessageResponse<Supervisor, Stop> for AtItsEnd {
    fn handle(self, _ctx: &mut Context<Supervisor>, answer: Option<OneshotSender<StopReport>>) {
        if let Some(answer) = answer {
            self.0.answer_stop(answer);
        }
    }
}

impl MessageResponse<Supervisor, Join> for AtItsEnd {
    fn handle(self, _ctx: &mut Context<Supervisor>, answer: Option<OneshotSender<Ended>>) {
        if let Some(answer) = answer {
            self.0.answer_join(answer);
        }
    }
}

impl From<Refused> for ChildError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::WrongSupervisor => Self::WrongSupervisor,
            Refused::NotFound => Self::NotFound,
            Refused::Stopping => Self::Stopping,
            Refused::Overdue => Self::Timeout,
        }
    }
}

impl From<Refused> for RemoveError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::WrongSupervisor => Self::WrongSupervisor,
            Refused::NotFound => Self::NotFound,
            Refused::Stopping => Self::Stopping,
            Refused::Overdue => Self::Timeout,
        }
    }
}

/// The answer, once there is one. None comes if the supervisor goes down without order, with its system.
pub(super) async fn answered(answer: oneshot::Receiver<Answer>) -> Answer {
    answer.await.unwrap_or((Settled::Stopping, None))
}

pub(super) async fn carried_out(
    answer: Option<oneshot::Receiver<Answer>>,
) -> Result<(), ChildError> {
    let Some(answer) = answer else { return Ok(()) };
    match answered(answer).await.0 {
        Settled::Done => Ok(()),
        Settled::Stopping | Settled::Superseded | Settled::Failed => Err(ChildError::Stopping),
        Settled::Timeout => Err(ChildError::Timeout),
    }
}
