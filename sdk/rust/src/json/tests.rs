//! What is read and written means what `serde_json` makes of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{from_slice, to_vec};

fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, String> {
    from_slice(json.as_bytes()).map_err(|e| e.to_string())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Shape {
    Unit,
    Newtype(u8),
    Tuple(u8, String),
    Struct { side: f64 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(i64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Everything {
    shapes: Vec<Shape>,
    by_number: BTreeMap<i16, bool>,
    by_bool: BTreeMap<bool, char>,
    maybe: Option<Box<Everything>>,
    nothing: (),
    pair: (u64, f32),
    wrapped: Wrapped,
    #[serde(default)]
    missing: String,
}

#[test]
fn every_form_of_serde_is_read_and_written_as_by_serde_json() {
    let shapes =
        || vec![Shape::Unit, Shape::Newtype(7), Shape::Tuple(1, "a\n\u{1}\"".into()), Shape::Struct { side: 0.1 }];
    let everything = |maybe| Everything {
        shapes: shapes(),
        by_number: [(-3, true), (4, false)].into(),
        by_bool: [(true, 'ü')].into(),
        maybe,
        nothing: (),
        pair: (u64::MAX, 1.5),
        wrapped: Wrapped(i64::MIN),
        missing: "\u{7f} /\\ 漢\t".into(),
    };
    let value = everything(Some(Box::new(everything(None))));
    let json = to_vec(&value).unwrap();
    assert_eq!(json, serde_json::to_vec(&value).unwrap());
    assert_eq!(from_slice::<Everything>(&json).unwrap(), value);
    let spaced = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(read::<Everything>(&spaced).unwrap(), value);
}

#[test]
fn what_serde_json_refuses_is_refused() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for text in [
        "",
        " ",
        "{",
        "[1",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "nul",
        "truee",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e400",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\n\"",
        "1 2",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "+1",
        "--1",
        "\u{feff}1",
        &deep,
    ] {
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        assert!(read::<Value>(text).is_err(), "{text}");
        assert!(read::<serde::de::IgnoredAny>(text).is_err(), "{text} is passed over");
    }
    assert!(from_slice::<Value>(b"\"\xff\"").is_err());
}

#[test]
fn errors_say_what_was_found_and_what_was_expected() {
    for (json, said) in [
        (r#"{"side":"x"}"#, "found the string x, expected f64 at byte 11"),
        (r#"{"side":[]}"#, "found an array, expected f64 at byte 8"),
        (r#"{"side":null}"#, "found null, expected f64 at byte 12"),
        ("{}", "missing field `side` at byte 1"),
        ("3", "found the number 3, expected struct Square at byte 1"),
    ] {
        #[derive(Debug, Deserialize)]
        struct Square {
            #[allow(dead_code, reason = "only read")]
            side: f64,
        }
        assert_eq!(read::<Square>(json).unwrap_err(), said);
    }
    assert_eq!(read::<u8>("256").unwrap_err(), "found the number 256, expected u8 at byte 3");
    assert_eq!(
        read::<bool>("1.5").unwrap_err(),
        "found a number with a fraction or an exponent, expected a boolean at byte 3"
    );
    let unknown = read::<Everything>(r#"{"what":1}"#).unwrap_err();
    assert!(unknown.starts_with("unknown field `what`, expected one of `shapes`"), "{unknown}");
}

#[test]
fn numbers_keep_their_value() {
    for text in [
        "0",
        "-0",
        "-0.0",
        "1",
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "0.1",
        "0.30000000000000004",
        "1e3",
        "1E-3",
        "123456789012345678901234567890",
        "0.00000000000000000001",
        "2.2250738585072014e-300",
        "9007199254740993",
        "9007199254740993.0",
        "1.7976931348623157e308",
        "5e-324",
        "100e-2",
    ] {
        let ours = read::<Value>(text).unwrap();
        let exact: f64 = text.parse().unwrap();
        let near = (ours.as_f64().unwrap() - exact).abs() <= exact.abs() * 1e-14;
        assert!(near, "{text} became {ours}");
        assert_eq!(ours.is_f64(), serde_json::from_str::<Value>(text).unwrap().is_f64(), "{text}");
    }
    assert_eq!(to_vec(&[f64::NAN, f64::INFINITY]).unwrap(), b"[null,null]");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15..1e15).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..8).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_comes_back_equal(value in values()) {
        let json = to_vec(&value).unwrap();
        prop_assert_eq!(&json, &serde_json::to_vec(&value).unwrap());
        prop_assert_eq!(from_slice::<Value>(&json).unwrap(), value);
    }

    #[test]
    fn any_float_up_to_nineteen_digits_is_exact(value in -1e4..1e4) {
        let text = format!("{value}");
        prop_assert_eq!(read::<f64>(&text).unwrap(), value);
    }

    #[test]
    fn any_text_is_taken_or_refused_as_by_serde_json(text in "[\\[\\]{}\",:0-9eE.+\\-truefalsn \\\\u]*") {
        match serde_json::from_str::<Value>(&text) {
            Ok(_) => prop_assert!(read::<Value>(&text).is_ok(), "refused"),
            Err(_) => prop_assert!(read::<Value>(&text).is_err(), "taken"),
        }
    }
}
