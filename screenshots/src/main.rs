//! Pictures of the real program for the README: `cargo run -p screenshots` after `cargo build --release`.
//!
//! Each scene of `scenes.toml` runs the built binary in a pty, and what its terminal shows becomes an SVG (text, the same bytes on every run,
//! compared by `--check`) and a PNG beside it. Nothing is fetched: the font is Debian's fonts-dejavu-core.

// This tool starts the program and writes pictures; the rule that only `host` may do so protects the machine from domkeep itself.
#![allow(clippy::disallowed_methods)]

mod args;
mod draw;
mod glyph;
mod palette;
mod picture;
mod scene;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use args::Args;
use scene::Scene;

fn main() -> ExitCode {
    let args = match args::read(std::env::args().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            println!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("screenshots: {why}\n\n{}", args::HELP);
            return ExitCode::from(64);
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("screenshots: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let scenes = scene::read(&args.scenes)?;
    let chosen: Vec<&Scene> = scenes.iter().filter(|scene| args.only.is_empty() || args.only.contains(&scene.name)).collect();
    if let Some(unknown) = args.only.iter().find(|name| scenes.iter().all(|scene| scene.name != **name)) {
        bail!("{} has no scene {unknown:?}", args.scenes.display());
    }
    let painter = if args.check { None } else { Some(picture::Painter::new(&args.fonts)?) };
    let mut untrue = Vec::new();
    for scene in chosen {
        let screen = scene::play(scene, &args.binary, &args.scratch).with_context(|| format!("scene {}", scene.name))?;
        let svg = draw::svg(&screen, &scene.title(), &scene.alt);
        let file = args.out.join(format!("{}.svg", scene.name));
        match &painter {
            None => untrue.extend(differs(&file, &svg, args, &scene.name)?),
            Some(painter) => {
                write(&file, svg.as_bytes())?;
                write(&file.with_extension("png"), &painter.png(&svg)?)?;
                println!("{}: {} bytes of SVG", scene.name, svg.len());
            }
        }
    }
    if untrue.is_empty() {
        return Ok(());
    }
    bail!("no longer what the program shows: {}; look at the new pictures, then run `cargo run -p screenshots`", untrue.join(", "))
}

/// The scene's name when the committed picture is missing or differs; the new one is left in the scratch directory to look at.
fn differs(file: &Path, svg: &str, args: &Args, name: &str) -> anyhow::Result<Option<String>> {
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    if committed == svg {
        println!("{name}: true");
        return Ok(None);
    }
    let new = args.scratch.join(format!("{name}.svg"));
    write(&new, svg.as_bytes())?;
    println!("{name}: DIFFERS from {}; the new one is {}", file.display(), new.display());
    for line in draw::text_lines(svg).iter().filter(|line| !draw::text_lines(&committed).contains(line)).take(10) {
        println!("  new: {line}");
    }
    Ok(Some(name.to_owned()))
}

fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(file, bytes).with_context(|| format!("{} cannot be written", file.display()))
}
