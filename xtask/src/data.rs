//! `cargo xtask data`: data sets that this repository may not hold, from where they are published into the user's cache.

mod grid;
mod package;
mod seventeen;
mod worm;

use clap::Subcommand;

use crate::failure::{Failure, Result};
use crate::network::files;
use crate::network::graph::Network;
use crate::network::sets;
use crate::sudoku::{data, ladder};
use crate::{output, root, say};
use package::{Args, Package};

/// What to fetch.
#[derive(Subcommand, Debug)]
pub enum Set {
    /// 17-clue Sudoku puzzles, and the same with 18 to 21 givens, for `sudoku eval --rungs`
    Sudoku17(Args),
    /// A European power grid of 9,241 buses, for `network run --data grid9241`
    Grid9241(Args),
    /// 192 brain regions with the lengths of their connections, for `network run --data connectome192`
    Connectome192(Args),
    /// The nervous system of C. elegans, 448 cells, for `network run --data celegans`
    Celegans(Args),
}

/// The collection is under the AGPL: nothing of it goes into this repository.
const SUDOKU17: Package = Package {
    name: "larsdoku",
    version: "4.0.0",
    wheel: "larsdoku",
    member: "larsdoku/seed_bank_128.json",
    hash: "f6c3daadc83f9f274cdb79e74a198b912dce686a622f2d229c7deb722b10f10e",
    megabytes: 95,
};

const GRID9241: Package = Package {
    name: "pandapower",
    version: "3.5.6",
    wheel: "pandapower",
    member: "pandapower/networks/power_system_test_case_jsons/case9241pegase.json",
    hash: "07702e1424f1e9aba7e7fec3390990e50cc9a97a3e488535e69b039721398ac3",
    megabytes: 6,
};

/// Under the GPL: nothing of it goes into this repository.
const CONNECTOME192: Package = Package {
    name: "tvb-data",
    version: "3.0.0",
    wheel: "tvb_data",
    member: "tvb_data/connectivity/connectivity_192.zip",
    hash: "d9626a029da18108c3a34cf717d52a665033f227810d71a0ed732c19e2cfd93d",
    megabytes: 52,
};

const CELEGANS: Package = Package {
    name: "cect",
    version: "0.3.5",
    wheel: "cect",
    member: "cect/data/herm_full_edgelist.csv",
    hash: "142693f17556148d7f962835b18ac6dd5af18b7467eef61815ebc1dd5474c0ca",
    megabytes: 14,
};

/// Runs the command.
pub fn run(set: &Set) -> Result {
    match set {
        Set::Sudoku17(args) => sudoku17(&SUDOKU17.get(args)?),
        Set::Grid9241(args) => {
            let (network, notes) = grid::convert(&GRID9241.get(args)?).map_err(Failure::check)?;
            save(sets::Set::Grid9241, &network)?;
            say!("{notes}");
            say!(
                "The case is that of {} {}, from the PEGASE project (arXiv 1603.01533).",
                GRID9241.name,
                GRID9241.version
            );
            Ok(())
        }
        Set::Connectome192(args) => {
            save(sets::Set::Connectome192, &connectome(&CONNECTOME192.get(args)?)?)?;
            let Package { name, version, .. } = CONNECTOME192;
            say!("It is made of {name} {version}, which is under the GPL-3.0-or-later: do not commit it.");
            Ok(())
        }
        Set::Celegans(args) => {
            save(sets::Set::Celegans, &worm::convert(&CELEGANS.get(args)?).map_err(Failure::check)?)?;
            say!(
                "It is made of {} {}, which is under the MIT licence and names the papers of the data.",
                CELEGANS.name,
                CELEGANS.version
            );
            Ok(())
        }
    }
}

fn sudoku17(bytes: &[u8]) -> Result {
    let folder = ladder::folder().map_err(Failure::check)?;
    let solved = seventeen::collection(bytes).map_err(Failure::check)?;
    say!("{} puzzles of 17 givens", solved.len());
    for givens in ladder::GIVENS {
        let boards = seventeen::rung(&solved, givens).map_err(Failure::check)?;
        let path = ladder::file(givens).map_err(Failure::check)?;
        data::write(&path, &boards).map_err(Failure::check)?;
    }
    let (from, to) = ladder::GIVENS.into_inner();
    let Package { name, version, .. } = SUDOKU17;
    say!("{} boards each of {from} to {to} givens in {}", seventeen::BOARDS, folder.display());
    say!("They are made of {name} {version}, which is under the AGPL-3.0-or-later: do not commit them.");
    Ok(())
}

/// The archive as the example reads it, through a file because that is what it reads.
fn connectome(bytes: &[u8]) -> Result<Network> {
    let folder = root::target().join("packages");
    output::make_folder(&folder)?;
    let path = folder.join("connectome192.zip");
    std::fs::write(&path, bytes)
        .map_err(|why| Failure::check(format!("{}: cannot be written ({why})", path.display())))?;
    let network = files::read(&path, files::Direction::Directed).map_err(Failure::check);
    // What cannot be removed does no harm.
    let _ = std::fs::remove_file(&path);
    network
}

/// Writes a network to where the example looks for it, and says what it is.
fn save(set: sets::Set, network: &Network) -> Result {
    let path = set.file().map_err(Failure::check)?;
    if let Some(folder) = path.parent() {
        output::make_folder(folder)?;
    }
    files::write(&path, network).map_err(Failure::check)?;
    let parts = network.components().into_iter().max().map_or(0, |last| last + 1);
    let (nodes, edges) = (network.graph.nodes(), network.graph.edge_count());
    say!("{nodes} nodes, {edges} directed edges, {parts} connected part(s), in {}", path.display());
    Ok(())
}
