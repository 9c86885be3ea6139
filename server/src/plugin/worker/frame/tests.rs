use super::*;

fn call() -> Vec<u8> {
    request(Kind::Call, 7, Request { op: "tools/call", token: b"token", input: b"{}" }).unwrap()
}

#[test]
fn frames_come_out_as_they_went_in_however_they_are_cut() {
    let sent = [call(), frame(Kind::Answer, u64::MAX, b"").unwrap(), frame(Kind::Reply, 0, b"x").unwrap()];
    let sent = sent.concat();
    for size in 1..=sent.len() {
        let mut frames = Frames::default();
        let mut came = Vec::new();
        for piece in sent.chunks(size) {
            frames.push(piece);
            while let Some(frame) = frames.next().unwrap() {
                came.push(frame);
            }
        }
        let [call, answer, reply] = &came[..] else { panic!("three frames, not {came:?}") };
        assert_eq!((call.kind, call.id), (Kind::Call, 7));
        assert_eq!(call.request(), Ok(Request { op: "tools/call", token: b"token", input: b"{}" }));
        assert_eq!((answer.kind, answer.id, &answer.body[..]), (Kind::Answer, u64::MAX, &b""[..]));
        assert_eq!((reply.kind, reply.id, &reply.body[..]), (Kind::Reply, 0, &b"x"[..]));
    }
}

#[test]
fn what_is_no_frame_is_told_as_soon_as_its_header_is_there() {
    for (header, malformed) in [
        ([0, 0, 0, 0, 0], Malformed::Kind(0)),
        ([0, 0, 0, 0, 11], Malformed::Kind(11)),
        ([0xff, 0xff, 0xff, 0xff, 6], Malformed::Length(u32::MAX)),
    ] {
        let mut frames = Frames::default();
        frames.push(&header);
        assert_eq!(frames.next(), Ok(None));
        frames.push(&[0; 8]);
        assert_eq!(frames.next(), Err(malformed));
    }
}

#[test]
fn what_is_longer_than_it_may_be_is_told_at_once_and_never_kept() {
    let long = frame(Kind::Answer, 3, &vec![7; 1 << 20]).unwrap();
    let sent = [call(), long, frame(Kind::Answer, 4, b"x").unwrap()].concat();
    for size in [1 << 10, HEADER, sent.len()] {
        let mut frames = Frames::default();
        let mut came = Vec::new();
        for piece in sent.chunks(size) {
            frames.push(piece);
            while let Some(incoming) = frames.next_within(|_, id| if id == 3 { 9 } else { 1 << 10 }).unwrap()
            {
                came.push(match incoming {
                    Incoming::Frame(Frame { kind, id, body }) => (kind, id, body.len(), true),
                    Incoming::TooLong { kind, id, length } => (kind, id, length, false),
                });
            }
            assert!(frames.bytes.capacity() <= 4 * size.max(1 << 10), "{}", frames.bytes.capacity());
        }
        assert_eq!(
            came,
            [
                (Kind::Call, 7, call().len() - HEADER, true),
                (Kind::Answer, 3, 1 << 20, false),
                (Kind::Answer, 4, 1, true)
            ]
        );
    }
}

#[test]
fn a_request_that_is_cut_off_or_no_text_is_malformed() {
    let whole = call().split_off(HEADER);
    for body in [&whole[..2], &whole[..10], &[200, 0, 5], &[1, 0, 0, 0xff]] {
        let frame = Frame { kind: Kind::Ask, id: 1, body: body.to_vec() };
        assert_eq!(frame.request(), Err(Malformed::Request), "{body:?}");
    }
}

#[test]
fn what_is_too_large_does_not_become_a_frame() {
    let large = vec![0; MAX_BODY + 1];
    assert_eq!(frame(Kind::Answer, 1, &large), None);
    assert!(frame(Kind::Answer, 1, &large[1..]).is_some());
    assert_eq!(request(Kind::Ask, 1, Request { op: "", token: &[0; 256], input: b"" }), None);
    let large = Request { op: "", token: b"", input: &large[..MAX_ASK] };
    assert_eq!((request(Kind::Ask, 1, large), request(Kind::Call, 1, large).is_some()), (None, true));
}
