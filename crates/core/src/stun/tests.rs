//! RFC 5769 vectors, round trips, refusals.

use super::write::MAX_LEN;
use super::*;
use proptest::prelude::*;
use std::net::SocketAddr;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const ID: TransactionId = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn request() -> Vec<u8> {
    hex("00010058 2112a442 b7e7a701 bc34d686 fa87dfae
         80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff 80290008 932ff9b1 51263b36
         00060009 6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
         80280004 e57a3bcf")
}

#[test]
fn the_sample_request_of_rfc_5769_2_1_is_read() {
    let bytes = request();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class, message.method, message.transaction_id), (Class::Request, BINDING, ID));
    assert_eq!((message.local_ufrag(), message.remote_ufrag()), (Some("evtj"), Some("h6vY")));
    assert_eq!(message.priority, Some(0x6e00_01ff));
    assert_eq!(message.role, Some(IceRole::Controlled(0x932f_f9b1_5126_3b36)));
    assert!(message.has_fingerprint && !message.use_candidate && message.unknown.is_empty());
    assert!(message.verify_integrity(&IntegrityKey::new(PASSWORD)));
    assert!(!message.verify_integrity(&IntegrityKey::new("another password")));
}

fn check_response(bytes: &[u8], address: &str) {
    let message = Message::parse(bytes).unwrap();
    assert_eq!((message.class, message.transaction_id), (Class::Success, ID));
    assert_eq!(message.mapped_address, Some(address.parse().unwrap()));
    assert!(message.has_fingerprint && message.verify_integrity(&IntegrityKey::new(PASSWORD)));
}

#[test]
fn the_sample_responses_of_rfc_5769_2_2_and_2_3_are_read() {
    let v4 = hex("0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
                  00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
                  80280004 c07d4c96");
    check_response(&v4, "192.0.2.1:32853");
    let v6 = hex("01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
                  00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1
                  1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c");
    check_response(&v6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

#[test]
fn a_success_names_the_address_and_is_authentic() {
    let key = IntegrityKey::new(PASSWORD);
    for address in ["192.0.2.1:32853", "[2001:db8::9]:1"] {
        let mut buffer = [0u8; MAX_LEN];
        let len = write_binding_success(&mut buffer, &ID, address.parse().unwrap(), &key).unwrap();
        check_response(&buffer[..len], address);
        for room in 0..len {
            let result = write_binding_success(&mut buffer[..room], &ID, address.parse().unwrap(), &key);
            assert_eq!(result, Err(StunError::NoRoom));
        }
    }
}

#[test]
fn an_error_carries_its_code_and_what_was_unknown() {
    let mut buffer = [0u8; MAX_LEN];
    let len = write_error(&mut buffer, &ID, ErrorCode::UnknownAttribute, &[0x7777], None).unwrap();
    let message = Message::parse(&buffer[..len]).unwrap();
    assert_eq!((message.class, message.error_code, message.has_integrity()), (Class::Error, Some(420), false));
    assert!(buffer[..len].windows(6).any(|w| w == [0, 0x0A, 0, 2, 0x77, 0x77]));
    let key = IntegrityKey::new(PASSWORD);
    let len = write_error(&mut buffer, &ID, ErrorCode::RoleConflict, &[1], Some(&key)).unwrap();
    let message = Message::parse(&buffer[..len]).unwrap();
    assert_eq!(message.error_code, Some(487));
    assert!(message.verify_integrity(&key));
}

fn check() -> BindingRequest<'static> {
    let role = Some(IceRole::Controlling(99));
    BindingRequest { transaction_id: ID, username: "us:them", priority: Some(7), role, use_candidate: true }
}

fn written() -> Vec<u8> {
    let mut buffer = [0u8; MAX_LEN];
    let len = check().write(&mut buffer, &IntegrityKey::new("pwd")).unwrap();
    buffer[..len].to_vec()
}

#[test]
fn a_written_check_is_read_back() {
    let bytes = written();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.username, message.priority, message.use_candidate), (Some("us:them"), Some(7), true));
    assert_eq!(message.role, Some(IceRole::Controlling(99)));
    assert!(message.verify_integrity(&IntegrityKey::new("pwd")));
}

#[test]
fn a_changed_bit_anywhere_is_noticed() {
    let bytes = written();
    let key = IntegrityKey::new("pwd");
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let accepted = Message::parse(&changed).is_ok_and(|m| m.verify_integrity(&key) && m.has_fingerprint);
        assert!(!accepted, "bit {bit}");
    }
}

/// A request with these attributes and a correct length, without FINGERPRINT.
fn raw(attributes: &[u8]) -> Vec<u8> {
    let length = (attributes.len() as u16).to_be_bytes();
    [&[0, 1], &length[..], &MAGIC_COOKIE.to_be_bytes(), &ID, attributes].concat()
}

#[test]
fn unknown_attributes_that_must_be_understood_are_listed() {
    let bytes = raw(&[0x77, 0x77, 0, 1, 9, 0, 0, 0, 0xC0, 0x57, 0, 0, 0x00, 0x99, 0, 0]);
    assert_eq!(Message::parse(&bytes).unwrap().unknown.as_slice(), &[0x7777, 0x0099]);
    let many: Vec<u8> = (0..20).flat_map(|n| [0x70, n, 0, 0]).collect();
    assert_eq!(Message::parse(&raw(&many)).unwrap().unknown.as_slice().len(), 8);
}

#[test]
fn what_follows_the_integrity_is_ignored() {
    let bytes = written();
    let unsigned_tail = [&bytes[..bytes.len() - 8], &[0, 0x24, 0, 4, 0, 0, 0, 1, 0x77, 0x77, 0, 0]].concat();
    let mut bytes = unsigned_tail;
    let length = (bytes.len() - HEADER_LEN) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    let message = Message::parse(&bytes).unwrap();
    assert!(message.verify_integrity(&IntegrityKey::new("pwd")));
    assert_eq!((message.priority, message.unknown.is_empty()), (Some(7), true));
}

#[test]
fn every_malformation_has_its_error() {
    let good = request();
    assert_eq!(Message::parse(&good[..19]).unwrap_err(), StunError::NotStun);
    assert_eq!(Message::parse(&good[..24]).unwrap_err(), StunError::Length);
    assert_eq!(Message::parse(&[&good[..], &[0; 4]].concat()).unwrap_err(), StunError::Length);
    assert_eq!(Message::parse(&[0x80; 40]).unwrap_err(), StunError::NotStun);
    assert_eq!(Message::parse(&raw(&[0, 6, 0, 5, 1, 2, 3, 4])).unwrap_err(), StunError::Attribute);
    assert_eq!(Message::parse(&raw(&[0, 0x24, 0, 3, 1, 2, 3, 0])).unwrap_err(), StunError::Attribute);
    assert_eq!(Message::parse(&raw(&[0, 8, 0, 4, 1, 2, 3, 4])).unwrap_err(), StunError::Attribute);
    assert_eq!(Message::parse(&raw(&[0, 6, 0, 1, 0xFF, 0, 0, 0])).unwrap_err(), StunError::Attribute);
    assert_eq!(Message::parse(&raw(&[0x80, 0x28, 0, 4, 1, 2, 3, 4])).unwrap_err(), StunError::Fingerprint);
    assert_eq!(Message::parse(&raw(&[0, 0x20, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0])).unwrap_err(), StunError::Attribute);
}

proptest! {
    #[test]
    fn any_bytes_give_a_message_or_an_error(attributes in proptest::collection::vec(any::<u8>(), 0..30)) {
        let mut attributes: Vec<u8> = attributes.iter().flat_map(|b| [0, *b, 0, b % 9]).collect();
        attributes.truncate(attributes.len() / 4 * 4);
        let bytes = raw(&attributes);
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert!(!message.verify_integrity(&IntegrityKey::new("x")));
        }
    }

    #[test]
    fn a_damaged_message_gives_a_message_or_an_error(at in 0usize..108, byte in any::<u8>(), cut in 0usize..108) {
        let mut bytes = request();
        bytes[at] = byte;
        let _ = Message::parse(&bytes);
        let _ = Message::parse(&bytes[..cut]);
    }

    #[test]
    fn any_address_goes_around(v4 in any::<u32>(), v6 in any::<u128>(), port in any::<u16>(), id in any::<[u8; 12]>()) {
        for ip in [std::net::IpAddr::V4(v4.into()), std::net::IpAddr::V6(v6.into())] {
            let address = SocketAddr::new(ip, port);
            let mut buffer = [0u8; MAX_LEN];
            let len = write_binding_success(&mut buffer, &id, address, &IntegrityKey::new("k")).unwrap();
            prop_assert_eq!(Message::parse(&buffer[..len]).unwrap().mapped_address, Some(address));
        }
    }
}
