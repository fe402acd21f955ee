//! The parts of `examples/sudoku` that need no device and no training: boards, their making, the order they come in.

#![allow(dead_code)] // The example uses what these tests do not.

#[path = "../examples/sudoku/board.rs"]
mod board;
#[path = "../examples/sudoku/data.rs"]
mod data;
#[path = "common/folder.rs"]
mod folder;
#[path = "../examples/sudoku/order.rs"]
mod order;
#[path = "../examples/sudoku/solver.rs"]
mod solver;

use std::collections::HashSet;

use board::Board;
use data::{Split, boards_in};
use folder::Folder;
use order::Order;
use solver::Grid;

/// Solutions by plain trial and error, cell by cell, knowing the rules and nothing else.
fn trial(cells: &mut Vec<u32>, side: usize, from: usize, limit: usize) -> usize {
    let Some(cell) = (from..cells.len()).find(|cell| cells[*cell] == 0) else { return 1 };
    let boxed = if side == 4 { 2 } else { 3 };
    let mut found = 0;
    for digit in 1..=side as u32 {
        let meets = |other: usize| {
            let (row, column) = (cell / side, cell % side);
            let (r, c) = (other / side, other % side);
            cells[other] == digit
                && (r == row || c == column || (r / boxed == row / boxed && c / boxed == column / boxed))
        };
        if !(0..cells.len()).any(meets) {
            cells[cell] = digit;
            found += trial(cells, side, cell + 1, limit - found);
            cells[cell] = 0;
            if found >= limit {
                break;
            }
        }
    }
    found
}

#[test]
fn there_are_288_small_grids_of_which_8_kinds_train_and_4_test() {
    let grids = Grid::new(4).solutions(usize::MAX);
    assert_eq!(grids.len(), 288);
    assert!(grids.iter().all(|grid| board::is_solved(grid)));
    let kinds: HashSet<Vec<u32>> = grids.iter().map(|grid| board::canonical(grid)).collect();
    assert_eq!(kinds.len(), 12);
    assert_eq!(kinds.iter().filter(|kind| data::is_held_out(kind)).count(), 4);
    assert!(grids.iter().all(|grid| data::is_held_out(grid) == data::is_held_out(&board::canonical(grid))));
}

#[test]
fn the_solver_counts_as_plain_trial_does() {
    // A puzzle of 17 givens with one solution, and the same without one of them.
    let text = "000000010400000000020000000000050407008000300001090000300400200050100000000806000";
    let puzzle = board::parse(text).unwrap();
    let solved = Board::new(puzzle.clone()).unwrap();
    assert_eq!(solved.givens(), 17);
    assert!(board::is_solved(&solved.solution));
    let mut fewer = puzzle;
    fewer[7] = 0;
    assert_eq!(board::solutions(&fewer, 5).unwrap().len(), 5);
    assert!(Board::new(fewer).unwrap_err().contains("more than one"));
    // All puzzles that one small grid leaves when some of its cells are taken away.
    let grid = board::parse("1234341221434321").unwrap();
    for mask in (0..1u32 << 16).step_by(7) {
        let puzzle: Vec<u32> =
            grid.iter().enumerate().map(|(cell, digit)| if mask >> cell & 1 == 1 { *digit } else { 0 }).collect();
        let found = board::solutions(&puzzle, 3).unwrap();
        assert_eq!(found.len(), trial(&mut puzzle.clone(), 4, 0, 3), "{}", board::line(&puzzle));
        assert!(found.iter().all(|solution| board::is_solved(solution)));
    }
}

#[test]
fn boards_that_break_the_rules_are_refused_with_the_place() {
    let with = |cells: &[(usize, u32)]| {
        let mut puzzle = vec![0; 81];
        cells.iter().for_each(|(cell, digit)| puzzle[*cell] = *digit);
        board::check(&puzzle)
    };
    assert_eq!(with(&[(0, 5), (1, 6), (9, 7)]), Ok(()));
    for (cells, words) in [
        ([(0, 5), (8, 5)], ["twice in one row", "row 1, column 1", "row 1, column 9"]),
        ([(0, 5), (72, 5)], ["twice in one column", "row 1, column 1", "row 9, column 1"]),
        ([(0, 5), (10, 5)], ["twice in one box", "row 1, column 1", "row 2, column 2"]),
    ] {
        let why = with(&cells).unwrap_err();
        assert!(words.iter().all(|word| why.contains(word)), "{why}");
    }
    let empty = board::parse(&"0".repeat(81)).unwrap();
    assert!(Board::new(empty).unwrap_err().contains("more than one"));
    assert!(Board::new(board::parse("123....4........").unwrap()).unwrap_err().contains("no solution"));
}

#[test]
fn text_is_read_with_precise_complaints() {
    let text = "1 . 3 .\n. . 1 0\n....\n4321";
    let cells = board::parse(text).unwrap();
    assert_eq!(cells, [1, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 4, 3, 2, 1]);
    assert_eq!(board::parse(&board::line(&cells)), Ok(cells));
    for (text, word) in [
        ("12".to_owned(), "not 2"),
        ("x".repeat(81), "character 1 is 'x'"),
        ("5...............".to_owned(), "row 1, column 1 is 5"),
        ("....9...........".to_owned(), "row 2, column 1 is 9"),
    ] {
        let why = board::parse(&text).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn every_board_has_one_solution_and_no_test_solution_is_trained_on_under_other_names() {
    let folder = Folder::new("sudoku-splits");
    for (side, count) in [(9, 300), (4, 300)] {
        let mut kinds: Vec<HashSet<Vec<u32>>> = vec![];
        for split in [Split::Train, Split::Test, Split::Hard] {
            let boards = boards_in(&folder, side, split, count, 1).unwrap();
            assert_eq!(boards.len(), count);
            let (least, most) = split.givens(side);
            for board in &boards {
                assert!((least..=most).contains(&board.givens()), "{}", board.givens());
                assert_eq!(Board::new(board.puzzle.clone()).as_ref(), Ok(board));
            }
            // By a search that shares nothing with the one that made them; it takes long where much is blank.
            for board in boards.iter().filter(|board| side == 4 || board.givens() >= 31).take(50) {
                assert_eq!(trial(&mut board.puzzle.clone(), side, 0, 2), 1, "{}", board::line(&board.puzzle));
            }
            let givens: HashSet<usize> = boards.iter().map(Board::givens).collect();
            assert!(givens.len() + 1 >= most - least, "{givens:?} of {least} to {most}");
            kinds.push(boards.iter().map(|board| board::canonical(&board.solution)).collect());
        }
        assert!(kinds[0].is_disjoint(&kinds[1]) && kinds[0].is_disjoint(&kinds[2]));
        assert_eq!(kinds[0].len(), if side == 4 { 8 } else { count });
    }
}

#[test]
fn sets_are_prefixes_of_each_other_and_survive_their_file() {
    let folder = Folder::new("sudoku-prefix");
    let few = boards_in(&folder, 9, Split::Hard, 5, 3).unwrap();
    let many = boards_in(&folder, 9, Split::Hard, 12, 3).unwrap();
    assert_eq!(many[..5], few[..]);
    let fresh = boards_in(&folder.join("elsewhere"), 9, Split::Hard, 12, 3).unwrap();
    assert_eq!(fresh, many);
    assert_eq!(boards_in(&folder, 9, Split::Hard, 5, 3).unwrap(), few);
    assert_ne!(boards_in(&folder, 9, Split::Hard, 5, 4).unwrap(), few);
    assert!(boards_in(&folder, 6, Split::Hard, 1, 3).is_err());

    let path = folder.join("9x9-hard-3.txt");
    let text = std::fs::read_to_string(&path).unwrap();
    let refused = |text: String, word: &str| {
        std::fs::write(&path, text).unwrap();
        let why = boards_in(&folder, 9, Split::Hard, 5, 3).unwrap_err().to_string();
        assert!(why.contains(word) && why.contains("delete the file"), "{why}");
    };
    refused(text[..text.len() - 200].to_owned(), "line");
    let shorter: Vec<&str> = text.lines().collect();
    refused(shorter[..5].join("\n"), "12 boards are announced, 4 are there");
    // One digit of the second board's solution.
    let mut wrong = text.clone().into_bytes();
    let at = shorter[0].len() + 1 + shorter[1].len() + 1 + 82;
    wrong[at] = if wrong[at] == b'1' { b'2' } else { b'1' };
    refused(String::from_utf8(wrong).unwrap(), "line 3");
    // Boards of another version are made anew.
    std::fs::write(&path, "boards of another version\n").unwrap();
    assert_eq!(boards_in(&folder, 9, Split::Hard, 5, 3).unwrap(), few);
}

#[test]
fn an_order_is_one_of_all_boards_and_knows_the_past() {
    let folder = Folder::new("sudoku-order");
    let boards = boards_in(&folder, 4, Split::Train, 40, 1).unwrap();
    let all = |relabel: bool, cuts: &[usize]| {
        let (mut seen, mut list) = (0, vec![]);
        for count in cuts {
            // A new one each time, as after a stop.
            list.extend(Order::new(5, boards.len(), relabel).batch(seen, *count, &boards));
            seen += *count as u64;
        }
        list
    };
    let at_once = all(false, &[120]);
    assert_eq!(all(false, &[16, 16, 16, 72]), at_once);
    let sorted = |boards: &[Board]| {
        let mut lines: Vec<String> = boards.iter().map(|board| board::line(&board.puzzle)).collect();
        lines.sort();
        lines
    };
    let rounds: Vec<&[Board]> = at_once.chunks(40).collect();
    assert!(rounds.iter().all(|round| sorted(round) == sorted(&boards)));
    assert!(rounds[0] != rounds[1] && rounds[1] != rounds[2] && rounds[0] != boards);

    let renamed = all(true, &[120]);
    assert_eq!(all(true, &[7, 50, 63]), renamed);
    assert_ne!(renamed, at_once);
    for (board, first) in renamed.iter().zip(&at_once) {
        assert_eq!(board::canonical(&board.solution), board::canonical(&first.solution));
        assert_eq!(Board::new(board.puzzle.clone()).as_ref(), Ok(board));
    }
}
