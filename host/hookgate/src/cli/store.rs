//! `hookgate store`: what is done to a store while no gateway runs on it.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use hookgate_config::{EngineKind, Store as StoreConfig};
use hookgate_gateway::{handed_over, versions::files::Files};
use hookgate_journal as journal;
use hookgate_journal::{Journal, PluginChanges};
use hookgate_model::human::bytes;

use super::{
    Exit,
    configuration::{self, ConfigFile},
    output::{self, Table},
};

/// Check a store, move it to the other engine, or go on after a loss; the gateway must not run
#[derive(Debug, Subcommand)]
pub enum Store {
    Check(Check),
    Migrate(Migrate),
    AcceptLoss(AcceptLoss),
    ForgetSealed(ForgetSealed),
    DeactivatePlugins(DeactivatePlugins),
}

/// Open the store, see that nothing acknowledged is missing, and tell what is in it
///
/// Example:
///   hookgate store check --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Move the store to the other engine
///
/// The new one is built beside the old one and compared with it, entry by entry, before it takes its place; interrupted,
/// the old one is as it was. With --path it is made there, and the old one stays.
///
/// Example:
///   hookgate store migrate --to sled
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Migrate {
    #[command(flatten)]
    file: ConfigFile,
    /// The engine
    #[arg(long)]
    to: Engine,
    /// Another directory for it
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Go on with a store that has lost what was acknowledged
///
/// What is missing stays missing; what is left is made consistent. Events of which nobody can say whether they were
/// handed on are handed on again. Restore the store from a copy instead where there is one.
///
/// Example:
///   hookgate store accept-loss --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct AcceptLoss {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Forget all secrets that providers have handed over, where their key is lost
///
/// They cannot be read any more, and with them in it the gateway does not start. Have the providers hand over new ones
/// afterwards. With the key at hand, `hookgate secrets forget` takes single ones away.
///
/// Example:
///   hookgate store forget-sealed --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct ForgetSealed {
    #[command(flatten)]
    file: ConfigFile,
}

/// Have all sources run the plugins that the configuration gives, whatever versions were activated
///
/// For when an activated version cannot be loaded and the gateway does not start. The versions are kept, and can be activated
/// again.
///
/// Example:
///   hookgate store deactivate-plugins --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct DeactivatePlugins {
    /// The configuration's file
    #[arg(long, value_name = "FILE", default_value = "hookgate.toml", env = "HOOKGATE_CONFIG")]
    config: PathBuf,
}

/// The engines.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Fjall,
    Sled,
}

impl Store {
    pub async fn run(self) -> Result<Exit> {
        // Engines wait for the disk.
        tokio::task::block_in_place(|| match self {
            Store::Check(check) => check.run(),
            Store::Migrate(migrate) => migrate.run(),
            Store::AcceptLoss(accept_loss) => accept_loss.run(),
            Store::ForgetSealed(forget) => forget.run(),
            Store::DeactivatePlugins(deactivate) => deactivate.run(),
        })
    }
}

impl Check {
    fn run(self) -> Result<Exit> {
        let store = existing(&self.file)?;
        let stats = Journal::open(&store)?.stats()?;
        if self.json {
            output::json(&stats)?;
            return Ok(Exit::Ok);
        }
        output::line(Table::pairs([
            ("path", store.path.display().to_string()),
            ("size", bytes(stats.size)),
            ("deliveries", stats.deliveries.to_string()),
            ("idempotency keys", stats.keys.to_string()),
            ("to be transformed", stats.inbox.to_string()),
            ("held", stats.held.values().sum::<u64>().to_string()),
        ]))?;
        if !stats.destinations.is_empty() {
            let mut table = Table::new(["DESTINATION", "QUEUED", "DEAD"]);
            for (name, figures) in &stats.destinations {
                table.row([name.clone(), figures.queued.to_string(), figures.dead.to_string()]);
            }
            output::line(format_args!("\n{table}"))?;
        }
        output::line("ok: nothing acknowledged is missing")?;
        Ok(Exit::Ok)
    }
}

impl Migrate {
    fn run(self) -> Result<Exit> {
        let store = existing(&self.file)?;
        let to = match self.to {
            Engine::Fjall => EngineKind::Fjall,
            Engine::Sled => EngineKind::Sled,
        };
        let migrated = journal::migrate(&store, to, self.path.as_deref())?;
        if migrated.path != store.path {
            enrollment::carry_key(&store.path, &migrated.path).context(
                "the store is moved, but not its file `seal-key`; copy it there, readable for its user only",
            )?;
            Files::of_store(&store.path)
                .carry(&migrated.path)
                .context("the store is moved, but not its directory `plugin-versions`; copy it there")?;
        }
        match self.json {
            true => output::json(&migrated)?,
            false => output::line(format_args!(
                "moved {} entries from {} to {} at {}; set engine = \"{}\" in [store] now",
                migrated.entries,
                migrated.from,
                migrated.to,
                migrated.path.display(),
                migrated.to,
            ))?,
        }
        Ok(Exit::Ok)
    }
}

impl AcceptLoss {
    fn run(self) -> Result<Exit> {
        let accepted = journal::accept_loss(&existing(&self.file)?)?;
        match self.json {
            true => output::json(&accepted)?,
            false => output::line(Table::pairs([
                ("keys of missing events removed", accepted.keys_removed.to_string()),
                ("entries that pointed at nothing removed", accepted.orphans_removed.to_string()),
                ("events to be handed on again", accepted.events_requeued.to_string()),
                ("handoffs to be made again", accepted.handoffs_requeued.to_string()),
            ]))?,
        }
        Ok(Exit::Ok)
    }
}

impl ForgetSealed {
    fn run(self) -> Result<Exit> {
        let journal = Journal::open(&existing(&self.file)?)?;
        let ids: Vec<_> = journal.sealed()?.into_iter().map(|sealed| sealed.id).collect();
        let forgotten = ids.len();
        tokio::runtime::Handle::current().block_on(journal.forget_sealed(ids))?;
        output::line(format_args!("{forgotten} forgotten"))?;
        Ok(Exit::Ok)
    }
}

impl DeactivatePlugins {
    fn run(self) -> Result<Exit> {
        let store = configuration::store(&self.config)?;
        if !journal::is_there(&store.path) {
            bail!("there is no store at {}; store.path says so", store.path.display());
        }
        let journal = Journal::open(&store)?;
        let forgotten: Vec<String> = journal.plugins()?.activations.into_iter().map(|(source, _)| source).collect();
        let count = forgotten.len();
        let changes = PluginChanges { forgotten, ..PluginChanges::default() };
        tokio::runtime::Handle::current().block_on(journal.change_plugins(changes))?;
        Files::of_store(&store.path).note_active(&BTreeMap::new())?;
        output::line(format_args!("{count} sources run what the configuration gives"))?;
        Ok(Exit::Ok)
    }
}

/// The configured store; none of these commands makes one.
fn existing(file: &ConfigFile) -> Result<StoreConfig> {
    let store = file.load()?.store;
    match journal::is_there(&store.path) {
        true => Ok(store),
        false => bail!("there is no store at {}; store.path says so", store.path.display()),
    }
}
