//! Nothing grows with the size of a body.

use super::*;

/// Bytes that a meter may take for two sources.
const MOST: usize = 4_096;

fn meter(content_type: &'static str) -> Meter {
    let price = price(vec![json(&["/usage/in", "/usage/out"]), sse(&["/usage/in", "/usage/out"])]);
    let mut meter = Meter::new(&Rc::new(price), Request::default(), 0);
    meter.on_head(bytes(&[(":status", "200"), ("content-type", content_type)]));
    meter
}

#[test]
fn a_gigabyte_takes_no_memory() {
    let piece =
        [&[b'x'; 65_000][..], b"\\n\\u0061\",\"usage\",{\"in\":7,\"z\":[1,null]},\""].concat();
    let pieces = (1_usize << 30) / piece.len();
    for (content_type, begin, end) in [
        ("application/json", &b"{\"list\":[\""[..], &b"\"],\"usage\":{\"in\":7,\"out\":8}}"[..]),
        (
            "text/event-stream",
            b"data: {\"list\":[\"",
            b"\"]}\n\n:done\n\ndata: {\"usage\":{\"in\":7,\"out\":8}}\n\ndata: [DONE]\n\n",
        ),
    ] {
        let mut meter = meter(content_type);
        meter.on_body(begin);
        for _ in 0..pieces {
            meter.on_body(&piece);
        }
        meter.on_body(end);
        let kept = meter.answer.kept();
        assert!(kept < MOST, "{content_type}: {kept} bytes are kept");
        assert_eq!(
            meter.finish(End::Done, 0, Units::from_u32(1_000_000)),
            known(15),
            "{content_type}"
        );
    }
}

#[test]
fn names_texts_numbers_and_lines_without_end_take_no_memory() {
    for (begin, more) in [
        (&b"{\""[..], &b"usage"[..]),
        (b"{\"usage\":{\"", b"\\u0061\\n"),
        (b"{\"usage\":{\"in\":\"", b"aaaaaaaa"),
        (b"{\"usage\":{\"in\":1", b"00000000"),
        (b"{\"usage\":{\"in\":0.", b"00000000"),
        (b"{", b"        "),
        (b"[0", b",[],{},7"),
        (b"data: {\"usage\":{\"in\":7}}\n\n", b"event: x\n\nid: 7\ndata:\n\n"),
        (b"data: {", b" \ndata:\ndata: \n"),
    ] {
        for content_type in ["application/json", "text/event-stream"] {
            let mut meter = meter(content_type);
            meter.on_body(begin);
            let piece = more.repeat(100);
            (0..100).for_each(|_| meter.on_body(&piece));
            let kept = meter.answer.kept();
            assert!(kept < MOST, "{kept} bytes are kept of {}", String::from_utf8_lossy(begin));
        }
    }
}

#[test]
fn a_body_that_is_too_deep_is_unknown() {
    for (depth, expected) in [
        (1, known(7)),
        (127, known(7)),
        (128, most(Some(Wrong::TooDeep))),
        (10_000, most(Some(Wrong::TooDeep))),
    ] {
        for (open, inner, close) in [("[", "", "]"), ("{\"a\":", "1", "}")] {
            let body = format!(
                "{{\"usage\":{{\"in\":3,\"out\":4}},\"deep\":{}{inner}{}}}",
                open.repeat(depth),
                close.repeat(depth)
            );
            let price = price(vec![json(&["/usage/in", "/usage/out"])]);
            assert_eq!(Script::new(body.as_bytes()).run(&price), expected, "{depth} {open}");
        }
    }
}
