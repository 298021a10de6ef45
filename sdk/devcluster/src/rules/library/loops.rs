//! Loops over two names: index and item of a list, or key and value of a map.
//!
//! What checks a rule sees them as they are. The interpreter knows loops over one name only: for it they run over the keys, and
//! the value gets its name by an inner loop over a list of one.

use std::collections::HashMap;

use cel::common::ast::operators::{ADD, CONDITIONAL, EQUALS, LOGICAL_AND, LOGICAL_NOT, LOGICAL_OR, NOT_STRICTLY_FALSE};
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr};
use cel::common::types::{CelInt, CelList, CelMap, CelMapKey, DYN_TYPE, LIST_TYPE, MAP_TYPE};
use cel::common::value::{CowVal, Val};
use cel::parser::{Macro, MacroExprHelper};
use cel::{DeclarationError, Env, ExecutionError, ParseError};

use super::failed;
use super::lists::members;

const RESULT: &str = "@result";
/// Puts an entry, or all entries of another map, into a map.
const INSERT: &str = "cel.@mapInsert";

/// A loop of a kind.
#[derive(Clone, Copy)]
enum Loop {
    All,
    Exists,
    ExistsOne,
    List,
    Map,
    Entries,
}

const LOOPS: [(&str, Loop, &[usize]); 7] = [
    ("all", Loop::All, &[3]),
    ("exists", Loop::Exists, &[3]),
    ("existsOne", Loop::ExistsOne, &[3]),
    ("exists_one", Loop::ExistsOne, &[3]),
    ("transformList", Loop::List, &[3, 4]),
    ("transformMap", Loop::Map, &[3, 4]),
    ("transformMapEntry", Loop::Entries, &[3, 4]),
];

/// Loops as they are written.
pub(super) fn plain(env: &mut Env) -> Result<(), DeclarationError> {
    declare(env, false)
}

/// Loops that run.
pub(super) fn unrolled(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("@keys", "keys", vec![DYN_TYPE], keys)?;
    env.add_overload(INSERT, "insert_entry", vec![MAP_TYPE, DYN_TYPE, DYN_TYPE], insert)?;
    env.add_overload(INSERT, "insert_map", vec![MAP_TYPE, MAP_TYPE], insert)?;
    declare(env, true)
}

fn declare(env: &mut Env, unrolled: bool) -> Result<(), DeclarationError> {
    for (name, kind, counts) in LOOPS {
        for count in counts {
            env.add_macro(Macro::receiver(name, *count, move |helper, target, arguments| {
                let range = target.take();
                let arguments = std::mem::take(arguments);
                expand(&mut Made(helper), kind, unrolled, range.unwrap_or_default(), arguments).map(Some)
            }))?;
        }
    }
    Ok(())
}

/// Makes the parts of expressions.
struct Made<'a, 'b>(&'a mut MacroExprHelper<'b>);

impl Made<'_, '_> {
    fn name(&mut self, name: &str) -> IdedExpr {
        self.0.next_expr(Expr::Ident(name.to_owned()))
    }

    fn flag(&mut self, flag: bool) -> IdedExpr {
        self.0.next_expr(Expr::Literal(LiteralValue::Boolean(flag.into())))
    }

    fn number(&mut self, n: i64) -> IdedExpr {
        self.0.next_expr(Expr::Literal(LiteralValue::Int(CelInt::from(n))))
    }

    fn list(&mut self, elements: Vec<IdedExpr>) -> IdedExpr {
        self.0.next_expr(Expr::List(ListExpr::new(elements)))
    }

    fn call(&mut self, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.0.next_expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
    }

    /// Start, condition, step and result of a loop.
    fn parts(&mut self, kind: Loop, key: &str, filter: Option<IdedExpr>, body: IdedExpr) -> [IdedExpr; 4] {
        let before = self.name(RESULT);
        let result = self.name(RESULT);
        let (start, condition, step, result) = match kind {
            Loop::All => {
                let so_far = self.name(RESULT);
                let condition = self.call(NOT_STRICTLY_FALSE, vec![so_far]);
                (self.flag(true), condition, self.call(LOGICAL_AND, vec![before, body]), result)
            }
            Loop::Exists => {
                let so_far = self.name(RESULT);
                let not = self.call(LOGICAL_NOT, vec![so_far]);
                let condition = self.call(NOT_STRICTLY_FALSE, vec![not]);
                (self.flag(false), condition, self.call(LOGICAL_OR, vec![before, body]), result)
            }
            Loop::ExistsOne => {
                let (one, again) = (self.number(1), self.number(1));
                let more = self.call(ADD, vec![before, one]);
                let same = self.name(RESULT);
                let step = self.call(CONDITIONAL, vec![body, more, same]);
                (self.number(0), self.flag(true), step, self.call(EQUALS, vec![result, again]))
            }
            Loop::List => {
                let item = self.list(vec![body]);
                (self.list(Vec::new()), self.flag(true), self.call(ADD, vec![before, item]), result)
            }
            Loop::Map => {
                let key = self.name(key);
                let step = self.call(INSERT, vec![before, key, body]);
                (self.0.next_expr(Expr::Map(MapExpr::default())), self.flag(true), step, result)
            }
            Loop::Entries => {
                let step = self.call(INSERT, vec![before, body]);
                (self.0.next_expr(Expr::Map(MapExpr::default())), self.flag(true), step, result)
            }
        };
        let step = match filter {
            Some(filter) => {
                let same = self.name(RESULT);
                self.call(CONDITIONAL, vec![filter, step, same])
            }
            None => step,
        };
        [start, condition, step, result]
    }

    fn looped(&mut self, range: IdedExpr, names: (&str, Option<&str>), parts: [IdedExpr; 4]) -> IdedExpr {
        let [accu_init, loop_cond, loop_step, result] = parts;
        self.0.next_expr(Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: range,
            iter_var: names.0.to_owned(),
            iter_var2: names.1.map(str::to_owned),
            accu_var: RESULT.to_owned(),
            accu_init,
            loop_cond,
            loop_step,
            result,
        })))
    }

    /// The body with a name for the value of a key: the one item of a list that is made of it.
    fn with_value(&mut self, range: &IdedExpr, (key, value): (&str, &str), body: IdedExpr) -> IdedExpr {
        let at = self.name(key);
        let item = self.call("_[_]", vec![range.clone(), at]);
        let one = self.list(vec![item]);
        let parts = self.parts(Loop::List, key, None, body);
        let made = self.looped(one, (value, None), parts);
        let zero = self.number(0);
        self.call("_[_]", vec![made, zero])
    }
}

fn expand(
    made: &mut Made<'_, '_>,
    kind: Loop,
    unrolled: bool,
    range: IdedExpr,
    mut arguments: Vec<IdedExpr>,
) -> Result<IdedExpr, ParseError> {
    let name = |argument: IdedExpr| match argument.expr {
        Expr::Ident(name) => Ok(name),
        _ => Err(made.0.new_error(argument.id, "argument must be a simple name")),
    };
    let (key, value) = (name(arguments.remove(0))?, name(arguments.remove(0))?);
    if key == value {
        return Err(made.0.new_error(range.id, format!("duplicate variable name: {value}")));
    }
    let body = arguments.pop().unwrap_or_default();
    let filter = arguments.pop();
    if !unrolled {
        let parts = made.parts(kind, &key, filter, body);
        return Ok(made.looped(range, (&key, Some(&value)), parts));
    }
    let names = (key.as_str(), value.as_str());
    let body = made.with_value(&range, names, body);
    let filter = filter.map(|filter| made.with_value(&range, names, filter));
    let parts = made.parts(kind, &key, filter, body);
    let keys = made.call("@keys", vec![range]);
    Ok(made.looped(keys, (&key, None), parts))
}

/// The indexes of a list, or the keys of a map.
fn keys<'b, 'v>(given: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let all = members(given.first())?;
    if given.first().is_some_and(|of| *of.get_type() != LIST_TYPE) {
        return Ok(CowVal::owned(CelList::from(all)));
    }
    let indexes = (0..all.len()).map(|i| Box::new(CelInt::from(i as i64)) as Box<dyn Val + 'v>);
    Ok(CowVal::owned(CelList::from(indexes.collect::<Vec<_>>())))
}

fn insert<'b, 'v>(given: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut values = given.into_iter();
    let mut entries = entries(values.next())?;
    let mut put = |key: CelMapKey<'v>, value: Box<dyn Val + 'v>| match entries.insert(key.clone(), value) {
        None => Ok(()),
        Some(_) => Err(failed(format!("insert failed: key {} already exists", shown(&key)))),
    };
    match (values.next(), values.next()) {
        (Some(key), Some(value)) => put(CelMapKey::try_from(key)?, value.into_owned())?,
        (more, _) => {
            for (key, value) in self::entries(more)? {
                put(key, value)?;
            }
        }
    }
    Ok(CowVal::owned(CelMap::from(entries)))
}

fn shown(key: &CelMapKey<'_>) -> String {
    match key {
        CelMapKey::Bool(flag) => flag.inner().to_string(),
        CelMapKey::Int(n) => n.inner().to_string(),
        CelMapKey::UInt(n) => n.inner().to_string(),
        CelMapKey::String(text) => text.inner().to_owned(),
    }
}

fn entries<'v>(map: Option<CowVal<'_, 'v>>) -> Result<HashMap<CelMapKey<'v>, Box<dyn Val + 'v>>, ExecutionError> {
    let map = map.ok_or_else(ExecutionError::missing_argument_or_target)?;
    let found = map.downcast_ref::<CelMap<'v>>().ok_or_else(|| failed("no such overload"))?;
    Ok(found.inner().iter().map(|(key, value)| (key.clone(), value.clone_as_boxed())).collect())
}
