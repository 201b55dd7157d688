//! A request as a curl command, for a POSIX shell.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hookgate_capabilities::Request;

/// The command that sends a request to a URL. A body that cannot be an argument is piped.
pub fn command(url: &http::Uri, request: &Request) -> String {
    let mut words = vec!["curl".to_owned(), "-i".to_owned(), "-X".to_owned(), quoted(&request.method)];
    for (name, value) in &request.headers {
        words.extend(["-H".to_owned(), quoted(&format!("{name}: {}", String::from_utf8_lossy(value)))]);
    }
    match std::str::from_utf8(&request.body).ok().filter(|text| !text.contains('\0')) {
        // `@` at the beginning would name a file, in `--data-raw` it does not.
        Some(text) => {
            words.extend(["--data-raw".to_owned(), quoted(text), quoted(&url.to_string())]);
            words.join(" ")
        }
        None => {
            words.extend(["--data-binary".to_owned(), "@-".to_owned(), quoted(&url.to_string())]);
            let body = BASE64_STANDARD.encode(&request.body);
            format!("printf %s {} | base64 -d | {}", quoted(&body), words.join(" "))
        }
    }
}

/// One word of a POSIX shell.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_shell_reads_back_what_was_quoted() {
        for text in ["", "plain", "it's", "a b\n$(rm) `x` \"y\" \\ !", "größe"] {
            let script = format!("printf %s {}", quoted(text));
            let read = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(read.stdout).unwrap(), text);
        }
    }

    #[test]
    fn bodies_of_bytes_come_through_a_pipe() {
        let request = |body: &'static [u8]| Request {
            method: "POST".to_owned(),
            url: String::new(),
            headers: vec![("x-a".to_owned(), b"b c".to_vec())],
            received_at: 0,
            body: bytes::Bytes::from_static(body),
        };
        let url = http::Uri::from_static("http://h/in/s");
        assert_eq!(command(&url, &request(b"{}")), "curl -i -X POST -H 'x-a: b c' --data-raw '{}' http://h/in/s");
        assert_eq!(
            command(&url, &request(b"\xff\0")),
            "printf %s /wA= | base64 -d | curl -i -X POST -H 'x-a: b c' --data-binary @- http://h/in/s"
        );
    }
}
