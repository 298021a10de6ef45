//! What calls cost: Kubernetes' own functions, and those of the standard library.

use cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::cost::{Coster, Range};
use super::types::{Signature, Type};

/// Of going through a text once, for each of its letters.
const LETTER: f64 = 0.1;
/// Of an expression, for each of its letters.
const REGEX: f64 = 0.25;
/// Letters of the longest expression behind a format.
const FORMAT: f64 = 128.0;

type Cost = (Range, Option<Range>);

/// The functions that Kubernetes estimates by itself; none for others.
pub(super) fn own(
    coster: &mut Coster<'_>,
    name: &str,
    way: Option<&Signature>,
    target: Option<&IdedExpr>,
    arguments: &[IdedExpr],
) -> Option<Cost> {
    let takes = way.map(|way| way.takes.as_slice()).unwrap_or_default();
    let cost = |cost: Range| Some((cost, None));
    match (name, target, arguments) {
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", Some(target), _) => {
            let size = coster.size_or_unknown(target);
            cost(match coster.item_size(target) {
                Some(item) => size.times(Range::just(1).plus(item.by(LETTER))),
                None => size.by(LETTER),
            })
        }
        ("url", _, [text]) => {
            let size = coster.size_or_unknown(text);
            Some((size.by(LETTER), Some(size)))
        }
        ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(target), _) => {
            let size = coster.size_or_unknown(target);
            Some((size.by(LETTER), Some(size)))
        }
        ("replace", Some(target), [from, to, ..]) => Some(replace(coster, target, from, to)),
        ("split", Some(target), arguments) => {
            let size = coster.size_or_unknown(target);
            let most = match arguments.get(1).map(|a| &a.expr) {
                Some(Expr::Literal(LiteralValue::Int(n))) => *n.inner() as u64,
                _ => size.most,
            };
            Some((size.by(2.0 * LETTER), Some(Range { least: 0, most })))
        }
        ("join", Some(target), arguments) => Some(join(coster, target, arguments.first())),
        ("find" | "findAll", Some(target), [expression, ..]) => {
            let (size, regex) = (coster.size_or_unknown(target), coster.size_or_unknown(expression));
            let text = size.plus(Range::just(1)).by(LETTER);
            Some((text.times(regex.by(REGEX)), Some(Range { least: 0, most: size.most })))
        }
        ("ip", Some(_), _) => cost(Range::just(1)),
        ("cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver", _, [text, ..]) => {
            cost(coster.size_or_unknown(text).by(LETTER))
        }
        ("ip.isCanonical", _, [text]) => cost(coster.size_or_unknown(text).by(2.0 * LETTER)),
        ("containsIP" | "containsCIDR", _, [other]) => {
            let size = Range { least: 4, most: 16 };
            let mut sum = size.plus(size).by(LETTER);
            if name == "containsCIDR" {
                sum = sum.plus(size.by(LETTER)).plus(Range::just(1));
            }
            if matches!(takes.get(1), Some(Type::Text)) {
                sum = sum.plus(coster.size_or_unknown(other).by(LETTER));
            }
            cost(sum)
        }
        ("validate", _, [text]) => cost(coster.size_or_unknown(text).by(LETTER).by(FORMAT * REGEX)),
        ("_==_", _, [left, right]) => match (coster.ty(left), coster.ty(right)) {
            (Some(Type::Own(left)), Some(Type::Own(right))) if left == right => cost(match *left {
                "Format" => Range { least: 1, most: 64 }.by(LETTER),
                "URL" => Range::just(1).by(LETTER),
                _ => Range::just(1),
            }),
            _ => None,
        },
        _ => None,
    }
}

fn replace(coster: &mut Coster<'_>, target: &IdedExpr, from: &IdedExpr, to: &IdedExpr) -> Cost {
    let (size, from, to) = (coster.size_or_unknown(target), coster.size_or_unknown(from), coster.size_or_unknown(to));
    let parts = |of: u64, by: u64| (of as f64 / by as f64).ceil() as u64;
    let (mut times, mut kept) = (Range::just(0), Range::just(0));
    if from.least == 0 {
        (times.most, kept.most) = (size.most.saturating_add(1), size.most);
    } else if to.most <= from.least {
        kept.most = size.most;
    } else {
        times.most = parts(size.most, from.least);
    }
    if from.most == 0 {
        (times.least, kept.least) = (size.least.saturating_add(1), size.least);
    } else if from.most <= to.least {
        kept.least = size.least;
    } else {
        times.least = parts(size.least, from.most);
    }
    (size.by(2.0 * LETTER), Some(times.times(to).plus(kept)))
}

fn join(coster: &mut Coster<'_>, list: &IdedExpr, separator: Option<&IdedExpr>) -> Cost {
    let (count, item) = (coster.size_or_unknown(list), coster.item_size(list));
    let mut size = item.map_or(Range::just(0), |item| count.times(item));
    if let Some(separator) = separator {
        let between = Range { least: count.least.saturating_sub(1), most: count.most.saturating_sub(1) };
        size = size.plus(coster.size_or_unknown(separator).times(between));
    }
    (size.by(LETTER), Some(size))
}

/// Functions that make lists, or compare the members of lists.
fn of_lists(
    coster: &mut Coster<'_>,
    name: &str,
    takes: &[Type<'_>],
    target: Option<&IdedExpr>,
    arguments: &[IdedExpr],
) -> Option<Cost> {
    let number = |argument: Option<&IdedExpr>, other: u64| match argument.map(|a| &a.expr) {
        Some(Expr::Literal(LiteralValue::Int(n))) => *n.inner() as u64,
        _ => other,
    };
    let made = |size: Range, factor: f64| Some((size.by(factor).plus(Range::just(11)), Some(size)));
    let texts =
        |list: Option<&Type<'_>>| matches!(list, Some(Type::List(item)) if matches!(**item, Type::Text | Type::Bytes));
    let compared = |text: bool| if text { 2.0 + LETTER } else { 2.0 };
    match (name, target, arguments) {
        ("slice", Some(list), [from, to]) => {
            let end = number(Some(to), coster.size_or_unknown(list).most);
            made(Range::just(end.wrapping_sub(number(Some(from), 0))), 1.0)
        }
        ("lists.range", None, [count]) => made(Range::just(number(Some(count), u64::MAX)), 1.0),
        ("reverse", Some(list), []) => made(coster.size_or_unknown(list), 1.0),
        ("flatten", Some(list), depth) => {
            let depth = if depth.is_empty() { 1 } else { number(depth.first(), u64::MAX) };
            made(coster.size_or_unknown(list), depth as f64)
        }
        ("distinct", Some(list), []) => {
            let size = coster.size_or_unknown(list);
            made(size.times(size), 2.0)
        }
        ("sort", Some(list), []) => {
            let size = coster.size_or_unknown(list);
            made(size.times(size), compared(texts(takes.first())))
        }
        ("@sortByAssociatedKeys", Some(_), [keys]) => {
            let size = coster.size_or_unknown(keys);
            made(size.times(size), compared(texts(takes.get(1))))
        }
        ("sets.contains" | "sets.intersects" | "sets.equivalent", None, [one, other]) => {
            let size = coster.size_or_unknown(one).times(coster.size_or_unknown(other));
            let factor = if name == "sets.equivalent" { 2.0 } else { 1.0 };
            Some((size.by(factor).plus(Range::just(1)), None))
        }
        _ => None,
    }
}

/// All other functions: most cost 1.
pub(super) fn standard(
    coster: &mut Coster<'_>,
    name: &str,
    takes: &[Type<'_>],
    target: Option<&IdedExpr>,
    arguments: &[IdedExpr],
) -> Cost {
    let one = Range::just(1);
    if let Some(cost) = of_lists(coster, name, takes, target, arguments) {
        return cost;
    }
    match (name, target, arguments) {
        ("format", Some(target), _) => (coster.size_or_unknown(target).by(LETTER), None),
        ("bytes", None, [text]) if matches!(takes, [Type::Text]) => {
            let size = coster.size_or_unknown(text);
            (size.by(LETTER), Some(Range { least: size.least, most: size.most.saturating_mul(4) }))
        }
        ("string", None, [bytes]) if matches!(takes, [Type::Bytes]) => {
            let size = coster.size_or_unknown(bytes);
            (size.by(LETTER), Some(Range { least: size.least / 4, most: size.most }))
        }
        ("strings.quote", _, [text]) => {
            let size = coster.size_or_unknown(text);
            (size.by(LETTER), Some(size.plus(size).plus(Range::just(2))))
        }
        ("startsWith" | "endsWith", Some(_), [part]) => (coster.size_or_unknown(part).by(LETTER), None),
        ("@in", _, [_, list]) if matches!(takes.get(1), Some(Type::List(_))) => (coster.size_or_unknown(list), None),
        ("matches", Some(text), [expression]) => {
            let text = coster.size_or_unknown(text).plus(one).by(LETTER);
            (text.times(coster.size_or_unknown(expression).by(REGEX)), None)
        }
        ("contains", Some(text), [part]) => {
            let (text, part) = (coster.size_or_unknown(text).by(LETTER), coster.size_or_unknown(part).by(LETTER));
            (text.times(part), None)
        }
        ("_==_" | "_!=_", _, [left, right]) => (compared(coster, left, right), None),
        ("_<_" | "_<=_" | "_>_" | "_>=_", _, [left, right]) if matches!(takes, [Type::Text | Type::Bytes, _]) => {
            (compared(coster, left, right), None)
        }
        _ => (one, None),
    }
}

/// Two values are looked at as far as the shorter one goes.
fn compared(coster: &mut Coster<'_>, left: &IdedExpr, right: &IdedExpr) -> Range {
    let most = coster.size_or_unknown(left).most.min(coster.size_or_unknown(right).most);
    Range { least: u64::from(most > 0), most }.by(LETTER)
}
