//! Asks the hub whose token it is (TokenReview), then whether they may (SubjectAccessReview).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use motet_core::{
    ApiError, Gvk, ObjectName,
    names::HOST_MANAGER,
    ports::{MemberApi, Write},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

use super::verdicts::{Question, Verdict, Verdicts};

/// Longest token that is shown to the hub: those of Kubernetes have less than 2 KB.
const LONGEST_TOKEN: usize = 16 << 10;
/// Questions to the hub at once: strangers' tokens must not become a load on it.
const AT_ONCE: usize = 16;
/// Longest wait for an answer; less than what the CLI waits for.
const PATIENCE: Duration = Duration::from_secs(8);
const AWAY: &str = "the hub cannot be asked who may read: try again, and see this host's log; /healthz, /readyz and /metrics need no token";
const NOT_ALLOWED: &str = "the hub does not let this host ask who may read: give it create on tokenreviews.authentication.k8s.io and subjectaccessreviews.authorization.k8s.io";

/// Asks the hub, and remembers for some seconds what it said.
pub(crate) struct Judge {
    hub: Arc<dyn MemberApi>,
    verdicts: Mutex<Verdicts>,
    asking: Semaphore,
    /// Whether the log says already that the hub cannot be asked.
    told: AtomicBool,
}

/// Nobody could say. Who asks may be a stranger: the hub's own words are in the log only.
#[derive(Debug)]
pub(crate) struct Unjudged {
    /// For whoever asked.
    pub(crate) message: &'static str,
}

impl Judge {
    pub(crate) fn new(hub: Arc<dyn MemberApi>) -> Self {
        Self { hub, verdicts: Mutex::default(), asking: Semaphore::new(AT_ONCE), told: AtomicBool::new(false) }
    }

    /// Whether whoever has `token` may `verb` the non-resource URL `url`.
    pub(crate) async fn verdict(&self, token: &str, verb: &str, url: &str) -> Result<Verdict, Unjudged> {
        if token.len() > LONGEST_TOKEN {
            return Ok(Verdict::Unknown);
        }
        let question = Question::new(token, verb, url);
        let known = self.verdicts.lock().get(&question);
        if let Some(verdict) = known {
            return Ok(verdict);
        }
        let asked = timeout(PATIENCE, async {
            let _turn = self.asking.acquire().await;
            self.ask(token, verb, url).await
        });
        let answer = asked.await.unwrap_or_else(|_| Err(ApiError::timeout(format!("no answer within {PATIENCE:?}"))));
        match answer {
            Ok(verdict) => {
                self.told.store(false, Relaxed);
                self.verdicts.lock().put(question, verdict.clone());
                Ok(verdict)
            }
            Err(error) => {
                let message = if error.code == 403 { NOT_ALLOWED } else { AWAY };
                if !self.told.swap(true, Relaxed) {
                    tracing::warn!(%error, "requests to /api are refused: {message}");
                }
                Err(Unjudged { message })
            }
        }
    }

    async fn ask(&self, token: &str, verb: &str, url: &str) -> Result<Verdict, ApiError> {
        let kind = Gvk::new("authentication.k8s.io", "v1", "TokenReview");
        let review = self.review(&kind, json!({ "token": token })).await?;
        if review["authenticated"] != true {
            return Ok(Verdict::Unknown);
        }
        let known = &review["user"];
        let user = known["username"].as_str().unwrap_or_default();
        let mut spec = json!({ "user": user, "nonResourceAttributes": { "path": url, "verb": verb } });
        for field in ["uid", "groups", "extra"] {
            if !known[field].is_null() {
                spec[field] = known[field].clone();
            }
        }
        let kind = Gvk::new("authorization.k8s.io", "v1", "SubjectAccessReview");
        let review = self.review(&kind, spec).await?;
        Ok(if review["allowed"] == true { Verdict::Allowed } else { Verdict::Forbidden { user: user.into() } })
    }

    /// The status of one review.
    async fn review(&self, kind: &Gvk, spec: Value) -> Result<Value, ApiError> {
        let resource = self.hub.resource(kind).await?;
        let body = json!({ "apiVersion": kind.api_version(), "kind": kind.kind, "spec": spec }).to_string();
        let create = Write::Create { body: body.into_bytes().into(), manager: HOST_MANAGER.into() };
        let answer = self.hub.write(&resource, &ObjectName::cluster("review"), create).await?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|e| {
            ApiError::new(0, "InvalidAnswer", format!("creating a {}: the answer is not JSON: {e}", kind.kind))
        })?;
        Ok(answer["status"].take())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use async_trait::async_trait;
    use bytes::Bytes;
    use futures::stream::BoxStream;
    use motet_core::{
        Change, Resource,
        description::Scope,
        ports::{ListQuery, Page},
    };

    use super::*;

    /// A hub that knows the tokens `good` (of alice, who may read members) and nobody else's.
    #[derive(Default)]
    struct Scripted {
        asked: AtomicUsize,
        fails: Mutex<Option<ApiError>>,
        hangs: AtomicBool,
    }

    #[async_trait]
    impl MemberApi for Scripted {
        async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
            let plural = format!("{}s", gvk.kind.to_lowercase()).into();
            Ok(Resource { gvk: gvk.clone(), plural, namespaced: false, status: false, watchable: false })
        }
        async fn get(&self, _: &Resource, _: &ObjectName) -> Result<Option<Bytes>, ApiError> {
            Ok(None)
        }
        async fn list(&self, _: &Resource, _: &ListQuery) -> Result<Page, ApiError> {
            Ok(Page::default())
        }
        async fn write(&self, resource: &Resource, _: &ObjectName, write: Write) -> Result<Bytes, ApiError> {
            self.asked.fetch_add(1, Relaxed);
            if self.hangs.load(Relaxed) {
                std::future::pending::<()>().await;
            }
            if let Some(error) = self.fails.lock().clone() {
                return Err(error);
            }
            let Write::Create { body, .. } = write else { panic!("{write:?}") };
            let spec = serde_json::from_slice::<Value>(&body).unwrap()["spec"].clone();
            let status = if &*resource.gvk.kind == "TokenReview" {
                match spec["token"] == "good" {
                    true => {
                        json!({ "authenticated": true, "user": { "username": "alice", "groups": ["devs"], "extra": { "a": ["b"] } } })
                    }
                    false => json!({ "error": "no such token" }),
                }
            } else {
                assert_eq!(
                    (&spec["user"], &spec["groups"], &spec["extra"]),
                    (&json!("alice"), &json!(["devs"]), &json!({ "a": ["b"] }))
                );
                let wanted = json!({ "path": "/motet/api/v1/members", "verb": "get" });
                json!({ "allowed": spec["nonResourceAttributes"] == wanted })
            };
            Ok(json!({ "status": status }).to_string().into_bytes().into())
        }
        fn watch(&self, _: &Resource, _: &Scope, _: Option<String>) -> BoxStream<'static, Change> {
            Box::pin(futures::stream::empty())
        }
    }

    const MEMBERS: &str = "/motet/api/v1/members";

    fn judge() -> (Arc<Scripted>, Judge) {
        let hub = Arc::new(Scripted::default());
        (hub.clone(), Judge::new(hub))
    }

    #[tokio::test(start_paused = true)]
    async fn the_hub_says_who_it_is_and_whether_they_may_and_is_asked_once() {
        let (hub, judge) = judge();
        for _ in 0..3 {
            assert_eq!(judge.verdict("good", "get", MEMBERS).await.unwrap(), Verdict::Allowed);
        }
        assert_eq!(hub.asked.load(Relaxed), 2, "one review of each kind");
        assert_eq!(judge.verdict("bad", "get", MEMBERS).await.unwrap(), Verdict::Unknown);
        assert_eq!(hub.asked.load(Relaxed), 3, "whoever is nobody is not asked about any further");
        let no = Verdict::Forbidden { user: "alice".into() };
        assert_eq!(judge.verdict("good", "get", "/motet/api/v1/plugins").await.unwrap(), no);
        assert_eq!(judge.verdict("good", "post", MEMBERS).await.unwrap(), no);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(judge.verdict("good", "get", MEMBERS).await.unwrap(), Verdict::Allowed);
        assert_eq!(hub.asked.load(Relaxed), 9);
        assert_eq!(judge.verdict(&"x".repeat(LONGEST_TOKEN + 1), "get", MEMBERS).await.unwrap(), Verdict::Unknown);
        assert_eq!(hub.asked.load(Relaxed), 9, "an absurd token is not carried to the hub");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_cannot_be_asked_is_said_and_nothing_of_it_is_remembered() {
        let (hub, judge) = judge();
        *hub.fails.lock() = Some(ApiError::new(403, "Forbidden", "no"));
        assert_eq!(judge.verdict("good", "get", MEMBERS).await.unwrap_err().message, NOT_ALLOWED);
        *hub.fails.lock() = Some(ApiError::connection("refused"));
        assert_eq!(judge.verdict("good", "get", MEMBERS).await.unwrap_err().message, AWAY);
        *hub.fails.lock() = None;
        hub.hangs.store(true, Relaxed);
        assert_eq!(judge.verdict("good", "get", MEMBERS).await.unwrap_err().message, AWAY);
        hub.hangs.store(false, Relaxed);
        assert_eq!(judge.verdict("good", "get", MEMBERS).await.unwrap(), Verdict::Allowed);
    }
}
