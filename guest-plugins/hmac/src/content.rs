//! The signed content: a template such as `{timestamp}.{body}`, filled from a delivery.

use std::rc::Rc;

use hookgate_plugin_sdk::{Delivery, Part, Refusal, answer::forged};

use crate::{
    body::BodyAs,
    digest,
    encoding::TagEncoding,
    format::Proof,
    place::{Path, Place, Reader},
    template::{self, Token},
};

/// A template of signed content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Body,
    Remade(BodyAs),
    Timestamp,
    Id,
    AppId,
    Secret,
    Method,
    Url(UrlPart),
    At(Place),
    Field(String),
    Covered(String),
    Optional(Vec<Piece>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UrlPart {
    Whole,
    Host,
    Path,
    Query,
}

/// What a template is filled from.
pub struct Filling<'a> {
    /// The delivery.
    pub reader: &'a Reader<'a>,
    /// What the signature's value has told.
    pub proof: &'a Proof,
    /// Whether every delivery has a timestamp.
    pub timed: bool,
    /// Where the timestamp stands, if not beside the signature.
    pub timestamp: Option<&'a Path>,
    /// Where the event's id stands.
    pub id: Option<&'a Path>,
    /// `settings.app-id`.
    pub app_id: Option<&'a str>,
    /// In place of the delivery's body, when an example is being signed.
    pub body: Option<&'a [u8]>,
}

/// A stretch of filled content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// Bytes.
    Bytes(Vec<u8>),
    /// What was made of the body.
    Remade(Rc<str>),
    /// The delivery's body, where it lies.
    Body,
    /// The secret's bytes.
    Secret,
}

/// As the host takes it.
pub fn parts(stretches: &[Stretch]) -> Vec<Part<'_>> {
    fn part(stretch: &Stretch) -> Part<'_> {
        match stretch {
            Stretch::Bytes(bytes) => Part::Bytes(bytes),
            Stretch::Remade(text) => Part::Bytes(text.as_bytes()),
            Stretch::Body => Part::Body,
            Stretch::Secret => Part::Secret,
        }
    }
    stretches.iter().map(part).collect()
}

/// The first bytes of it, without the secret's.
pub fn beginning(stretches: &[Stretch], delivery: &Delivery, length: usize) -> Vec<u8> {
    let mut beginning = Vec::new();
    for stretch in stretches {
        let left = length - beginning.len();
        match stretch {
            Stretch::Bytes(bytes) => beginning.extend(bytes.iter().take(left)),
            Stretch::Remade(text) => beginning.extend(text.bytes().take(left)),
            Stretch::Body => beginning.extend(delivery.body(0, left as u64)),
            Stretch::Secret => (),
        }
    }
    beginning
}

impl Content {
    /// Reads a template.
    ///
    /// # Errors
    /// In words, with the slots that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Content(pieces(template::parse(text)?)?))
    }

    /// Whether the timestamp is signed: by its slot, or with what it stands in.
    pub fn has_timestamp(&self, path: Option<&Path>) -> bool {
        let holds = |place: &Place| {
            self.any(&|piece| match piece {
                Piece::Timestamp => true,
                Piece::At(at) => at == place,
                Piece::Url(UrlPart::Whole | UrlPart::Query) => matches!(place, Place::Query(_)),
                Piece::Body | Piece::Remade(_) => matches!(place, Place::Json(_) | Place::Form(_)),
                _ => false,
            })
        };
        match path {
            Some(path) => path.places().all(holds),
            None => self.any(&|piece| *piece == Piece::Timestamp),
        }
    }

    /// Whether it holds the secret, as plain digests must.
    pub fn has_secret(&self) -> bool {
        self.any(&|piece| *piece == Piece::Secret)
    }

    /// Whether the body enters it as something else, which only the host can make of the delivery's own.
    pub fn remakes_body(&self) -> bool {
        self.any(&|piece| matches!(piece, Piece::Remade(_)))
    }

    /// Whether the whole query is signed, whatever else is.
    pub fn holds_query(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Url(UrlPart::Whole | UrlPart::Query)))
    }

    /// Whether it holds a field beside the signature, or the headers that it names.
    pub fn holds_field(&self, field: &str) -> bool {
        self.any(&|piece| matches!(piece, Piece::Field(name) | Piece::Covered(name) if name == field))
    }

    /// What stands between the id and a timestamp behind it.
    pub fn between_id_and_timestamp(&self) -> Option<&str> {
        let pieces = self.flat();
        let behind_id = pieces.iter().position(|piece| **piece == Piece::Id)? + 1;
        match pieces.get(behind_id..)? {
            [Piece::Timestamp, ..] => Some(""),
            [Piece::Text(between), Piece::Timestamp, ..] => Some(between),
            _ => None,
        }
    }

    /// A value right behind the body, and what stands between.
    pub fn behind_body(&self) -> Option<(&str, &Place)> {
        let pieces = self.flat();
        let behind_body = pieces.iter().position(|piece| **piece == Piece::Body)? + 1;
        match pieces.get(behind_body..)? {
            [Piece::Text(between), Piece::At(place), ..] => Some((between, place)),
            _ => None,
        }
    }

    /// Whether it holds the headers that a field beside the signature names.
    pub fn covers(&self, field: &str) -> bool {
        self.any(&|piece| matches!(piece, Piece::Covered(name) if name == field))
    }

    /// The headers it names.
    pub fn headers(&self) -> Vec<&str> {
        self.flat()
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::At(Place::Header(name)) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    fn any(&self, holds: &dyn Fn(&Piece) -> bool) -> bool {
        self.flat().into_iter().any(holds)
    }

    fn flat(&self) -> Vec<&Piece> {
        self.0
            .iter()
            .flat_map(|piece| match piece {
                Piece::Optional(pieces) => pieces.iter().collect(),
                piece => vec![piece],
            })
            .collect()
    }

    /// The content of a delivery.
    ///
    /// # Errors
    /// Unauthenticated: a slot that is not optional has no value. Malformed: a value cannot be read.
    pub fn fill(&self, filling: &Filling<'_>) -> Result<Vec<Stretch>, Refusal> {
        let mut stretches = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Optional(pieces) => {
                    let whole: Option<Vec<Stretch>> =
                        pieces.iter().map(|piece| filling.stretch(piece)).collect::<Result<_, _>>()?;
                    // Without its timestamp a delivery could be an old one, whose timestamp has become part of the body.
                    if whole.is_none() && filling.timed && pieces.iter().any(|piece| filling.is_timestamp(piece)) {
                        return Err(missing(&Piece::Timestamp));
                    }
                    whole.into_iter().flatten().for_each(|stretch| push(&mut stretches, stretch));
                }
                piece => match filling.stretch(piece)? {
                    Some(stretch) => push(&mut stretches, stretch),
                    None => return Err(missing(piece)),
                },
            }
        }
        Ok(stretches)
    }
}

fn missing(piece: &Piece) -> Refusal {
    forged(&format!("the delivery has no {}, which is signed", piece.describe()))
}

fn push(stretches: &mut Vec<Stretch>, stretch: Stretch) {
    match (stretches.last_mut(), stretch) {
        (Some(Stretch::Bytes(bytes)), Stretch::Bytes(more)) => bytes.extend(more),
        (_, stretch) => stretches.push(stretch),
    }
}

impl Piece {
    fn describe(&self) -> String {
        match self {
            Piece::Timestamp => "timestamp".to_owned(),
            Piece::Id => "id".to_owned(),
            Piece::At(place) => place.describe(),
            Piece::Field(name) => format!("{name} beside the signature"),
            Piece::Covered(name) => format!("header named in {name} beside the signature"),
            other => format!("{other:?}"),
        }
    }
}

impl Filling<'_> {
    fn stretch(&self, piece: &Piece) -> Result<Option<Stretch>, Refusal> {
        let text = match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Body => {
                return Ok(Some(self.body.map_or(Stretch::Body, |body| Stretch::Bytes(body.to_vec()))));
            }
            Piece::Secret => return Ok(Some(Stretch::Secret)),
            Piece::Remade(as_) => return Ok(Some(Stretch::Remade(self.reader.remade(*as_)))),
            Piece::Timestamp => self.timestamp()?,
            Piece::Id => match self.id {
                Some(_) => self.id()?,
                None => return Err(Refusal::Misconfigured("settings.id is not set, and {id} is signed".into())),
            },
            Piece::AppId => match self.app_id {
                Some(id) => Some(id.to_owned()),
                None => {
                    return Err(Refusal::Misconfigured("settings.app-id is not set, and {app-id} is signed".into()));
                }
            },
            Piece::Method => Some(self.reader.delivery.method()),
            Piece::Url(part) => Some(part.of(&self.reader.delivery.url())),
            Piece::At(place) => self.reader.text(place)?,
            Piece::Field(name) => self.field(name).map(str::to_owned),
            Piece::Covered(name) => match self.field(name) {
                Some(names) => Some(self.covered(names)?),
                None => None,
            },
            Piece::Optional(_) => None,
        };
        Ok(text.map(|text| Stretch::Bytes(text.into_bytes())))
    }

    fn is_timestamp(&self, piece: &Piece) -> bool {
        let stands_at = |at: &Place| self.timestamp.is_some_and(|path| path.places().any(|place| place == at));
        matches!(piece, Piece::Timestamp) || matches!(piece, Piece::At(at) if stands_at(at))
    }

    /// As the provider wrote it.
    ///
    /// # Errors
    /// Malformed: it cannot be read.
    pub fn timestamp(&self) -> Result<Option<String>, Refusal> {
        match (&self.proof.timestamp, self.timestamp) {
            (Some(timestamp), _) => Ok(Some(timestamp.clone())),
            (None, Some(path)) => path.value(|place| self.reader.text(place)),
            (None, None) => Ok(None),
        }
    }

    /// The id that is signed.
    ///
    /// # Errors
    /// Malformed: it cannot be read.
    pub fn id(&self) -> Result<Option<String>, Refusal> {
        self.id.map_or(Ok(None), |path| path.value(|place| self.reader.text(place)))
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.proof.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The values of headers that are named with blanks between them, joined by dots.
    fn covered(&self, names: &str) -> Result<String, Refusal> {
        let value = |name: &str| match Place::parse(&format!("header:{name}")) {
            // A name with a dot could be one without, and the beginning of the first value.
            Ok(place) if !name.contains('.') => {
                self.reader.text(&place)?.ok_or_else(|| forged(&format!("no header {name}, which is signed")))
            }
            _ => Err(forged("the signature covers a header that cannot be")),
        };
        Ok(names.split_whitespace().map(value).collect::<Result<Vec<_>, _>>()?.join("."))
    }
}

impl UrlPart {
    fn of(self, url: &str) -> String {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let after_scheme = base.split_once("://").map_or(base, |(_, rest)| rest);
        let (host, path) = after_scheme.split_at(after_scheme.find('/').unwrap_or(after_scheme.len()));
        match self {
            UrlPart::Whole => url,
            UrlPart::Host => host,
            UrlPart::Path => path,
            UrlPart::Query => query,
        }
        .to_owned()
    }
}

fn pieces(tokens: Vec<Token>) -> Result<Vec<Piece>, String> {
    tokens
        .into_iter()
        .map(|token| match token {
            Token::Text(text) => Ok(Piece::Text(text)),
            Token::Slot(name) => slot(&name),
            Token::Optional(tokens) => Ok(Piece::Optional(pieces(tokens)?)),
        })
        .collect()
}

const SLOTS: &str = "{body}, {body:DIGEST:ENCODING}, {body:json}, {body:escaped}, {timestamp}, {id}, {app-id}, {secret}, \
                     {method}, {url}, {host}, {path}, {query}, {header:NAME}, {query:NAME}, {json:/POINTER}, {form:NAME}, \
                     {field:NAME}, {covered:NAME}";

fn slot(name: &str) -> Result<Piece, String> {
    let (kind, rest) = name.split_once(':').map_or((name, None), |(kind, rest)| (kind, Some(rest)));
    match (kind, rest) {
        ("body", None) => Ok(Piece::Body),
        ("body", Some("json")) => Ok(Piece::Remade(BodyAs::JsonString)),
        ("body", Some("escaped")) => Ok(Piece::Remade(BodyAs::Escaped)),
        ("body", Some(rest)) => {
            let (digest, encoding) = rest.split_once(':').unwrap_or((rest, "hex"));
            Ok(Piece::Remade(BodyAs::Digest(digest::parse(digest)?, TagEncoding::parse(encoding)?)))
        }
        ("timestamp", None) => Ok(Piece::Timestamp),
        ("id", None) => Ok(Piece::Id),
        ("app-id", None) => Ok(Piece::AppId),
        ("secret", None) => Ok(Piece::Secret),
        ("method", None) => Ok(Piece::Method),
        ("url", None) => Ok(Piece::Url(UrlPart::Whole)),
        ("host", None) => Ok(Piece::Url(UrlPart::Host)),
        ("path", None) => Ok(Piece::Url(UrlPart::Path)),
        ("query", None) => Ok(Piece::Url(UrlPart::Query)),
        ("header" | "query" | "json" | "form", Some(_)) => Place::parse(name).map(Piece::At),
        ("field", Some(field)) => Ok(Piece::Field(field.to_owned())),
        ("covered", Some(field)) => Ok(Piece::Covered(field.to_owned())),
        _ => Err(format!("{{{name}}} is no slot of signed content: write one of {SLOTS}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hookgate_capabilities::Request;
    use hookgate_conformance::native::{self, Source};
    use proptest::prelude::*;

    use super::*;

    /// The content of a delivery with the header `x-a: 1`, the query `?q=2` and a JSON body.
    fn filled(template: &str, proof: &Proof) -> Result<String, Refusal> {
        let request = Request {
            url: "https://h.example/p?q=2".into(),
            headers: vec![("x-a".into(), b"1".to_vec()), ("x-b".into(), b"b".to_vec())],
            ..native::request(r#"{"k":"é/","n":7}"#)
        };
        let delivery = Source::of(&[], &[]).delivery(&request);
        let reader = Reader::new(&delivery);
        let filling = Filling {
            reader: &reader,
            proof,
            timed: false,
            timestamp: None,
            id: None,
            app_id: Some("app"),
            body: None,
        };
        let stretches = Content::parse(template).unwrap().fill(&filling)?;
        let text = |stretch: &Stretch| match stretch {
            Stretch::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            Stretch::Remade(text) => text.to_string(),
            Stretch::Body => "<BODY>".to_owned(),
            Stretch::Secret => "<SECRET>".to_owned(),
        };
        Ok(stretches.iter().map(text).collect())
    }

    #[test]
    fn every_slot_is_filled() {
        let proof = Proof {
            timestamp: Some("17".into()),
            fields: vec![("env".into(), "main".into()), ("h".into(), "x-b x-a".into())],
            ..Proof::default()
        };
        for (template, content) in [
            ("v0:{timestamp}:{body}", "v0:17:<BODY>"),
            ("[[{timestamp};{body}]]", "[17;<BODY>]"),
            ("{header:X-A}.{query:q}.{json:/n}", "1.2.7"),
            ("{method} {url}", "POST https://h.example/p?q=2"),
            ("{host}{path}?{query}", "h.example/p?q=2"),
            ("{field:env}/{covered:h}/{app-id}", "main/b.1/app"),
            ("{secret}{body}{secret}", "<SECRET><BODY><SECRET>"),
            ("{body:json}", r#""{\"k\":\"é/\",\"n\":7}""#),
            ("{body:escaped}", r#"{"k":"\u00e9\/","n":7}"#),
            ("{body:md5}", "61e7d015235fe184c09060e90814e361"),
            ("[{header:x-none}:]{body}[:{header:x-a}]", "<BODY>:1"),
        ] {
            assert_eq!(filled(template, &proof).unwrap(), content, "{template}");
        }
    }

    #[test]
    fn what_is_signed_but_not_there_is_refused() {
        for template in ["{timestamp}", "{header:x-none}", "{query:x}", "{json:/x}", "{field:x}", "{covered:x}"] {
            let refusal = filled(template, &Proof::default());
            assert!(matches!(refusal, Err(Refusal::Unauthenticated(_))), "{template}: {refusal:?}");
        }
        let proof = Proof { fields: vec![("h".into(), "x-none".into())], ..Proof::default() };
        assert!(filled("[{covered:h}]", &proof).is_err(), "a covered header must be there");
    }

    #[test]
    fn what_stands_behind_the_id_is_told() {
        for (template, between) in [
            ("{id}.{timestamp}.{body}", Some(".")),
            ("v1:{id}:{timestamp}:{body}", Some(":")),
            ("{id}{timestamp}{body}", Some("")),
            ("[{id}.{timestamp}.]{body}", Some(".")),
            ("{id}.{body}.{timestamp}", None),
            ("{timestamp}.{id}.{body}", None),
            ("{body}", None),
        ] {
            assert_eq!(Content::parse(template).unwrap().between_id_and_timestamp(), between, "{template}");
        }
    }

    #[test]
    fn what_stands_behind_the_body_is_told() {
        let nonce = Place::Header("x-nonce".to_owned());
        for (template, behind) in [
            ("{body}.{header:x-nonce}.{timestamp}", Some((".", &nonce))),
            ("{body}{header:x-nonce}", None),
            ("{body}.{timestamp}", None),
            ("{header:x-nonce}.{body}", None),
        ] {
            assert_eq!(Content::parse(template).unwrap().behind_body(), behind, "{template}");
        }
    }

    #[test]
    fn what_is_no_slot_is_refused() {
        for template in ["{foo}", "{body:sha3}", "{body:md5:base32}", "{json:a}", "{header:}", "{timestamp:x}", "{"] {
            assert!(Content::parse(template).is_err(), "{template}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = Content::parse(&text);
        }
    }
}
