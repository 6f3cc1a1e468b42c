//! ICE-lite, consent, roaming and the way of DTLS datagrams.

mod support;

use std::net::SocketAddr;

use sfu_core::command::{Command, Kind};
use sfu_core::event::Event;
use sfu_core::stun::{Class, IceRole, IntegrityKey};
use sfu_core::time::Micros;
use support::media::Vp8;
use support::{Net, check_datagram, credentials, parse_stun};

const DTLS: [u8; 14] = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9];

fn selections(net: &Net) -> Vec<(SocketAddr, u8, bool)> {
    let choose = |event: &Event| match event {
        Event::IceSelected { remote, socket, restarted, .. } => Some((*remote, *socket, *restarted)),
        _ => None,
    };
    net.events.iter().filter_map(choose).collect()
}

#[test]
fn a_check_is_answered_at_once_with_the_address_it_came_from() {
    let mut net = Net::new(1);
    let client = net.join_without_check(1);
    net.check(client, true);
    let credentials = net.client(client).credentials.clone();
    let address = net.client(client).address;
    let answers = net.client(client).stun.clone();
    let answer = parse_stun(&answers[0]);
    assert_eq!((answer.class, answer.mapped_address), (Class::Success, Some(address)));
    assert!(answer.verify_integrity(&IntegrityKey::new(&credentials.pwd)));
    assert_eq!(selections(&net), [(address, 0, false)]);
}

#[test]
fn strangers_are_counted_and_not_answered() {
    let mut net = Net::new(2);
    let client = net.join_without_check(1);
    let stranger: SocketAddr = "192.0.2.9:9".parse().expect("an address");
    let mut wrong = net.client(client).credentials.clone();
    wrong.pwd.push('x');
    net.handle(vec![
        (0, stranger, check_datagram(&wrong, true, IceRole::Controlling(1))),
        (0, stranger, check_datagram(&credentials(99, 0), true, IceRole::Controlling(1))),
        (0, stranger, DTLS.to_vec()),
        (0, stranger, vec![0x80; 40]),
        (0, stranger, vec![0; 40]),
        (0, stranger, vec![]),
        (0, stranger, vec![70; 40]),
    ]);
    assert!(net.stray.is_empty() && net.events.is_empty());
    for (reason, count) in [
        ("stun_unauthenticated", 1),
        ("stun_unknown_ufrag", 1),
        ("unknown_address", 2),
        ("stun_malformed", 1),
        ("unknown_protocol", 2),
    ] {
        assert_eq!(net.drops(reason), count, "{reason}");
    }
}

#[test]
fn a_client_that_claims_to_be_controlled_gets_a_role_conflict() {
    let mut net = Net::new(3);
    let client = net.join_without_check(1);
    let (credentials, address) = (net.client(client).credentials.clone(), net.client(client).address);
    net.handle(vec![(0, address, check_datagram(&credentials, true, IceRole::Controlled(1)))]);
    let answers = net.client(client).stun.clone();
    assert_eq!(parse_stun(&answers[0]).error_code, Some(487));
    assert!(selections(&net).is_empty());
}

#[test]
fn handshakes_pass_only_from_checked_addresses_and_at_a_bounded_rate() {
    let mut net = Net::new(4);
    let client = net.join_without_check(1);
    let address = net.client(client).address;
    net.handle(vec![(0, address, DTLS.to_vec())]);
    net.check(client, false);
    net.handle((0..64).map(|_| (0, address, DTLS.to_vec())).collect());
    net.handle((0..64).map(|_| (0, address, DTLS.to_vec())).collect());
    let passed = net.events.iter().filter(|event| matches!(event, Event::Dtls { .. })).count();
    assert_eq!((passed, net.drops("dtls_rate"), net.drops("unknown_address")), (64, 64, 1));
    net.apply(Command::SendDtls { transport: client, datagram: DTLS.to_vec() });
    assert_eq!(net.client(client).dtls, [DTLS.to_vec()]);
}

#[test]
fn a_client_that_moves_is_followed_with_its_media() {
    let mut net = Net::new(5);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let options = vec![sfu_core::command::EncodingOptions::default()];
    let producer = net.produce(1, publisher, Kind::Video, "v", options);
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    let moved: SocketAddr = "[2001:db8::7]:5000".parse().expect("an address");
    for frame in 0..4 {
        if frame == 2 {
            net.client(subscriber).address = moved;
            net.client(subscriber).socket = 1;
            net.check(subscriber, true);
        }
        for sent in video.frame(frame == 0, 0, false) {
            let bytes = net.client(publisher).protect(&sent.bytes);
            net.send_at(net.now, publisher, bytes);
        }
        net.run_for(Micros::from_millis(33));
    }
    assert_eq!(net.client(subscriber).stream(70).len(), 12);
    assert!(net.stray.is_empty());
    assert_eq!(selections(&net).last(), Some(&(moved, 1, false)));
}

#[test]
fn a_restart_takes_over_with_its_first_nomination_and_the_old_credentials_end() {
    let mut net = Net::new(6);
    let client = net.join(1);
    let address = net.client(client).address;
    let (old, new) = (net.client(client).credentials.clone(), credentials(1, 1));
    net.apply(Command::RestartIce { transport: client, ice: new.clone() });
    net.handle(vec![(0, address, check_datagram(&old, true, IceRole::Controlling(1)))]);
    net.handle(vec![(0, address, check_datagram(&new, true, IceRole::Controlling(1)))]);
    net.handle(vec![(0, address, check_datagram(&old, true, IceRole::Controlling(1)))]);
    assert_eq!(selections(&net), [(address, 0, false), (address, 0, true)]);
    assert_eq!((net.client(client).stun.len(), net.drops("stun_unknown_ufrag")), (3, 1));
}

#[test]
fn without_checks_for_30_seconds_nothing_is_sent_any_more() {
    let mut net = Net::new(7);
    let (publisher, subscriber) = (net.join(1), net.join(2));
    let options = vec![sfu_core::command::EncodingOptions::default()];
    let producer = net.produce(1, publisher, Kind::Video, "v", options);
    net.consume(7, subscriber, Kind::Video, producer);
    let mut video = Vp8::new(1_000, "v");
    let start = net.now;
    while net.now < start + Micros::from_secs(40) {
        net.check(publisher, false);
        for sent in video.frame(false, 0, false).into_iter().chain(video.frame(true, 0, false)) {
            let bytes = net.client(publisher).protect(&sent.bytes);
            net.send_at(net.now, publisher, bytes);
        }
        net.run_for(Micros::from_millis(500));
    }
    let expired: Vec<_> = net.events.iter().filter(|event| matches!(event, Event::ConsentExpired { .. })).collect();
    assert_eq!(expired, [&Event::ConsentExpired { transport: subscriber }]);
    let last = net.client(subscriber).rtp.last().expect("media").at;
    assert!(last < start + Micros::from_secs(31) && last > start + Micros::from_secs(29));
    assert!(net.drops("consumer_not_ready") > 0);
}

#[test]
fn an_address_that_a_new_client_uses_again_belongs_to_the_new_one() {
    let mut net = Net::new(8);
    let old = net.join(1);
    let new = net.join_without_check(2);
    let address = net.client(old).address;
    net.clients.remove(&old);
    net.client(new).address = address;
    net.check(new, true);
    net.handle(vec![(0, address, DTLS.to_vec())]);
    assert!(matches!(net.events.last(), Some(Event::Dtls { transport, .. }) if *transport == new));
    net.apply(Command::RemoveTransport { transport: old });
    net.handle(vec![(0, address, DTLS.to_vec())]);
    assert_eq!(net.drops("unknown_address"), 0);
}
