//! One large delivery by claim check: what of it is in memory, and what hashing through the handle costs.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use hookgate_capabilities::{Body, Delivery, ReadBytes, Request};
use sha2::{Digest, Sha256};

use crate::{
    deliveries::{SECRET, now_unix},
    server::{Kind, Server},
};

const BLOCK: usize = 1 << 20;

/// Sends one JSON document of this size in MiB, and prints the growth of the gateway's memory.
pub fn one_large(directory: &Path, hookgate: &Path, mib: usize) -> Result<()> {
    println!("\n## One delivery of {mib} MiB by claim check\n");
    let server = Server::start(Kind::Hookgate, directory, hookgate)?;
    // What the first one needs besides its body.
    send(&server, 1)?;
    let before = server.peak_resident_bytes()?;
    let began = Instant::now();
    send(&server, mib)?;
    let seconds = began.elapsed().as_secs_f64();
    let grown = server.peak_resident_bytes()?.saturating_sub(before);
    println!("resident memory grew by **{} MiB** at most; taken, verified and durable in {seconds:.1} s", grown >> 20);
    Ok(())
}

/// Hashing of a body in a file through the handle, beside SHA-256 of the same file by itself, in turn.
pub fn hashing(directory: &Path, rounds: usize) -> Result<()> {
    println!("\n## SHA-256 of a body of 256 MiB in a file: through the handle, beside the same by itself\n");
    let mut file = File::options().read(true).write(true).create_new(true).open(directory.join("body"))?;
    let block: Vec<u8> = (0..BLOCK).map(|n| (n % 251) as u8).collect();
    (0..256).try_for_each(|_| file.write_all(&block))?;
    let file = Arc::new(file);
    let request = Request {
        method: "POST".into(),
        url: "https://hooks.example.com/in/large".into(),
        headers: Vec::new(),
        received_at: 0,
        body: bytes::Bytes::new(),
    };
    let body = Body::stored(Arc::new(InFile(file.clone())));
    let delivery = Delivery::without_secrets(Arc::new(request), Arc::default()).with_body(body);
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        let alone = by_itself(&file)?;
        let by_itself = began.elapsed();
        let began = Instant::now();
        let handle = delivery.body_digest(hookgate_capabilities::Digest::Sha256);
        ratios.push(began.elapsed().as_secs_f64() / by_itself.as_secs_f64());
        ensure!(alone == handle, "the digests differ");
    }
    ratios.sort_by(f64::total_cmp);
    println!("ratio, median of {rounds}: **{:.2}** (goal: 1.2)", ratios[rounds / 2]);
    Ok(())
}

fn by_itself(file: &File) -> Result<Vec<u8>> {
    let (mut hash, mut block, mut at) = (Sha256::new(), vec![0; BLOCK], 0);
    loop {
        let read = file.read_at(&mut block, at)?;
        if read == 0 {
            return Ok(hash.finalize().to_vec());
        }
        hash.update(&block[..read]);
        at += read as u64;
    }
}

#[derive(Debug)]
struct InFile(Arc<File>);

impl ReadBytes for InFile {
    fn length(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(into, offset)
    }
}

/// A document that is made while it is sent, signed as Stripe does.
fn send(server: &Server, mib: usize) -> Result<()> {
    let now = now_unix();
    let start =
        format!(r#"{{"id":"evt_large_{mib}","object":"event","created":{now},"type":"invoice.paid","padding":""#);
    let (block, end) = (vec![b'x'; BLOCK], "\"}");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).context("a key")?;
    mac.update(format!("{now}.{start}").as_bytes());
    (0..mib).for_each(|_| mac.update(&block));
    mac.update(end.as_bytes());
    let (tag, length) = (hex::encode(mac.finalize().into_bytes()), start.len() + mib * BLOCK + end.len());
    let mut stream = TcpStream::connect(server.at)?;
    write!(
        stream,
        "POST /in/large HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nstripe-signature: t={now},v1={tag}\r\n\r\n{start}"
    )?;
    (0..mib).try_for_each(|_| stream.write_all(&block))?;
    stream.write_all(end.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}
