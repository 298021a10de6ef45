//! Lists: their order, their sum, what is in them, and lists as sets.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelInt, CelList, CelOptional, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::failed;

type Given<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Gives<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("isSorted", "list_is_sorted", LIST_TYPE, vec![], is_sorted)?;
    env.add_member_overload("sum", "list_sum", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list_min", LIST_TYPE, vec![], min)?;
    env.add_member_overload("max", "list_max", LIST_TYPE, vec![], max)?;
    env.add_member_overload("first", "list_first", LIST_TYPE, vec![], first)?;
    env.add_member_overload("last", "list_last", LIST_TYPE, vec![], last)?;
    env.add_member_overload("indexOf", "list_index_of", LIST_TYPE, vec![DYN_TYPE], index_of)?;
    env.add_member_overload("lastIndexOf", "list_last_index_of", LIST_TYPE, vec![DYN_TYPE], last_index_of)?;
    env.add_overload("sets.contains", "sets_contains", vec![LIST_TYPE, LIST_TYPE], contains)?;
    env.add_overload("sets.equivalent", "sets_equivalent", vec![LIST_TYPE, LIST_TYPE], equivalent)?;
    env.add_overload("sets.intersects", "sets_intersects", vec![LIST_TYPE, LIST_TYPE], intersects)?;
    Ok(())
}

/// The members of a list.
pub(super) fn members<'v>(list: Option<&CowVal<'_, 'v>>) -> Result<Vec<Box<dyn Val + 'v>>, ExecutionError> {
    let list = list.ok_or_else(ExecutionError::missing_argument_or_target)?;
    let mut items = list.as_iterable().ok_or_else(|| failed("no such overload"))?.iter();
    let mut all = Vec::new();
    while let Some(item) = items.next() {
        all.push(item.clone_as_boxed());
    }
    Ok(all)
}

fn compare<'v>(one: &(dyn Val + 'v), other: &(dyn Val + 'v)) -> Result<Ordering, ExecutionError> {
    one.as_comparer().ok_or_else(|| failed("no such overload"))?.compare(other)
}

fn truth<'b, 'v>(flag: bool) -> Gives<'b, 'v> {
    Ok(CowVal::owned(CelBool::from(flag)))
}

fn is_sorted<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    let all = members(given.first())?;
    for pair in all.windows(2) {
        if compare(&*pair[0], &*pair[1])? == Ordering::Greater {
            return truth(false);
        }
    }
    truth(true)
}

fn sum<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    let mut all = members(given.first())?.into_iter();
    let Some(mut sum) = all.next() else { return Ok(CowVal::owned(CelInt::from(0))) };
    for item in all {
        let added = sum.as_adder().ok_or_else(|| failed("no such overload"))?.add(&*item)?.into_owned();
        sum = added;
    }
    Ok(CowVal::Owned(sum))
}

fn extreme<'b, 'v>(given: &Given<'b, 'v>, name: &str, wanted: Ordering) -> Gives<'b, 'v> {
    let mut all = members(given.first())?.into_iter();
    let mut best = all.next().ok_or_else(|| failed(format!("{name} called on empty list")))?;
    for item in all {
        if compare(&*item, &*best)? == wanted {
            best = item;
        }
    }
    Ok(CowVal::Owned(best))
}

fn min<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    extreme(&given, "min", Ordering::Less)
}

fn max<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    extreme(&given, "max", Ordering::Greater)
}

fn first<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    Ok(CowVal::owned(CelOptional::from(members(given.first())?.into_iter().next())))
}

fn last<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    Ok(CowVal::owned(CelOptional::from(members(given.first())?.pop())))
}

fn position<'b, 'v>(given: &Given<'b, 'v>, from_end: bool) -> Gives<'b, 'v> {
    let all = members(given.first())?;
    let item = given.get(1).ok_or_else(ExecutionError::missing_argument_or_target)?;
    let is = |one: &(dyn Val + 'v)| one.equals(item.as_ref());
    let found = if from_end { all.iter().rposition(|one| is(&**one)) } else { all.iter().position(|one| is(&**one)) };
    Ok(CowVal::owned(CelInt::from(found.map_or(-1, |at| at as i64))))
}

fn index_of<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    position(&given, false)
}

fn last_index_of<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    position(&given, true)
}

/// Both lists, and whether something is in a list.
type Two<'v> = (Vec<Box<dyn Val + 'v>>, Vec<Box<dyn Val + 'v>>);

fn two<'v>(given: &Given<'_, 'v>) -> Result<Two<'v>, ExecutionError> {
    Ok((members(given.first())?, members(given.get(1))?))
}

fn all_in<'v>(some: &[Box<dyn Val + 'v>], of: &[Box<dyn Val + 'v>]) -> bool {
    some.iter().all(|one| of.iter().any(|other| one.equals(&**other)))
}

fn contains<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    let (list, other) = two(&given)?;
    truth(all_in(&other, &list))
}

fn equivalent<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    let (list, other) = two(&given)?;
    truth(all_in(&other, &list) && all_in(&list, &other))
}

fn intersects<'b, 'v>(given: Given<'b, 'v>) -> Gives<'b, 'v> {
    let (list, other) = two(&given)?;
    truth(list.iter().any(|one| other.iter().any(|other| one.equals(&**other))))
}

/// A list of texts.
pub(super) fn texts(all: impl IntoIterator<Item = String>) -> CelList<'static> {
    let boxed = all.into_iter().map(|text| Box::new(cel::common::types::CelString::from(text)) as Box<dyn Val>);
    CelList::from(boxed.collect::<Vec<_>>())
}
