//! What the sandbox costs: the same verification native and in a fresh instance, in turn, in one process.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Instant};

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use hookgate_capabilities::{Delivery, Request, SecretText, Secrets, Verdict};
use hookgate_sandbox::{Catalog, FirstCalls, Provider, Sandbox, SandboxLimits};

use crate::{
    deliveries::{SECRET, now_unix, signed},
    twin::twin,
};

/// Percentiles of native and sandboxed calls, in microseconds.
#[derive(Debug)]
pub struct Cost {
    /// Bytes of the body.
    pub bytes: usize,
    /// p50 and p99 of the native call.
    pub native: (f64, f64),
    /// p50 and p99 of the sandboxed call.
    pub sandboxed: (f64, f64),
}

/// Measures `rounds` calls of each kind, in turn.
pub async fn measure(artifacts: &Path, bytes: usize, rounds: usize) -> Result<Cost> {
    let limits = SandboxLimits { concurrency: 64, memory_bytes: 32 << 20, time: std::time::Duration::from_millis(250) };
    let sandbox = Sandbox::new(limits, artifacts, FirstCalls::InThisProcess)?;
    let plugin = Catalog::new(None)?.load("stripe", &sandbox).await?;
    let sandboxed = Provider::Sandboxed(plugin);
    let native = twin()?;
    let delivery = delivery(bytes);
    let (mut of_native, mut of_sandboxed) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        of_native.push(call(&native, &delivery).await?);
        of_sandboxed.push(call(&sandboxed, &delivery).await?);
    }
    Ok(Cost { bytes, native: percentiles(of_native), sandboxed: percentiles(of_sandboxed) })
}

/// Calls one kind over and over, for a profiler.
pub async fn spin(artifacts: &Path, bytes: usize, rounds: usize, native: bool) -> Result<()> {
    let limits = SandboxLimits { concurrency: 64, memory_bytes: 32 << 20, time: std::time::Duration::from_millis(250) };
    let sandbox = Sandbox::new(limits, artifacts, FirstCalls::InThisProcess)?;
    let provider =
        if native { twin()? } else { Provider::Sandboxed(Catalog::new(None)?.load("stripe", &sandbox).await?) };
    let delivery = delivery(bytes);
    for _ in 0..rounds {
        call(&provider, &delivery).await?;
    }
    Ok(())
}

async fn call(provider: &Provider, delivery: &Delivery) -> Result<f64> {
    let delivery = delivery.clone();
    let began = Instant::now();
    let verdict = provider.verify(delivery).await?;
    let took = began.elapsed().as_secs_f64() * 1e6;
    match verdict.map_err(|refusal| anyhow!("{refusal:?}"))? {
        Verdict::Admit(_) => Ok(took),
        Verdict::Answer(_) | Verdict::Confirm(_) | Verdict::Enroll(_) => bail!("an answer where an event was sent"),
    }
}

fn delivery(bytes: usize) -> Delivery {
    let now = now_unix();
    let signed = signed(1, bytes, now);
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let request = Request {
        method: "POST".into(),
        url: "https://hooks.example.com/in/stripe".into(),
        headers: vec![
            header("host", "hooks.example.com"),
            header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
            header("accept", "*/*; q=0.5, application/xml"),
            header("cache-control", "no-cache"),
            header("content-type", "application/json; charset=utf-8"),
            header("stripe-signature", &signed.signature),
            header("content-length", &signed.body.len().to_string()),
        ],
        received_at: now * 1000,
        body: Bytes::from(signed.body),
    };
    let secret = ("signing".to_owned(), vec![SecretText::new(SECRET.to_owned())]);
    let secrets = Secrets::new(BTreeMap::from([secret]));
    Delivery::new(Arc::new(request), Arc::default(), Arc::new(secrets))
}

/// p50 and p99.
pub fn percentiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len() as f64 - 1.0) * share) as usize).copied().unwrap_or(f64::NAN);
    (at(0.5), at(0.99))
}
