//! What a case is, and how it is held with both sides.

use anyhow::Result;
use futures::future::BoxFuture;

use crate::{
    compare::{self, Verdict},
    stage::{Side, Stage},
    talk::Talk,
};

type Play = for<'a> fn(&'a Talk) -> BoxFuture<'a, Result<()>>;

/// One conversation with a cluster.
#[derive(Clone, Copy)]
pub struct Case {
    /// Which part of the API it is about: a heading of the table.
    pub area: &'static str,
    /// The function's name; its words are what the case shows.
    pub name: &'static str,
    /// Why the embedded cluster may answer 501, where it may.
    pub outside: Option<&'static str>,
    play: Play,
}

impl Case {
    /// A case that both sides must answer the same.
    pub const fn new(area: &'static str, name: &'static str, play: Play) -> Self {
        Self { area, name, outside: None, play }
    }

    /// The same case, outside of what embedded clusters serve, with the reason.
    pub const fn outside(self, why: &'static str) -> Self {
        Self { outside: Some(why), ..self }
    }

    /// What it shows, as a sentence.
    pub fn title(&self) -> String {
        self.name.replace('_', " ")
    }

    /// Holds it with both sides and compares what they said.
    pub async fn hold(&self, stage: &Stage) -> Verdict {
        let (real, embedded) = tokio::join!(self.with(&stage.real), self.with(&stage.embedded));
        compare::verdict(self, &real, &embedded)
    }

    async fn with(&self, side: &Side) -> compare::Held {
        let talk = Talk::new(side, self.area, self.name);
        let error = (self.play)(&talk).await.err().map(|e| format!("{e:#}"));
        compare::Held { error, ..talk.held() }
    }
}

/// Lists the cases of one area: `cases! { "area": one_case, another_case; outside: a_third = "why" }` defines `cases()`.
#[macro_export]
macro_rules! cases {
    ($area:literal: $($name:ident),* $(,)? $(; outside: $($out:ident = $why:literal),+ $(,)?)?) => {
        /// The cases of this file.
        pub(crate) fn cases() -> Vec<$crate::Case> {
            vec![
                $($crate::Case::new($area, stringify!($name), |talk| Box::pin($name(talk))),)*
                $($($crate::Case::new($area, stringify!($out), |talk| Box::pin($out(talk))).outside($why),)+)?
            ]
        }
    };
}
