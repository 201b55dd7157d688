//! The command line: a file a command, with its arguments, its help and its behaviour.
//!
//! A command returns an [`Exit`] or an error; only [`run`] turns these into a status and prints errors, so that every
//! command ends the same way: 0 when all is well, 1 when something failed, 2 when it was called wrongly.

mod check;
mod configuration;
mod dead_letters;
mod dev;
mod diagnose;
mod duplicates;
mod edge;
mod events;
mod filter;
mod gateway;
mod http;
mod output;
mod plugin;
mod providers;
mod sandbox;
mod secrets;
mod send;
mod serve;
mod store;
mod try_plugin;
mod watch;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

/// hookgate's command line.
#[derive(Debug, Parser)]
#[command(
    name = "hookgate",
    version,
    about = "A webhook gateway whose provider rules are sandboxed WebAssembly components",
    long_about = "A webhook gateway whose provider rules are sandboxed WebAssembly components.\n\n\
        It verifies signed deliveries, stores them durably before it answers, and delivers each event to its destinations, \
        with retries, until it has arrived.\n\n\
        To try it:   hookgate dev\n\
        To run it:   hookgate check && hookgate serve\n\
        To inspect:  hookgate events list",
    after_help = "Exit status: 0 success, 1 something failed, 2 wrong usage.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Dev(dev::Dev),
    Check(check::Check),
    Send(send::Send),
    Diagnose(diagnose::Diagnose),
    #[command(subcommand)]
    Events(events::Events),
    #[command(subcommand)]
    Duplicates(duplicates::Duplicates),
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLetters),
    #[command(subcommand)]
    Filter(filter::Filter),
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    #[command(subcommand)]
    Providers(providers::Providers),
    #[command(subcommand)]
    Edge(edge::Edge),
    #[command(subcommand)]
    Store(store::Store),
    #[command(hide = true, name = hookgate_sandbox::child::COMMAND)]
    TryPlugin(try_plugin::TryPlugin),
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All is well.
    Ok,
    /// The command worked, and has reported a bad result.
    Failed,
}

/// The arguments are valid one by one, but contradict each other or name something that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs the command and returns its status; errors go to standard error.
pub async fn run(cli: Cli) -> ExitCode {
    let ended = match cli.command {
        Command::Serve(serve) => serve.run().await,
        Command::Dev(dev) => dev.run().await,
        Command::Check(check) => check.run(),
        Command::Send(send) => send.run().await,
        Command::Diagnose(diagnose) => diagnose.run().await,
        Command::Events(events) => events.run().await,
        Command::Duplicates(duplicates) => duplicates.run().await,
        Command::DeadLetters(dead_letters) => dead_letters.run().await,
        Command::Filter(filter) => filter.run(),
        Command::Secrets(secrets) => secrets.run().await,
        Command::Plugin(plugin) => plugin.run().await,
        Command::Providers(providers) => providers.run(),
        Command::Edge(edge) => edge.run().await,
        Command::Store(store) => store.run().await,
        Command::TryPlugin(try_plugin) => try_plugin.run().await,
    };
    match ended {
        Ok(Exit::Ok) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::FAILURE,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// Whether the reader of the output has closed it. Only `output` gives this error; errors of connections have a context.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_that_teaches() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                assert!(sub.get_about().is_some(), "{} has no help", sub.get_name());
                if sub.get_subcommands().next().is_none() {
                    let long = sub.get_long_about().map(ToString::to_string).unwrap_or_default();
                    assert!(long.contains("hookgate "), "the help of {} has no example", sub.get_name());
                }
                check(sub);
            }
        }
        let mut command = Cli::command();
        command.build();
        check(&command);
    }

    #[test]
    fn arguments_are_parsed() {
        let cases: &[(&str, bool)] = &[
            ("check", true),
            ("check --config other.toml --json", true),
            ("check other.toml", false),
            ("plugin list --json", true),
            ("plugin inspect", false),
            ("plugin inspect stripe", true),
            ("providers list --json", true),
            ("providers show", false),
            ("providers show razorpay", true),
            ("plugin test ./x.wasm --vectors a.json --vectors b.json --all", true),
            ("plugin diff", false),
            ("plugin diff stripe --candidate abc --json", true),
            ("plugin replay stripe", false),
            ("plugin replay ./x.wasm --source stripe --since 24h --limit 10", true),
            ("plugin replay ./x.wasm --source stripe --since yesterday", false),
            ("plugin install ./x.wasm --source shop --canary 10%", true),
            ("plugin install ./x.wasm --canary 100", false),
            ("plugin install ./x.wasm --shadow --no-activate", false),
            ("plugin activate stripe", false),
            ("plugin activate stripe 0123456789 --shadow", true),
            ("plugin activate stripe 0123456789 --bundled", false),
            ("plugin rollback stripe --source shop --json", true),
            ("plugin history", true),
            ("plugin sign ./x.wasm", false),
            ("plugin sign ./x.wasm --key k.pem --new-key", true),
            ("edge build", false),
            ("edge build --plugin stripe --plugin ./x.wasm --platform wasi --out dir", true),
            ("edge manifest --plugin stripe", true),
            ("plugin test x.wasm --memory 128MiB --timeout 2s --time", true),
            ("plugin test x.wasm --memory 2GiB", false),
            ("plugin test x.wasm --timeout 1h", false),
            ("plugin new acme --path dir --sdk ..", true),
            ("plugin new Acme", false),
            ("plugin build . --out dir --json", true),
            ("plugin dev acme --forward http://localhost:3000/hooks", true),
            ("dev --only stripe --directory plugins", true),
            ("", false),
            ("nothing", false),
            ("serve --config x.toml", true),
            ("dev --forward http://localhost:3000/hooks --listen 127.0.0.1:0", true),
            ("dev --forward localhost:3000", false),
            ("send stripe --secret s http://127.0.0.1:8080/in/stripe", true),
            ("send stripe /in/stripe", false),
            ("send stripe --secret-name a http://h/", false),
            ("send stripe --at tomorrow http://h/", false),
            ("send stripe --print --json http://h/", false),
            ("events list --state dead --since 2026-01-31T00:00:00Z --limit 5", true),
            ("events list --state lost", false),
            ("events list --since yesterday", false),
            ("events replay e --to a --to b", true),
            ("events replay e --to a --transform", false),
            ("duplicates list --source stripe --of e --since 2026-01-31T00:00:00Z --json", true),
            ("duplicates list --since yesterday", false),
            ("duplicates show", false),
            ("duplicates show d --payload", true),
            ("duplicates admit", false),
            ("duplicates admit d e.1 --json", true),
            ("dead-letters redrive", false),
            ("dead-letters redrive --all", true),
            ("dead-letters redrive --all --destination orders", false),
            ("dead-letters redrive orders/e/0 audit/e/1", true),
            ("dead-letters redrive orders", false),
            ("dead-letters discard", false),
            ("dead-letters discard --all --destination orders", false),
            ("dead-letters discard --destination orders", true),
            ("dead-letters discard orders/e/0 audit/e/1", true),
            ("filter test p.json -", true),
            ("filter test p.json", false),
            ("filter test p.json e.json --json", true),
            ("diagnose", true),
            ("diagnose --source stripe --json", true),
            ("diagnose 0af7651916cd43dd8448eb211c80319c --source stripe", false),
            ("secrets open asana --for 1h", true),
            ("secrets open asana --for soon", false),
            ("secrets open", false),
            ("secrets forget asana", false),
            ("secrets forget asana 01980e5c-2a7b-7c3d-9f4e-5a6b7c8d9e0f", true),
            ("secrets forget asana --all", true),
            ("secrets forget asana 01980e5c --all", false),
            ("store migrate", false),
            ("store migrate --to sled", true),
            ("store migrate --to rocksdb", false),
            ("store accept-loss", true),
            ("store forget-sealed", true),
            ("store deactivate-plugins", true),
        ];
        for (arguments, good) in cases {
            let parsed = Cli::try_parse_from(std::iter::once("hookgate").chain(arguments.split_whitespace()));
            assert_eq!(parsed.is_ok(), *good, "{arguments}: {parsed:?}");
        }
    }
}
