//! One API server as the rest of the host sees it: reads, writes, watches, discovery.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderValue, Method};
use motet_core::{
    ApiError, Change, Gvk, ObjectName, Resource,
    description::Scope,
    outcome::PatchKind,
    ports::{ListQuery, MemberApi, Page, Write},
};
use parking_lot::RwLock;
use serde_json::json;

use crate::{
    Connection, Credentials, KubeconfigError, Settings, Table,
    discovery::Discovery,
    paths::{self, Query},
    reflector::{self, Context},
    tower_service::KubeService,
    transport::{Call, Transport},
};

/// A client of one API server. Clones share connections, discovery and credentials.
#[derive(Clone)]
pub struct Client {
    connection: Arc<RwLock<Connection>>,
    context: Context,
}

impl Client {
    /// Makes a client. Nothing is dialled before the first call.
    pub fn new(connection: Connection, settings: Settings) -> Result<Self, KubeconfigError> {
        let context = Context {
            transport: Arc::new(Transport::new(&connection, &settings)?),
            discovery: Arc::new(Discovery::new()),
            settings: Arc::new(settings),
            revision: Arc::default(),
        };
        Ok(Self { connection: Arc::new(RwLock::new(connection)), context })
    }

    /// What it was made from, with the credentials in use.
    pub fn connection(&self) -> Connection {
        self.connection.read().clone()
    }

    /// The server's URL, for people.
    pub fn server(&self) -> &str {
        self.context.transport.server()
    }

    /// Uses other credentials from the next request on; open watches and connections stay.
    pub fn swap_credentials(&self, credentials: Credentials) -> Result<(), ApiError> {
        self.context.transport.authorization.swap(credentials.clone())?;
        self.connection.write().credentials = credentials;
        Ok(())
    }

    /// What the cluster serves, fetched unless that was done within the discovery interval.
    pub async fn discover(&self) -> Result<Arc<Table>, ApiError> {
        self.context.discovery.refresh(&self.context.transport, &self.context.settings).await
    }

    /// What the cluster served when last asked.
    pub fn discovered(&self) -> Option<Arc<Table>> {
        self.context.discovery.current()
    }

    /// A `kube` client over the same connections, for typed access to Motet's own objects. Needs a tokio runtime.
    pub fn kube(&self) -> kube::Client {
        let service =
            KubeService { transport: self.context.transport.clone(), limit: self.context.settings.request_timeout };
        kube::Client::new(service, self.connection.read().namespace.clone())
    }

    /// Open connections: for watches, and for everything else.
    pub fn connections(&self) -> (usize, usize) {
        self.context.transport.connections()
    }

    /// Ends all connections; requests and watches under way fail, later ones too.
    pub fn close(&self) {
        self.context.transport.close();
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.context.transport
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.context.settings
    }
}

/// A name that would change the path it is put into: servers refuse such names, so no object has one.
fn check_name(doing: &str, name: &ObjectName) -> Result<(), ApiError> {
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('/') || part.contains('%');
    if bad(&name.name) || name.namespace.as_deref().is_some_and(bad) {
        return Err(ApiError::new(400, "BadRequest", format!("{doing}: {name} is not a valid object name")));
    }
    Ok(())
}

/// Method, content type, body, subresource and query of one write.
struct Shape {
    verb: &'static str,
    method: Method,
    content_type: &'static str,
    body: Bytes,
    subresource: Option<String>,
    manager: String,
    force: bool,
    create: bool,
}

impl Shape {
    fn new(write: Write) -> Self {
        let shape = |verb, method, content_type, body, manager| Self {
            verb,
            method,
            content_type,
            body,
            subresource: None,
            manager,
            force: false,
            create: false,
        };
        match write {
            Write::Apply { body, manager, force, subresource } => Self {
                force,
                subresource: subresource.map(Into::into),
                ..shape("applying", Method::PATCH, "application/apply-patch+yaml", body, manager)
            },
            Write::Patch { body, kind, manager, subresource } => {
                let content_type = match kind {
                    PatchKind::Merge => "application/merge-patch+json",
                    PatchKind::Json => "application/json-patch+json",
                };
                Self { subresource, ..shape("patching", Method::PATCH, content_type, body, manager) }
            }
            Write::Create { body, manager } => {
                Self { create: true, ..shape("creating", Method::POST, "application/json", body, manager) }
            }
            Write::Delete { uid, resource_version } => {
                let mut options =
                    json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
                let pairs = [("uid", uid), ("resourceVersion", resource_version)];
                for (key, value) in pairs.into_iter().filter_map(|(k, v)| Some((k, v?))) {
                    options["preconditions"][key] = value.into();
                }
                let body = options.to_string().into();
                shape("deleting", Method::DELETE, "application/json", body, String::new())
            }
        }
    }
}

#[async_trait]
impl MemberApi for Client {
    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        self.context.discovery.resource(&self.context.transport, &self.context.settings, gvk).await
    }

    async fn get(&self, resource: &Resource, name: &ObjectName) -> Result<Option<Bytes>, ApiError> {
        let doing = format!("getting {resource} {name}");
        check_name(&doing, name)?;
        let path = paths::object(resource, name.namespace.as_deref(), &name.name, None);
        match self.transport().call(Call::get(doing, path), self.settings().request_timeout).await {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.is_not_found() && error.reason != "KindMissing" => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, resource: &Resource, query: &ListQuery) -> Result<Page, ApiError> {
        let doing = format!("listing {resource}");
        let limit = if query.limit == 0 { String::new() } else { query.limit.to_string() };
        let path = Query::new(paths::collection(resource, query.namespace.as_deref()))
            .with("labelSelector", &query.labels)
            .with("fieldSelector", &query.fields)
            .with("limit", &limit)
            .with("continue", query.page.as_deref().unwrap_or_default())
            .finish();
        let page = reflector::whole_page(&self.context, resource, &doing, path);
        let limit = self.settings().request_timeout;
        let late =
            || ApiError::timeout(format!("{doing}: {} did not finish its answer within {limit:?}", self.server()));
        let (items, meta) = tokio::time::timeout(limit, page).await.map_err(|_| late())??;
        let next = Some(meta.next).filter(|n| !n.is_empty());
        Ok(Page { items, next, resource_version: meta.resource_version })
    }

    async fn write(&self, resource: &Resource, name: &ObjectName, write: Write) -> Result<Bytes, ApiError> {
        let shape = Shape::new(write);
        let doing = format!("{} {resource} {name}", shape.verb);
        let namespace = name.namespace.as_deref();
        let path = if shape.create {
            check_name(&doing, &ObjectName { namespace: name.namespace.clone(), name: "-".into() })?;
            paths::collection(resource, namespace)
        } else {
            check_name(&doing, name)?;
            paths::object(resource, namespace, &name.name, shape.subresource.as_deref())
        };
        let path = Query::new(path)
            .with("fieldManager", &shape.manager)
            .with("force", if shape.force { "true" } else { "" })
            .finish();
        let call = Call {
            method: shape.method,
            body: shape.body,
            content_type: Some(HeaderValue::from_static(shape.content_type)),
            ..Call::get(doing, path)
        };
        self.transport().call(call, self.settings().request_timeout).await
    }

    fn watch(&self, resource: &Resource, scope: &Scope, resume: Option<String>) -> BoxStream<'static, Change> {
        reflector::start(self.context.clone(), resource, scope, resume)
    }
}
