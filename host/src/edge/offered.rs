//! What the platforms offer a component to import.

use super::Platform;

/// What the two platforms call one and the same: Spin, and everybody else. The edge is built with Spin's names.
pub const RENAMED: [(&str, &str); 2] = [
    ("wasi:keyvalue/store@0.2.0-draft2", "wasi:keyvalue/store@0.2.0-draft"),
    ("wasi:config/store@0.2.0-draft-2024-09-27", "wasi:config/store@0.2.0-rc.1"),
];

/// The packages of WASI that both have, with versions: any of 0.2, and 0.3.0.
const PACKAGES: [&str; 7] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:http", "wasi:io", "wasi:random", "wasi:sockets"];

/// Whether a component may import this.
///
/// Sources: the worlds of Spin 4 (<https://github.com/spinframework/spin/blob/main/wit/world.wit>), of wasmtime's `serve`
/// with `-S p3,keyvalue,config`, and of wasmCloud.
pub fn is_offered(platform: Platform, import: &str) -> bool {
    let of_platform = RENAMED.iter().any(|(spin, others)| match platform {
        Platform::Spin => import == *spin,
        Platform::Wasi => import == *others,
    });
    let Some((package, rest)) = import.split_once('/') else { return of_platform };
    let Some((_, version)) = rest.split_once('@') else { return of_platform };
    of_platform || (PACKAGES.contains(&package) && is_known(version))
}

fn is_known(version: &str) -> bool {
    let patch = version.strip_prefix("0.2.").and_then(|patch| patch.parse::<u8>().ok());
    version == "0.3.0" || patch.is_some_and(|patch| patch <= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_platform_has_is_told_from_the_other() {
        for (import, spin, wasi) in [
            ("wasi:http/client@0.3.0", true, true),
            ("wasi:io/streams@0.2.6", true, true),
            ("wasi:io/streams@0.2.9", false, false),
            ("wasi:http/client@0.3.0-rc-2026-03-15", false, false),
            ("wasi:keyvalue/store@0.2.0-draft2", true, false),
            ("wasi:keyvalue/store@0.2.0-draft", false, true),
            ("wasi:config/store@0.2.0-rc.1", false, true),
            ("hookgate:provider/capabilities@0.1.0", false, false),
            ("env", false, false),
        ] {
            assert_eq!(is_offered(Platform::Spin, import), spin, "{import}");
            assert_eq!(is_offered(Platform::Wasi, import), wasi, "{import}");
        }
    }
}
