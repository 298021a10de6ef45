//! A small client to act and look with: JSON in, JSON out, over kube's transport.

use anyhow::{Context, Result, anyhow};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

use crate::wait;

/// A client of one cluster.
#[derive(Clone)]
pub struct Looker(Client);

impl Looker {
    /// From a kubeconfig's text.
    pub async fn new(kubeconfig: &str) -> Result<Self> {
        let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Self(Client::try_from(config)?))
    }

    async fn send(&self, method: &str, path: &str, content_type: &str, body: Vec<u8>) -> Result<(u16, Value)> {
        let request = http_request(method, path, content_type, body)?;
        match self.0.request::<Value>(request).await {
            Ok(value) => Ok((200, value)),
            Err(kube::Error::Api(status)) => {
                Ok((status.code, serde_json::json!({ "message": status.message, "reason": status.reason })))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the server says that it is ready.
    pub async fn ready(&self) -> Result<()> {
        let request = http_request("GET", "/readyz", "", vec![])?;
        self.0.request_text(request).await.map(drop).context("/readyz")
    }

    /// One object by its path; none where it is not there.
    pub async fn get(&self, path: &str) -> Result<Option<Value>> {
        match self.send("GET", path, "", vec![]).await? {
            (200, value) => Ok(Some(value)),
            (404, _) => Ok(None),
            (code, value) => Err(anyhow!("GET {path}: {code} {value}")),
        }
    }

    /// Waits until the object at a path is as wanted (null where there is none), and returns it.
    pub async fn until(&self, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        wait::until(&format!("{what} at {path}"), || async {
            let object = self.get(path).await.map_err(|e| e.to_string())?.unwrap_or_default();
            if holds(&object) { Ok(object) } else { Err(object.to_string()) }
        })
        .await
    }

    /// The same of an object that must be there.
    pub async fn until_there(&self, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        self.until(path, what, |object| object.is_object() && holds(object)).await
    }

    /// The items of a list.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.get(path).await?.with_context(|| format!("{path} is not served"))?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Creates an object at a collection's path.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        match self.send("POST", path, "application/json", object.to_string().into_bytes()).await? {
            (200, value) => Ok(value),
            (code, value) => Err(anyhow!("POST {path}: {code} {value}")),
        }
    }

    /// A merge patch.
    pub async fn patch(&self, path: &str, patch: &Value) -> Result<Value> {
        match self.send("PATCH", path, "application/merge-patch+json", patch.to_string().into_bytes()).await? {
            (200, value) => Ok(value),
            (code, value) => Err(anyhow!("PATCH {path}: {code} {value}")),
        }
    }

    /// Server-side apply.
    pub async fn apply(&self, path: &str, manager: &str, object: &Value) -> Result<Value> {
        let path = format!("{path}?fieldManager={manager}&force=true");
        match self.send("PATCH", &path, "application/apply-patch+yaml", object.to_string().into_bytes()).await? {
            (200, value) => Ok(value),
            (code, value) => Err(anyhow!("apply {path}: {code} {value}")),
        }
    }

    /// Installs a custom resource definition and waits until it is established.
    pub async fn define(&self, definition: &Value) -> Result<()> {
        let name = definition["metadata"]["name"].as_str().context("a definition without a name")?;
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        self.apply(&path, "installer", definition).await?;
        let established = |definition: &Value| {
            let conditions = definition["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
            conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True")
        };
        self.until_there(&path, "an established definition", established).await.map(drop)
    }

    /// Deletes; fine where it is not there.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.send("DELETE", path, "application/json", vec![]).await? {
            (200 | 404, _) => Ok(()),
            (code, value) => Err(anyhow!("DELETE {path}: {code} {value}")),
        }
    }

    /// Creates a namespace with labels.
    pub async fn namespace(&self, name: &str, labels: &[(&str, &str)]) -> Result<Value> {
        let labels: serde_json::Map<String, Value> = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let object = serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
        self.create("/api/v1/namespaces", &object).await
    }

    /// Registers a member by creating its Secret in `motet-system`.
    pub async fn register(&self, name: &str, kubeconfig: &str, labels: &[(&str, &str)]) -> Result<()> {
        let mut all = serde_json::json!({ "motet.dev/member": "true" });
        labels.iter().for_each(|(k, v)| all[*k] = (*v).into());
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": name, "namespace": "motet-system", "labels": all },
            "stringData": { "kubeconfig": kubeconfig },
        });
        self.apply(&format!("/api/v1/namespaces/motet-system/secrets/{name}"), "test", &secret).await.map(drop)
    }
}

fn http_request(method: &str, path: &str, content_type: &str, body: Vec<u8>) -> Result<http::Request<Vec<u8>>> {
    let mut builder = http::Request::builder().method(method).uri(path);
    if !content_type.is_empty() {
        builder = builder.header("content-type", content_type);
    }
    Ok(builder.body(body)?)
}
