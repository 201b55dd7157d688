//! Other forms of a delivery's body and URL: what a proxy, a framework or a wrong setting makes of them.

use std::collections::HashSet;

use bytes::Bytes;
use hookgate_capabilities::Request;
use hookgate_model::limits;
use http::Uri;

use super::json::{Escapes, Slashes, Spacing, rewritten};

/// Another form, and what was done to get it, so that "the signature is right for the body ..." makes a sentence.
pub(super) struct Variant<T> {
    pub(super) what: String,
    pub(super) form: T,
}

/// Other forms of the body, each once.
pub(super) fn bodies(body: &Bytes) -> Vec<Variant<Bytes>> {
    let mut seen = HashSet::from([body.clone()]);
    let mut variants: Vec<Variant<Bytes>> = line_breaks(body).chain(documents(body)).collect();
    variants.retain(|variant| seen.insert(variant.form.clone()));
    variants
}

fn line_breaks(body: &Bytes) -> impl Iterator<Item = Variant<Bytes>> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let variant = |what: &str, form: Vec<u8>| Variant { what: what.to_owned(), form: form.into() };
    let trimmed = body.trim_ascii_end();
    let unix = replaced(body, b"\r\n", b"\n");
    [
        variant("without the white space at its end", trimmed.to_vec()),
        variant("with a line break at its end", [body, &b"\n"[..]].concat()),
        variant("with CR LF at its end", [body, &b"\r\n"[..]].concat()),
        variant("with LF in place of each CR LF", unix.clone()),
        variant("with CR LF in place of each LF", replaced(&unix, b"\n", b"\r\n")),
        variant("without its byte order mark", body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).to_vec()),
        variant("without its bytes: the provider signs none", Vec::new()),
    ]
    .into_iter()
}

/// The document as other programs write it.
fn documents(body: &Bytes) -> Vec<Variant<Bytes>> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= limits::DIAGNOSED_JSON_BYTES_MAX);
    let Some(json) = text else { return Vec::new() };
    let spacings = [
        (Spacing::Kept, ""),
        (Spacing::None, "no white space between tokens"),
        (Spacing::Spaced, "a blank behind commas and colons"),
        (Spacing::Lines(2), "lines indented by 2"),
        (Spacing::Lines(4), "lines indented by 4"),
    ];
    let escapes = [
        (Escapes::Kept, ""),
        (Escapes::Ascii, "characters beyond ASCII escaped"),
        (Escapes::Least, "no character escaped that need not be"),
    ];
    let slashes = [(Slashes::Kept, ""), (Slashes::Escaped, "slashes escaped"), (Slashes::Plain, "slashes not escaped")];
    let mut variants = Vec::new();
    for (spacing, first) in spacings {
        for (escape, second) in escapes {
            for (slash, third) in slashes {
                let Some(form) = rewritten(json, spacing, escape, slash) else { return Vec::new() };
                let done: Vec<&str> = [first, second, third].into_iter().filter(|what| !what.is_empty()).collect();
                let what = format!("written as JSON with {}", done.join(", "));
                variants.push(Variant { what, form: form.into() });
            }
        }
    }
    variants
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        match rest.strip_prefix(from) {
            Some(after) => {
                out.extend_from_slice(to);
                rest = after;
            }
            None => {
                out.push(*first);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// Other forms of the URL, each once: with the other scheme, with the host that the request itself names, with and without
/// a port, a slash at the end of the path, the query.
pub(super) fn urls(request: &Request) -> Vec<Variant<String>> {
    let Ok(uri) = request.url.parse::<Uri>() else { return Vec::new() };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Vec::new() };
    let named = ["host", "x-forwarded-host", "x-original-host"].into_iter().filter_map(|name| text_of(request, name));
    let authorities = [authority.to_string(), authority.host().to_owned()].into_iter().chain(named);
    let with_ports = authorities.flat_map(|authority| {
        let host = authority.rsplit_once(':').map_or(authority.clone(), |(host, _)| host.to_owned());
        [authority, format!("{host}:443"), format!("{host}:80"), host]
    });
    let path = uri.path();
    let other_path = match path.strip_suffix('/') {
        Some(path) => path.to_owned(),
        None => format!("{path}/"),
    };
    let query = uri.query().map(|query| format!("?{query}"));
    let queries: Vec<&str> = query.as_deref().into_iter().chain([""]).collect();
    let mut seen = HashSet::from([request.url.clone()]);
    let mut variants = Vec::new();
    for authority in with_ports {
        for scheme in [scheme, if scheme == "https" { "http" } else { "https" }] {
            for path in [path, &other_path] {
                for query in &queries {
                    let form = format!("{scheme}://{authority}{path}{query}");
                    if seen.insert(form.clone()) && variants.len() < limits::DIAGNOSED_URLS_MAX {
                        variants.push(Variant { what: form.clone(), form });
                    }
                }
            }
        }
    }
    variants
}

fn text_of(request: &Request, name: &str) -> Option<String> {
    let (_, value) = request.headers.iter().find(|(known, _)| known == name)?;
    let text = std::str::from_utf8(value).ok()?.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
    (!text.is_empty() && text.len() <= 255 && text.chars().all(fits)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(body: &str) -> Vec<String> {
        let variants = bodies(&Bytes::copy_from_slice(body.as_bytes()));
        variants.into_iter().map(|variant| String::from_utf8_lossy(&variant.form).into_owned()).collect()
    }

    #[test]
    fn a_body_is_found_as_it_was_before_something_rewrote_it() {
        assert!(forms("{\"a\":1}\n").contains(&"{\"a\":1}".to_owned()));
        assert!(forms("{\"a\":1}").contains(&"{\"a\": 1}".to_owned()));
        assert!(forms("{\"a\":\"é/\"}").contains(&"{\"a\":\"\\u00e9\\/\"}".to_owned()));
        assert!(forms("a=1\r\n").contains(&"a=1\n".to_owned()));
        assert!(forms("no json").iter().all(|form| !form.contains('{')));
    }

    #[test]
    fn every_form_comes_once_and_none_is_the_body_itself() {
        let forms = forms("{}");
        let unique: HashSet<&String> = forms.iter().collect();
        assert_eq!(unique.len(), forms.len());
        assert!(!forms.contains(&"{}".to_owned()));
    }

    #[test]
    fn urls_are_those_that_a_proxy_hides() {
        let request = Request {
            method: "POST".to_owned(),
            url: "http://127.0.0.1:8080/in/twilio?a=1".to_owned(),
            headers: vec![("host".to_owned(), b"hooks.example.com".to_vec())],
            received_at: 0,
            body: Bytes::new(),
        };
        let forms: Vec<String> = urls(&request).into_iter().map(|variant| variant.form).collect();
        for expected in [
            "https://hooks.example.com/in/twilio?a=1",
            "https://hooks.example.com:443/in/twilio?a=1",
            "https://127.0.0.1:8080/in/twilio?a=1",
            "http://127.0.0.1:8080/in/twilio/?a=1",
            "http://127.0.0.1:8080/in/twilio",
        ] {
            assert!(forms.contains(&expected.to_owned()), "{expected} is not in {forms:?}");
        }
        assert!(forms.len() <= limits::DIAGNOSED_URLS_MAX);
    }
}
