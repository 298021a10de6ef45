//! `motet:plugin/reads`: a guest's reads, forwarded as values.

use motet_core::ports::{HostCall, HostReply, ListQuery, ReadError};

use crate::{
    bindings::motet::plugin::{
        reads::{self, Host},
        types::ObjectRef,
    },
    convert,
    kill::Killed,
    state::HostState,
};

/// Objects that one `get-many` may ask for.
const MAX_GET_MANY: usize = 1000;

type Object = Result<Option<Vec<u8>>, reads::ReadError>;

impl Host for HostState {
    async fn get(&mut self, object: ObjectRef) -> wasmtime::Result<Object> {
        let mut objects = self.get_many(vec![object]).await?;
        objects.pop().ok_or_else(|| wasmtime::Error::msg("the host gave no answer to a read"))
    }

    async fn get_many(&mut self, objects: Vec<ObjectRef>) -> wasmtime::Result<Vec<Object>> {
        if objects.len() > MAX_GET_MANY {
            return Err(
                Killed::limit(format!("get-many asked for {} objects, at most {MAX_GET_MANY}", objects.len())).into()
            );
        }
        let wanted = objects.iter().map(convert::object_ref).collect();
        match self.call(HostCall::Get(wanted)).await? {
            HostReply::Objects(found) => {
                Ok(found.into_iter().map(|r| r.map(|o| o.map(|b| b.to_vec())).map_err(read_error)).collect())
            }
            HostReply::Page(_) => Err(wasmtime::Error::msg("the host answered a get with a page")),
        }
    }

    async fn list(&mut self, query: reads::Query) -> wasmtime::Result<Result<reads::Page, reads::ReadError>> {
        let reads::Query { gvk, namespace, labels, limit, page } = query;
        let query = ListQuery { namespace, labels, fields: String::new(), limit, page };
        match self.call(HostCall::List { gvk: convert::gvk(&gvk), query }).await? {
            HostReply::Page(page) => Ok(page
                .map(|p| reads::Page { items: p.items.iter().map(|b| b.to_vec()).collect(), next: p.next })
                .map_err(read_error)),
            HostReply::Objects(_) => Err(wasmtime::Error::msg("the host answered a list with objects")),
        }
    }
}

fn read_error(error: ReadError) -> reads::ReadError {
    match error {
        ReadError::NotGranted(access) => reads::ReadError::NotGranted(access),
        ReadError::Api(error) => reads::ReadError::Api(convert::api_error(error)),
    }
}
