//! Types of expressions, and the functions that rules may call.
//!
//! A line of the table: names of functions, the type it is called on (`-`: none), `(` the types of its arguments `)`, its result.
//! `[T]` is a list, `{K,V}` a map, `?T` an optional value, `<T>` a type itself; one capital letter stands for any type.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use super::decl::{Decl, Kind};

/// The type of an expression.
#[derive(Debug, Clone)]
pub(super) enum Type<'a> {
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Time,
    List(Box<Type<'a>>),
    Map(Box<(Type<'a>, Type<'a>)>),
    Optional(Box<Type<'a>>),
    Object(&'a Decl),
    /// An object whose fields have been declared one by one.
    Record(Arc<Record<'a>>),
    /// A type of Kubernetes' own, such as `Quantity`.
    Own(&'static str),
    /// A type of any fields, of which expressions make values: `Object.spec`.
    Made(String),
    /// A type as a value.
    Kind(Box<Type<'a>>),
    /// Not known yet.
    Var(usize),
}

/// The name of a type and its fields.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) name: &'static str,
    pub(super) fields: BTreeMap<String, Type<'a>>,
}

impl<'a> Type<'a> {
    /// The type of what a schema describes.
    pub(super) fn of(decl: &'a Decl) -> Self {
        match &decl.kind {
            Kind::Dyn => Self::Dyn,
            Kind::Bool => Self::Bool,
            Kind::Int => Self::Int,
            Kind::Double => Self::Double,
            Kind::Text => Self::Text,
            Kind::Bytes => Self::Bytes,
            Kind::Duration => Self::Duration,
            Kind::Time => Self::Time,
            Kind::List(item) => Self::List(Box::new(Self::of(item))),
            Kind::Map(value) => Self::Map(Box::new((Self::Text, Self::of(value)))),
            Kind::Object(_) => Self::Object(decl),
        }
    }

    /// Takes null for a value.
    pub(super) fn nullable(&self) -> bool {
        matches!(
            self,
            Self::Null
                | Self::Dyn
                | Self::Object(_)
                | Self::Record(_)
                | Self::Own(_)
                | Self::Made(_)
                | Self::Optional(_)
                | Self::Duration
                | Self::Time
        )
    }

    /// Its values are of one size, whatever they are.
    pub(super) fn is_scalar(&self) -> bool {
        match self {
            Self::Optional(inner) => inner.is_scalar(),
            other => matches!(other, Self::Bool | Self::Int | Self::Uint | Self::Double | Self::Duration | Self::Time),
        }
    }

    /// The type that a word stands for.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::Text,
            "bytes" => Self::Bytes,
            "null_type" => Self::Null,
            "type" => Self::Kind(Box::new(Self::Dyn)),
            "dyn" => Self::Dyn,
            "list" => Self::List(Box::new(Self::Dyn)),
            "map" => Self::Map(Box::new((Self::Dyn, Self::Dyn))),
            "google.protobuf.Duration" => Self::Duration,
            "google.protobuf.Timestamp" => Self::Time,
            "net.IP" => Self::Own("IP"),
            "net.CIDR" => Self::Own("CIDR"),
            "kubernetes.URL" => Self::Own("URL"),
            "kubernetes.Quantity" => Self::Own("Quantity"),
            _ => return None,
        })
    }
}

impl std::fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dyn | Self::Var(_) => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("google.protobuf.Duration"),
            Self::Time => f.write_str("google.protobuf.Timestamp"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(entry) => write!(f, "map({}, {})", entry.0, entry.1),
            Self::Optional(inner) => write!(f, "optional_type({inner})"),
            Self::Object(_) => f.write_str("selfType"),
            Self::Record(record) => f.write_str(record.name),
            Self::Own(name @ ("IP" | "CIDR")) => write!(f, "net.{name}"),
            Self::Own("Format") => f.write_str("kubernetes.NamedFormat"),
            Self::Own(name) => write!(f, "kubernetes.{name}"),
            Self::Made(name) => f.write_str(name),
            Self::Kind(inner) => write!(f, "type({inner})"),
        }
    }
}

/// A way to call a function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: String,
    pub(super) member: bool,
    /// With what it is called on in front.
    pub(super) takes: Vec<Type<'static>>,
    pub(super) gives: Type<'static>,
}

/// All functions by name.
pub(super) static FUNCTIONS: LazyLock<HashMap<String, Vec<Signature>>> = LazyLock::new(|| {
    let mut all = HashMap::<String, Vec<Signature>>::new();
    for signature in TABLE.lines().flat_map(lines) {
        all.entry(signature.name.clone()).or_default().push(signature);
    }
    all
});

/// One line is several where names or types stand beside one another.
fn lines(line: &'static str) -> Vec<Signature> {
    let mut words = line.split_whitespace();
    let (Some(names), Some(target), Some(takes), Some(gives)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Vec::new();
    };
    let each: Vec<&str> = words.next().map(|of| of.split('|').collect()).unwrap_or_else(|| vec![""]);
    names
        .split(',')
        .flat_map(|name| each.iter().map(move |of| (name, *of)))
        .map(|(name, of)| {
            let read = |text: &str| read(&text.replace('$', of));
            let mut all: Vec<Type<'static>> = if target == "-" { Vec::new() } else { vec![read(target)] };
            let inner = takes.trim_start_matches('(').trim_end_matches(')');
            all.extend(inner.split(';').filter(|one| !one.is_empty()).map(read));
            Signature { name: name.to_owned(), member: target != "-", takes: all, gives: read(gives) }
        })
        .collect()
}

fn read(text: &str) -> Type<'static> {
    let inner = |from: usize| &text[from..text.len() - 1];
    match text.as_bytes() {
        [b'[', ..] => Type::List(Box::new(read(inner(1)))),
        [b'<', ..] => Type::Kind(Box::new(read(inner(1)))),
        [b'?', ..] => Type::Optional(Box::new(read(&text[1..]))),
        [b'{', ..] => {
            let (key, value) = inner(1).split_once(',').unwrap_or(("", ""));
            Type::Map(Box::new((read(key), read(value))))
        }
        [letter @ b'A'..=b'Z'] => Type::Var(usize::from(letter - b'A')),
        _ => match text {
            "duration" => Type::Duration,
            "time" => Type::Time,
            "IP" => Type::Own("IP"),
            "CIDR" => Type::Own("CIDR"),
            "URL" => Type::Own("URL"),
            "Format" => Type::Own("Format"),
            "Semver" => Type::Own("Semver"),
            "Quantity" => Type::Own("Quantity"),
            "Authorizer" => Type::Own(AUTHORIZER),
            "PathCheck" => Type::Own("authorization.PathCheck"),
            "GroupCheck" => Type::Own("authorization.GroupCheck"),
            "ResourceCheck" => Type::Own(RESOURCE_CHECK),
            "Decision" => Type::Own("authorization.Decision"),
            other => Type::named(other).unwrap_or(Type::Dyn),
        },
    }
}

/// What policies ask for rights.
pub(super) const AUTHORIZER: &str = "authorization.Authorizer";
/// The same about one resource.
pub(super) const RESOURCE_CHECK: &str = "authorization.ResourceCheck";

const TABLE: &str = "
_?_:_ - (bool;A;A) A
_&&_,_||_ - (bool;bool) bool
!_,@not_strictly_false - (bool) bool
_==_,_!=_ - (A;A) bool
_<_,_<=_,_>_,_>=_ - ($;$) bool bool|int|uint|double|string|bytes|time|duration
_<_,_<=_,_>_,_>=_ - (int;$) bool double|uint
_<_,_<=_,_>_,_>=_ - (uint;$) bool double|int
_<_,_<=_,_>_,_>=_ - (double;$) bool int|uint
_+_ - ($;$) $ bytes|double|duration|int|string|uint
_+_ - ([A];[A]) [A]
_+_ - (duration;time) time
_+_ - (time;duration) time
_-_ - ($;$) $ double|duration|int|uint
_-_ - (time;duration) time
_-_ - (time;time) duration
_*_,_/_ - ($;$) $ double|int|uint
_%_ - ($;$) $ int|uint
-_ - ($) $ double|int
_[_] - ([A];int) A
_[_] - ({A,B};A) B
_[_] - (?[A];int) ?A
_[_] - (?{A,B};A) ?B
_[?_] - ([A];int) ?A
_[?_] - ({A,B};A) ?B
_[?_] - (?[A];int) ?A
_[?_] - (?{A,B};A) ?B
@in - (A;[A]) bool
@in - (A;{A,B}) bool
size - ($) int bytes|string|[A]|{A,B}
size $ () int bytes|string|[A]|{A,B}
type - (A) <A>
dyn - (A) dyn
bool - ($) bool bool|string
bytes - ($) bytes bytes|string
double - ($) double double|int|string|uint
duration - ($) duration duration|int|string
int - ($) int int|double|duration|string|time|uint
string - ($) string string|bool|bytes|double|duration|int|time|uint|IP|CIDR
timestamp - ($) time time|int|string
uint - ($) uint uint|double|int|string
contains,endsWith,startsWith,matches string (string) bool
matches - (string;string) bool
getFullYear,getMonth,getDayOfYear,getDayOfMonth,getDate,getDayOfWeek time () int
getFullYear,getMonth,getDayOfYear,getDayOfMonth,getDate,getDayOfWeek time (string) int
getHours,getMinutes,getSeconds,getMilliseconds $ () int time|duration
getHours,getMinutes,getSeconds,getMilliseconds time (string) int
charAt string (int) string
indexOf,lastIndexOf string (string) int
indexOf,lastIndexOf string (string;int) int
indexOf,lastIndexOf [A] (A) int
lowerAscii,upperAscii,trim string () string
replace string (string;string) string
replace string (string;string;int) string
split string (string) [string]
split string (string;int) [string]
substring string (int) string
substring string (int;int) string
format string ([dyn]) string
strings.quote - (string) string
join [string] () string
join [string] (string) string
find string (string) string
findAll string (string) [string]
findAll string (string;int) [string]
isSorted [$] () bool int|uint|double|bool|duration|time|string|bytes
sum [$] () $ int|uint|double|duration
min,max [$] () $ int|uint|double|bool|duration|time|string|bytes
slice [A] (int;int) [A]
flatten [[A]] () [A]
flatten [dyn] (int) [dyn]
sort [$] () [$] int|uint|double|bool|duration|time|string|bytes
lists.range - (int) [int]
reverse,distinct [A] () [A]
first,last [A] () ?A
@sortByAssociatedKeys [A] ([$]) [A] int|uint|double|bool|duration|time|string|bytes
sets.contains,sets.equivalent,sets.intersects - ([A];[A]) bool
cel.@mapInsert - ({A,B};A;B) {A,B}
cel.@mapInsert - ({A,B};{A,B}) {A,B}
optional.of,optional.ofNonZeroValue - (A) ?A
optional.none - () ?A
value ?A () A
hasValue ?A () bool
or ?A (?A) ?A
orValue ?A (A) A
optional.unwrap - ([?A]) [A]
unwrapOpt [?A] () [A]
quantity - (string) Quantity
isQuantity - (string) bool
sign - (Quantity) int
isGreaterThan,isLessThan Quantity (Quantity) bool
compareTo Quantity (Quantity) int
asApproximateFloat Quantity () double
asInteger Quantity () int
isInteger Quantity () bool
add,sub Quantity ($) Quantity Quantity|int
ip - (string) IP
isIP,ip.isCanonical - (string) bool
family IP () int
isUnspecified,isLoopback,isLinkLocalMulticast,isLinkLocalUnicast,isGlobalUnicast IP () bool
cidr - (string) CIDR
isCIDR - (string) bool
containsIP CIDR ($) bool string|IP
containsCIDR CIDR ($) bool string|CIDR
ip CIDR () IP
prefixLength CIDR () int
masked CIDR () CIDR
url - (string) URL
isURL - (string) bool
getScheme,getHost,getHostname,getPort,getEscapedPath URL () string
getQuery URL () {string,[string]}
semver - (string) Semver
semver - (string;bool) Semver
isSemver - (string) bool
isSemver - (string;bool) bool
isGreaterThan,isLessThan Semver (Semver) bool
compareTo Semver (Semver) int
major,minor,patch Semver () int
format.named - (string) ?Format
validate Format (string) ?[string]
format.dns1123Label,format.dns1123Subdomain,format.dns1035Label,format.qualifiedName,format.dns1123LabelPrefix - () Format
format.dns1123SubdomainPrefix,format.dns1035LabelPrefix,format.labelValue,format.uri,format.uuid,format.byte,format.date,format.datetime - () Format
path Authorizer (string) PathCheck
group Authorizer (string) GroupCheck
serviceAccount Authorizer (string;string) Authorizer
resource GroupCheck (string) ResourceCheck
subresource,namespace,name,fieldSelector,labelSelector ResourceCheck (string) ResourceCheck
check $ (string) Decision PathCheck|ResourceCheck
errored,allowed Decision () bool
error,reason Decision () string
jsonpatch.escapeKey - (string) string
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        assert_eq!(FUNCTIONS["_+_"].len(), 9);
        assert_eq!(FUNCTIONS["size"].len(), 8);
        assert_eq!(FUNCTIONS["optional.none"][0].takes.len(), 0);
        assert_eq!(FUNCTIONS["getQuery"][0].gives.to_string(), "map(string, list(string))");
        assert_eq!(
            FUNCTIONS["join"][1].takes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["list(string)", "string"]
        );
    }
}
