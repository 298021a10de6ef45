//! Custom resources as the ground of a case.

use std::time::Duration;

use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};

use crate::talk::Talk;

/// Where definitions are.
pub const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

impl Talk {
    /// The group that definitions of this case are in.
    pub fn group(&self) -> String {
        format!("{}.example.org", self.id())
    }

    /// A definition of the namespaced kind Widget, with one version v1 and this schema.
    pub fn widget(&self, schema: &Value) -> Value {
        self.definition(
            "widgets",
            "Widget",
            &json!([{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }]),
        )
    }

    /// A definition of a namespaced kind with these versions.
    pub fn definition(&self, plural: &str, kind: &str, versions: &Value) -> Value {
        let group = self.group();
        json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": format!("{plural}.{group}") },
            "spec": { "group": group, "scope": "Namespaced", "names": { "plural": plural, "kind": kind }, "versions": versions } })
    }

    /// Makes the case's namespace and a definition, waits until its first version is served, keeps nothing of all that, and
    /// returns the path of its objects.
    pub async fn define(&self, definition: &Value) -> Result<String> {
        self.namespace().await?;
        let answer = self.ask(Method::POST, DEFINITIONS).json(definition).unkept().send().await?;
        ensure!(answer.code == 201, "the definition was refused: {}", answer.body);
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let group = format!("{}/{}", text("/spec/group"), text("/spec/versions/0/name"));
        let plural = text("/spec/names/plural");
        let path = match text("/spec/scope").as_str() {
            "Cluster" => format!("/apis/{group}/{plural}"),
            _ => self.path(&group, &plural),
        };
        self.served(&path).await?;
        Ok(path)
    }

    /// Waits until a path is served, and a moment more on a real server, whose handlers follow one another.
    pub async fn served(&self, path: &str) -> Result<()> {
        self.settles(path, "to be served", |code, _| code == 200).await
    }

    /// Waits until an answer is as wanted, and keeps none of them.
    pub async fn settles(&self, path: &str, what: &str, holds: impl Fn(u16, &Value) -> bool) -> Result<()> {
        let stop = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.ask(Method::GET, path).unkept().send().await?;
            if holds(answer.code, &answer.body) {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < stop, "waited in vain for {path} {what}; last: {}", answer.body);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
