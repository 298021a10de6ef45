//! What a rule costs at the most, estimated from the bounds of its schema, in the units and with the factors of kube-apiserver.

use std::collections::HashMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::calls;
use super::decl::{Decl, Part};
use super::infer::{Inferred, called, qualified};
use super::types::{Signature, Type};

/// Least and most of a size or a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Range {
    pub(super) const UNKNOWN: Self = Self { least: 0, most: u64::MAX };
    const EMPTY: Self = Self { least: u64::MAX, most: 0 };

    pub(super) fn just(n: u64) -> Self {
        Self { least: n, most: n }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self { least: self.least.saturating_mul(other.least), most: self.most.saturating_mul(other.most) }
    }

    pub(super) fn by(self, factor: f64) -> Self {
        // Casts of floats saturate.
        let one = |n: u64| (n as f64 * factor).ceil() as u64;
        Self { least: one(self.least), most: one(self.most) }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
}

/// Sizes of the keys (or none, of lists) and of the values of something that was made in the rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries {
    list: bool,
    key: Range,
    value: Range,
}

impl Entries {
    fn or(self, other: Self) -> Self {
        Self { list: self.list, key: self.key.or(other.key), value: self.value.or(other.value) }
    }
}

type Path = Vec<String>;

/// A name of a loop: where in the schema its value is, and how large it is.
struct Local {
    name: String,
    path: Path,
    size: Option<Range>,
    entries: Option<Entries>,
}

/// Estimates one expression.
pub(super) struct Coster<'a> {
    own: &'a Decl,
    inferred: &'a Inferred<'a>,
    paths: HashMap<u64, Path>,
    locals: Vec<Local>,
    sizes: HashMap<u64, Range>,
    entries: HashMap<u64, Entries>,
}

/// The most that an expression can cost.
pub(super) fn most(expression: &IdedExpr, own: &Decl, inferred: &Inferred<'_>) -> u64 {
    let mut coster = Coster {
        own,
        inferred,
        paths: HashMap::new(),
        locals: Vec::new(),
        sizes: HashMap::new(),
        entries: HashMap::new(),
    };
    coster.cost(expression).most
}

impl<'a> Coster<'a> {
    fn cost(&mut self, expression: &IdedExpr) -> Range {
        match &expression.expr {
            Expr::Ident(name) => {
                let path = self.local(name).map_or_else(|| vec![name.clone()], |local| local.path.clone());
                self.paths.insert(expression.id, path);
                Range::just(1)
            }
            Expr::Select(_) if qualified(expression).is_some_and(|name| Type::named(&name).is_some()) => {
                self.paths.insert(expression.id, qualified(expression).into_iter().collect());
                Range::just(1)
            }
            Expr::Select(select) => {
                let of = self.cost(&select.operand);
                if select.test {
                    return of;
                }
                let counts = matches!(self.ty(&select.operand), Some(Type::Map(_) | Type::Object(_)));
                let mut path = self.path(&select.operand);
                path.push(select.field.clone());
                self.paths.insert(expression.id, path);
                if counts { of.plus(Range::just(1)) } else { of }
            }
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => {
                let (mut sum, mut item) = (Range::just(10), Range::EMPTY);
                if list.elements.is_empty() {
                    item.least = 0;
                }
                for element in &list.elements {
                    sum = sum.plus(self.cost(element));
                    item = item.or(self.size_or_unknown(element));
                }
                self.entries.insert(expression.id, Entries { list: true, key: Range::just(1), value: item });
                sum
            }
            Expr::Map(map) => self.map(expression.id, map.entries.iter().map(|entry| &entry.expr)),
            Expr::Comprehension(looped) if is_binding(looped) => {
                let sum = self.cost(&looped.iter_range).plus(self.cost(&looped.accu_init));
                self.bind(&looped.accu_var, &looped.accu_init);
                let sum = sum.plus(self.cost(&looped.result));
                self.locals.pop();
                let (size, entries) = (self.size(&looped.result), self.entries_of(&looped.result));
                self.sizes.extend(size.map(|size| (expression.id, size)));
                self.entries.extend(entries.map(|entries| (expression.id, entries)));
                sum
            }
            Expr::Comprehension(looped) => self.comprehension(expression.id, looped),
            _ => Range::just(0),
        }
    }

    fn map<'b>(&mut self, id: u64, entries: impl ExactSizeIterator<Item = &'b EntryExpr>) -> Range {
        let (mut sum, mut key, mut value) = (Range::just(30), Range::EMPTY, Range::EMPTY);
        if entries.len() == 0 {
            (key.least, value.least) = (0, 0);
        }
        for entry in entries {
            let EntryExpr::MapEntry(entry) = entry else { continue };
            sum = sum.plus(self.cost(&entry.key)).plus(self.cost(&entry.value));
            key = key.or(self.size_or_unknown(&entry.key));
            value = value.or(self.size_or_unknown(&entry.value));
        }
        self.entries.insert(id, Entries { list: false, key, value });
        sum
    }

    fn comprehension(&mut self, id: u64, looped: &ComprehensionExpr) -> Range {
        let mut sum = self.cost(&looped.iter_range).plus(self.cost(&looped.accu_init));
        self.bind(&looped.accu_var, &looped.accu_init);
        let depth = self.locals.len();
        let (entries, path) = (self.entries_of(&looped.iter_range), self.path(&looped.iter_range));
        let list = entries.map_or_else(|| matches!(self.ty(&looped.iter_range), Some(Type::List(_))), |e| e.list);
        let (key, value) = (entries.map(|e| e.key), entries.map(|e| e.value));
        let mut push = |name: &str, part: &str, size: Option<Range>| {
            let path = path.iter().cloned().chain([part.to_owned()]).collect();
            self.locals.push(Local { name: name.to_owned(), path, size, entries: None });
        };
        match &looped.iter_var2 {
            Some(second) => {
                push(&looped.iter_var, if list { "@indices" } else { "@keys" }, key);
                push(second, if list { "@items" } else { "@values" }, value);
            }
            None if list => push(&looped.iter_var, "@items", value),
            None => push(&looped.iter_var, "@keys", key),
        }
        let each = self.cost(&looped.loop_cond).plus(self.cost(&looped.loop_step));
        self.locals.truncate(depth);
        sum = sum.plus(self.cost(&looped.result));
        self.locals.pop();
        let times = self.size_or_unknown(&looped.iter_range);
        match &looped.accu_init.expr {
            Expr::Literal(_) => {
                let size = self.size(&looped.accu_init);
                self.sizes.extend(size.map(|size| (id, size)));
            }
            Expr::List(_) | Expr::Map(_) => {
                self.sizes.insert(id, times);
                let made = self.entries_of(&looped.loop_step);
                self.entries.extend(made.map(|made| (id, made)));
            }
            _ => {}
        }
        sum.plus(times.times(each))
    }

    fn bind(&mut self, name: &str, to: &IdedExpr) {
        let local =
            Local { name: name.to_owned(), path: self.path(to), size: self.size(to), entries: self.entries_of(to) };
        self.locals.push(local);
    }

    fn call(&mut self, expression: &IdedExpr, call: &CallExpr) -> Range {
        if call.func_name == "dyn"
            && let [argument] = call.args.as_slice()
        {
            let cost = self.cost(argument).plus(Range::just(1));
            let (size, entries) = (self.size(argument), self.entries_of(argument));
            self.sizes.extend(size.map(|size| (expression.id, size)));
            self.entries.extend(entries.map(|entries| (expression.id, entries)));
            return cost;
        }
        let (name, target) = called(call);
        let costs: Vec<Range> = call.args.iter().map(|argument| self.cost(argument)).collect();
        if call.func_name == "_?._" {
            return self.one_call(expression.id, (&name, None), None, &call.args, &costs).0;
        }
        let Some(ways) = self.inferred.calls.get(&expression.id) else { return Range::just(0) };
        let of = target.map_or(Range::just(0), |target| self.cost(target));
        let (mut cost, mut size) = (Range::EMPTY, None::<Range>);
        for way in ways {
            let (one, result) = self.one_call(expression.id, (&name, Some(*way)), target, &call.args, &costs);
            cost = cost.or(one);
            size = match (size, result) {
                (Some(a), Some(b)) => Some(a.or(b)),
                (a, b) => a.or(b),
            };
            let part = match (name.as_str(), way.takes.first()) {
                ("_[_]", Some(Type::List(_))) => Some("@items"),
                ("_[_]", Some(Type::Map(_))) => Some("@values"),
                _ => None,
            };
            if let (Some(part), Some(of)) = (part, call.args.first()) {
                size = self.entries_of(of).map(|entries| entries.value);
                let path = self.path(of).into_iter().chain([part.to_owned()]).collect();
                self.paths.insert(expression.id, path);
            }
            size = size.or_else(|| self.size(expression));
        }
        self.sizes.extend(size.map(|size| (expression.id, size)));
        of.plus(cost)
    }

    /// One way of a call: its cost with that of its arguments, and the size of what comes out.
    fn one_call(
        &mut self,
        id: u64,
        (name, way): (&str, Option<&Signature>),
        target: Option<&IdedExpr>,
        arguments: &[IdedExpr],
        costs: &[Range],
    ) -> (Range, Option<Range>) {
        let sum = costs.iter().fold(Range::just(0), |sum, cost| sum.plus(*cost));
        if let Some((cost, size)) = calls::own(self, name, way, target, arguments) {
            return (cost.plus(sum), size);
        }
        let takes = way.map(|way| way.takes.as_slice()).unwrap_or_default();
        match (name, arguments) {
            ("_&&_" | "_||_", [_, _]) => {
                // The second may never be looked at.
                return (Range { least: costs[0].least, most: sum.most }, None);
            }
            ("_?_:_", [_, yes, no]) => {
                let size = self.size_or_unknown(yes).or(self.size_or_unknown(no));
                if let (Some(yes), Some(no)) = (self.entries_of(yes), self.entries_of(no)) {
                    self.entries.insert(id, yes.or(no));
                }
                return (costs[0].plus(costs[1].or(costs[2])), Some(size));
            }
            ("_+_", [left, right]) if matches!(takes.first(), Some(Type::Text | Type::Bytes | Type::List(_))) => {
                let size = self.size_or_unknown(left).plus(self.size_or_unknown(right));
                if let (Some(left), Some(right)) = (self.entries_of(left), self.entries_of(right)) {
                    self.entries.insert(id, left.or(right));
                }
                let cost = if matches!(takes.first(), Some(Type::List(_))) { Range::just(1) } else { size.by(0.1) };
                return (cost.plus(sum), Some(size));
            }
            _ => {}
        }
        let (cost, size) = calls::standard(self, name, takes, target, arguments);
        (cost.plus(sum), size)
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| local.name == name)
    }

    pub(super) fn ty(&self, expression: &IdedExpr) -> Option<&'a Type<'a>> {
        self.inferred.types.get(&expression.id)
    }

    fn path(&self, expression: &IdedExpr) -> Path {
        let local = match &expression.expr {
            Expr::Ident(name) => self.local(name).map(|local| local.path.clone()),
            _ => None,
        };
        local.or_else(|| self.paths.get(&expression.id).cloned()).unwrap_or_default()
    }

    fn entries_of(&self, expression: &IdedExpr) -> Option<Entries> {
        self.entries.get(&expression.id).copied().or_else(|| match &expression.expr {
            Expr::Ident(name) => self.local(name).and_then(|local| local.entries),
            _ => None,
        })
    }

    /// How large a value is, where anything is known of it.
    fn size(&mut self, expression: &IdedExpr) -> Option<Range> {
        if let Some(size) = self.sizes.get(&expression.id).copied().or_else(|| written(&expression.expr)) {
            return Some(size);
        }
        if let Some(size) = self.declared(&self.path(expression)) {
            self.sizes.insert(expression.id, size);
            return Some(size);
        }
        if self.ty(expression).is_some_and(Type::is_scalar) {
            return Some(Range::just(1));
        }
        match &expression.expr {
            Expr::Ident(name) => self.local(name).and_then(|local| local.size),
            _ => None,
        }
    }

    pub(super) fn size_or_unknown(&mut self, expression: &IdedExpr) -> Range {
        self.size(expression).unwrap_or(Range::UNKNOWN)
    }

    /// The size that the schema allows at a path; it begins at the object that the rule is about.
    fn declared(&self, path: &[String]) -> Option<Range> {
        // The first is not looked at: what a rule made itself is taken for the object.
        let (_, rest) = path.split_first()?;
        let mut at = Part::Value(self.own);
        for name in rest {
            at = match at {
                Part::Value(decl) => decl.part(name)?,
                Part::Key => return None,
            };
        }
        let most = match at {
            Part::Value(decl) => decl.most,
            Part::Key => 0,
        };
        Some(Range { least: 0, most })
    }

    /// The size of the items of a list, where they are texts.
    pub(super) fn item_size(&self, list: &IdedExpr) -> Option<Range> {
        let Some(Type::List(item)) = self.ty(list) else { return None };
        if !matches!(**item, Type::Text | Type::Bytes) {
            return Some(Range::just(0));
        }
        let path: Path = self.path(list);
        let of_path = (!path.is_empty()).then(|| self.declared(&[path, vec!["@items".into()]].concat())).flatten();
        Some(of_path.unwrap_or(Range::UNKNOWN))
    }
}

/// A name for a value, as `optMap` makes one.
fn is_binding(looped: &ComprehensionExpr) -> bool {
    let empty = matches!(&looped.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    let never = matches!(&looped.loop_cond.expr, Expr::Literal(LiteralValue::Boolean(flag)) if !*flag.inner());
    empty && never && looped.accu_var != "@result"
}

/// The size of what is written out in the rule.
fn written(expression: &Expr) -> Option<Range> {
    Some(Range::just(match expression {
        Expr::Literal(LiteralValue::String(text)) => text.inner().chars().count() as u64,
        Expr::Literal(LiteralValue::Bytes(bytes)) => bytes.inner().len() as u64,
        Expr::Literal(_) => 1,
        Expr::List(list) => list.elements.len() as u64,
        Expr::Map(map) => map.entries.len() as u64,
        _ => return None,
    }))
}
