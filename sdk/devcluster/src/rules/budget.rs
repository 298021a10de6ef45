//! What the rules of a schema may cost: each by itself, and all together.

use crate::error::Cause;

/// The most that one expression may cost.
const ONE: u64 = 10_000_000;
/// The most that all expressions of a schema may cost.
const ALL: u64 = 100_000_000;

/// How many values of a kind an object can hold; unknown below lists and maps without bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count(Option<u64>);

impl Count {
    /// The object itself.
    pub(crate) fn one() -> Self {
        Self(Some(1))
    }

    /// The values inside of such a value.
    pub(crate) fn inside(self, schema: &serde_json::Value) -> Self {
        let most = |name: &str| schema[name].as_i64().map(|n| u64::try_from(n).unwrap_or(0));
        let each = match schema["type"].as_str() {
            Some("object") if !schema["additionalProperties"].is_null() => most("maxProperties"),
            Some("array") => most("maxItems"),
            _ => Some(1),
        };
        Self(self.0.zip(each).map(|(count, each)| count.saturating_mul(each)))
    }

    /// The cost for all of them; without bounds as many as fit into a request.
    pub(crate) fn times(self, cost: u64, fit: u64) -> u64 {
        cost.saturating_mul(self.0.unwrap_or(fit))
    }
}

/// What has been spent so far, and on what most of it.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    spent: u64,
    dearest: Vec<(String, u64)>,
}

impl Budget {
    /// Counts the cost of one expression in, and refuses it where it is too high by itself.
    pub(crate) fn spend(&mut self, path: &str, what: &str, cost: u64) -> Option<Cause> {
        self.spent = self.spent.saturating_add(cost);
        if cost >= ALL / 100 {
            self.dearest.push((path.to_owned(), cost));
            self.dearest.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            self.dearest.truncate(4);
        }
        (cost > ONE).then(|| Cause::forbidden(path, &exceeds(what, cost, ONE)))
    }

    /// What is refused because all of it together is too much.
    pub(crate) fn overdrawn(&self, path: &str) -> Vec<Cause> {
        if self.spent <= ALL {
            return Vec::new();
        }
        let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        let total = Cause::forbidden(path, &exceeds(what, self.spent, ALL));
        self.dearest.iter().map(|(path, _)| Cause::forbidden(path, why)).chain([total]).collect()
    }
}

fn exceeds(what: &str, cost: u64, most: u64) -> String {
    let factor = cost as f64 / most as f64;
    let times = match factor {
        f if f > 100.0 => "more than 100x".to_owned(),
        f if f < 1.5 => format!("{f:.6}x"),
        f => format!("{f:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {times} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength \
         where arrays, maps, and strings are declared)"
    )
}
