//! Makes a request of a case, signs it, and sends it over a bare connection: some of them no client library would send.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::case::{Request, Send, Signature};

/// A reply: `status`, `body` and headers by name.
pub struct Reply(Value);

impl Reply {
    pub fn get(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::Null)
    }
}

/// Sends it and reads the reply.
pub fn send(address: SocketAddr, step: &Send) -> Reply {
    let now = SystemTime::now();
    let request = &step.request;
    let body = body_of(step, now);
    let wire = if request.gzip { gzip(&body) } else { body.clone() };
    let mut headers = BTreeMap::from([("host".to_owned(), address.to_string())]);
    headers.extend(request.headers.iter().map(|(name, value)| (name.clone(), fill(value, now))));
    if request.gzip {
        headers.insert("content-encoding".to_owned(), "gzip".to_owned());
    }
    for signature in step.sign.all() {
        let over = if signature.over.as_deref() == Some("wire") { &wire } else { &body };
        headers.insert(signature.header.clone(), signed(signature, over, now));
    }
    if request.no_host {
        headers.remove("host");
    }
    let payload = match request.chunked {
        Some(size) => {
            headers.insert("transfer-encoding".to_owned(), "chunked".to_owned());
            if !request.trailers.is_empty() {
                headers.insert("trailer".to_owned(), request.trailers.keys().cloned().collect::<Vec<_>>().join(", "));
            }
            chunks(&wire, size, request)
        }
        None => {
            headers.insert("content-length".to_owned(), wire.len().to_string());
            wire
        }
    };
    let version = request.version.as_deref().unwrap_or("HTTP/1.1");
    let mut head = format!("{} {} {version}\r\n", request.method, fill(&request.path, now));
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    exchange(address, request, head.as_bytes(), &payload)
}

fn exchange(address: SocketAddr, request: &Request, head: &[u8], payload: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(head).unwrap();
    if request.wait_for_continue {
        let interim = read_reply(&mut stream, true);
        if !interim.starts_with(b"HTTP/1.1 100") {
            return reply(&interim);
        }
    }
    stream.write_all(payload).unwrap();
    reply(&read_reply(&mut stream, request.method == "HEAD"))
}

/// Reads until the reply is whole, or the connection ends.
fn read_reply(stream: &mut TcpStream, is_head: bool) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        bytes.extend(&piece[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        if is_head || head.contains(" 204 ") || bytes.len() - end - 4 >= length.unwrap_or(usize::MAX) {
            break;
        }
    }
    bytes
}

fn reply(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse::<u16>().ok()).unwrap_or(0);
    let mut told = json!({ "status": status, "body": body });
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        told[name.trim().to_lowercase()] = value.trim().into();
    }
    Reply(told)
}

fn body_of(step: &Send, now: SystemTime) -> Vec<u8> {
    let request = &step.request;
    let text = match &request.body_nested {
        Some(nested) => {
            let deep = format!("{}1{}", "{\"a\":".repeat(nested.levels), "}".repeat(nested.levels));
            fill(&nested.around, now).replace("$DEEP", &deep)
        }
        None => fill(&request.body, now),
    };
    let text = match &step.adyen {
        Some(key) => adyen(&text, key),
        None => text,
    };
    let mark = if request.bom { "\u{feff}" } else { "" };
    format!("{mark}{text}").into_bytes()
}

/// Signs each item. <https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures>
fn adyen(document: &str, key: &str) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap();
    for item in document["notificationItems"].as_array_mut().unwrap() {
        let item = &mut item["NotificationRequestItem"];
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let fields = [
            &item["pspReference"],
            &item["originalReference"],
            &item["merchantAccountCode"],
            &item["merchantReference"],
            &item["amount"]["value"],
            &item["amount"]["currency"],
            &item["eventCode"],
            &item["success"],
        ];
        let signed = fields.map(text).join(":");
        let tag = hookgate_tests::sign::hmac_sha256(&hex::decode(key).unwrap(), &[signed.as_bytes()]);
        item["additionalData"]["hmacSignature"] = BASE64_STANDARD.encode(tag).into();
    }
    document.to_string()
}

fn signed(signature: &Signature, over: &[u8], now: SystemTime) -> String {
    let template = fill(signature.content.as_deref().unwrap_or("<body>"), now);
    let mut content = Vec::new();
    let mut rest = template.as_str();
    while let Some(at) = rest.find('<') {
        content.extend(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<body>") {
            content.extend(over);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("<sha256>") {
            content.extend(hex::encode(Sha256::digest(over)).as_bytes());
            rest = after;
        } else {
            content.push(b'<');
            rest = &rest[1..];
        }
    }
    content.extend(rest.as_bytes());
    let key = match signature.key.as_deref() {
        Some("hex") => hex::decode(&signature.secret).unwrap(),
        Some("base64") => BASE64_STANDARD.decode(&signature.secret).unwrap(),
        _ => signature.secret.clone().into_bytes(),
    };
    let tag = match signature.digest.as_deref() {
        Some("sha1") => hookgate_tests::sign::hmac_sha1(&key, &[&content]),
        Some("sha512") => {
            let mut mac = Hmac::<sha2::Sha512>::new_from_slice(&key).unwrap();
            mac.update(&content);
            mac.finalize().into_bytes().to_vec()
        }
        None | Some("sha256") => hookgate_tests::sign::hmac_sha256(&key, &[&content]),
        Some(other) => panic!("no such digest: {other}"),
    };
    let tag = match signature.encoding.as_deref() {
        Some("base64") => BASE64_STANDARD.encode(tag),
        _ => hex::encode(tag),
    };
    format!("{}{tag}{}", fill(&signature.prefix, now), signature.suffix)
}

fn chunks(wire: &[u8], size: usize, request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in wire.chunks(size) {
        bytes.extend(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n");
    for (name, value) in &request.trailers {
        bytes.extend(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend(b"\r\n");
    bytes
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// A text with the moment in place of `{{now}}`, `{{ms-70000}}`, `{{iso}}`, `{{httpdate+4}}`.
pub fn fill(text: &str, now: SystemTime) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        let sign = name.find(['+', '-']).unwrap_or(name.len());
        let (unit, shift) = (&name[..sign], name[sign..].parse::<i64>().unwrap_or(0));
        let ms = i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let moment = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(ms / 1000 + seconds).unwrap());
        filled.push_str(before);
        filled.push_str(&match unit {
            "now" => (ms / 1000 + shift).to_string(),
            "ms" => (ms + shift).to_string(),
            "httpdate" => httpdate::fmt_http_date(moment(shift)),
            "iso" => jiff::Timestamp::try_from(moment(shift)).unwrap().to_string(),
            _ => format!("{{{{{name}}}}}"),
        });
        rest = behind;
    }
    filled + rest
}
