//! Quantities.

use cel::common::types::{CelBool, CelDouble, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError};

use super::{failed, own};
use crate::quantity::Quantity;

#[derive(Debug, Clone, PartialEq)]
struct Amount(Quantity);

own!(Amount, "kubernetes.Quantity");

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_overload!(env, fn quantity: (CelString) -> Result<Amount>)?;
    cel::add_overload!(env, fn is_quantity: (CelString) -> CelBool)?;
    cel::add_overload!(env, fn sign: (Amount) -> CelInt)?;
    cel::add_member_overload!(env, fn is_greater_than: (Amount, Amount) -> CelBool)?;
    cel::add_member_overload!(env, fn is_less_than: (Amount, Amount) -> CelBool)?;
    cel::add_member_overload!(env, fn compare_to: (Amount, Amount) -> CelInt)?;
    cel::add_member_overload!(env, fn as_approximate_float: (Amount) -> CelDouble)?;
    cel::add_member_overload!(env, fn as_integer: (Amount) -> Result<CelInt>)?;
    cel::add_member_overload!(env, fn is_integer: (Amount) -> CelBool)?;
    cel::add_member_overload!(env, fn add: (Amount, Amount) -> Result<Amount>)?;
    cel::add_member_overload!(env, fn add_int: (Amount, CelInt) -> Result<Amount>, name = "add")?;
    cel::add_member_overload!(env, fn sub: (Amount, Amount) -> Result<Amount>)?;
    cel::add_member_overload!(env, fn sub_int: (Amount, CelInt) -> Result<Amount>, name = "sub")?;
    Ok(())
}

fn quantity(text: &CelString<'_>) -> Result<Amount, ExecutionError> {
    let why = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    Quantity::parse(text).map(Amount).ok_or_else(|| failed(why))
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    Quantity::parse(text).is_some().into()
}

fn sign(one: &Amount) -> CelInt {
    i64::from(one.0.sign()).into()
}

fn is_greater_than(one: &Amount, other: &Amount) -> CelBool {
    (one.0 > other.0).into()
}

fn is_less_than(one: &Amount, other: &Amount) -> CelBool {
    (one.0 < other.0).into()
}

fn compare_to(one: &Amount, other: &Amount) -> CelInt {
    one.0.partial_cmp(&other.0).map_or(0, |order| order as i64).into()
}

fn as_approximate_float(one: &Amount) -> CelDouble {
    one.0.as_float().into()
}

fn as_integer(one: &Amount) -> Result<CelInt, ExecutionError> {
    one.0.as_integer().map(Into::into).ok_or_else(|| failed("cannot convert value to integer"))
}

fn is_integer(one: &Amount) -> CelBool {
    one.0.as_integer().is_some().into()
}

fn plus(one: &Amount, other: Option<Quantity>) -> Result<Amount, ExecutionError> {
    other.and_then(|other| one.0.plus(other)).map(Amount).ok_or_else(|| failed("quantity overflow"))
}

fn add(one: &Amount, other: &Amount) -> Result<Amount, ExecutionError> {
    plus(one, Some(other.0))
}

fn add_int(one: &Amount, other: &CelInt) -> Result<Amount, ExecutionError> {
    plus(one, Some(Quantity::whole(*other.inner())))
}

fn sub(one: &Amount, other: &Amount) -> Result<Amount, ExecutionError> {
    plus(one, Some(other.0.negated()))
}

fn sub_int(one: &Amount, other: &CelInt) -> Result<Amount, ExecutionError> {
    plus(one, Some(Quantity::whole(*other.inner()).negated()))
}
