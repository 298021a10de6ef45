//! Lists whose items are told apart: sets by their values, maps by their keys. Their order says nothing.

use cel::ExecutionError;
use cel::common::traits::{Adder, Container, Indexer, Iterable, Sizer};
use cel::common::types::{CelList, CelMap, CelMapKey, Type};
use cel::common::value::{BuiltinRef, CowVal, Val};

/// Such a list.
#[derive(Debug, Clone)]
pub(super) struct Told {
    items: CelList<'static>,
    /// None: a set.
    keys: Option<Vec<Box<str>>>,
}

impl Told {
    /// A list without twins.
    pub(super) fn set(items: CelList<'static>) -> Self {
        Self { items, keys: None }
    }

    /// A list of objects, told apart by these fields.
    pub(super) fn map(items: CelList<'static>, keys: Vec<Box<str>>) -> Self {
        Self { items, keys: Some(keys) }
    }

    /// True if two items are in each other's place.
    fn twins<'v>(&self, one: &(dyn Val + 'v), other: &(dyn Val + 'v)) -> bool {
        let Some(keys) = &self.keys else { return one.equals(other) };
        let (Some(one), Some(other)) = (one.downcast_ref::<CelMap<'v>>(), other.downcast_ref::<CelMap<'v>>()) else {
            return false;
        };
        keys.iter().all(|key| {
            let key = CelMapKey::from((**key).to_owned());
            match (one.inner().get(&key), other.inner().get(&key)) {
                (Some(one), Some(other)) => one.equals(&**other),
                (one, other) => one.is_none() && other.is_none(),
            }
        })
    }
}

impl Val for Told {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        <CelList<'static> as Val>::cel_type()
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(&self.items)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(&self.items)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(&self.items)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(&self.items)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let Some(other) = other.downcast_ref::<CelList<'_>>() else { return false };
        self.items.inner().len() == other.inner().len()
            && other
                .inner()
                .iter()
                .all(|item| self.items.inner().iter().any(|own| self.twins(&**own, &**item) && own.equals(&**item)))
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_builtin<'b, 'v>(&'b self) -> BuiltinRef<'b, 'v>
    where
        Self: 'v,
    {
        // A plain list is compared with this one in order.
        BuiltinRef::List(&self.items)
    }
}

impl Adder for Told {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let more = other.as_iterable().ok_or_else(|| ExecutionError::function_error("", "no such overload"))?;
        let mut sum: Vec<Box<dyn Val + 'v>> = self.items.inner().iter().map(|item| item.clone_as_boxed()).collect();
        let mut more = more.iter();
        while let Some(item) = more.next() {
            match sum.iter_mut().find(|own| self.twins(&***own, item)) {
                // What comes later stands for what was there.
                Some(own) => *own = item.clone_as_boxed(),
                None => sum.push(item.clone_as_boxed()),
            }
        }
        Ok(CowVal::owned(CelList::from(sum)))
    }
}
