//! Answers that come later.

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use super::{
    Supervisor,
    blueprint::{Blueprint, Ended},
    shell::{Course, Refused},
    waiting::{Answer, Says, Until},
};
use crate::{
    error::{ChildError, RemoveError},
    info::StopReport,
    machine::Settled,
    messages::{Join, Stop},
};
use actix::{
    Context, Message,
    dev::{MessageResponse, OneshotSender},
};
use futures::future::{Either, select};

/// An answer, now or later. Nothing is kept for one who does not wait for it any more.
#[expect(missing_debug_implementations, reason = "public to the compiler only")]
pub struct Reply<T>(When<T>);

enum When<T> {
    Now(T),
    /// Whoever settles that answers.
    Settled(Until, Says<T>),
    Resolved(Pin<Box<dyn Future<Output = T>>>),
}

impl<T> Reply<T> {
    pub(super) fn now(answer: T) -> Self {
        Self(When::Now(answer))
    }

    pub(super) fn after(until: Until, says: impl FnOnce(Answer) -> T + Send + 'static) -> Self {
        Self(When::Settled(until, Box::new(says)))
    }

    pub(super) fn when(answer: impl Future<Output = T> + 'static) -> Self {
        Self(When::Resolved(Box::pin(answer)))
    }
}

impl<T, E> Reply<Result<T, E>> {
    /// The answer to a request that takes this course, if it is not refused.
    pub(super) fn to(
        course: Result<Course, impl Into<E>>,
        says: impl FnOnce(Settled) -> Result<T, E> + Send + 'static,
    ) -> Self {
        match course {
            Ok(Course::Done) => Self::now(says(Settled::Done)),
            Ok(Course::Until(until)) => Self::after(until, |(settled, _)| says(settled)),
            Err(refused) => Self::now(Err(refused.into())),
        }
    }
}

impl<M: Message> MessageResponse<Supervisor, M> for Reply<M::Result>
where
    M::Result: Send,
{
    fn handle(self, _ctx: &mut Context<Supervisor>, sender: Option<OneshotSender<M::Result>>) {
        let Some(mut sender) = sender else { return };
        match self.0 {
            When::Now(answer) => {
                // Who has gone away since needs no answer.
                let _ = sender.send(answer);
            }
            When::Settled(until, says) => until.answer(sender, says),
            When::Resolved(answer) => {
                actix_rt::spawn(async move {
                    let answer = match select(answer, pin!(sender.closed())).await {
                        Either::Left((answer, _)) => answer,
                        Either::Right(_) => return,
                    };
                    let _ = sender.send(answer);
                });
            }
        }
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

pub(super) fn carried_out(settled: Settled) -> Result<(), ChildError> {
    match settled {
        Settled::Done => Ok(()),
        Settled::Stopping | Settled::Superseded | Settled::Failed => Err(ChildError::Stopping),
        Settled::Timeout => Err(ChildError::Timeout),
    }
}

pub(super) fn removed(settled: Settled) -> Result<(), RemoveError> {
    match settled {
        Settled::Done => Ok(()),
        Settled::Stopping => Err(RemoveError::Stopping),
        Settled::Timeout | Settled::Superseded | Settled::Failed => Err(RemoveError::Timeout),
    }
}
