//! Objects as `k8s-openapi` types, for authors who prefer completeness over speed and size.

use k8s_openapi::{NamespaceResourceScope, Resource, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::de::DeserializeOwned;

use crate::{Context, Gvk, ObjectRef, Query, Result};

/// The kind of a `k8s-openapi` type.
fn gvk<T: Resource>() -> Gvk {
    Gvk { group: T::GROUP.into(), version: T::VERSION.into(), kind: T::KIND.into() }
}

impl<C> Context<C> {
    /// One namespaced object as its `k8s-openapi` type.
    pub fn get_typed<T>(&self, namespace: &str, name: &str) -> Result<Option<T>>
    where
        T: Resource<Scope = NamespaceResourceScope> + DeserializeOwned,
    {
        self.get(ObjectRef::namespaced(gvk::<T>(), namespace, name))
    }

    /// All objects of a `k8s-openapi` type.
    pub fn list_typed<T: Resource + DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.list(&Query::new(gvk::<T>()))
    }

    /// A reference to a `k8s-openapi` object.
    pub fn ref_to<T>(&self, object: &T) -> ObjectRef
    where
        T: Resource + k8s_openapi::Metadata<Ty = ObjectMeta>,
    {
        let metadata = object.metadata();
        ObjectRef {
            gvk: gvk::<T>(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}
