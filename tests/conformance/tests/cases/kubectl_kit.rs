//! What the cases with kubectl share: objects to type, and how a session goes.

use anyhow::Result;
use motet_conformance::Talk;

pub(super) const MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {app: shop}}\ndata: {a: b}\n";
pub(super) const MAP_CHANGED: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {app: shop}}\ndata: {a: c}\n";
pub(super) const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\ndata: {k: v}\n";
pub(super) const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: registry.example/web:1, ports: [{containerPort: 80}]}]}
";
pub(super) const AVAILABLE: &str = r#"{"status":{"conditions":[{"type":"Available","status":"True","reason":"Told","message":"by a test","lastTransitionTime":"2026-01-01T00:00:00Z","lastUpdateTime":"2026-01-01T00:00:00Z"}]}}"#;

/// One line after the other; `managers OBJECT` shows who manages its fields.
pub(super) async fn session(talk: &Talk, lines: &[(&str, &str)]) -> Result<()> {
    talk.namespace().await?;
    for (line, input) in lines {
        match line.strip_prefix("managers ") {
            Some(object) => talk.kubectl_managers(object).await?,
            None => drop(talk.kubectl(line, input).await?),
        }
    }
    Ok(())
}

/// A definition of its own per case: `boats` in a group that bears the case's id.
pub(super) fn definition(talk: &Talk) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: boats.{id}.example.org}}
spec:
  group: {id}.example.org
  scope: Namespaced
  names: {{plural: boats, singular: boat, kind: Boat, listKind: BoatList, shortNames: [bt], categories: [ships]}}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {{status: {{}}}}
    additionalPrinterColumns:
    - {{name: Length, type: integer, jsonPath: .spec.length}}
    - {{name: Flag, type: string, jsonPath: .spec.flag, priority: 1}}
    schema:
      openAPIV3Schema:
        type: object
        description: A boat.
        properties:
          spec:
            type: object
            required: [length]
            properties:
              length: {{type: integer, minimum: 1, description: From bow to stern.}}
              flag: {{type: string, default: none}}
          status: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
",
        id = talk.id()
    )
}

pub(super) fn boat(talk: &Talk, name: &str, length: i64) -> String {
    let id = talk.id();
    format!("apiVersion: {id}.example.org/v1\nkind: Boat\nmetadata: {{name: {name}}}\nspec: {{length: {length}}}\n")
}

/// Installs the definition and waits until it is served and its schema published: a real server takes some moments.
pub(super) async fn boats(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    talk.kubectl("apply --server-side -f -", &definition(talk)).await?;
    let name = format!("boats.{}.example.org", talk.id());
    talk.kubectl(&format!("wait --for=condition=Established crd/{name} --timeout=20s"), "").await?;
    talk.published(&format!("{}.example.org", talk.id()), "v1").await?;
    Ok(name)
}
