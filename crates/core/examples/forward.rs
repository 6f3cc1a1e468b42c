//! Forwards packets of one publisher through a shard without sockets, and does nothing else worth counting.
//!
//! `cargo run --release -p sfu-core --example forward [packets] [subscribers]`. `scripts/instruction-guard` runs it and
//! counts the instructions inside of `FanOut::forward`; the number of forwarded packets is all that it prints.

#[path = "../benches/support/mod.rs"]
mod support;

use sfu_core::command::SrtpProfile;
use support::FanOut;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let packets = arguments.next().unwrap_or(10_000);
    let subscribers = arguments.next().unwrap_or(200_usize);
    let mut fan_out = FanOut::new(subscribers as u32, SrtpProfile::AeadAes128Gcm);
    let mut forwarded = 0;
    while forwarded < packets * subscribers {
        fan_out.prepare();
        fan_out.forward();
        forwarded += fan_out.verify();
    }
    println!("{forwarded}");
}
