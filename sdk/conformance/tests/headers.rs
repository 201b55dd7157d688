//! Signature headers of every sort: wrong ones are refused without a panic, and other text beside a right signature does not
//! hide it.
#![allow(clippy::unwrap_used)]

use hookgate_capabilities::{Request, Verdict};
use hookgate_conformance::native::{self, Source};
use hookgate_plugin_asana::Asana;
use hookgate_plugin_cloudevents::CloudEvents;
use hookgate_plugin_discord::Discord;
use hookgate_plugin_dropbox::Dropbox;
use hookgate_plugin_github::GitHub;
use hookgate_plugin_meta::Meta;
use hookgate_plugin_sdk::Provider;
use hookgate_plugin_shopify::Shopify;
use hookgate_plugin_slack::Slack;
use hookgate_plugin_standard_webhooks::StandardWebhooks;
use hookgate_plugin_stripe::Stripe;
use hookgate_plugin_twilio::Twilio;
use hookgate_plugin_x::X;
use hookgate_plugin_zoom::Zoom;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

/// What a sender may write in place of a right header.
#[derive(Clone, Debug)]
enum Written {
    /// Something else altogether.
    Other(Vec<u8>),
    /// The right one, with a number of its bytes replaced from a position on.
    Spliced(usize, usize, Vec<u8>),
    /// Two of them, of which one is right.
    Doubled(Vec<u8>),
}

fn written() -> impl Strategy<Value = Written> {
    let text = "[a-z0-9=,; .+/:_-]{0,160}".prop_map(String::into_bytes);
    let other = prop_oneof![vec(any::<u8>(), 0..160), text];
    prop_oneof![
        other.clone().prop_map(Written::Other),
        (0..200_usize, 0..8_usize, other.clone()).prop_map(|(at, cut, with)| Written::Spliced(at, cut, with)),
        other.prop_map(Written::Doubled),
    ]
}

impl Written {
    /// The request with that in place of the header, and whether it must be refused.
    fn into(self, signed: &Request, header: &str) -> (Request, bool) {
        let mut request = signed.clone();
        let at = request.headers.iter().position(|(name, _)| name == header).unwrap();
        let right = request.headers[at].1.clone();
        match self {
            Written::Other(bytes) => {
                let differs = bytes != right;
                request.headers[at].1 = bytes;
                (request, differs)
            }
            Written::Spliced(from, cut, with) => {
                let from = from.min(right.len());
                let to = (from + cut).min(right.len());
                request.headers[at].1 = [&right[..from], &with, &right[to..]].concat();
                (request, false)
            }
            Written::Doubled(bytes) => {
                request.headers.push((header.to_owned(), bytes));
                (request, false)
            }
        }
    }
}

/// Any header that is signed or holds a signature, written in any way; `signed` is taken as it is.
fn hold<P: Provider>(source: &Source, signed: &Request, headers: &[&str]) {
    assert!(matches!(source.verify::<P>(signed), Ok(Verdict::Admit(_))), "what is signed is taken");
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(0..headers.len(), written()), |(header, written)| {
        let (request, must_be_refused) = written.into(signed, headers[header]);
        let answer = source.verify::<P>(&request);
        prop_assert!(!must_be_refused || answer.is_err(), "taken: {:?}", request.headers);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

fn signed<P: Provider>(source: &Source) -> Request {
    source.sign::<P>(&native::request("")).unwrap()
}

/// The request with more before and behind what stands in a header.
fn surrounded(mut request: Request, header: &str, before: &[u8], behind: &[u8]) -> Request {
    let (_, value) = request.headers.iter_mut().find(|(name, _)| name == header).unwrap();
    *value = [before, value, behind].concat();
    request
}

#[test]
fn stripe() {
    let source = Source::of(&[("signing", "whsec_a")], &[]);
    let right = signed::<Stripe>(&source);
    hold::<Stripe>(&source, &right, &["stripe-signature"]);
    let among_others = surrounded(right, "stripe-signature", b"v0=00,=,v1=zz,v1=0011, ", b",t,v1=,,");
    assert!(source.verify::<Stripe>(&among_others).is_ok(), "a right signature among others counts");
}

#[test]
fn slack() {
    let source = Source::of(&[("signing", "a")], &[]);
    hold::<Slack>(&source, &signed::<Slack>(&source), &["x-slack-signature", "x-slack-request-timestamp"]);
}

#[test]
fn github() {
    let source = Source::of(&[("signing", "a")], &[]);
    hold::<GitHub>(&source, &signed::<GitHub>(&source), &["x-hub-signature-256"]);
}

#[test]
fn shopify() {
    let source = Source::of(&[("signing", "a")], &[]);
    hold::<Shopify>(&source, &signed::<Shopify>(&source), &["x-shopify-hmac-sha256"]);
}

#[test]
fn standard_webhooks() {
    let source = Source::of(&[("signing", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")], &[]);
    let right = signed::<StandardWebhooks>(&source);
    hold::<StandardWebhooks>(&source, &right, &["webhook-signature", "webhook-timestamp", "webhook-id"]);
    let among_others = surrounded(right, "webhook-signature", b"v1,AAAA v9,zz , v1 ", b" v1a,BB");
    assert!(source.verify::<StandardWebhooks>(&among_others).is_ok(), "a right signature among others counts");
}

#[test]
fn providers_that_sign_the_body_alone() {
    let source = Source::of(&[("signing", "a"), ("verify-token", "t")], &[]);
    hold::<Asana>(&source, &signed::<Asana>(&source), &["x-hook-signature"]);
    hold::<Dropbox>(&source, &signed::<Dropbox>(&source), &["x-dropbox-signature"]);
    hold::<Meta>(&source, &signed::<Meta>(&source), &["x-hub-signature-256"]);
    hold::<X>(&source, &signed::<X>(&source), &["x-twitter-webhooks-signature"]);
}

#[test]
fn zoom() {
    let source = Source::of(&[("signing", "a")], &[]);
    hold::<Zoom>(&source, &signed::<Zoom>(&source), &["x-zm-signature", "x-zm-request-timestamp"]);
}

#[test]
fn cloudevents() {
    let source = Source::of(&[("signing", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")], &[]);
    let right = signed::<CloudEvents>(&source);
    hold::<CloudEvents>(&source, &right, &["webhook-signature", "webhook-timestamp", "webhook-id"]);
    let among_others = surrounded(right, "webhook-signature", b"v1,AAAA v9,zz , v1 ", b" v1a,BB");
    assert!(source.verify::<CloudEvents>(&among_others).is_ok(), "a right signature among others counts");
}

#[test]
fn twilio() {
    let source = Source::of(&[("auth-token", "a")], &[]);
    hold::<Twilio>(&source, &signed::<Twilio>(&source), &["x-twilio-signature"]);
}

#[test]
fn discord() {
    let right = signed::<Discord>(&Source::of(&[("public-key", &"07".repeat(32))], &[]));
    // RFC 8032, 5.1.5: the public key that belongs to that private one.
    let source = Source::of(&[("public-key", "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c")], &[]);
    hold::<Discord>(&source, &right, &["x-signature-ed25519", "x-signature-timestamp"]);
}
