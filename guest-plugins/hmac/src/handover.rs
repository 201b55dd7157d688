//! A secret that the provider hands over in a first request, which cannot be signed yet.

use hookgate_plugin_sdk::{Enrollment, Refusal, Reply, Verdict};

use crate::{
    key::SECRET,
    place::{Path, Place, Reader},
    settings::Settings,
};

/// Bytes of a secret that is handed over.
const SECRET_MAX: usize = 1024;

/// The secret that an unsigned delivery hands over, for the host to keep; none where it is something else.
///
/// # Errors
/// Misconfigured: a setting makes no sense. Malformed: it is not 1 to 1,024 printable characters.
pub fn enroll(settings: &Settings<'_>, reader: &Reader<'_>) -> Result<Option<Verdict>, Refusal> {
    let Some(path) = settings.parsed("handover", Path::parse)? else { return Ok(None) };
    let found = path.value(|place| Ok::<_, Refusal>(reader.lenient(place)))?;
    let Some(secret) = found else { return Ok(None) };
    if secret.len() > SECRET_MAX || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::Malformed(format!(
            "the secret that is handed over is not 1 to {SECRET_MAX} printable characters"
        )));
    }
    let echo = settings.parsed("handover-echo", |text| match Place::parse(&format!("header:{text}"))? {
        Place::Header(name) if !name.ends_with('*') => Ok(name),
        _ => Err(format!("{text:?} is not the name of a header")),
    })?;
    let headers = echo.map(|name| (name, secret.clone())).into_iter().collect();
    let reply = Reply { status: 200, headers, body: Vec::new() };
    Ok(Some(Verdict::Enroll(Enrollment { secret: SECRET.to_owned(), value: secret, reply })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hookgate_capabilities::{Request, Verdict};
    use hookgate_conformance::native::{self, Source};

    use crate::Hmac;

    fn verdict(settings: &[(&str, &str)], headers: &[(&str, &str)], body: &str) -> Option<(String, usize)> {
        let settings: Vec<_> = settings.iter().copied().chain([("signature", "X-Sig")]).collect();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let request = Request { headers, ..native::request(body) };
        match Source::of(&[("signing", "secret")], &settings).verify::<Hmac>(&request) {
            Ok(Verdict::Enroll(given)) => Some((given.value, given.reply.headers.len())),
            _ => None,
        }
    }

    #[test]
    fn a_secret_is_taken_from_the_body_or_a_header() {
        let body = [("handover", "json:/verification_token")];
        assert_eq!(verdict(&body, &[], "{\"verification_token\":\"s1\"}"), Some(("s1".to_owned(), 0)));
        let header = [("handover", "X-Hook-Secret"), ("handover-echo", "X-Hook-Secret")];
        assert_eq!(verdict(&header, &[("x-hook-secret", "s2")], ""), Some(("s2".to_owned(), 1)));
    }

    #[test]
    fn nothing_else_hands_a_secret_over() {
        let body = [("handover", "json:/verification_token")];
        for (headers, text) in [
            (&[][..], "{\"other\":1}"),
            (&[][..], "not JSON"),
            (&[][..], "{\"verification_token\":\"\"}"),
            (&[][..], "{\"verification_token\":\"a b\"}"),
            // A delivery with a signature is not a handshake.
            (&[("x-sig", "00")][..], "{\"verification_token\":\"s1\"}"),
        ] {
            assert_eq!(verdict(&body, headers, text), None, "{text}");
        }
    }
}
