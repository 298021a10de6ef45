//! A conversation with one cluster: requests are sent as they are written, and what comes back is kept for the comparison.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use anyhow::{Context, Result};
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    compare::{Held, Step},
    kubectl,
    stage::{self, Side},
    watch::Watch,
};

/// The four ways to change an object by a patch: their media types.
pub mod patch {
    /// RFC 6902.
    pub const JSON: &str = "application/json-patch+json";
    /// RFC 7386.
    pub const MERGE: &str = "application/merge-patch+json";
    /// Kubernetes' own: lists are merged by key.
    pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
    /// Server-side apply.
    pub const APPLY: &str = "application/apply-patch+yaml";
}

/// Headers that must be equal too.
const HEADERS: [&str; 4] = ["content-type", "warning", "retry-after", "location"];

/// One case's conversation with one side.
pub struct Talk {
    side_name: &'static str,
    url: String,
    kubeconfig: String,
    folder: std::path::PathBuf,
    client: kube::Client,
    anonymous: kube::Client,
    certificates: stage::Certificates,
    id: String,
    held: Mutex<Held>,
}

/// What a cluster answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The body; a string where it is no JSON.
    pub body: Value,
    /// The body as it came.
    pub raw: String,
}

impl Answer {
    /// A string in the body, by JSON pointer.
    pub fn text(&self, pointer: &str) -> Result<String> {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        Ok(found.with_context(|| format!("no string at {pointer} of {}", self.body))?.into())
    }

    /// The object's resource version.
    pub fn version(&self) -> Result<String> {
        self.text("/metadata/resourceVersion")
    }

    /// The object's UID.
    pub fn uid(&self) -> Result<String> {
        self.text("/metadata/uid")
    }
}

/// A request that is being put together.
pub struct Ask<'a> {
    talk: &'a Talk,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    client: Option<kube::Client>,
    kept: bool,
}

impl Talk {
    /// A new conversation. Its id is the same on both sides and another for every case.
    pub(crate) fn new(side: &Side, area: &str, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (area, name).hash(&mut hasher);
        Self {
            side_name: side.name,
            url: side.url.clone(),
            kubeconfig: side.kubeconfig.clone(),
            folder: side.folder.clone(),
            client: side.client.clone(),
            anonymous: side.anonymous.clone(),
            certificates: side.certificates.clone(),
            id: format!("c{:08x}", hasher.finish() as u32),
            held: Mutex::new(Held { url: side.url.clone(), ..Held::default() }),
        }
    }

    pub(crate) fn held(&self) -> Held {
        std::mem::take(&mut self.held.lock())
    }

    /// A word that no other case uses, the same on both sides: for names outside of namespaces.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// kube's client with all rights.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The kubeconfig with all rights.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// A kubeconfig with a certificate of a user in a group (empty: in none).
    pub fn certificate(&self, user: &str, group: &str) -> Result<String> {
        (self.certificates)(user, group)
    }

    /// The server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes the namespace of this case, without keeping the answer, and returns its path: `/api/v1/namespaces/…`.
    pub async fn namespace(&self) -> Result<String> {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.id } });
        self.ask(Method::POST, "/api/v1/namespaces").json(&namespace).unkept().send().await?;
        Ok(format!("/api/v1/namespaces/{}", self.id))
    }

    /// Something in the namespace of this case: `group` is `v1`, or `apps/v1` and its like.
    pub fn path(&self, group: &str, plural: &str) -> String {
        let root = if group.contains('/') { "/apis" } else { "/api" };
        format!("{root}/{group}/namespaces/{}/{plural}", self.id)
    }

    /// A request of any kind.
    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let (path, headers) = (path.to_owned(), Vec::new());
        Ask { talk: self, method, path, headers, body: Vec::new(), client: None, kept: true }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(Method::GET, path).send().await
    }

    /// POST of an object.
    pub async fn post(&self, path: &str, object: &Value) -> Result<Answer> {
        self.ask(Method::POST, path).json(object).send().await
    }

    /// PUT of an object.
    pub async fn put(&self, path: &str, object: &Value) -> Result<Answer> {
        self.ask(Method::PUT, path).json(object).send().await
    }

    /// PATCH in one of the ways of [`patch`].
    pub async fn patch(&self, path: &str, kind: &str, body: &Value) -> Result<Answer> {
        self.ask(Method::PATCH, path).json(body).header("content-type", kind).send().await
    }

    /// Server-side apply by a field manager.
    pub async fn apply(&self, path: &str, manager: &str, object: &Value) -> Result<Answer> {
        self.patch(&format!("{path}?fieldManager={manager}"), patch::APPLY, object).await
    }

    /// Server-side apply that takes fields from others.
    pub async fn force(&self, path: &str, manager: &str, object: &Value) -> Result<Answer> {
        self.patch(&format!("{path}?fieldManager={manager}&force=true"), patch::APPLY, object).await
    }

    /// DELETE without a body.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.ask(Method::DELETE, path).send().await
    }

    /// DELETE with options.
    pub async fn delete_with(&self, path: &str, options: &Value) -> Result<Answer> {
        self.ask(Method::DELETE, path).json(options).send().await
    }

    /// Opens a watch; what its events say is kept as they are read.
    pub async fn watch(&self, path: &str) -> Result<Watch<'_>> {
        Watch::open(self, path, "", None).await
    }

    /// The same from a version that this cluster gave; the path has a query already.
    pub async fn watch_from(&self, path: &str, version: &str) -> Result<Watch<'_>> {
        Watch::open(self, path, &format!("&resourceVersion={version}"), None).await
    }

    /// The same in another form.
    pub async fn watch_as(&self, path: &str, accept: &str) -> Result<Watch<'_>> {
        Watch::open(self, path, "", Some(accept)).await
    }

    /// Asks until the answer is as wanted, and keeps only that one: for what controllers do in their own time.
    pub async fn until(&self, path: &str, what: &str, holds: impl Fn(&Answer) -> bool) -> Result<Answer> {
        let stop = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let (answer, step) = self.ask(Method::GET, path).exchange().await?;
            if holds(&answer) {
                self.keep(step);
                return Ok(answer);
            }
            anyhow::ensure!(tokio::time::Instant::now() < stop, "waited in vain for {what}; last: {}", answer.body);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Runs kubectl, with all rights, in the namespace of this case. Words are split at spaces.
    pub async fn kubectl(&self, line: &str, input: &str) -> Result<String> {
        self.kubectl_with(line, input, &[]).await
    }

    /// The same with more in its environment.
    pub async fn kubectl_with(&self, line: &str, input: &str, environment: &[(&str, &str)]) -> Result<String> {
        let said = kubectl::run(&self.folder, &self.kubeconfig, &self.id, line, input, environment).await?;
        self.keep(Step {
            ask: format!("$ kubectl {line}"),
            code: said.code,
            body: said.text.clone().into(),
            ..Step::default()
        });
        Ok(said.text)
    }

    /// Who manages which fields of an object, as kubectl shows it; one line per entry, in the order of names.
    pub async fn kubectl_managers(&self, object: &str) -> Result<()> {
        let entries = r#"{range%20.metadata.managedFields[*]}{.manager}%20{.operation}%20{.subresource}%20{.fieldsV1}{"\n"}{end}"#;
        let printed =
            self.kubectl_unkept(&format!("get {object} -o jsonpath={entries} --show-managed-fields"), "").await?;
        let mut lines: Vec<&str> = printed.lines().collect();
        lines.sort_unstable();
        self.note(&format!("managers of {object}"), lines);
        Ok(())
    }

    /// Runs kubectl without keeping what it says.
    pub async fn kubectl_unkept(&self, line: &str, input: &str) -> Result<String> {
        Ok(kubectl::run(&self.folder, &self.kubeconfig, &self.id, line, input, &[]).await?.text)
    }

    /// Starts kubectl to read line by line what it prints: `-w` and its like. It is ended when this is dropped.
    pub async fn kubectl_lines(&self, line: &str) -> Result<kubectl::Lines<'_>> {
        let child = kubectl::spawn(&self.folder, &self.kubeconfig, &self.id, line, "", &[])?;
        kubectl::Lines::of(self, line, child)
    }

    /// Waits until the schema of a group is published: a real server takes some moments after a definition is established.
    pub async fn published(&self, group: &str, version: &str) -> Result<()> {
        let stop = tokio::time::Instant::now() + Duration::from_secs(60);
        let path = format!("/openapi/v3/apis/{group}/{version}");
        loop {
            let answer = self.ask(Method::GET, &path).unkept().send().await?;
            if answer.code == 200 && answer.body["components"]["schemas"].as_object().is_some_and(|s| !s.is_empty()) {
                return Ok(());
            }
            anyhow::ensure!(tokio::time::Instant::now() < stop, "{path} is not published");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Keeps something that was found out in another way.
    pub fn note(&self, what: &str, found: impl Into<Value>) {
        self.keep(Step { ask: what.into(), body: found.into(), ..Step::default() });
    }

    /// Leaves a part of every body of this case out of the comparison, with the reason; it stands in the table. `*` stands for
    /// any one segment of the pointer.
    pub fn aside(&self, pointer: &str, why: &str) {
        self.held.lock().asides.push((pointer.into(), why.into()));
    }

    /// `real` or `embedded`: for set-up that has to differ. A case must not expect different things by it.
    pub fn side(&self) -> &'static str {
        self.side_name
    }

    pub(crate) fn keep(&self, step: Step) {
        self.held.lock().steps.push(step);
    }
}

impl Ask<'_> {
    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// One more header beside others of the same name.
    #[must_use]
    pub fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.bytes("application/json", body.to_string().into_bytes())
    }

    /// Any body.
    #[must_use]
    pub fn bytes(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.header("content-type", content_type)
    }

    /// As nobody.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.client = Some(self.talk.anonymous.clone());
        self
    }

    /// With a token: `alice` has no rights and is in the groups `team` and `devs`.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.anonymous().header("authorization", &format!("Bearer {token}"))
    }

    /// As a user in a group (empty: in none), by a client certificate.
    pub async fn certificate(self, user: &str, group: &str) -> Result<Self> {
        let kubeconfig = (self.talk.certificates)(user, group)?;
        self.with(&kubeconfig).await
    }

    /// As somebody else, by a kubeconfig.
    pub async fn with(mut self, kubeconfig: &str) -> Result<Self> {
        self.client = Some(stage::client(kubeconfig).await?);
        Ok(self)
    }

    /// Set-up: the answer is not compared.
    #[must_use]
    pub fn unkept(mut self) -> Self {
        self.kept = false;
        self
    }

    /// Sends it and keeps the answer.
    pub async fn send(self) -> Result<Answer> {
        let (talk, kept) = (self.talk, self.kept);
        let (answer, step) = self.exchange().await?;
        if kept {
            talk.keep(step);
        }
        Ok(answer)
    }

    /// Sends it and keeps the answer; a body in YAML is kept by what it says.
    pub async fn send_as_yaml(self) -> Result<Answer> {
        let talk = self.talk;
        let (mut answer, mut step) = self.exchange().await?;
        let yaml = step.headers.iter().any(|(name, value)| name == "content-type" && value == "application/yaml");
        if yaml {
            answer.body = serde_yaml::from_str(&answer.raw)?;
            step.body = answer.body.clone();
        }
        talk.keep(step);
        Ok(answer)
    }

    /// Sends it and keeps nothing: the code, all headers and the first two bytes as they came over the wire.
    pub async fn bare(self) -> Result<(u16, http::HeaderMap, Vec<u8>)> {
        let answer = self.open().await?;
        let (code, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((code, headers, bytes.iter().take(2).copied().collect()))
    }

    pub(crate) async fn open(self) -> Result<http::Response<Body>> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let client = self.client.as_ref().unwrap_or(&self.talk.client);
        let sent = tokio::time::timeout(Duration::from_secs(90), client.send(request.body(self.body.into())?));
        sent.await.with_context(|| format!("{} {}: no answer", self.method, self.path))?.map_err(Into::into)
    }

    async fn exchange(self) -> Result<(Answer, Step)> {
        let ask = format!("{} {}", self.method, self.path);
        let answer = self.open().await.with_context(|| ask.clone())?;
        let code = answer.status().as_u16();
        let headers = kept_headers(&answer);
        let whole = tokio::time::timeout(Duration::from_secs(90), answer.into_body().collect());
        let bytes = whole.await.with_context(|| format!("{ask}: the answer has no end"))??.to_bytes();
        let body =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
        let raw = String::from_utf8_lossy(&bytes).into_owned();
        Ok((Answer { code, body: Value::clone(&body), raw }, Step { ask, code: code.into(), headers, body }))
    }
}

pub(crate) fn kept_headers<B>(answer: &http::Response<B>) -> Vec<(String, String)> {
    let found = answer.headers().iter().filter(|(name, _)| HEADERS.contains(&name.as_str()));
    let mut found: Vec<_> =
        found.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    found.sort();
    found
}
