//! Regular expressions that say what they found.

use cel::common::types::{CelInt, CelList, CelString};
use cel::{DeclarationError, Env, ExecutionError};
use regex::Regex;

use super::failed;
use super::lists::texts;

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString>)?;
    cel::add_member_overload!(env, fn find_all: (CelString, CelString) -> Result<CelList>)?;
    cel::add_member_overload!(env, fn find_some: (CelString, CelString, CelInt) -> Result<CelList>, name = "findAll")?;
    Ok(())
}

fn compiled(expression: &str) -> Result<Regex, ExecutionError> {
    Regex::new(expression).map_err(|error| failed(format!("Illegal regex: {error}")))
}

fn find(text: &CelString<'_>, expression: &CelString<'_>) -> Result<CelString<'static>, ExecutionError> {
    let found = compiled(expression)?.find(text).map(|found| found.as_str().to_owned());
    Ok(found.unwrap_or_default().into())
}

fn find_all(text: &CelString<'_>, expression: &CelString<'_>) -> Result<CelList<'static>, ExecutionError> {
    find_some(text, expression, &(-1).into())
}

fn find_some(
    text: &CelString<'_>,
    expression: &CelString<'_>,
    most: &CelInt,
) -> Result<CelList<'static>, ExecutionError> {
    let most = usize::try_from(*most.inner()).unwrap_or(usize::MAX);
    let expression = compiled(expression)?;
    Ok(texts(expression.find_iter(text).take(most).map(|found| found.as_str().to_owned())))
}
