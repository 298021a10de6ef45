//! What the hub said a moment ago about a token and a path. Tokens themselves are never kept.

use std::{collections::HashMap, time::Duration};

use motet_core::Digest;
use tokio::time::Instant;

/// How long a yes holds: a right or a token that was taken away works so much longer.
const YES: Duration = Duration::from_secs(10);
/// How long a no holds: a right that was given works so much later.
const NO: Duration = Duration::from_secs(5);
/// Verdicts kept at once; past it the one goes that would end first.
const MOST: usize = 1024;

/// What the hub says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The token is good and its user may.
    Allowed,
    /// The token is nobody's.
    Unknown,
    /// The token is good, its user may not.
    Forbidden {
        /// Whose token it is.
        user: String,
    },
}

/// A question that was asked, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question(Digest);

impl Question {
    /// None of the three may hold a zero byte, so that no two questions are one text: headers and URLs cannot.
    pub(crate) fn new(token: &str, verb: &str, url: &str) -> Self {
        Self(Digest::of(format!("{token}\0{verb}\0{url}").as_bytes()))
    }
}

/// Verdicts that still hold.
#[derive(Default)]
pub(crate) struct Verdicts(HashMap<Question, (Verdict, Instant)>);

impl Verdicts {
    pub(crate) fn get(&self, question: &Question) -> Option<Verdict> {
        let (verdict, until) = self.0.get(question)?;
        (Instant::now() < *until).then(|| verdict.clone())
    }

    pub(crate) fn put(&mut self, question: Question, verdict: Verdict) {
        let now = Instant::now();
        if self.0.len() >= MOST {
            self.0.retain(|_, (_, until)| now < *until);
        }
        if self.0.len() >= MOST {
            let first = self.0.iter().min_by_key(|(_, (_, until))| *until).map(|(question, _)| *question);
            first.map(|first| self.0.remove(&first));
        }
        let lasts = if verdict == Verdict::Allowed { YES } else { NO };
        self.0.insert(question, (verdict, now + lasts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no() -> Verdict {
        Verdict::Forbidden { user: "alice".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_yes_holds_for_ten_seconds_and_a_no_for_five() {
        let mut verdicts = Verdicts::default();
        let [yes, refused] = ["a", "b"].map(|token| Question::new(token, "get", "/motet/api/v1/members"));
        verdicts.put(yes, Verdict::Allowed);
        verdicts.put(refused, no());
        tokio::time::advance(NO - Duration::from_millis(1)).await;
        assert_eq!((verdicts.get(&yes), verdicts.get(&refused)), (Some(Verdict::Allowed), Some(no())));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((verdicts.get(&yes), verdicts.get(&refused)), (Some(Verdict::Allowed), None));
        tokio::time::advance(YES - NO).await;
        assert_eq!(verdicts.get(&yes), None);
    }

    #[tokio::test(start_paused = true)]
    async fn another_token_path_or_verb_is_another_question() {
        let mut verdicts = Verdicts::default();
        verdicts.put(Question::new("a", "get", "/motet/api/v1/members"), Verdict::Allowed);
        for (token, verb, url) in [
            ("b", "get", "/motet/api/v1/members"),
            ("a", "get", "/motet/api/v1/plugins"),
            ("a", "post", "/motet/api/v1/members"),
        ] {
            assert_eq!(verdicts.get(&Question::new(token, verb, url)), None, "{token} {verb} {url}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_bad_tokens_pushes_no_good_one_out() {
        let mut verdicts = Verdicts::default();
        let good = Question::new("good", "get", "/motet/api");
        verdicts.put(good, Verdict::Allowed);
        for number in 0..3 * MOST {
            verdicts.put(Question::new(&format!("bad-{number}"), "get", "/motet/api"), Verdict::Unknown);
        }
        assert!(verdicts.0.len() <= MOST);
        assert_eq!(verdicts.get(&good), Some(Verdict::Allowed));
    }
}
