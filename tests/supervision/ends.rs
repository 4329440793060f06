//! Ends of a puppet's first life, and what follows from each: for tables of them.

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, Failure,
    RestartPolicy::{self, Permanent, Temporary, Transient},
};

use crate::{puppet::Puppet, support::placed};

/// As what an end is reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum As {
    Panic,
    Error,
    Stopped,
    Finished,
}

/// What a puppet may do, to be told in its first life.
pub type Act = fn(&mut Puppet, &mut Context<Puppet>);

/// A puppet that does this in `started`, in its first life.
pub fn in_started(act: fn(&mut Context<Puppet>)) -> ChildSpec<Puppet> {
    Puppet::starting("bad", move |life, ctx| {
        if life == 1 {
            act(ctx);
        }
    })
}

/// A puppet whose factory does this before it makes the first one.
pub fn in_factory(act: fn(&mut Context<Puppet>) -> Result<(), &'static str>) -> ChildSpec<Puppet> {
    let mut life = 0;
    placed(ChildSpec::try_actor("bad", move |ctx| {
        life += 1;
        if life == 1 {
            act(ctx)?;
        }
        Ok::<_, &'static str>(Puppet::new(life))
    }))
}

/// What a policy makes of an end.
pub fn restarts(policy: RestartPolicy, reported: As) -> bool {
    match (policy, reported) {
        (Permanent, As::Panic | As::Error | As::Stopped) => true,
        (Transient, As::Panic | As::Error) => true,
        (Permanent | Transient | Temporary, _) => false,
    }
}

/// Whether this failure is the one of such an end; what is said in it is "boom".
pub fn is(reported: As, failure: &Failure) -> bool {
    match failure {
        Failure::Panic(info) => reported == As::Panic && info.message == "boom",
        Failure::Error(error) => reported == As::Error && error.to_string() == "boom",
        Failure::Stopped => reported == As::Stopped,
        _ => false,
    }
}
