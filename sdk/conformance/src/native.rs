//! Vectors against a plugin that is compiled natively: for the plugin's own tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use hookgate_capabilities::{
    CloudEvent, Delivery, Event, FetchedKeys, Prefixes, Refusal, Request, SecretText, Secrets, Verdict,
};
use hookgate_plugin_sdk::Provider;

use crate::{Difference, Vector, compare, compare_cloud_events, parse, side_by_side};

/// Runs all vectors of a plugin crate (`env!("CARGO_MANIFEST_DIR")`).
///
/// # Panics
/// With every vector whose verdict differs, or when there are none.
pub fn check<P: Provider>(crate_dir: &str) {
    let failures: Vec<String> = vectors(crate_dir)
        .iter()
        .map(|vector| (&vector.id, run::<P>(vector)))
        .filter(|(_, differences)| !differences.is_empty())
        .map(|(id, differences)| format!("{id}\n{}\n", side_by_side(&differences)))
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Signs the body of the first valid vector whose secrets can sign, and the plugin's example, under that vector's secrets and
/// settings; see [`Source::roundtrip`].
///
/// # Panics
/// Where the plugin does not sign, refuses what it has signed, or accepts it when it was changed.
pub fn check_signatures<P: Provider>(crate_dir: &str) {
    let vectors = vectors(crate_dir);
    let (source, request) = vectors
        .iter()
        .filter(|vector| vector.valid && !vector.request().body.is_empty())
        .map(|vector| (Source::of_vector::<P>(vector), Request { headers: Vec::new(), ..vector.request() }))
        .find(|(source, request)| source.sign::<P>(request).is_ok())
        .expect("a valid vector with a body and a secret that signs; without `sign`: export!(Plugin, vectors_only)");
    source.roundtrip::<P>(&request);
    source.roundtrip::<P>(&Request { body: Vec::new().into(), ..request });
}

/// All vectors of a plugin crate (`env!("CARGO_MANIFEST_DIR")`), in the order of its files' names.
///
/// # Panics
/// When there are none, or a file of `vectors/` holds something else.
pub fn vectors(crate_dir: &str) -> Vec<Vector> {
    let entries = fs::read_dir(Path::new(crate_dir).join("vectors")).expect("a folder `vectors`");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("a text");
        parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let vectors: Vec<Vector> = files.iter().flat_map(read).collect();
    assert!(!vectors.is_empty(), "a plugin has vectors");
    vectors
}

/// What differs from what the vector asks for.
pub fn run<P: Provider>(vector: &Vector) -> Vec<Difference> {
    let source = Source::of_vector::<P>(vector);
    let request = vector.request();
    let answer = source.verify::<P>(&request);
    let mut differences = compare(vector, &answer);
    if let (Ok(verdict), true) = (&answer, differences.is_empty()) {
        match source.transform::<P>(&request, verdict) {
            Ok(made) => differences.extend(compare_cloud_events(vector, &made)),
            Err(error) => differences.push(Difference::new("transform", "CloudEvents", error)),
        }
    }
    differences
}

/// A source of a plugin, with its secrets and settings.
pub struct Source {
    secrets: Arc<Secrets>,
    settings: Arc<BTreeMap<String, String>>,
    keys: Option<Arc<dyn FetchedKeys>>,
    authenticated_by: Arc<[String]>,
}

impl Source {
    /// From the operator's texts.
    pub fn new(secrets: BTreeMap<String, Vec<SecretText>>, settings: BTreeMap<String, String>) -> Self {
        Source {
            secrets: Arc::new(Secrets::new(secrets)),
            settings: Arc::new(settings),
            keys: None,
            authenticated_by: Arc::default(),
        }
    }

    /// The source that a vector describes.
    pub fn of_vector<P: Provider>(vector: &Vector) -> Self {
        let described = P::describe();
        Source::new(vector.secrets(&described), vector.settings())
            .with_keys(vector.keys(&described))
            .knowing_the_sender(&vector.authenticated_by)
    }

    /// With what the host has fetched.
    pub fn with_keys(self, keys: Arc<dyn FetchedKeys>) -> Self {
        Source { keys: Some(keys), ..self }
    }

    /// Whose `auth` knows the sender in these ways.
    pub fn knowing_the_sender(self, by: &[String]) -> Self {
        Source { authenticated_by: by.into(), ..self }
    }

    /// From pairs: secrets of one version each, and settings.
    pub fn of(secrets: &[(&str, &str)], settings: &[(&str, &str)]) -> Self {
        let secret = |text: &str| vec![SecretText::new(text.to_owned())];
        Source::new(
            secrets.iter().map(|(name, text)| ((*name).to_owned(), secret(text))).collect(),
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        )
    }

    /// A request as a plugin gets it.
    pub fn delivery(&self, request: &Request) -> Delivery {
        let delivery = Delivery::new(Arc::new(request.clone()), self.settings.clone(), self.secrets.clone())
            .from_known_sender(self.authenticated_by.clone());
        match &self.keys {
            Some(keys) => delivery.with_keys(keys.clone()),
            None => delivery,
        }
    }

    /// The plugin's verdict.
    pub fn verify<P: Provider>(&self, request: &Request) -> Result<Verdict, Refusal> {
        P::verify(&self.delivery(request).with_prefixes(prefixes::<P>()))
    }

    /// The request, signed by the plugin.
    ///
    /// # Errors
    /// The plugin's.
    pub fn sign<P: Provider>(&self, request: &Request) -> Result<Request, String> {
        let outgoing = P::sign(&self.delivery(request).with_prefixes(prefixes::<P>()))?;
        let mut signed = request.clone();
        for (name, value) in outgoing.headers {
            signed.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
            signed.headers.push((name.to_ascii_lowercase(), value.into_bytes()));
        }
        if let Some(body) = outgoing.body {
            signed.body = body.into();
        }
        Ok(signed)
    }

    /// What the plugin makes of a verdict's events.
    ///
    /// # Errors
    /// The plugin's, or a payload that lies outside the body.
    pub fn transform<P: Provider>(&self, request: &Request, verdict: &Verdict) -> Result<Vec<CloudEvent>, String> {
        let Verdict::Admit(accepted) = verdict else { return Ok(Vec::new()) };
        let mut made = Vec::new();
        for (index, admission) in accepted.events.iter().enumerate() {
            let event = Event {
                event_id: format!("00000000-0000-7000-8000-{index:012}"),
                source_name: "source".to_owned(),
                admitted_as: admission.identity.clone(),
                payload_bytes: admission.payload.of(&request.body).map_err(|broken| broken.to_string())?.into(),
                brought_by: Delivery::without_secrets(Arc::new(request.clone()), self.settings.clone()),
            };
            made.extend(P::transform(&event)?);
        }
        Ok(made)
    }

    /// Signs a request, sees that the plugin takes it, and that it refuses it with any single byte of the body changed
    /// or with nothing of its signature left. Answers the verdict.
    ///
    /// # Panics
    /// Where it does not.
    pub fn roundtrip<P: Provider>(&self, request: &Request) -> Verdict {
        let signed = self.sign::<P>(request).expect("the plugin signs");
        let verdict = self.verify::<P>(&signed).expect("the plugin takes what it has signed");
        for at in 0..signed.body.len() {
            let mut body = signed.body.to_vec();
            body[at] ^= 1;
            let tampered = Request { body: body.into(), ..signed.clone() };
            let answer = self.verify::<P>(&tampered);
            assert!(matches!(answer, Err(Refusal::Unauthenticated(_))), "byte {at} changed: {answer:?}");
        }
        let unsigned = Request { headers: Vec::new(), ..signed };
        assert!(self.verify::<P>(&unsigned).is_err(), "without headers");
        verdict
    }
}

/// A request without headers, to be signed.
pub fn request(body: &str) -> Request {
    Request {
        method: "POST".to_owned(),
        url: "https://hooks.example.com/in/source".to_owned(),
        headers: Vec::new(),
        received_at: 1_700_000_000_123,
        body: body.as_bytes().to_vec().into(),
    }
}

fn prefixes<P: Provider>() -> Arc<Prefixes> {
    Arc::new(Prefixes::of(&P::describe().secrets))
}
