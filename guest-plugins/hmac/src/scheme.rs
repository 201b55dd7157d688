//! How a provider signs, read from the settings once for each delivery, and the check of a delivery against it.

use hookgate_plugin_sdk::{Delivery, Digest, Encoding, Refusal, Secret, answer::forged, encoding::from_base64};

use crate::{
    challenge,
    content::{Content, Filling},
    digest,
    encoding::TagEncoding,
    filled,
    format::{Format, Lists, Proof},
    key::KeyForm,
    moment::{Unit, Window},
    place::{Path, Place, Reader},
    settings::{Settings, wrong},
    url::{UrlForm, UrlPart},
};

/// What makes a delivery authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An HMAC (RFC 2104) over the content.
    Hmac,
    /// A plain digest of a content that holds the secret.
    Digest,
    /// The secret itself, where the signature would stand. It binds nothing.
    Token,
    /// The secret as `user:password` of HTTP basic authentication. It binds nothing.
    Basic,
}

/// How a provider signs.
pub struct Scheme {
    /// What makes a delivery authentic.
    pub kind: Kind,
    /// Where signatures may stand.
    pub signatures: Vec<Place>,
    /// The digests that may be used, each with what a signature of it looks like; the first is signed with.
    pub formats: Vec<(Digest, Format)>,
    /// How a signature stands in text.
    pub encoding: TagEncoding,
    /// How the operator's text becomes the key.
    pub key: KeyForm,
    /// What may be signed; the first is signed with.
    pub contents: Vec<Content>,
    /// How the URL may stand in it; the first is signed with.
    pub url_forms: Vec<UrlForm>,
    /// Where the timestamp stands, if not beside the signature.
    pub timestamp: Option<Path>,
    /// How the timestamp is written.
    pub unit: Unit,
    /// How old or new it may be.
    pub window: Window,
    /// Where the event's id stands.
    pub id: Option<Path>,
    /// Where the kind of the event stands.
    pub kind_path: Option<Path>,
    /// What `{app-id}` stands for.
    pub app_id: Option<String>,
    /// Whether handshakes are answered with a signature, of what a stranger may have chosen.
    pub signs_challenges: bool,
}

/// Checks of a signature against a key and content in one delivery; each is a pass over the body.
const TRIED_MAX: usize = 32;

/// As [`TRIED_MAX`], where each of many keys has a numbered header of its own: DocuSign has up to 100.
const TRIED_MAX_NUMBERED: usize = 128;

/// Bytes in which the names of covered headers are looked for.
const NAMES_MAX: u64 = 1024;

/// Seconds that a signature lives where nothing is said.
const TOLERANCE: &str = "300";

impl Scheme {
    /// Reads the settings.
    ///
    /// # Errors
    /// Misconfigured: one of them makes no sense; the text says what to write.
    pub fn of(settings: &Settings<'_>) -> Result<Self, Refusal> {
        let kind = settings.parsed_or("scheme", "hmac", kind)?;
        let scheme = Scheme {
            kind,
            signatures: settings.list("signature", default_place(kind), signature_place)?,
            formats: formats(settings, kind)?,
            encoding: settings.parsed_or("encoding", "hex", TagEncoding::parse)?,
            key: settings.parsed_or("key", "utf8", KeyForm::parse)?,
            contents: settings.list("content", "{body}", Content::parse)?,
            url_forms: url_forms(settings)?,
            timestamp: settings.parsed("timestamp", Path::parse)?,
            unit: settings.parsed_or("timestamp-unit", "auto", Unit::parse)?,
            window: Window { past: 0, future: None },
            id: settings.parsed("id", Path::parse)?,
            kind_path: settings.parsed("kind", Path::parse)?,
            app_id: settings.get("app-id"),
            signs_challenges: kind == Kind::Hmac && challenge::is_signed(settings)?,
        };
        let window = if scheme.has_timestamp() { window(settings)? } else { scheme.window };
        let scheme = Scheme { window, ..scheme };
        scheme.check_timestamp_is_signed()?;
        scheme.check_secret_is_signed()?;
        Ok(scheme)
    }

    fn has_timestamp(&self) -> bool {
        self.timestamp.is_some() || self.formats.iter().any(|(_, format)| format.has_timestamp())
    }

    /// Whether an authentic delivery's query is the provider's: a token binds nothing, a signature only what it covers.
    pub fn vouches_for_query(&self) -> bool {
        matches!(self.kind, Kind::Token | Kind::Basic) || self.contents.iter().all(Content::holds_query)
    }

    /// An unsigned timestamp can be replaced by a sender that replays an old delivery.
    fn check_timestamp_is_signed(&self) -> Result<(), Refusal> {
        let signed = || self.contents.iter().all(|content| content.has_timestamp(self.timestamp.as_ref()));
        if self.window.is_open() || matches!(self.kind, Kind::Token | Kind::Basic) || signed() {
            return Ok(());
        }
        Err(wrong(
            "content",
            "the timestamp is not signed, so its age proves nothing: write {timestamp} into it, or set \
                              tolerance to 0",
        ))
    }

    fn check_secret_is_signed(&self) -> Result<(), Refusal> {
        let problem = match (self.kind, self.contents.iter().all(Content::has_secret)) {
            (Kind::Digest, false) => "a digest proves nothing without the secret: write {secret} into it",
            (Kind::Hmac, true) => "{secret} is for scheme = \"digest\"; an HMAC has the secret as its key",
            _ => return Ok(()),
        };
        Err(wrong("content", problem))
    }

    /// Checks that a delivery is authentic and of its time, and returns the values found in its signature.
    ///
    /// # Errors
    /// Unauthenticated, stale, malformed, or misconfigured: the secret cannot be used.
    pub fn authenticate(&self, reader: &Reader<'_>) -> Result<Proof, Refusal> {
        if self.kind == Kind::Basic {
            return self.check_basic(reader.delivery);
        }
        let keys = self.key.open(reader.delivery)?;
        let mut refusal = None;
        let numbered = self.signatures.iter().any(Place::is_numbered);
        let mut left = if numbered { TRIED_MAX_NUMBERED } else { TRIED_MAX };
        for place in &self.signatures {
            for value in reader.texts(place)? {
                for look @ (_, format) in &self.formats {
                    for proof in format.read(&value) {
                        match self.fits(reader, &keys, look, &proof, &mut left) {
                            Ok(true) => return self.check_age(reader, &proof).map(|()| proof),
                            Ok(false) => refusal = Some(forged(&format!("the {} does not fit", place.describe()))),
                            Err(why) => refusal = Some(why),
                        }
                    }
                }
                refusal = refusal.or_else(|| Some(forged(&format!("the {} holds no signature", place.describe()))));
            }
        }
        let names = || self.signatures.iter().map(Place::describe).collect::<Vec<_>>().join(" or ");
        Err(refusal.unwrap_or_else(|| forged(&format!("no {}", names()))))
    }

    fn fits(
        &self,
        reader: &Reader<'_>,
        keys: &[Secret],
        (digest, format): &(Digest, Format),
        proof: &Proof,
        left: &mut usize,
    ) -> Result<bool, Refusal> {
        if self.kind == Kind::Token {
            return Ok(proof.signatures.iter().any(|(_, token)| keys.iter().any(|key| key.equals(token.as_bytes()))));
        }
        let decoded = proof.signatures.iter().filter_map(|(item, text)| Some((*item, self.encoding.decode(text)?)));
        let tags: Vec<(usize, Vec<u8>)> = decoded.filter(|(_, tag)| tag.len() == digest::length(*digest)).collect();
        if tags.is_empty() || *left == 0 {
            // A value that holds nothing counts as well: a forger can write as many as a request holds.
            return spend(left).map(|()| false);
        }
        for (at, content) in self.contents.iter().enumerate() {
            if self.could_be_covered(content, reader.delivery) {
                return Err(forged("the body begins as headers do that a stronger signature covers"));
            }
            let tags = tags.iter().filter(|(item, _)| self.may_sign(*item, at, format, proof)).map(|(_, tag)| tag);
            let pairs: Vec<_> = tags.flat_map(|tag| keys.iter().map(move |key| (tag, key))).collect();
            if pairs.is_empty() {
                continue;
            }
            for form in self.url_forms_of(content, reader.delivery) {
                let stretches = self.checked_content(content, reader, proof, form)?;
                let message = filled::parts(&stretches);
                for (tag, key) in &pairs {
                    spend(left)?;
                    let fits = match self.kind {
                        Kind::Digest => key.verify_digest(*digest, &message, tag),
                        _ => key.verify_mac(*digest, &message, tag),
                    };
                    if fits {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Whether a signature of this item of the format may be one of this content. Where there are as many contents as
    /// items, each item has its own, and fields that only other contents hold must not stand beside it: content without
    /// them, and a body that begins with them, would have the same signature.
    fn may_sign(&self, item: usize, content: usize, format: &Format, proof: &Proof) -> bool {
        if self.contents.len() == 1 || self.contents.len() != format.signatures() {
            return true;
        }
        let holds = |at: usize, field: &str| self.contents.get(at).is_some_and(|content| content.holds_field(field));
        let foreign = |field: &str| !holds(item, field) && (0..self.contents.len()).any(|at| holds(at, field));
        item == content && !proof.fields.iter().any(|(field, _)| foreign(field))
    }

    /// Whether this content, which covers no headers, could be that of another which does: of a captured delivery the names
    /// and values of its headers have then become the beginning of the body, and the stronger signature is called a weaker
    /// one. No document begins so, and other text hardly ever does.
    fn could_be_covered(&self, content: &Content, delivery: &Delivery) -> bool {
        if content.covers_any() || !self.contents.iter().any(Content::covers_any) {
            return false;
        }
        let beginning = delivery.body(0, NAMES_MAX.min(delivery.body_length()));
        if !beginning.contains(&b'.') && delivery.body_length() <= NAMES_MAX {
            return false;
        }
        let names = beginning.split(|byte| *byte == b'.').next().unwrap_or_default();
        let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let is_usual =
            |name: &[u8]| name.eq_ignore_ascii_case(b"content-type") || name.to_ascii_lowercase().starts_with(b"x-");
        let mut names = names.split(|byte| *byte == b' ').peekable();
        let mut has_usual = false;
        while let Some(name) = names.next_if(|name| !name.is_empty() && name.iter().all(is_of_name)) {
            has_usual |= is_usual(name);
        }
        has_usual && names.peek().is_none()
    }

    /// The forms in which the URL may stand in this content, each that makes a difference.
    fn url_forms_of(&self, content: &Content, delivery: &Delivery) -> Vec<UrlForm> {
        if !content.holds_url() {
            return vec![UrlForm::Wire];
        }
        let url = delivery.url();
        let mut forms: Vec<(UrlForm, String)> = Vec::new();
        for form in &self.url_forms {
            let text = form.of(UrlPart::Whole, &url);
            if forms.iter().all(|(_, known)| *known != text) {
                forms.push((*form, text));
            }
        }
        forms.into_iter().map(|(form, _)| form).collect()
    }

    /// The content that is signed, if it cannot be that of another delivery.
    fn checked_content(
        &self,
        content: &Content,
        reader: &Reader<'_>,
        proof: &Proof,
        form: UrlForm,
    ) -> Result<Vec<filled::Stretch>, Refusal> {
        let filling = Filling { url_form: form, ..self.filling(reader, proof, None) };
        let filled = content.fill(&filling)?;
        if filled::is_ambiguous(&filled, reader.delivery) {
            return Err(forged("the end of a part of the signed content is ambiguous"));
        }
        let stretches = filled::stretches(filled);
        let beginning = || filled::beginning(&stretches, reader.delivery, challenge::LENGTH_MAX + 1);
        if self.signs_challenges && challenge::could_be_signed(&beginning()) {
            return Err(forged("the signed content is such that a handshake signs it for anyone"));
        }
        Ok(stretches)
    }

    /// What the content is filled from.
    pub fn filling<'a>(&'a self, reader: &'a Reader<'a>, proof: &'a Proof, body: Option<&'a [u8]>) -> Filling<'a> {
        Filling {
            reader,
            proof,
            timed: self.has_timestamp(),
            timestamp: self.timestamp.as_ref(),
            unit: self.unit,
            url_form: self.url_forms.first().copied().unwrap_or(UrlForm::Wire),
            id: self.id.as_ref(),
            kind: self.kind_path.as_ref(),
            app_id: self.app_id.as_deref(),
            body,
        }
    }

    fn check_age(&self, reader: &Reader<'_>, proof: &Proof) -> Result<(), Refusal> {
        let Some(text) = self.filling(reader, proof, None).timestamp()? else {
            return if self.window.is_open() { Ok(()) } else { Err(forged("the delivery has no timestamp")) };
        };
        let signed_at = self.unit.read(&text).ok_or_else(|| forged(&format!("the timestamp {text:?} is none")))?;
        self.window.check(reader.delivery, signed_at)
    }

    fn check_basic(&self, delivery: &Delivery) -> Result<Proof, Refusal> {
        let given = hookgate_plugin_sdk::header::required(delivery, "authorization")?;
        let credentials = match given.split_once(' ') {
            Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => from_base64(encoded.trim()),
            _ => None,
        };
        let expected = hookgate_plugin_sdk::setting::secret(delivery, crate::key::SECRET, Encoding::Utf8, None)?;
        if credentials.is_some_and(|credentials| expected.equals(&credentials)) {
            Ok(Proof::default())
        } else {
            Err(forged("the header authorization does not hold the user and password"))
        }
    }
}

/// Takes one from the checks that are left.
fn spend(left: &mut usize) -> Result<(), Refusal> {
    *left = left.checked_sub(1).ok_or_else(|| forged("too many signatures to try them all"))?;
    Ok(())
}

/// All of them where it is not said.
fn url_forms(settings: &Settings<'_>) -> Result<Vec<UrlForm>, Refusal> {
    match settings.get("url-form").filter(|text| !text.is_empty()) {
        None => Ok(UrlForm::ALL.to_vec()),
        Some(_) => settings.list("url-form", "wire", UrlForm::parse),
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    match name {
        "hmac" => Ok(Kind::Hmac),
        "digest" => Ok(Kind::Digest),
        "token" => Ok(Kind::Token),
        "basic" => Ok(Kind::Basic),
        _ => Err(format!("{name:?} is not a scheme: write hmac, digest, token or basic")),
    }
}

/// There is no default: each provider names its signature differently. Basic authentication has only one place.
fn default_place(kind: Kind) -> &'static str {
    match kind {
        Kind::Basic => "header:authorization",
        _ => "",
    }
}

fn signature_place(text: &str) -> Result<Place, String> {
    match text {
        "" => Err("say where the signature is, such as header:X-Signature, or name the provider".to_owned()),
        text => Place::parse(text),
    }
}

fn formats(settings: &Settings<'_>, kind: Kind) -> Result<Vec<(Digest, Format)>, Refusal> {
    let lists = Lists {
        separator: settings.get("separator"),
        groups: settings.get("group-separator"),
        strongest: settings.parsed_or("strongest", "false", truth)?,
    };
    let text = settings.get("format").filter(|text| !text.is_empty()).unwrap_or_else(|| "{signature}".to_owned());
    if kind == Kind::Token {
        let format = Format::parse(&text, lists).map_err(|why| wrong("format", &why))?;
        return Ok(vec![(Digest::Sha256, format)]);
    }
    settings.list("digest", "sha256", |name| {
        let digest = digest::parse(name)?;
        Format::parse(&text.replace("{digest}", name), lists.clone())
            .map(|format| (digest, format))
            .map_err(|why| format!("settings.format: {why}"))
    })
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
}

fn window(settings: &Settings<'_>) -> Result<Window, Refusal> {
    let seconds = |text: &str| {
        text.parse::<u64>().map_err(|_| format!("{text:?} is not a whole number of seconds; 0 lets any age pass"))
    };
    let past = settings.parsed_or("tolerance", TOLERANCE, seconds)?;
    let future = settings.parsed("tolerance-future", |text| match text {
        "any" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("{text:?} is neither a whole number of seconds nor any")),
    })?;
    Ok(Window { past, future: future.unwrap_or((past > 0).then_some(past)) })
}
