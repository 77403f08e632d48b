// SPDX-License-Identifier: GPL-2.0

//! Writes messages of every layout into a capture file:
//! `cargo run --example emit_pcap -- smc.pcap`, then
//! `tshark -r smc.pcap -V --disable-protocol rpcordma`.

#[path = "../tests/pcap/mod.rs"]
mod pcap;

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or("smc.pcap".into());
    let samples = pcap::samples();
    std::fs::write(&path, pcap::capture(&samples))?;
    for (i, sample) in (1..).zip(&samples) {
        println!("{i:3} {:4} bytes  {}", sample.bytes.len(), sample.name);
    }
    Ok(())
}
