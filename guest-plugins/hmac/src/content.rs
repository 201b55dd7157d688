//! The signed content: a template such as `{timestamp}.{body}`, filled from a delivery.

use std::rc::Rc;

use hookgate_known_providers::template::{self, Token};
use hookgate_plugin_sdk::{Refusal, answer::forged};

use crate::{
    body::BodyAs,
    border::ValueKind,
    digest,
    encoding::TagEncoding,
    filled::{Filled, Role, Stretch},
    format::Proof,
    moment::Unit,
    place::{Path, Place, Reader},
    url::{UrlForm, UrlPart},
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

/// What a template is filled from.
pub struct Filling<'a> {
    /// The delivery.
    pub reader: &'a Reader<'a>,
    /// The values found in the signature header.
    pub proof: &'a Proof,
    /// Whether every delivery has a timestamp.
    pub timed: bool,
    /// Where the timestamp stands, if not beside the signature.
    pub timestamp: Option<&'a Path>,
    /// How it is written.
    pub unit: Unit,
    /// How the URL stands in the content.
    pub url_form: UrlForm,
    /// Where the event's id stands.
    pub id: Option<&'a Path>,
    /// Where the kind of the event stands.
    pub kind: Option<&'a Path>,
    /// `settings.app-id`.
    pub app_id: Option<&'a str>,
    /// In place of the delivery's body, when an example is being signed.
    pub body: Option<&'a [u8]>,
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

    /// Whether the body's digest enters it, which only the host can make, of the delivery's own.
    pub fn digests_body(&self) -> bool {
        self.any(&|piece| matches!(piece, Piece::Remade(BodyAs::Digest(..))))
    }

    /// Whether the whole query is signed, among other things.
    pub fn holds_query(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Url(UrlPart::Whole | UrlPart::Query)))
    }

    /// Whether it holds a field beside the signature, or the headers that it names.
    pub fn holds_field(&self, field: &str) -> bool {
        self.any(&|piece| matches!(piece, Piece::Field(name) | Piece::Covered(name) if name == field))
    }

    /// Whether it holds the URL or a part of it, which providers sign in several forms.
    pub fn holds_url(&self) -> bool {
        self.any(&|piece| matches!(piece, Piece::Url(UrlPart::Whole | UrlPart::Path | UrlPart::Query)))
    }

    /// Whether it holds the headers that a field beside the signature names.
    pub fn covers(&self, field: &str) -> bool {
        self.any(&|piece| matches!(piece, Piece::Covered(name) if name == field))
    }

    /// Whether the names of the headers that a piece covers are signed as well. Otherwise their number is unknown.
    fn signs_names_of(&self, piece: &Piece) -> bool {
        match piece {
            Piece::Covered(name) => self.0.contains(&Piece::Field(name.clone())),
            _ => true,
        }
    }

    /// Whether it holds headers that are named beside the signature.
    pub fn covers_any(&self) -> bool {
        self.any(&|piece| matches!(piece, Piece::Covered(_)))
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

    /// The content of a delivery. A part in brackets is left out where a slot in it has no value or an empty one.
    ///
    /// # Errors
    /// Unauthenticated: a slot that is not optional has no value. Malformed: a value cannot be read.
    pub fn fill(&self, filling: &Filling<'_>) -> Result<Vec<Filled>, Refusal> {
        let mut filled = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Optional(pieces) => {
                    filled.extend(filling.optional(pieces)?.into_iter().map(Filled::without_known_name));
                }
                piece => match filling.filled(piece)? {
                    Some(pieces) if self.signs_names_of(piece) => filled.extend(pieces),
                    Some(pieces) => filled.extend(pieces.into_iter().map(Filled::without_known_name)),
                    None => return Err(missing(piece)),
                },
            }
        }
        Ok(filled)
    }
}

fn missing(piece: &Piece) -> Refusal {
    forged(&format!("the delivery has no {}, which is signed", piece.describe()))
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
    /// A part in brackets: what it is filled with, or the mark that it is left out.
    fn optional(&self, pieces: &[Piece]) -> Result<Vec<Filled>, Refusal> {
        let filled: Option<Vec<Vec<Filled>>> = pieces
            .iter()
            .map(|piece| Ok(self.filled(piece)?.filter(|filled| has_value(filled))))
            .collect::<Result<_, Refusal>>()?;
        if let Some(filled) = filled {
            return Ok(filled.concat());
        }
        if pieces.iter().any(|piece| self.is_timestamp(piece)) {
            // Without its timestamp a delivery could be an old one, whose timestamp has become part of the body.
            return if self.timed { Err(missing(&Piece::Timestamp)) } else { Ok(Vec::new()) };
        }
        let begins_with = match pieces.first() {
            Some(Piece::Text(text)) => text.clone().into_bytes(),
            _ => Vec::new(),
        };
        Ok(vec![Filled { stretch: Stretch::Bytes(begins_with), role: Role::LeftOut }])
    }

    /// What a piece is filled with; none where it has no value.
    fn filled(&self, piece: &Piece) -> Result<Option<Vec<Filled>>, Refusal> {
        if let Piece::Covered(name) = piece {
            return self.field(name).map(|names| self.covered(names)).transpose();
        }
        let role = self.role(piece);
        Ok(self.stretch(piece)?.map(|stretch| vec![Filled { stretch, role }]))
    }

    fn role(&self, piece: &Piece) -> Role {
        match piece {
            Piece::Text(_) | Piece::AppId | Piece::Optional(_) => Role::Fixed,
            Piece::Secret => Role::Secret,
            Piece::Body | Piece::Remade(BodyAs::JsonString | BodyAs::Escaped) => Role::Body,
            Piece::Remade(BodyAs::Digest(..)) => Role::Value(ValueKind::Digest),
            Piece::Method => Role::Value(ValueKind::Method),
            Piece::Url(_) => Role::Value(ValueKind::Url),
            piece if self.is_timestamp(piece) => Role::Value(ValueKind::Timestamp(self.unit)),
            Piece::Timestamp | Piece::Id | Piece::At(_) | Piece::Field(_) | Piece::Covered(_) => {
                Role::Value(ValueKind::Other)
            }
        }
    }

    fn stretch(&self, piece: &Piece) -> Result<Option<Stretch>, Refusal> {
        let text = match piece {
            Piece::Text(text) => Some(text.clone()),
            Piece::Body => {
                return Ok(Some(self.body.map_or(Stretch::Body, |body| Stretch::Bytes(body.to_vec()))));
            }
            Piece::Secret => return Ok(Some(Stretch::Secret)),
            Piece::Remade(as_) => {
                let example = self.body.and_then(|body| as_.of_bytes(body));
                return Ok(Some(Stretch::Remade(example.map_or_else(|| self.reader.remade(*as_), Rc::from))));
            }
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
            Piece::Url(part) => Some(self.url_form.of(*part, &self.reader.delivery.url())),
            Piece::At(place) => self.reader.text(place)?,
            Piece::Field(name) => self.field(name).map(str::to_owned),
            Piece::Covered(_) | Piece::Optional(_) => None,
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
    fn covered(&self, names: &str) -> Result<Vec<Filled>, Refusal> {
        let mut filled = Vec::new();
        for name in names.split_whitespace() {
            // A name with a dot could be one without, and the beginning of the first value.
            let place = Place::parse(&format!("header:{name}")).ok().filter(|_| !name.contains('.'));
            let place = place.ok_or_else(|| forged("the signature covers a header that cannot be"))?;
            let value =
                self.reader.text(&place)?.ok_or_else(|| forged(&format!("no header {name}, which is signed")))?;
            if !filled.is_empty() {
                filled.push(Filled { stretch: Stretch::Bytes(b".".to_vec()), role: Role::Fixed });
            }
            let names_kind = self.kind.is_some_and(|path| path.places().any(|at| *at == place));
            let kind = if names_kind { ValueKind::EventType } else { ValueKind::Covered };
            filled.push(Filled { stretch: Stretch::Bytes(value.into_bytes()), role: Role::Value(kind) });
        }
        Ok(filled)
    }
}

/// Whether anything stands there: an empty value is as good as none, an empty body is a body.
fn has_value(filled: &[Filled]) -> bool {
    filled.iter().any(|filled| match (&filled.role, &filled.stretch) {
        (Role::Value(_), Stretch::Bytes(bytes)) => !bytes.is_empty(),
        _ => true,
    })
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
        _ => Err(format!("{{{name}}} is not a slot of signed content: write one of {SLOTS}")),
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
            unit: Unit::Auto,
            url_form: UrlForm::Wire,
            id: None,
            kind: None,
            app_id: Some("app"),
            body: None,
        };
        let stretches = crate::filled::stretches(Content::parse(template).unwrap().fill(&filling)?);
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
