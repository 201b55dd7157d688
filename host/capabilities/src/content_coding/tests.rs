//! Against what Google's brotli and zlib (in Node 20) and Facebook's zstd 1.5 have made; `DOCUMENT` is short, `LIST` long
//! enough for all parts of a format.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use bytes::Bytes;

use super::*;

const DOCUMENT: &str = r#"{"type":"invoice.paid","amount":1099}"#;
const GZIP: &str = "1f8b0800000000000003ab562aa92c4855b252cacc2bcbcf4c4ed52b48cc4c51d2514acccd2fcd2b51b23234b0b4ac05008cd7536e25000000";
const ZLIB: &str = "789cab562aa92c4855b252cacc2bcbcf4c4ed52b48cc4c51d2514acccd2fcd2b51b23234b0b4ac0500f2900c47";
const RAW_DEFLATE: &str = "ab562aa92c4855b252cacc2bcbcf4c4ed52b48cc4c51d2514acccd2fcd2b51b23234b0b4ac0500";
const BROTLI: &str = "0b12807b2274797065223a22696e766f6963652e70616964222c22616d6f756e74223a313039397d03";
const ZSTD: &str =
    "28b52ffd04682901007b2274797065223a22696e766f6963652e70616964222c22616d6f756e74223a313039397dd401ff6d";
const LIST_BROTLI: &str = "1bdd07601c078edbdc1d23c9d55f3842a5839c2cf5af8b4550088a0966336e6ceb379680a2fc51b2e874f1f476a1f34ef2e04f7270a807\
     7c54c22695260bd502d5bcf1e982a603fabf3ee9f462c7ea79731df4b2965db2baf1befea5fa02c3bac64f34d324b0d7b3991af36ce2ae\
     b19b63cbb436f1f4bbf5aa273621dc26846c42c8267c414d832ea06e085ea131533ac82a5d8ab0c8328d2a8676389cb2832e47dd10bc12\
     5bce2c1d541594222cb2b05145d00e87537ad065a81b82576ccc63f507";
const LIST_ZSTD: &str = "28b52ffd64de063d0600128a1b17806d0e28d20e60eb5104ca68c2a5a54d52f2c3d804150bc474e7379ff9cc5ffefdfbf6ebd75736ac5f\
     fd6a57b7bad5ac5ef5aadfba6ddb56b5b0b0afaeae6fb0b1079d5763676fd55fb52b3029219de56114238144a2d104c9111968892964d2\
     444e02a90a074a524824a634044ea81180fafedf0170334a3e117c42009285ff3d1f71dbcdfddb8cfedf8ef68505980b80ec7fde7fae3f\
     e417fba6eff91edfef3d7bd76b7a31afc9aff1eff0798feede6e767b447e9476b9fdde3454425e8b1b13d055a9a30387";
/// 10 MiB of zeros.
const BROTLI_BOMB: &str = "cbffff3ff82700e2b14020f7fe2fffff3ff04f00c4611180eefd07";

const MIB: u64 = 1 << 20;

fn coded(hex: &str) -> Bytes {
    hex::decode(hex).unwrap().into()
}

fn list() -> String {
    let item = |n| format!(r#"{{"id":"evt_{n}","type":"invoice.paid","amount":{}}}"#, n * 7);
    format!("[{}]", (0..40).map(item).collect::<Vec<_>>().join(","))
}

fn codings(value: &str) -> Result<ContentCodings, CodingError> {
    ContentCodings::of([value.as_bytes()].into_iter())
}

fn decoded(value: &str, body: &Bytes) -> Result<Bytes, CodingError> {
    codings(value)?.decode(body, MIB)
}

fn gzipped(bytes: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

/// A frame of blocks that each repeat a zero 128 Ki times.
fn zstd_bomb(blocks: usize) -> Bytes {
    // Magic number; no flags; a window of 8 MiB. Block: last, type 1 (run length), length.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3];
    for number in 1..=blocks {
        let header = u32::from(number == blocks) | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame.into()
}

const EACH: [(&str, &str); 6] =
    [("gzip", GZIP), ("x-gzip", GZIP), ("deflate", ZLIB), ("deflate", RAW_DEFLATE), ("br", BROTLI), ("zstd", ZSTD)];

#[test]
fn each_coding_is_undone() {
    for (name, hex) in EACH {
        assert_eq!(decoded(name, &coded(hex)).unwrap(), DOCUMENT, "{name}");
        assert_eq!(decoded(&name.to_uppercase(), &coded(hex)).unwrap(), DOCUMENT, "{name}");
    }
    assert_eq!(decoded("br", &coded(LIST_BROTLI)).unwrap(), list());
    assert_eq!(decoded("zstd", &coded(LIST_ZSTD)).unwrap(), list());
    assert_eq!(decoded("gzip", &gzipped(list().as_bytes())).unwrap(), list());
}

#[test]
fn what_names_no_coding_leaves_the_body_alone() {
    for value in ["", "identity", "Identity", " , ", "UTF-8", "utf8"] {
        assert!(codings(value).unwrap().is_empty(), "{value:?}");
    }
    assert!(ContentCodings::of_headers(&[("content-type".to_owned(), b"gzip".to_vec())]).unwrap().is_empty());
}

#[test]
fn several_codings_are_undone_from_the_last_to_the_first() {
    let twice = gzipped(&coded(BROTLI));
    assert_eq!(decoded("br, gzip", &twice).unwrap(), DOCUMENT);
    assert_eq!(decoded("identity,br ,\tGZIP", &twice).unwrap(), DOCUMENT);
    assert!(matches!(decoded("gzip, br", &twice), Err(CodingError::Undecodable("br", _))));
    let headers = ["Content-Encoding", "content-encoding"].into_iter().zip(["br", "gzip"]);
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
    let both = ContentCodings::of_headers(&headers).unwrap();
    assert_eq!((both.decode(&twice, MIB).unwrap(), both.to_string()), (DOCUMENT.into(), "br, gzip".to_owned()));
    assert_eq!(codings("gzip, gzip, gzip, gzip"), Err(CodingError::TooMany(4)));
}

#[test]
fn unknown_codings_are_named() {
    for name in ["compress", "x-compress", "lzma", "aws-chunked", "gzip;q=1", "\u{1b}[31m"] {
        assert_eq!(codings(name), Err(CodingError::Unknown(name.to_owned())));
    }
    let Err(CodingError::Unknown(name)) = codings(&format!("gzip, {}", "x".repeat(5_000))) else { panic!() };
    assert_eq!(name.len(), NAME_CHARACTERS_MAX);
}

#[test]
fn an_empty_body_is_decoded_whatever_the_header_says() {
    for name in ["gzip", "deflate", "br", "zstd", "br, gzip"] {
        assert_eq!(decoded(name, &Bytes::new()).unwrap(), "", "{name}");
    }
}

#[test]
fn incomplete_damaged_and_lengthened_bodies_are_refused() {
    for (name, hex) in EACH {
        let whole = coded(hex);
        for length in 1..whole.len() {
            let cut = decoded(name, &whole.slice(..length));
            assert!(matches!(cut, Err(CodingError::Undecodable(..))), "{name}, {length} bytes: {cut:?}");
        }
        for surplus in ["x", "\0", "\0\0\0\0\0\0\0\0", DOCUMENT] {
            let longer = decoded(name, &[&whole[..], surplus.as_bytes()].concat().into());
            assert!(matches!(longer, Err(CodingError::Undecodable(..))), "{name} and {surplus:?}: {longer:?}");
        }
        let plain = decoded(name, &DOCUMENT.into());
        assert!(matches!(plain, Err(CodingError::Undecodable(..))), "{name}: {plain:?}");
    }
}

/// What a checksum covers.
#[test]
fn a_wrong_checksum_or_length_is_noticed() {
    for (name, hex, at) in [("gzip", GZIP, 50), ("gzip", GZIP, 54), ("deflate", ZLIB, 44), ("zstd", ZSTD, 46)] {
        let mut damaged = coded(hex).to_vec();
        damaged[at] ^= 1;
        assert!(matches!(decoded(name, &damaged.into()), Err(CodingError::Undecodable(..))), "{name}, byte {at}");
    }
}

#[test]
fn members_and_frames_in_a_row_are_one_body() {
    for (name, hex) in [("gzip", GZIP), ("zstd", ZSTD)] {
        let member = coded(hex);
        assert_eq!(decoded(name, &member.repeat(3).into()).unwrap(), DOCUMENT.repeat(3), "{name}");
        let many = decoded(name, &member.repeat(1_001).into());
        assert!(matches!(many, Err(CodingError::Undecodable(..))), "{name}: {many:?}");
    }
    // A frame to be skipped (RFC 8878, section 3.1.2), and one that ends early.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7][..], &coded(ZSTD)].concat();
    assert_eq!(decoded("zstd", &skipped.into()).unwrap(), DOCUMENT);
    let cut = decoded("zstd", &vec![0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 7].into());
    assert!(matches!(cut, Err(CodingError::Undecodable(..))), "{cut:?}");
}

#[test]
fn bombs_are_refused_by_ratio_and_by_size() {
    let zeros = vec![0; 10 << 20];
    let deflated = {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&zeros).unwrap();
        Bytes::from(encoder.finish().unwrap())
    };
    let bombs = [
        ("gzip", gzipped(&zeros)),
        ("deflate", deflated),
        ("br", coded(BROTLI_BOMB)),
        ("zstd", zstd_bomb(80)),
        ("gzip, gzip", gzipped(&gzipped(&zeros))),
    ];
    for (name, bomb) in bombs {
        let received = bomb.len() as u64;
        let most = (received * DECODED_RATIO_MAX).max(DECODED_SMALL_BYTES);
        let by_ratio = codings(name).unwrap().decode(&bomb, u64::MAX);
        assert_eq!(by_ratio, Err(CodingError::TooLarge { received, most }), "{name}");
        let by_size = codings(name).unwrap().decode(&bomb, 1_000);
        assert_eq!(by_size, Err(CodingError::TooLarge { received, most: 1_000 }), "{name}");
    }
}

#[test]
fn the_limit_itself_is_allowed() {
    let text = list();
    for (name, body) in [
        ("gzip", gzipped(text.as_bytes())),
        ("br", coded(LIST_BROTLI)),
        ("zstd", coded(LIST_ZSTD)),
        ("gzip, gzip", gzipped(&gzipped(text.as_bytes()))),
    ] {
        let limit = text.len() as u64;
        assert_eq!(codings(name).unwrap().decode(&body, limit).unwrap(), text, "{name}");
        let over = codings(name).unwrap().decode(&body, limit - 1);
        assert!(matches!(over, Err(CodingError::TooLarge { .. })), "{name}: {over:?}");
    }
    // Small bodies have no ratio.
    let blanks = vec![b' '; DECODED_SMALL_BYTES as usize];
    assert_eq!(decoded("gzip", &gzipped(&blanks)).unwrap().len(), blanks.len());
}

/// RFC 9659: 8 MiB are the most that a decoder has to have.
#[test]
fn a_window_beyond_the_bound_is_refused() {
    let mut frame = zstd_bomb(1).to_vec();
    frame[5] = 14 << 3;
    assert!(matches!(decoded("zstd", &frame.into()), Err(CodingError::Undecodable("zstd", _))));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>, name in "(gzip|deflate|br|zstd)(, (gzip|deflate|br|zstd))?") {
        if let Ok(body) = decoded(&name, &bytes.into()) {
            proptest::prop_assert!(body.len() as u64 <= MIB);
        }
    }

    #[test]
    fn damaged_bodies_do_no_harm(at in 0..400usize, bit in 0..8u32) {
        for (name, hex) in EACH.into_iter().chain([("br", LIST_BROTLI), ("zstd", LIST_ZSTD)]) {
            let mut body = coded(hex).to_vec();
            let length = body.len();
            body[at % length] ^= 1 << bit;
            if let Ok(body) = decoded(name, &body.into()) {
                proptest::prop_assert!(body.len() as u64 <= MIB);
            }
        }
    }
}
