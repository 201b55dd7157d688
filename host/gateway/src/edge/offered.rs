//! The interfaces that the platforms offer, and their names.

use super::Platform;

/// The names of one interface: platforms have the same one under different versions.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The name with which the edge is built.
    pub built: &'static str,
    spin: &'static str,
    wasi: &'static str,
}

impl Names {
    /// The platform's name.
    pub fn on(&self, platform: Platform) -> &'static str {
        match platform {
            Platform::Spin => self.spin,
            Platform::Wasi => self.wasi,
        }
    }
}

/// Interfaces of HTTP and clocks have the names of WASI 0.3.0, or those of its release candidate. Their WIT differs only
/// in comments. Spin 4.0 has only the candidate, Spin 4.1 has both, so with the candidate's names one component runs in both.
macro_rules! of_wasi_0_3 {
    ($name:literal) => {
        Names {
            built: concat!($name, "@0.3.0"),
            spin: concat!($name, "@0.3.0-rc-2026-03-15"),
            wasi: concat!($name, "@0.3.0"),
        }
    };
}

/// The imports of the edge whose names depend on the platform. An interface comes after those whose types it uses.
pub const IMPORTS: [Names; 6] = [
    of_wasi_0_3!("wasi:clocks/types"),
    of_wasi_0_3!("wasi:clocks/monotonic-clock"),
    of_wasi_0_3!("wasi:http/types"),
    of_wasi_0_3!("wasi:http/client"),
    Names {
        built: "wasi:keyvalue/store@0.2.0-draft2",
        spin: "wasi:keyvalue/store@0.2.0-draft2",
        wasi: "wasi:keyvalue/store@0.2.0-draft",
    },
    Names {
        built: "wasi:config/store@0.2.0-draft-2024-09-27",
        spin: "wasi:config/store@0.2.0-draft-2024-09-27",
        wasi: "wasi:config/store@0.2.0-rc.1",
    },
];

/// The export of the edge, which the platform calls.
pub const HANDLER: Names = of_wasi_0_3!("wasi:http/handler");

/// The interfaces of Spin 4.0 and 4.1; each file names its source.
const SPIN: [&str; 2] = [include_str!("spin-4.0.txt"), include_str!("spin-4.1.txt")];

/// The packages of WASI that other platforms have in version 0.3.0 and in all versions of 0.2 up to this one.
const WASI_PACKAGES: [&str; 7] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:http", "wasi:io", "wasi:random", "wasi:sockets"];
const WASI_0_2_PATCH_MAX: u8 = 6;

/// Whether a component may import this. For Spin, all versions of Spin 4 must offer it.
///
/// Sources: those of [`SPIN`], and the worlds of wasmtime's `serve` with `-S p3,keyvalue,config` and of wasmCloud.
pub fn is_offered(platform: Platform, import: &str) -> bool {
    match platform {
        Platform::Spin => SPIN.iter().all(|list| has(list, import)),
        Platform::Wasi => is_wasi(import) || IMPORTS.iter().any(|names| names.wasi == import),
    }
}

/// Whether a list has this interface, in the same version, or in a later one of WASI 0.2, which includes it.
fn has(list: &str, import: &str) -> bool {
    let Some((interface, version)) = import.split_once('@') else { return false };
    list.lines().filter_map(|line| line.split_once('@')).filter(|(offered, _)| *offered == interface).any(
        |(_, offered)| {
            let is_included = patch_of_0_2(version).is_some_and(|patch| patch_of_0_2(offered) >= Some(patch));
            offered == version || is_included
        },
    )
}

fn is_wasi(import: &str) -> bool {
    let Some((interface, version)) = import.split_once('@') else { return false };
    let Some((package, _)) = interface.split_once('/') else { return false };
    let is_known = version == "0.3.0" || patch_of_0_2(version).is_some_and(|patch| patch <= WASI_0_2_PATCH_MAX);
    WASI_PACKAGES.contains(&package) && is_known
}

fn patch_of_0_2(version: &str) -> Option<u8> {
    version.strip_prefix("0.2.")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_platform_has_is_told_from_the_other() {
        for (import, spin, wasi) in [
            ("wasi:http/client@0.3.0", false, true),
            ("wasi:http/client@0.3.0-rc-2026-03-15", true, false),
            ("wasi:clocks/types@0.3.0-rc-2026-03-15", true, false),
            ("wasi:http/client@0.3.1", false, false),
            ("wasi:io/streams@0.2.3", true, true),
            ("wasi:io/streams@0.2.6", true, true),
            ("wasi:io/streams@0.2.9", false, false),
            ("wasi:io/none@0.2.6", false, true),
            ("wasi:keyvalue/store@0.2.0-draft2", true, false),
            ("wasi:keyvalue/store@0.2.0-draft", false, true),
            ("wasi:config/store@0.2.0-draft-2024-09-27", true, false),
            ("wasi:config/store@0.2.0-rc.1", false, true),
            ("hookgate:provider/capabilities@0.1.0", false, false),
            ("export wasi:http/handler@0.3.0", false, false),
            ("env", false, false),
        ] {
            assert_eq!(is_offered(Platform::Spin, import), spin, "{import}");
            assert_eq!(is_offered(Platform::Wasi, import), wasi, "{import}");
        }
    }

    #[test]
    fn every_version_of_spin_has_what_the_edge_imports_and_calls_what_it_exports() {
        for list in SPIN {
            for names in IMPORTS {
                assert!(has(list, names.on(Platform::Spin)), "{names:?}");
            }
            let exported = format!("export {}", HANDLER.on(Platform::Spin));
            assert!(list.lines().any(|line| line == exported), "{exported}");
        }
    }
}
