//! Components that were damaged on their way.

mod contract_versions;

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

fn sandbox(directory: &Path) -> Arc<Sandbox> {
    let limits = SandboxLimits { concurrency: 4, memory_bytes: 16 << 20, time: Duration::from_millis(250) };
    Sandbox::new(limits, &directory.join("artifacts"), FirstCalls::InThisProcess).unwrap()
}

/// Whatever was cut off or changed, it is an error or a plugin, and the next one loads as ever.
#[tokio::test]
async fn a_damaged_component_loads_or_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = sandbox(directory.path());
    let whole = hookgate_bundled::component("raw").unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    let mut refused = 0;
    for n in 0..60 {
        let mut damaged = whole.to_vec();
        match n % 2 {
            0 => damaged.truncate(rng.random_range(0..whole.len())),
            _ => (0..=n / 10).for_each(|_| {
                let at = rng.random_range(0..whole.len());
                damaged[at] ^= rng.random_range(1..=u8::MAX);
            }),
        }
        refused += usize::from(sandbox.load(&damaged).await.is_err());
    }
    assert!(refused >= 25, "{refused} were refused");
    assert_eq!(sandbox.load(whole).await.unwrap().descriptor().name, "raw");
}

#[tokio::test]
async fn several_are_loaded_at_once_and_those_that_cannot_be_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let (sandbox, catalog) = (sandbox(directory.path()), Catalog::new(None).unwrap());
    let loaded = catalog.load_all(["raw", "nobody", "dropbox", "x"], &sandbox, 2).await;
    let told = loaded.iter().map(|(name, plugin)| match plugin {
        Ok(plugin) => (name.as_str(), plugin.descriptor().name.clone()),
        Err(error) => (name.as_str(), error.to_string().chars().take(27).collect()),
    });
    let told: Vec<_> = told.collect();
    let ok = |name: &'static str| (name, name.to_owned());
    assert_eq!(told, [ok("raw"), ("nobody", "there is no plugin \"nobody\"".to_owned()), ok("dropbox"), ok("x")]);
}

/// What would end the gateway ends the process that tries it. Once is enough for each component.
#[cfg(unix)]
#[tokio::test]
async fn a_component_is_loaded_only_when_another_process_has_outlived_it() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    let sandbox = |name: &str, script: &str| {
        let program = directory.path().join(name);
        std::fs::write(&program, format!("#!/bin/sh\ncat >/dev/null\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let limits = SandboxLimits { concurrency: 4, memory_bytes: 16 << 20, time: Duration::from_millis(250) };
        Sandbox::new(limits, &directory.path().join("artifacts"), FirstCalls::InChild(program)).unwrap()
    };
    let (dies, lives) = (sandbox("dies", "kill -ABRT $$"), sandbox("lives", "echo '\"Harmless\"'"));
    let bundled = hookgate_bundled::component("raw").unwrap();
    // With one more custom section, and so not bundled.
    let foreign = [bundled, &[0, 2, 1, b'x']].concat();
    let error = dies.load(&foreign).await.err().unwrap().to_string();
    assert!(error.contains("has ended the process that tried it"), "{error}");
    assert!(dies.load(bundled).await.is_ok(), "what is bundled need not be tried");
    assert_eq!(lives.load(&foreign).await.unwrap().descriptor().name, "raw");
    assert!(dies.load(&foreign).await.is_ok(), "it has passed before");
}
