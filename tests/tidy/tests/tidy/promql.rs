//! Holds PromQL expressions against one scrape: every metric, label and word that they name has to be there.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector},
};

/// What a server that scrapes adds to each series.
const OF_THE_TARGET: [&str; 4] = ["instance", "job", "namespace", "pod"];
/// Labels whose values are words of INTERFACE: an expression must not ask for another word.
const WORDS: [&str; 2] = ["state", "result"];

/// Label names with their values.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// Metrics, as a scrape spells them, with their labels.
pub(crate) struct Scrape(BTreeMap<String, Labels>);

impl Scrape {
    /// Reads the Prometheus text.
    pub(crate) fn read(text: &str) -> Self {
        let mut metrics: BTreeMap<String, Labels> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let known = metrics.entry(name.into()).or_default();
            // No value of this program's labels has a comma and a quote after each other.
            for label in labels.trim_end_matches('}').split("\",") {
                if let Some((label, value)) = label.split_once("=\"") {
                    known.entry(label.into()).or_default().insert(value.trim_end_matches('"').into());
                }
            }
        }
        Self(metrics)
    }

    /// Every name in it, without the suffixes of histograms.
    pub(crate) fn families(&self) -> BTreeSet<&str> {
        self.0
            .keys()
            .map(|name| {
                let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
                stem.filter(|stem| self.0.contains_key(&format!("{stem}_bucket"))).unwrap_or(name)
            })
            .collect()
    }

    fn metric(&self, name: &str) -> Result<&Labels, String> {
        self.0.get(name).ok_or_else(|| format!("no metric is called {name}"))
    }

    /// Whether an expression can be answered from it: the labels that its result can have, or what is wrong.
    pub(crate) fn check(&self, expression: &str) -> Result<BTreeSet<String>, String> {
        let parsed = parser::parse(expression).map_err(|e| format!("not PromQL: {e}"))?;
        self.labels(&parsed)
    }

    /// The same of a query for the values of a label: `label_values(METRIC, LABEL)`.
    pub(crate) fn check_values(&self, query: &str) -> Result<(), String> {
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (metric, label) =
            inner.and_then(|inner| inner.split_once(", ")).ok_or("not label_values(METRIC, LABEL)")?;
        has(&self.labels(&parser::parse(metric)?)?, label)
    }

    fn labels(&self, expression: &Expr) -> Result<BTreeSet<String>, String> {
        match expression {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(selector) => self.selector(&selector.vs),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Call(call) => self.call(call),
            Expr::Paren(inner) => self.labels(&inner.expr),
            Expr::Unary(inner) => self.labels(&inner.expr),
            Expr::Subquery(inner) => self.labels(&inner.expr),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Ok(BTreeSet::new()),
        }
    }

    fn selector(&self, selector: &VectorSelector) -> Result<BTreeSet<String>, String> {
        let name = selector.name.as_deref().ok_or("a selector without a metric")?;
        let known = self.metric(name)?;
        let all: BTreeSet<String> = known.keys().cloned().chain(OF_THE_TARGET.map(String::from)).collect();
        for matcher in selector.matchers.matchers.iter().chain(selector.matchers.or_matchers.iter().flatten()) {
            has(&all, &matcher.name).map_err(|e| format!("{name}: {e}"))?;
            words(known, matcher).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(all)
    }

    fn aggregate(&self, aggregate: &AggregateExpr) -> Result<BTreeSet<String>, String> {
        let mut inner = self.labels(&aggregate.expr)?;
        match &aggregate.modifier {
            None => Ok(BTreeSet::new()),
            Some(LabelModifier::Include(labels)) => {
                labels.labels.iter().try_for_each(|label| has(&inner, label))?;
                Ok(labels.labels.iter().cloned().collect())
            }
            Some(LabelModifier::Exclude(labels)) => {
                labels.labels.iter().try_for_each(|label| has(&inner, label))?;
                inner.retain(|label| !labels.labels.contains(label));
                Ok(inner)
            }
        }
    }

    fn binary(&self, binary: &BinaryExpr) -> Result<BTreeSet<String>, String> {
        let (left, right) = (self.labels(&binary.lhs)?, self.labels(&binary.rhs)?);
        if let Some(matching) = binary.modifier.as_ref().and_then(|m| m.matching.as_ref()) {
            for label in &matching.labels().labels {
                has(&left, label)?;
                has(&right, label)?;
            }
        } else if !left.is_empty() && !right.is_empty() && left != right {
            return Err(format!("{left:?} and {right:?} have no labels to match by: say on(…)"));
        }
        Ok(left)
    }

    fn call(&self, call: &Call) -> Result<BTreeSet<String>, String> {
        let mut all = BTreeSet::new();
        for argument in &call.args.args {
            all.extend(self.labels(argument)?);
        }
        if call.func.name == "histogram_quantile" {
            has(&all, "le")?;
            all.remove("le");
        }
        Ok(all)
    }
}

fn has(labels: &BTreeSet<String>, label: &str) -> Result<(), String> {
    if labels.contains(label) { Ok(()) } else { Err(format!("no label {label} there: {labels:?}")) }
}

/// Whether the words that a matcher asks for occur.
fn words(known: &Labels, matcher: &Matcher) -> Result<(), String> {
    if !WORDS.contains(&matcher.name.as_str()) || matches!(matcher.op, MatchOp::NotEqual | MatchOp::NotRe(_)) {
        return Ok(());
    }
    let seen = known.get(&matcher.name).cloned().unwrap_or_default();
    match matcher.value.split('|').find(|word| !seen.contains(*word)) {
        Some(word) => Err(format!("{} is never {word:?}: {seen:?}", matcher.name)),
        None => Ok(()),
    }
}

#[test]
fn what_is_misspelt_is_caught() {
    let scrape = Scrape::read(
        "# HELP motet_x_total X.\n\
         motet_x_total{plugin=\"a\",result=\"success\"} 1\nmotet_x_total{plugin=\"a, b\",result=\"error\"} 2\n\
         motet_wait_seconds_bucket{plugin=\"a\",le=\"0.1\"} 1\nmotet_wait_seconds_bucket{plugin=\"a\",le=\"+Inf\"} 1\n\
         motet_wait_seconds_sum{plugin=\"a\"} 1\nmotet_wait_seconds_count{plugin=\"a\"} 1\nmotet_tasks 7\n",
    );
    assert_eq!(scrape.families(), ["motet_tasks", "motet_wait_seconds", "motet_x_total"].into());
    for good in [
        "motet_tasks",
        "sum by (plugin) (rate(motet_x_total{result=~\"success|error\"}[5m])) > 0.1",
        "histogram_quantile(0.99, sum by (plugin, le) (rate(motet_wait_seconds_bucket[5m])))",
        "motet_x_total and on (instance) motet_tasks",
        "absent(motet_tasks{job=\"x\"})",
    ] {
        scrape.check(good).unwrap_or_else(|e| panic!("{good}: {e}"));
    }
    for (bad, why) in [
        ("motet_xs_total", "no metric"),
        ("sum(rate(motet_y_total[5m])) / sum(rate(motet_x_total[5m]))", "no metric"),
        ("motet_x_total{plugins=\"a\"}", "no label plugins"),
        ("motet_x_total{result=\"succes\"}", "never \"succes\""),
        ("motet_x_total{result=~\"error|trapp\"}", "never \"trapp\""),
        ("sum by (member) (motet_x_total)", "no label member"),
        ("sum without (member) (motet_x_total)", "no label member"),
        ("histogram_quantile(0.99, sum by (plugin) (rate(motet_wait_seconds_bucket[5m])))", "no label le"),
        ("histogram_quantile(0.99, rate(motet_wait_seconds_sum[5m]))", "no label le"),
        ("motet_x_total and on (plugin) motet_tasks", "no label plugin"),
        ("motet_x_total / motet_tasks", "on("),
        ("sum by (plugin (motet_x_total)", "not PromQL"),
        ("rate(motet_x_total)", "not PromQL"),
    ] {
        let said = scrape.check(bad).expect_err(bad);
        assert!(said.contains(why), "{bad}: {said}");
    }
    assert!(scrape.check_values("label_values(motet_x_total, plugin)").is_ok());
    assert!(scrape.check_values("label_values(motet_x_total, plugins)").is_err());
    assert!(scrape.check_values("label_values(motet_xs_total, plugin)").is_err());
}
