//! The trace id that follows a delivery from the reply to its last attempt, as W3C Trace Context has it
//! (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

use http::{HeaderMap, HeaderValue};

/// 16 bytes, not all zero; 32 lower-case hex digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The text is not a trace id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a trace id: it has 32 hex digits in lower case, not all zero")]
pub struct NotATraceId;

impl TraceId {
    /// Of a request: its `traceparent`'s, where it has one that is valid, else a new one.
    pub fn of(headers: &HeaderMap) -> TraceId {
        let mut values = headers.get_all("traceparent").iter();
        // Doubled, it says nothing (section 3.2.1).
        let (Some(value), None) = (values.next(), values.next()) else { return TraceId::random() };
        value.to_str().ok().and_then(trace_id_of).unwrap_or_else(TraceId::random)
    }

    /// A new one.
    pub fn random() -> TraceId {
        TraceId(random_bytes())
    }

    /// A `traceparent` (version 00) with this trace id and a new parent id, for a request that the gateway makes. It is
    /// flagged as sampled, so that a receiver which samples as its parent does records it.
    pub fn traceparent(&self) -> HeaderValue {
        let text = format!("00-{self}-{}-01", hex::encode(random_bytes::<8>()));
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::str::FromStr for TraceId {
    type Err = NotATraceId;

    fn from_str(text: &str) -> Result<Self, NotATraceId> {
        lower_hex(text).map(TraceId).ok_or(NotATraceId)
    }
}

/// Bytes of which not all are zero.
fn random_bytes<const N: usize>() -> [u8; N] {
    loop {
        let bytes: [u8; N] = std::array::from_fn(|_| rand::random());
        if bytes != [0; N] {
            return bytes;
        }
    }
}

/// The trace id of a valid `traceparent` of any version that begins as version 00 does (section 3.2.4).
fn trace_id_of(traceparent: &str) -> Option<TraceId> {
    let mut parts = traceparent.trim_matches([' ', '\t']).splitn(5, '-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let [version] = hex_bytes::<1>(version)?;
    // Version ff is never valid, and version 00 has nothing behind its flags.
    if version == 0xff || (version == 0 && parts.next().is_some()) {
        return None;
    }
    lower_hex::<8>(parent)?;
    hex_bytes::<1>(flags)?;
    lower_hex(trace).map(TraceId)
}

/// As [`hex_bytes`], and not all zero.
fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex_bytes(text).filter(|bytes| *bytes != [0; N])
}

/// So many bytes in lower-case hex.
fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_str(value).unwrap());
        }
        TraceId::of(&headers).to_string()
    }

    #[test]
    fn a_valid_traceparent_gives_its_trace_id() {
        let valid = [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff\t",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later",
        ];
        for value in valid {
            assert_eq!(of(&[value]), TRACE, "{value}");
        }
    }

    #[test]
    fn any_other_gives_a_new_one() {
        let invalid = [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e47-00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for value in invalid {
            let trace = of(&[value]);
            assert!(trace != TRACE && trace.parse::<TraceId>().is_ok(), "{value}: {trace}");
        }
        assert_ne!(of(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"; 2]), TRACE);
        assert_ne!(of(&[]), of(&[]));
    }

    #[test]
    fn what_is_sent_on_has_the_same_trace_id_and_a_parent_of_its_own() {
        let trace: TraceId = TRACE.parse().unwrap();
        let (first, second) = (trace.traceparent(), trace.traceparent());
        assert_eq!(of(&[first.to_str().unwrap()]), TRACE);
        assert_ne!(first, second);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = (trace_id_of(&text), text.parse::<TraceId>());
        }

        #[test]
        fn trace_ids_read_back(bytes: [u8; 16]) {
            prop_assume!(bytes != [0; 16]);
            prop_assert_eq!(TraceId(bytes).to_string().parse(), Ok(TraceId(bytes)));
        }
    }
}
