//! Finds the type of every part of a rule, or why it has none: unknown names, fields that are nowhere declared, calls that do not fit.

use std::collections::HashMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, StructExpr};

use super::decl::{Decl, Kind};
use super::names;
use super::types::{FUNCTIONS, Signature, Type};

/// The type of objects that mutate others, and of the patches that do.
pub(super) const OBJECT: &str = "Object";
pub(super) const PATCH: &str = "JSONPatch";

/// What is known of an expression.
#[derive(Debug, Default)]
pub(super) struct Inferred<'a> {
    /// By the numbers of its parts.
    pub(super) types: HashMap<u64, Type<'a>>,
    /// Which ways of a call fit; several where a type is only known when it runs.
    pub(super) calls: HashMap<u64, Vec<&'static Signature>>,
    /// It looks at the object before the update.
    pub(super) uses_old: bool,
}

/// The names that an expression can use, with their types.
pub(super) type Scope<'a> = Vec<(String, Type<'a>)>;

/// What a rule of a schema sees; optional: the object before the update need not be there.
pub(super) fn of_rule(own: &Decl, optional: bool) -> Scope<'_> {
    let own = Type::of(own);
    let old = if optional { Type::Optional(Box::new(own.clone())) } else { own.clone() };
    vec![("self".into(), own), ("oldSelf".into(), old)]
}

/// Types the expression; `patches`: it may make objects and patches.
pub(super) fn infer<'a>(
    expression: &IdedExpr,
    scope: Scope<'a>,
    patches: bool,
) -> Result<(Inferred<'a>, Type<'a>), String> {
    let mut checker = Checker { scope, patches, ..Checker::default() };
    let found = checker.check(expression)?;
    let result = checker.settled(&found);
    let types = std::mem::take(&mut checker.found.types);
    checker.found.types = types.into_iter().map(|(id, ty)| (id, checker.settled(&ty))).collect();
    Ok((checker.found, result))
}

#[derive(Default)]
struct Checker<'a> {
    scope: Scope<'a>,
    patches: bool,
    /// What types that were not known turned out to be.
    known: HashMap<usize, Type<'a>>,
    next: usize,
    /// Inside of a call that takes a list of all kinds.
    mixed: usize,
    found: Inferred<'a>,
}

/// The whole name of something that is written with dots.
pub(super) fn qualified(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", qualified(&select.operand)?, select.field)),
        _ => None,
    }
}

/// The name under which a call is known, and what it is called on; a namespace is part of the name.
pub(super) fn called(call: &CallExpr) -> (String, Option<&IdedExpr>) {
    let target = call.target.as_deref();
    let spaced = target.and_then(qualified).map(|space| format!("{space}.{}", call.func_name));
    match spaced.filter(|name| FUNCTIONS.contains_key(name)) {
        Some(name) => (name, None),
        None => (call.func_name.clone(), target),
    }
}

fn undeclared(name: &str) -> String {
    format!("undeclared reference to '{name}' (in container '')")
}

impl<'a> Checker<'a> {
    fn fresh(&mut self) -> Type<'a> {
        self.next += 1;
        Type::Var(self.next + 100)
    }

    fn check(&mut self, expression: &IdedExpr) -> Result<Type<'a>, String> {
        let found = match &expression.expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => self.ident(name)?,
            Expr::Select(select) => {
                let whole = qualified(expression);
                let declared = whole.as_ref().and_then(|name| self.declared(name));
                let named = || Some(Type::Kind(Box::new(Type::named(whole.as_ref()?)?)));
                match declared.or_else(named) {
                    Some(found) => found,
                    None => {
                        let of = self.check(&select.operand)?;
                        let field = self.field(&of, &select.field, false)?;
                        if select.test { Type::Bool } else { field }
                    }
                }
            }
            Expr::Call(call) => self.call(expression.id, call)?,
            Expr::List(list) => {
                let mut item = None;
                for (i, element) in list.elements.iter().enumerate() {
                    let found = self.check(element)?;
                    let found = if list.optional_indices.contains(&i) { self.unwrapped(found)? } else { found };
                    item = Some(self.joined(item, found)?);
                }
                Type::List(Box::new(item.unwrap_or_else(|| self.fresh())))
            }
            Expr::Map(map) => {
                let (mut key, mut value) = (None, None);
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let found = self.check(&entry.key)?;
                    key = Some(self.joined(key, found)?);
                    let found = self.check(&entry.value)?;
                    let found = if entry.optional { self.unwrapped(found)? } else { found };
                    value = Some(self.joined(value, found)?);
                }
                let entry = (key.unwrap_or_else(|| self.fresh()), value.unwrap_or_else(|| self.fresh()));
                Type::Map(Box::new(entry))
            }
            Expr::Struct(made) => self.made(made)?,
            Expr::Comprehension(looped) => self.comprehension(looped)?,
            Expr::Unspecified => return Err("unexpected failed resolution".into()),
        };
        self.found.types.insert(expression.id, found.clone());
        Ok(found)
    }

    fn declared(&self, name: &str) -> Option<Type<'a>> {
        self.scope.iter().rev().find(|(known, _)| known == name).map(|(_, found)| found.clone())
    }

    /// An object or a patch that is written out: objects have all fields, patches those of RFC 6902.
    fn made(&mut self, made: &StructExpr) -> Result<Type<'a>, String> {
        let name = made.type_name.as_str();
        let patch = name == PATCH;
        if !self.patches || !(patch || name == OBJECT || name.starts_with("Object.")) {
            return Err(undeclared(name));
        }
        for entry in &made.entries {
            let EntryExpr::StructField(entry) = &entry.expr else { continue };
            let found = self.check(&entry.value)?;
            let found = if entry.optional { self.unwrapped(found)? } else { found };
            if patch {
                let field = patch_field(&entry.field)?;
                self.must_be(&field, &found)?;
            }
        }
        Ok(Type::Made(name.to_owned()))
    }

    fn ident(&mut self, name: &str) -> Result<Type<'a>, String> {
        if let Some(found) = self.declared(name) {
            self.found.uses_old |= name == "oldSelf";
            return Ok(found);
        }
        let named = Type::named(name).map(|named| Type::Kind(Box::new(named)));
        named.ok_or_else(|| undeclared(name))
    }

    fn unwrapped(&self, found: Type<'a>) -> Result<Type<'a>, String> {
        match self.settled(&found) {
            Type::Optional(inner) => Ok(*inner),
            Type::Dyn => Ok(Type::Dyn),
            other => Err(format!("expected type 'optional_type({other})' but found '{other}'")),
        }
    }

    /// The type of all members of a literal: they are of one.
    fn joined(&mut self, before: Option<Type<'a>>, found: Type<'a>) -> Result<Type<'a>, String> {
        let Some(before) = before else { return Ok(found) };
        if !self.fits(&before, &found) {
            if self.mixed > 0 {
                return Ok(Type::Dyn);
            }
            let (before, found) = (self.settled(&before), self.settled(&found));
            return Err(format!("expected type '{before}' but found '{found}'"));
        }
        Ok(if matches!(before, Type::Dyn | Type::Var(_)) || !matches!(found, Type::Dyn) { before } else { found })
    }

    fn field(&mut self, of: &Type<'a>, name: &str, optional: bool) -> Result<Type<'a>, String> {
        let of = self.substituted(of);
        let (inner, wrapped) = match of {
            Type::Optional(inner) => (*inner, true),
            other => (other, false),
        };
        let found = match &inner {
            Type::Map(entry) => entry.1.clone(),
            Type::Object(decl) => match &decl.kind {
                Kind::Object(fields) => {
                    // Words of the language are fields even unescaped.
                    let found = fields.get(name).or_else(|| fields.get(&names::escape(name)?));
                    Type::of(found.ok_or_else(|| format!("undefined field '{name}'"))?)
                }
                _ => Type::Dyn,
            },
            Type::Record(record) => {
                record.fields.get(name).cloned().ok_or_else(|| format!("undefined field '{name}'"))?
            }
            Type::Made(made) if made == PATCH => patch_field(name)?,
            Type::Dyn | Type::Made(_) => Type::Dyn,
            Type::Var(_) => {
                self.fits(&Type::Dyn, &inner);
                Type::Dyn
            }
            other => return Err(format!("type '{other}' does not support field selection")),
        };
        Ok(if wrapped || optional { Type::Optional(Box::new(found)) } else { found })
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Result<Type<'a>, String> {
        if call.func_name == "_?._" {
            let of = call.args.first().map(|of| self.check(of)).transpose()?.unwrap_or(Type::Dyn);
            return match call.args.get(1).map(|name| &name.expr) {
                Some(Expr::Literal(LiteralValue::String(name))) => self.field(&of, name.inner(), true),
                _ => Err("unsupported optional field selection".into()),
            };
        }
        let (name, target) = called(call);
        let mut given = Vec::new();
        self.mixed += usize::from(name == "format");
        if let Some(target) = target {
            given.push(self.check(target)?);
        }
        for argument in &call.args {
            given.push(self.check(argument)?);
        }
        self.mixed -= usize::from(name == "format");
        literals(&name, target, &call.args)?;
        let known = FUNCTIONS.get(&name).filter(|_| self.patches || !name.starts_with("jsonpatch."));
        let all = known.ok_or_else(|| undeclared(&name))?;
        let mut result: Option<Type<'a>> = None;
        for signature in all.iter().filter(|s| s.member == target.is_some() && s.takes.len() == given.len()) {
            let mut fresh = HashMap::new();
            let takes: Vec<Type<'a>> = signature.takes.iter().map(|ty| self.renewed(ty, &mut fresh)).collect();
            let gives = self.renewed(&signature.gives, &mut fresh);
            let before = self.known.clone();
            if !given.iter().zip(&takes).all(|(given, takes)| self.fits(given, takes)) {
                self.known = before;
                continue;
            }
            self.found.calls.entry(id).or_default().push(signature);
            let gives = self.substituted(&gives);
            result = Some(match result {
                None => gives,
                Some(before) if same(&before, &gives) => before,
                Some(_) => Type::Dyn,
            });
        }
        result.ok_or_else(|| {
            let given: Vec<String> = given.iter().map(|ty| self.settled(ty).to_string()).collect();
            let shown = match (target, given.split_first()) {
                (Some(_), Some((first, rest))) => format!("{first}.({})", rest.join(", ")),
                _ => format!("({})", given.join(", ")),
            };
            format!("found no matching overload for '{name}' applied to '{shown}'")
        })
    }

    fn comprehension(&mut self, looped: &ComprehensionExpr) -> Result<Type<'a>, String> {
        let range = self.check(&looped.iter_range)?;
        let accumulated = self.check(&looped.accu_init)?;
        let range = self.substituted(&range);
        let two = looped.iter_var2.as_ref();
        let (first, second) = match &range {
            Type::List(item) if two.is_some() => (Type::Int, (**item).clone()),
            Type::List(item) => ((**item).clone(), Type::Dyn),
            Type::Map(entry) => (entry.0.clone(), entry.1.clone()),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            Type::Var(_) => {
                self.fits(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                return Err(format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                ));
            }
        };
        let depth = self.scope.len();
        self.scope.push((looped.accu_var.clone(), accumulated.clone()));
        self.scope.push((looped.iter_var.clone(), first));
        self.scope.extend(two.map(|name| (name.clone(), second)));
        let condition = self.check(&looped.loop_cond)?;
        self.must_be(&Type::Bool, &condition)?;
        let step = self.check(&looped.loop_step)?;
        self.must_be(&accumulated, &step)?;
        self.scope.truncate(depth + 1);
        let result = self.check(&looped.result)?;
        self.scope.truncate(depth);
        Ok(self.substituted(&result))
    }

    fn must_be(&mut self, wanted: &Type<'a>, found: &Type<'a>) -> Result<(), String> {
        if self.fits(wanted, found) {
            return Ok(());
        }
        Err(format!("expected type '{}' but found '{}'", self.settled(wanted), self.settled(found)))
    }

    /// The type with letters of its own.
    fn renewed(&mut self, ty: &Type<'static>, fresh: &mut HashMap<usize, Type<'a>>) -> Type<'a> {
        match ty {
            Type::Var(letter) => {
                let made = fresh.get(letter).cloned().unwrap_or_else(|| self.fresh());
                fresh.insert(*letter, made.clone());
                made
            }
            Type::List(item) => Type::List(Box::new(self.renewed(item, fresh))),
            Type::Optional(inner) => Type::Optional(Box::new(self.renewed(inner, fresh))),
            Type::Kind(inner) => Type::Kind(Box::new(self.renewed(inner, fresh))),
            Type::Map(entry) => Type::Map(Box::new((self.renewed(&entry.0, fresh), self.renewed(&entry.1, fresh)))),
            other => other.clone(),
        }
    }

    /// What is known of a type by now.
    fn substituted(&self, ty: &Type<'a>) -> Type<'a> {
        match ty {
            Type::Var(n) => self.known.get(n).map_or_else(|| ty.clone(), |known| self.substituted(known)),
            Type::List(item) => Type::List(Box::new(self.substituted(item))),
            Type::Optional(inner) => Type::Optional(Box::new(self.substituted(inner))),
            Type::Kind(inner) => Type::Kind(Box::new(self.substituted(inner))),
            Type::Map(entry) => Type::Map(Box::new((self.substituted(&entry.0), self.substituted(&entry.1)))),
            other => other.clone(),
        }
    }

    /// The same in the end: what is still not known may be anything.
    fn settled(&self, ty: &Type<'a>) -> Type<'a> {
        match self.substituted(ty) {
            Type::Var(_) => Type::Dyn,
            Type::List(item) => Type::List(Box::new(self.settled(&item))),
            Type::Optional(inner) => Type::Optional(Box::new(self.settled(&inner))),
            Type::Kind(inner) => Type::Kind(Box::new(self.settled(&inner))),
            Type::Map(entry) => Type::Map(Box::new((self.settled(&entry.0), self.settled(&entry.1)))),
            other => other,
        }
    }

    /// True if two types may stand for one another; what was not known becomes so.
    fn fits(&mut self, one: &Type<'a>, other: &Type<'a>) -> bool {
        let (one, other) = (self.substituted(one), self.substituted(other));
        match (&one, &other) {
            (Type::Var(a), Type::Var(b)) if a == b => true,
            (Type::Var(n), ty) | (ty, Type::Var(n)) => {
                if mentions(ty, *n) {
                    return false;
                }
                self.known.insert(*n, ty.clone());
                true
            }
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::Null, ty) | (ty, Type::Null) => ty.nullable(),
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.fits(a, b),
            // All types are of one type.
            (Type::Kind(_), Type::Kind(_)) => true,
            (Type::Map(a), Type::Map(b)) => self.fits(&a.0, &b.0) && self.fits(&a.1, &b.1),
            (a, b) => same(a, b),
        }
    }
}

fn mentions(ty: &Type<'_>, n: usize) -> bool {
    match ty {
        Type::Var(m) => *m == n,
        Type::List(inner) | Type::Optional(inner) | Type::Kind(inner) => mentions(inner, n),
        Type::Map(entry) => mentions(&entry.0, n) || mentions(&entry.1, n),
        _ => false,
    }
}

fn same(one: &Type<'_>, other: &Type<'_>) -> bool {
    match (one, other) {
        (Type::Object(a), Type::Object(b)) => std::ptr::eq(*a, *b),
        (Type::Record(a), Type::Record(b)) => a.name == b.name,
        (Type::Own(a), Type::Own(b)) => a == b,
        (Type::Made(a), Type::Made(b)) => a == b,
        (Type::Var(a), Type::Var(b)) => a == b,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) | (Type::Kind(a), Type::Kind(b)) => {
            same(a, b)
        }
        (Type::Map(a), Type::Map(b)) => same(&a.0, &b.0) && same(&a.1, &b.1),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

fn patch_field<'a>(name: &str) -> Result<Type<'a>, String> {
    match name {
        "op" | "path" | "from" => Ok(Type::Text),
        "value" => Ok(Type::Dyn),
        _ => Err(format!("undefined field '{name}'")),
    }
}

fn literal_type<'a>(literal: &LiteralValue) -> Type<'a> {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Text,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// Texts that are written in the rule can be seen to be wrong.
fn literals(name: &str, target: Option<&IdedExpr>, arguments: &[IdedExpr]) -> Result<(), String> {
    let text = |argument: Option<&IdedExpr>| match argument.map(|a| &a.expr) {
        Some(Expr::Literal(LiteralValue::String(text))) => Some(text.inner().to_owned()),
        _ => None,
    };
    match (name, target) {
        ("duration", None) => match text(arguments.first()) {
            Some(said) if !super::values::is_duration(&said) => Err("invalid duration argument".into()),
            _ => Ok(()),
        },
        ("timestamp", None) => match text(arguments.first()) {
            Some(said) if said.parse::<jiff::Timestamp>().is_err() => Err("invalid timestamp argument".into()),
            _ => Ok(()),
        },
        ("find" | "findAll", Some(_)) => match text(arguments.first()) {
            Some(said) if regex::Regex::new(&said).is_err() => Err("program instantiation failed".into()),
            _ => Ok(()),
        },
        ("matches", target) => match text(arguments.get(usize::from(target.is_none()))) {
            Some(said) if regex::Regex::new(&said).is_err() => Err("invalid matches argument".into()),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}
