//! What an API says that is no usage.

use super::*;

#[test]
fn numbers_in_a_body_that_count_and_those_that_do_not() {
    for (body, expected) in [
        (r#"{"n":42}"#, known(42)),
        (r#" { "n" : 42 } "#, known(42)),
        ("\r\n{\t\"n\"\n:\r42}\n", known(42)),
        (r#"{"a":[{"n":1},"n",null,true,-1.5e3],"n":42,"z":{"n":9}}"#, known(42)),
        (r#"{"\u006e":42}"#, known(42)),
        (r#"{"n":0}"#, known(5)),
        (r#"{"n":5}"#, known(5)),
        (r#"{"n":1000000}"#, known(1_000_000)),
        (r#"{"n":1000001}"#, Usage { wrong: Some(Wrong::AboveMost), ..known(1_000_000) }),
        (r#"{"n":9007199254740991}"#, Usage { wrong: Some(Wrong::AboveMost), ..known(1_000_000) }),
        (r#"{"n":9007199254740992}"#, most(Some(Wrong::TooLarge))),
        (r#"{"n":99999999999999999999999999999999}"#, most(Some(Wrong::TooLarge))),
        (r#"{"n":-1}"#, most(Some(Wrong::Negative))),
        (r#"{"n":-0}"#, most(Some(Wrong::Negative))),
        (r#"{"n":1.0}"#, most(Some(Wrong::Fraction))),
        (r#"{"n":1e3}"#, most(Some(Wrong::Fraction))),
        (r#"{"n":"42"}"#, most(Some(Wrong::NotANumber))),
        (r#"{"n":true}"#, most(Some(Wrong::NotANumber))),
        (r#"{"n":{"n":1}}"#, most(Some(Wrong::NotANumber))),
        (r#"{"n":[1]}"#, most(Some(Wrong::NotANumber))),
        (r#"{"n":null}"#, most(None)),
        (r#"{"N":42}"#, most(None)),
        (r#"{"m":{"n":42}}"#, most(None)),
        ("{}", most(None)),
        ("[42]", most(None)),
        ("42", most(Some(Wrong::NotJson))),
        ("", most(None)),
        ("  ", most(None)),
        (r#"{"n":1,"n":1}"#, most(Some(Wrong::Repeated))),
        (r#"{"n":1,"\u006e":2}"#, most(Some(Wrong::Repeated))),
        (r#"{"n":null,"n":2}"#, most(Some(Wrong::Repeated))),
        (r#"{"n":42"#, most(Some(Wrong::NotJson))),
        (r#"{"n":42}}"#, most(Some(Wrong::NotJson))),
        (r#"{"n":42} {"n":1}"#, most(Some(Wrong::NotJson))),
        (r#"{"n":42,}"#, most(Some(Wrong::NotJson))),
        (r#"{"n":042}"#, most(Some(Wrong::NotJson))),
        (r#"{n:42}"#, most(Some(Wrong::NotJson))),
        (r#"{'n':42}"#, most(Some(Wrong::NotJson))),
        (r#"{"n":42,"a":"\x"}"#, most(Some(Wrong::NotJson))),
        (r#"{"n":42,"a":"\u12g4"}"#, most(Some(Wrong::NotJson))),
        ("{\"n\":42,\"a\":\"\n\"}", most(Some(Wrong::NotJson))),
        (r#"{"n":42,"a":[}"#, most(Some(Wrong::NotJson))),
        (r#"{"n":42,"a":[1 2]}"#, most(Some(Wrong::NotJson))),
        (r#"{"n":42,"a":nul}"#, most(Some(Wrong::NotJson))),
        ("\u{feff}{\"n\":42}", most(Some(Wrong::NotJson))),
        ("<html>42</html>", most(Some(Wrong::NotJson))),
    ] {
        let price = price(vec![json(&["/n"])]);
        for size in [1, 2, 3, 7, body.len()] {
            let script = Script::new(body.as_bytes()).pieces(size);
            assert_eq!(script.run(&price), expected, "{body} in pieces of {size}");
        }
    }
}

#[test]
fn all_numbers_of_a_source_must_be_there() {
    let price = price(vec![json(&["/u/in", "/u/out"]), json(&["/u/in"])]);
    for (body, expected) in [
        (r#"{"u":{"in":10,"out":20}}"#, known(30)),
        (r#"{"u":{"out":20,"in":10}}"#, known(30)),
        (r#"{"u":{"in":10}}"#, known(10)),
        (r#"{"u":null}"#, most(None)),
        (r#"{"u":{"in":10},"u":{"out":20}}"#, most(Some(Wrong::Repeated))),
        // The first source is wrong, which is told; the second one is used.
        (r#"{"u":{"in":10,"out":"x"}}"#, Usage { wrong: Some(Wrong::NotANumber), ..known(10) }),
    ] {
        assert_eq!(Script::new(body.as_bytes()).run(&price), expected, "{body}");
    }
}

#[test]
fn pointers_go_into_lists_and_resolve_escapes() {
    for (pointer, body, expected) in [
        ("/0", "[7,8]", known(7)),
        ("/1", "[7,8]", known(8)),
        ("/2", "[7,8]", most(None)),
        ("/0", "[]", most(None)),
        ("/-", "[7]", most(None)),
        ("/01", "[7,8]", most(None)),
        ("/1/n", r#"[{"n":7},{"n":8},{"n":9}]"#, known(8)),
        ("/a/1/1", r#"{"a":[[6,7],[8,9]]}"#, known(9)),
        ("/1", r#"{"1":9}"#, known(9)),
        ("/a~1b", r#"{"a/b":9}"#, known(9)),
        ("/a~0b", r#"{"a~b":9}"#, known(9)),
        ("/", r#"{"":9}"#, known(9)),
        ("/\u{fc}", r#"{"\u00fc":9}"#, known(9)),
        ("/\u{1f600}", r#"{"\ud83d\ude00":9}"#, known(9)),
        ("/a\"b", r#"{"a\"b":9}"#, known(9)),
        ("/n", r#"[{"n":7}]"#, most(None)),
        ("/0/n", r#"{"0":{"n":9},"n":8}"#, known(9)),
    ] {
        let price = price(vec![json(&[pointer])]);
        for size in [1, 100] {
            let usage = Script::new(body.as_bytes()).pieces(size).run(&price);
            assert_eq!(usage, expected, "{pointer} in {body}");
        }
    }
}

#[test]
fn a_header_and_a_trailer_say_units() {
    let price = price(vec![header("x-cost"), json(&["/n"])]);
    let script = || Script::new(br#"{"n":7}"#);
    for (script, expected) in [
        (script(), known(7)),
        (script().head(("x-cost", "20")), known(20)),
        (script().trailer(("x-cost", "20")), known(20)),
        (script().head(("x-cost", "20")).trailer(("x-cost", "20")), known(20)),
        (
            script().head(("x-cost", "20")).trailer(("x-cost", "21")),
            Usage { wrong: Some(Wrong::Differ), ..known(7) },
        ),
        (
            script().head(("x-cost", "20")).head(("x-cost", "21")),
            Usage { wrong: Some(Wrong::Differ), ..known(7) },
        ),
        (script().head(("x-cost", "-1")), Usage { wrong: Some(Wrong::Negative), ..known(7) }),
        (script().head(("x-cost", "1.5")), Usage { wrong: Some(Wrong::Fraction), ..known(7) }),
        (script().head(("x-cost", "free")), Usage { wrong: Some(Wrong::NotANumber), ..known(7) }),
        (
            script().head(("x-cost", "9007199254740992")),
            Usage { wrong: Some(Wrong::TooLarge), ..known(7) },
        ),
        (
            script().head(("x-cost", "1000001")),
            Usage { wrong: Some(Wrong::AboveMost), ..known(1_000_000) },
        ),
        (script().head(("x-cost", "0")), known(5)),
    ] {
        assert_eq!(script.run(&price), expected, "{script:?}");
    }
}

#[test]
fn a_grpc_trailer_is_read_in_the_trailers_alone() {
    let price = price(vec![UsageSource::GrpcTrailer("x-cost".into())]);
    let script = || Script::new(b"\0\0\0\0\0").head(("content-type", "application/grpc"));
    for (script, expected) in [
        (script().trailer(("grpc-status", "0")).trailer(("x-cost", "20")), known(20)),
        (script().head(("x-cost", "20")).trailer(("grpc-status", "0")), most(None)),
        (script().head(("x-cost", "9")).trailer(("x-cost", "20")), known(20)),
        // Without messages, the trailers are in the head.
        (script().head(("x-cost", "20")).head(("grpc-status", "0")), known(20)),
        (script().head(("grpc-status", "0")).head(("x-cost", "20")), known(20)),
    ] {
        assert_eq!(script.run(&price), expected, "{script:?}");
    }
}
