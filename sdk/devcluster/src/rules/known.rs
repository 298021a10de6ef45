//! Names in rules: what a schema declares, what the CEL library has, and how a field's name is written.

use std::collections::HashMap;

use cel::Program;
use cel::common::ast::{Expr, IdedExpr};

use crate::schema::validator::Validator;

/// Functions and macros that rules can call. What kube-apiserver has beyond them refuses the definition, by name.
const FUNCTIONS: [&str; 58] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bytes",
    "bool",
    "dyn",
    "type",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "join",
    "substring",
    "trim",
    "reverse",
    "format",
    "distinct",
    "flatten",
    "slice",
    "sort",
    "sortBy",
    "range",
    "lists.range",
    "first",
    "last",
    "math.greatest",
    "math.least",
    "math.abs",
    "hasValue",
    "value",
    "orValue",
    "or",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
    "min",
    "max",
];

/// Words that are none of CEL's field names.
const WORDS: [&str; 22] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "self",
];

/// How a field's name is written in a rule.
pub(super) fn escape(name: &str) -> String {
    if WORDS[..21].contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}

type Scope<'a> = HashMap<String, Option<&'a Validator>>;

/// Refuses names that are nowhere declared.
pub(super) fn check(node: &Validator, root: bool, program: &Program) -> Result<(), String> {
    let functions = program.references();
    let unknown = functions.functions().into_iter().find(|name| {
        let operator = name.starts_with(['_', '@', '!', '-']);
        !operator && !FUNCTIONS.contains(name)
    });
    if let Some(name) = unknown {
        return Err(format!("compilation failed: undeclared reference to '{name}'"));
    }
    let mut scope = Scope::from([("self".to_owned(), Some(node)), ("oldSelf".to_owned(), Some(node))]);
    walk(program.expression(), &mut scope, root).map(drop)
}

/// The schema of an expression, where it is known.
fn walk<'a>(expression: &IdedExpr, scope: &mut Scope<'a>, root: bool) -> Result<Option<&'a Validator>, String> {
    match &expression.expr {
        Expr::Ident(name) if name.starts_with('@') => Ok(scope.get(name).copied().flatten()),
        Expr::Ident(name) => match scope.get(name) {
            Some(node) => Ok(*node),
            None if is_type(name) => Ok(None),
            None => Err(format!("compilation failed: undeclared reference to '{name}'")),
        },
        Expr::Select(select) => {
            let optional = matches!(&select.operand.expr, Expr::Ident(name) if matches!(name.as_str(), "optional" | "math" | "lists"));
            if optional {
                return Ok(None);
            }
            let at_root =
                root && matches!(&select.operand.expr, Expr::Ident(name) if name == "self" || name == "oldSelf");
            match walk(&select.operand, scope, root)? {
                Some(node) => field(node, &select.field, at_root),
                None => Ok(None),
            }
        }
        Expr::Call(call) => {
            // What a function is called on may be a namespace, as in `math.greatest`.
            if let Some(target) = call.target.as_ref().filter(
                |t| !matches!(&t.expr, Expr::Ident(name) if matches!(name.as_str(), "optional" | "math" | "lists")),
            ) {
                walk(target, scope, root)?;
            }
            let arguments: Result<Vec<_>, String> = call.args.iter().map(|arg| walk(arg, scope, root)).collect();
            let first = arguments?.into_iter().next().flatten();
            let indexes = call.func_name == "_[_]";
            Ok(first.filter(|_| indexes).and_then(|node| node.item.as_deref().or(node.rest.as_deref())))
        }
        Expr::Comprehension(loops) => {
            let over = walk(&loops.iter_range, scope, root)?;
            walk(&loops.accu_init, scope, root)?;
            let mut inner = scope.clone();
            let item = over.and_then(|node| node.item.as_deref());
            inner.insert(loops.iter_var.clone(), item);
            inner.extend(loops.iter_var2.iter().map(|name| (name.clone(), None)));
            inner.insert(loops.accu_var.clone(), None);
            for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
                walk(part, &mut inner, root)?;
            }
            Ok(None)
        }
        Expr::List(list) => list.elements.iter().try_for_each(|e| walk(e, scope, root).map(drop)).map(|()| None),
        _ => Ok(None),
    }
}

fn is_type(name: &str) -> bool {
    let types = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];
    types.contains(&name)
}

fn field<'a>(node: &'a Validator, name: &str, root: bool) -> Result<Option<&'a Validator>, String> {
    if let Some((_, field)) = node.fields.iter().find(|(declared, _)| escape(declared) == name) {
        return Ok(Some(field));
    }
    let open = node.rest.is_some() || node.types.is_empty() || node.open;
    let own = (root || node.embedded) && matches!(name, "apiVersion" | "kind" | "metadata");
    if open || own {
        return Ok(node.rest.as_deref());
    }
    Err(format!("compilation failed: undefined field '{name}'"))
}
