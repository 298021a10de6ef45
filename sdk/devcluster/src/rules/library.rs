//! The functions that kube-apiserver adds to the standard library of CEL.

mod amounts;
mod forms;
mod lists;
mod loops;
mod network;
mod texts;
mod versions;

use std::sync::{Arc, LazyLock};

use cel::{DeclarationError, Env, ExecutionError, extensions};

/// What rules are checked in: loops over two names stay what they are.
pub(super) static CHECKED: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(environment(loops::plain)));

/// What rules run in.
pub(super) static RUN: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(environment(loops::unrolled)));

type Extension = fn(&mut Env) -> Result<(), DeclarationError>;

/// Everything that is declared beside the standard library.
fn all(loops: Extension) -> [Extension; 9] {
    [
        extensions::strings,
        extensions::lists,
        amounts::extension,
        forms::extension,
        lists::extension,
        network::extension,
        texts::extension,
        versions::extension,
        loops,
    ]
}

fn environment(loops: Extension) -> Env {
    let mut env = Env::stdlib();
    for extension in all(loops) {
        // None of them is declared twice, which is all that could fail; a test holds it.
        if let Err(error) = env.add_extension(extension) {
            tracing::warn!(%error, "a function of rules is missing");
        }
    }
    env
}

fn failed(why: impl ToString) -> ExecutionError {
    ExecutionError::function_error("", why)
}

/// Makes a Rust type a type of rules.
macro_rules! own {
    ($name:ident, $text:literal) => {
        impl cel::common::value::Val for $name {
            fn get_type(&self) -> &cel::common::types::Type {
                <Self as cel::common::value::Val>::cel_type()
            }

            fn cel_type() -> &'static cel::common::types::Type {
                static TYPE: cel::common::types::Type = cel::common::types::Type::new_unspecified_type($text);
                &TYPE
            }

            fn equals(&self, other: &dyn cel::common::value::Val) -> bool {
                other.downcast_ref::<$name>().is_some_and(|other| self == other)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn cel::common::value::Val + 'v>
            where
                Self: 'v,
            {
                Box::new(self.clone())
            }

            fn as_any(&self) -> Option<&dyn std::any::Any> {
                Some(self)
            }
        }

        impl cel::common::value::StaticVal for $name {}
    };
}

use own;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_declared_once() {
        for loops in [loops::plain as Extension, loops::unrolled] {
            let mut env = Env::stdlib();
            for extension in all(loops) {
                assert_eq!(env.add_extension(extension), Ok(()));
            }
        }
    }

    #[test]
    fn functions_say_what_they_should() {
        let context = cel::Context::with_env(RUN.clone());
        let holds = [
            "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1').add(quantity('500m')) == quantity('1500m')",
            "isQuantity('10Mi') && !isQuantity('much') && quantity('50k').asInteger() == 50000 && sign(quantity('-1')) == -1",
            "ip('::1').isLoopback() && ip('10.0.0.1').family() == 4 && !isIP('1.2.3') && ip.isCanonical('::1')",
            "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16')) && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
            "url('https://a.org:80/p%20q?x=1&x=2').getPort() == '80' && url('https://a.org/?x=1').getQuery()['x'] == ['1'] && !isURL('a b')",
            "'a1b22'.find('[0-9]+') == '1' && 'a1b22'.findAll('[0-9]+') == ['1', '22'] && 'a1b22'.findAll('[0-9]+', 1) == ['1']",
            "[1, 2, 3].sum() == 6 && [1, 3].max() == 3 && [2, 1].min() == 1 && [1, 2].isSorted() && ['a', 'b'].indexOf('b') == 1",
            "sets.contains([1, 2], [2]) && sets.intersects([1], [1, 2]) && sets.equivalent([1, 1], [1])",
            "semver('1.2.3').isLessThan(semver('1.10.0')) && isSemver('v1.0', true) && semver('1.2.3').minor() == 2",
            "!format.dns1123Label().validate('abc').hasValue() && format.named('uuid').hasValue() && format.dns1123Label().validate('A').value().size() == 1",
            "[1, 2].all(i, v, v == i + 1) && {'a': 1}.exists(k, v, k == 'a' && v == 1) && [5, 6].existsOne(i, v, i == 1)",
            "[1, 2].transformList(i, v, i * v) == [0, 2] && [1, 2].transformList(i, v, i > 0, v) == [2]",
            "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2) == {'b': 4} && ['x'].transformMapEntry(i, v, {v: i}) == {'x': 0}",
            "optional.of(1).optMap(x, x + 1).orValue(0) == 2 && duration('90s') == duration('1m30s')",
        ];
        for rule in holds {
            let program = RUN.compile(rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
            assert_eq!(program.execute(&context), Ok(cel::Value::Bool(true)), "{rule}");
        }
    }
}
