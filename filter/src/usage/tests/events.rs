//! Server-sent events.

use super::*;

#[test]
fn the_last_event_that_has_all_numbers_counts() {
    for (body, expected) in [
        ("data: {\"a\":1,\"b\":5}\n\n", known(6)),
        ("data:{\"a\":3,\"b\":4}\n\n", known(7)),
        ("data:  {\"a\":3,\"b\":4}\n\n", known(7)),
        ("data: {\"a\":3,\"b\":4}\r\n\r\n", known(7)),
        ("data: {\"a\":3,\"b\":4}\r\r", known(7)),
        ("\u{feff}data: {\"a\":3,\"b\":4}\n\n", known(7)),
        ("\u{feff}\u{feff}data: {\"a\":3,\"b\":4}\n\n", most(None)),
        ("\u{feff}: hello\n\ndata: {\"a\":3,\"b\":4}\n\n", known(7)),
        (": ping\n\nevent: usage\nid: 7\nretry: 10\ndata: {\"a\":3,\"b\":4}\n\n", known(7)),
        ("data: {\"a\":3,\ndata: \"b\":4}\n\n", known(7)),
        ("data: {\"a\":3,\"b\"\ndata\ndata: :4}\n\n", known(7)),
        ("data: {\"a\":3,\"b\":\ndata\r\ndata: 4}\r\n\n", known(7)),
        // A number cannot go on in the next line.
        ("data: {\"a\":3,\"b\":4\ndata:5}\n\n", most(None)),
        ("data: {\"a\":1,\"b\":1}\n\ndata: {\"a\":3,\"b\":4}\n\ndata: [DONE]\n\n", known(7)),
        ("data: {\"a\":3,\"b\":4}\n\ndata: {\"a\":100}\n\n", known(7)),
        ("data: {\"a\":3,\"b\":4}\n\ndata: {\"a\":100,\"b\":null}\n\n", known(7)),
        ("data: {\"a\":3,\"b\":4}\n\ndata: {\"a\":100,\"b\":100\n\n", known(7)),
        ("data: {\"a\":3,\"b\":4}\n\ndata\n\ndata:\n\n\n\n", known(7)),
        ("data: {\"a\":3}\n\ndata: {\"b\":4}\n\n", most(None)),
        ("data: {\"a\":3,\"b\":4}\n\ndata: {\"a\":-1,\"b\":4}\n\n", most(Some(Wrong::Negative))),
        ("data: {\"a\":-1,\"b\":4}\n\ndata: {\"a\":3,\"b\":4}\n\n", known(7)),
        ("data: {\"a\":3,\"b\":4,\"b\":4}\n\n", most(Some(Wrong::Repeated))),
        // Its end is missing, and its data are whole.
        ("data: {\"a\":3,\"b\":4}", known(7)),
        ("data: {\"a\":3,\"b\":4}\n", known(7)),
        ("data: {\"a\":1,\"b\":1}\n\ndata: {\"a\":3,\"b\":4", known(5)),
        ("database: {\"a\":3,\"b\":4}\n\n", most(None)),
        ("dat: {\"a\":3,\"b\":4}\n\n", most(None)),
        ("data : {\"a\":3,\"b\":4}\n\n", most(None)),
        (" data: {\"a\":3,\"b\":4}\n\n", most(None)),
        ("Data: {\"a\":3,\"b\":4}\n\n", most(None)),
        (":data: {\"a\":3,\"b\":4}\n\n", most(None)),
        ("", most(None)),
        ("{\"a\":3,\"b\":4}", most(None)),
    ] {
        let price = price(vec![sse(&["/a", "/b"])]);
        for size in [1, 2, 3, 5, 8, 100] {
            let script = Script::events(body.as_bytes()).pieces(size);
            assert_eq!(script.run(&price), expected, "{body:?} in pieces of {size}");
        }
    }
}

#[test]
fn json_is_not_read_in_events_nor_events_in_json() {
    let events = b"data: {\"n\":7}\n\n";
    let both = price(vec![json(&["/n"]), sse(&["/n"])]);
    assert_eq!(Script::events(events).run(&both), known(7));
    assert_eq!(Script::new(br#"{"n":7}"#).run(&both), known(7));
    assert_eq!(Script::events(br#"{"n":7}"#).run(&both), most(None));
    assert_eq!(Script::new(events).run(&both), most(Some(Wrong::NotJson)));
    assert_eq!(Script::events(events).run(&price(vec![json(&["/n"])])), most(None));
}
