//! The attribute's grammar.

use proc_macro2::Span;
use syn::{
    Error, Ident, LitStr, Result, Token, bracketed, parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// Everything the attribute says.
pub(crate) struct Declaration {
    pub(crate) primary: Option<Watch>,
    pub(crate) related: Vec<(Watch, Mapping)>,
    pub(crate) applies: Vec<Applies>,
    pub(crate) needs: Vec<Need>,
    pub(crate) status: bool,
    pub(crate) events: bool,
    pub(crate) finalizer: bool,
}

pub(crate) struct Watch {
    pub(crate) kind: LitStr,
    pub(crate) plural: Option<LitStr>,
    pub(crate) labels: Option<LitStr>,
    pub(crate) fields: Option<LitStr>,
    pub(crate) namespaces: Vec<LitStr>,
    pub(crate) projection: Option<Vec<LitStr>>,
    pub(crate) trigger: Trigger,
}

pub(crate) enum Trigger {
    Any,
    Generation,
    Paths(Vec<LitStr>),
}

pub(crate) enum Mapping {
    Plain(Ident),
    With(Ident, LitStr),
}

pub(crate) struct Applies {
    pub(crate) kind: LitStr,
    pub(crate) plural: Option<LitStr>,
    pub(crate) set: bool,
    pub(crate) status: bool,
}

pub(crate) struct Need {
    pub(crate) kind: LitStr,
    pub(crate) plural: Option<LitStr>,
    pub(crate) verbs: Vec<LitStr>,
}

impl Parse for Declaration {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut declaration = Self {
            primary: None,
            related: vec![],
            applies: vec![],
            needs: vec![],
            status: false,
            events: false,
            finalizer: false,
        };
        let mut member = false;
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "watch" => declaration.add_watch(input, member)?,
                "applies" => declaration.applies.push(parse_applies(input)?),
                "needs" => declaration.needs.push(parse_need(input)?),
                "member" => member = true,
                "status" => declaration.status = true,
                "events" => declaration.events = true,
                "finalizer" => declaration.finalizer = true,
                other => {
                    let known = "watch(…), member, applies(…), needs(…), status, events, finalizer";
                    return Err(Error::new(word.span(), format!("unknown item {other:?}: use {known}")));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        match (&declaration.primary, member) {
            (None, false) => Err(Error::new(Span::call_site(), "name a primary: watch(\"v1/Namespace\") or member")),
            (Some(_), true) => Err(Error::new(Span::call_site(), "member comes first, and every watch then has a map")),
            _ => Ok(declaration),
        }
    }
}

impl Declaration {
    fn add_watch(&mut self, input: ParseStream<'_>, member: bool) -> Result<()> {
        let content;
        parenthesized!(content in input);
        let (watch, mapping) = parse_watch(&content)?;
        match mapping {
            Some(mapping) => self.related.push((watch, mapping)),
            None if self.primary.is_none() && !member => self.primary = Some(watch),
            None => {
                let message =
                    "this watch needs a map: owner, name, namespace, member, none, label(…), annotation(…) or path(…)";
                return Err(Error::new(watch.kind.span(), message));
            }
        }
        Ok(())
    }
}

fn parse_kind(input: ParseStream<'_>) -> Result<LitStr> {
    let kind: LitStr = input.parse()?;
    let value = kind.value();
    let parts: Vec<&str> = value.split('/').collect();
    if !(2..=3).contains(&parts.len()) || parts.iter().any(|p| p.is_empty()) {
        return Err(Error::new(kind.span(), "a kind is written as \"v1/ConfigMap\" or \"apps/v1/Deployment\""));
    }
    Ok(kind)
}

fn parse_list(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let content;
    bracketed!(content in input);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

fn parse_watch(input: ParseStream<'_>) -> Result<(Watch, Option<Mapping>)> {
    let kind = parse_kind(input)?;
    let mut watch = Watch {
        kind,
        plural: None,
        labels: None,
        fields: None,
        namespaces: vec![],
        projection: None,
        trigger: Trigger::Any,
    };
    let mut mapping = None;
    while !input.is_empty() {
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            break;
        }
        let word: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        match word.to_string().as_str() {
            "plural" => watch.plural = Some(input.parse()?),
            "labels" => watch.labels = Some(input.parse()?),
            "fields" => watch.fields = Some(input.parse()?),
            "namespaces" => watch.namespaces = parse_list(input)?,
            "projection" => watch.projection = Some(parse_list(input)?),
            "trigger" => watch.trigger = parse_trigger(input)?,
            "map" => mapping = Some(parse_mapping(input)?),
            other => {
                let known = "map, labels, fields, namespaces, projection, trigger, plural";
                return Err(Error::new(word.span(), format!("unknown option {other:?} of watch: use {known}")));
            }
        }
    }
    Ok((watch, mapping))
}

fn parse_trigger(input: ParseStream<'_>) -> Result<Trigger> {
    if input.peek(syn::token::Bracket) {
        return Ok(Trigger::Paths(parse_list(input)?));
    }
    let word: Ident = input.parse()?;
    match word.to_string().as_str() {
        "any" => Ok(Trigger::Any),
        "generation" => Ok(Trigger::Generation),
        _ => Err(Error::new(word.span(), "a trigger is any, generation or a list of paths")),
    }
}

fn parse_mapping(input: ParseStream<'_>) -> Result<Mapping> {
    let word: Ident = input.parse()?;
    match word.to_string().as_str() {
        "owner" | "name" | "namespace" | "member" | "none" => Ok(Mapping::Plain(word)),
        "label" | "annotation" | "path" => {
            let content;
            parenthesized!(content in input);
            Ok(Mapping::With(word, content.parse()?))
        }
        _ => Err(Error::new(
            word.span(),
            "a map is owner, name, namespace, member, none, label(…), annotation(…) or path(…)",
        )),
    }
}

fn parse_applies(input: ParseStream<'_>) -> Result<Applies> {
    let content;
    parenthesized!(content in input);
    let mut applies = Applies { kind: parse_kind(&content)?, plural: None, set: false, status: false };
    while !content.is_empty() {
        content.parse::<Token![,]>()?;
        if content.is_empty() {
            break;
        }
        let word: Ident = content.parse()?;
        match word.to_string().as_str() {
            "set" => applies.set = true,
            "status" => applies.status = true,
            "plural" => {
                content.parse::<Token![=]>()?;
                applies.plural = Some(content.parse()?);
            }
            other => {
                let message = format!("unknown option {other:?} of applies: use set, status or plural = \"…\"");
                return Err(Error::new(word.span(), message));
            }
        }
    }
    Ok(applies)
}

fn parse_need(input: ParseStream<'_>) -> Result<Need> {
    let content;
    parenthesized!(content in input);
    let mut need = Need { kind: parse_kind(&content)?, plural: None, verbs: vec![] };
    while !content.is_empty() {
        content.parse::<Token![,]>()?;
        if content.is_empty() {
            break;
        }
        if content.peek(Ident) {
            let word: Ident = content.parse()?;
            if word != "plural" {
                return Err(Error::new(word.span(), "needs takes a kind, verbs as strings, and plural = \"…\""));
            }
            content.parse::<Token![=]>()?;
            need.plural = Some(content.parse()?);
        } else {
            need.verbs.push(content.parse()?);
        }
    }
    if need.verbs.is_empty() {
        return Err(Error::new(need.kind.span(), "needs takes at least one verb, such as \"get\""));
    }
    Ok(need)
}
