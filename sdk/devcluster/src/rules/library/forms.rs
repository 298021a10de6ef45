//! Named forms of texts.

use cel::common::types::{CelOptional, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env};

use super::lists::texts;
use super::own;
use crate::names;
use crate::schema::formats;

const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
     character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
     '[a-z]([-a-z0-9]*[a-z0-9])?')";

#[derive(Debug, Clone, PartialEq)]
struct Form(&'static str);

own!(Form, "kubernetes.NamedFormat");

const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

/// A function without arguments for each form.
macro_rules! forms {
    ($env:ident, $($function:ident $name:literal),*) => {
        $(
            fn $function() -> Form {
                Form($name)
            }
            cel::add_overload!($env, fn $function: () -> Form, name = concat!("format.", $name))?;
        )*
    };
}

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    forms!(
        env,
        label "dns1123Label",
        subdomain "dns1123Subdomain",
        label_1035 "dns1035Label",
        qualified "qualifiedName",
        label_prefix "dns1123LabelPrefix",
        subdomain_prefix "dns1123SubdomainPrefix",
        label_1035_prefix "dns1035LabelPrefix",
        label_value "labelValue",
        uri "uri",
        uuid "uuid",
        byte "byte",
        date "date",
        datetime "datetime"
    );
    cel::add_overload!(env, fn named: (CelString) -> CelOptional, name = "format.named")?;
    cel::add_member_overload!(env, fn validate: (Form, CelString) -> CelOptional)?;
    Ok(())
}

fn named(name: &CelString<'_>) -> CelOptional<'static> {
    let found = NAMES.iter().find(|known| **known == name.inner());
    CelOptional::from(found.map(|name| Box::new(Form(name)) as Box<dyn Val>))
}

fn wrong(form: &str, text: &str) -> Vec<String> {
    // A prefix may end where a name may not.
    if let Some(form) = form.strip_suffix("Prefix") {
        let masked = text.strip_suffix('-').map_or_else(|| text.to_owned(), |start| format!("{start}a"));
        return wrong(form, &masked);
    }
    let unless = |fits: bool, why: &str| if fits { Vec::new() } else { vec![why.to_owned()] };
    match form {
        "dns1123Label" => names::label(text),
        "dns1123Subdomain" => names::subdomain(text),
        "qualifiedName" => names::label_key(text),
        "labelValue" => names::label_value(text),
        "dns1035Label" => {
            let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let fits =
                text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(inner) && !text.ends_with('-');
            let mut wrong = unless(text.len() <= 63, "must be no more than 63 bytes");
            wrong.extend(unless(fits, LABEL_1035));
            wrong
        }
        "uri" => unless(formats::fits("uri", text), &format!("parse \"{text}\": invalid URI for request")),
        "uuid" => unless(formats::fits("uuid", text), "does not match the UUID format"),
        "byte" => unless(formats::fits("byte", text), "invalid base64"),
        "date" => unless(formats::fits("date", text), "invalid date"),
        _ => unless(formats::fits("datetime", text), "invalid datetime"),
    }
}

fn validate(form: &Form, text: &CelString<'_>) -> CelOptional<'static> {
    let wrong = wrong(form.0, text);
    let found = (!wrong.is_empty()).then(|| Box::new(texts(wrong)) as Box<dyn Val>);
    CelOptional::from(found)
}
