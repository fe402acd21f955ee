//! Boards, energies and votes as text: plain for a file, with colours for a terminal.

use std::fmt::Write;

use kuramoto::model::vote::{Ballot, Statistic};

use super::board;
use super::solver::Grid;
use super::solving::{Trace, Voted};

/// Columns that lines keep to.
const WIDTH: usize = 79;

/// Boards that show how one forms.
const MOMENTS: usize = 6;

/// Between boards next to each other.
const GAP: usize = 4;

/// Rows of a vote's table; of more draws the best are shown.
const ROWS: usize = 12;

/// For each cell whether its digit is twice in its row, column or box.
pub fn conflicts(cells: &[u32]) -> Vec<bool> {
    let side = cells.len().isqrt();
    let units: Vec<[usize; 3]> = (0..cells.len()).map(|cell| Grid::units(side, cell)).collect();
    let meets = |a: usize, b: usize| units[a].iter().zip(units[b]).any(|(a, b)| *a == b);
    let twice = |cell: usize| {
        let same = |other: usize| other != cell && cells[other] == cells[cell] && meets(cell, other);
        cells[cell] != 0 && (0..cells.len()).any(same)
    };
    (0..cells.len()).map(twice).collect()
}

/// What there is to say of an answer.
pub fn verdict(cells: &[u32]) -> String {
    match conflicts(cells).into_iter().filter(|twice| *twice).count() {
        0 => "obeys the rules".into(),
        count => format!("{count} conflicts"),
    }
}

/// One board, a line for each row, all of [`width`]. A digit that breaks a rule has a `!` behind it. In colours, givens
/// are bold, what breaks a rule is red, what is not as `before` is yellow.
pub fn board(cells: &[u32], puzzle: &[u32], before: &[u32], colour: bool) -> Vec<String> {
    let side = cells.len().isqrt();
    let boxed = side.isqrt();
    let conflicts = conflicts(cells);
    let mut lines = Vec::new();
    for row in 0..side {
        if row > 0 && row % boxed == 0 {
            let part = "-".repeat(2 * boxed);
            lines.push(vec![part; boxed].join("+-").chars().take(width(side)).collect());
        }
        let mut line = String::new();
        for column in 0..side {
            let cell = row * side + column;
            if column > 0 && column % boxed == 0 {
                line.push_str("| ");
            }
            let digit = char::from_digit(cells[cell], 10).filter(|_| cells[cell] != 0).unwrap_or('.');
            let code = match () {
                () if !colour => "",
                () if puzzle[cell] != 0 => "1",
                () if conflicts[cell] => "31",
                () if before[cell] != cells[cell] => "33",
                () => "",
            };
            match code {
                "" => line.push(digit),
                code => {
                    let _ = write!(line, "\u{1b}[{code}m{digit}\u{1b}[0m");
                }
            }
            line.push(if conflicts[cell] { '!' } else { ' ' });
        }
        lines.push(line);
    }
    lines
}

/// Columns of a board.
fn width(side: usize) -> usize {
    2 * side + 2 * (side.isqrt() - 1)
}

/// The steps that show how a board forms: the start, then closer together early, up to the last change.
pub fn moments(boards: &[Vec<u32>]) -> Vec<usize> {
    let last = boards.len().saturating_sub(1);
    let settled = (0..last).rev().find(|step| boards[*step] != boards[last]).map_or(0, |step| step + 1);
    let along = |i: usize| {
        let share = i as f64 / (MOMENTS - 1) as f64;
        (share * share * settled as f64).round() as usize
    };
    let mut moments: Vec<usize> = (0..MOMENTS).map(along).collect();
    moments.dedup();
    moments
}

/// How the board formed: some moments next to each other, with the energy under each.
pub fn forming(puzzle: &[u32], trace: &Trace, colour: bool) -> String {
    let side = puzzle.len().isqrt();
    let width = width(side).max(22);
    let at_once = (WIDTH + GAP) / (width + GAP);
    let moments = moments(&trace.boards);
    let mut text = String::new();
    for row in moments.chunks(at_once) {
        let frame = |step: &usize| {
            let cells = &trace.boards[*step];
            let mut lines = vec![format!("step {step}: {}", verdict(cells))];
            lines.extend(board(cells, puzzle, &trace.boards[step.saturating_sub(1)], colour));
            lines.push(trace.energies.get(*step).map_or(String::new(), |energy| format!("energy {energy:.2}")));
            lines
        };
        let frames: Vec<Vec<String>> = row.iter().map(frame).collect();
        for line in 0..frames.first().map_or(0, Vec::len) {
            let cells: Vec<String> = frames.iter().map(|frame| padded(&frame[line], width)).collect();
            text.push_str(cells.join(&" ".repeat(GAP)).trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// `text` filled up with spaces to `width` columns; codes of colours take none.
fn padded(text: &str, width: usize) -> String {
    let (mut columns, mut within) = (0, false);
    for character in text.chars() {
        match (within, character) {
            (false, '\u{1b}') => within = true,
            (false, _) => columns += 1,
            (true, 'm') => within = false,
            (true, _) => {}
        }
    }
    format!("{text}{}", " ".repeat(width.saturating_sub(columns)))
}

/// Eight heights, lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Numbers as bars, at most `most` of them: of more numbers every second, third, .. and the last.
pub fn bars(values: &[f64], most: usize) -> String {
    let every = values.len().div_ceil(most.max(1)).max(1);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        BARS[((share * BARS.len() as f64) as usize).min(BARS.len() - 1)]
    };
    let shown = (0..values.len()).filter(|at| (values.len() - 1 - at).is_multiple_of(every));
    shown.map(|at| bar(values[at])).collect()
}

/// The energy over the steps: a picture and numbers; nothing for a network without one.
pub fn energy(energies: &[f64]) -> String {
    let (Some(first), Some(last)) = (energies.first(), energies.last()) else { return String::new() };
    let smaller = |best: usize, at: usize| if energies[at] < energies[best] { at } else { best };
    let lowest = (0..energies.len()).fold(0, smaller);
    format!(
        "energy {}\nfrom {first:.2} at the start to {last:.2} before the last step; lowest: {:.2} after step {lowest}\n",
        bars(energies, WIDTH - 7),
        energies[lowest]
    )
}

/// What is compared, as the head of a column.
pub fn compared(ballot: Ballot) -> &'static str {
    match ballot {
        Ballot::Energy(Statistic::Last) => "energy",
        Ballot::Energy(Statistic::Sum) => "energy, summed",
        Ballot::Confidence => "confidence",
    }
}

/// A number as people expect it: scores are such that the smaller wins, a confidence is a share of 100 %.
fn score(ballot: Ballot, score: f64) -> String {
    match ballot {
        Ballot::Energy(_) => format!("{score:.2}"),
        Ballot::Confidence => format!("{:.2} %", -100.0 * score),
    }
}

/// The draws and who won, the best first where there are too many to show.
pub fn table(voted: &Voted, ballot: Ballot) -> String {
    let mut shown: Vec<usize> = (0..voted.draws.len()).collect();
    if shown.len() > ROWS {
        shown.sort_by(|a, b| voted.draws[*a].1.total_cmp(&voted.draws[*b].1).then(a.cmp(b)));
        shown.truncate(ROWS);
    }
    let mut text = format!("{:>6} {:>16}   answer\n", "draw", compared(ballot));
    for at in &shown {
        let (answer, value) = &voted.draws[*at];
        let mark = if *at == voted.elected { "   <- elected" } else { "" };
        let _ = writeln!(text, "{:>6} {:>16}   {}{mark}", at + 1, score(ballot, *value), verdict(answer));
    }
    let obeying = |voted: &Voted| voted.draws.iter().filter(|draw| board::is_solved(&draw.0)).count();
    if shown.len() < voted.draws.len() {
        let _ = writeln!(text, "and {} draws that score worse", voted.draws.len() - shown.len());
    }
    let _ = writeln!(text, "{} of {} draws obey the rules", obeying(voted), voted.draws.len());
    text
}

/// Everything there is to see of one puzzle: how the board of the elected draw formed, its energy, the vote, the verdict.
pub fn story(voted: &Voted, trace: &Trace, ballot: Ballot, colour: bool) -> String {
    let mut text = forming(&voted.puzzle, trace, colour);
    for part in [energy(&trace.energies), if voted.draws.len() > 1 { table(voted, ballot) } else { String::new() }] {
        if !part.is_empty() {
            let _ = writeln!(text, "{part}");
        }
    }
    text.push_str(match voted.solved() {
        true => "The answer obeys the rules and keeps the givens: it is the solution.\n",
        false => "The answer breaks the rules: it is wrong. More --draws or more --steps may find the solution.\n",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<u32> {
        board::parse(text).unwrap()
    }

    const SOLVED: &str = "1234 3412 2143 4321";

    #[test]
    fn conflicts_are_in_rows_columns_and_boxes() {
        let at = |text: &str| {
            let found = conflicts(&cells(text)).into_iter().enumerate();
            found.filter(|(_, twice)| *twice).map(|(cell, _)| cell).collect::<Vec<_>>()
        };
        assert_eq!(at(SOLVED), [0; 0]);
        assert_eq!(at("1..1 .... .... ...."), [0, 3]);
        assert_eq!(at("1... .... .... 1..."), [0, 12]);
        assert_eq!(at("1... .1.. .... ...."), [0, 5]);
        assert_eq!(at("1... ..1. .... ...."), [0; 0]);
        assert_eq!(
            (verdict(&cells(SOLVED)).as_str(), verdict(&cells("11.1 .... .... ....")).as_str()),
            ("obeys the rules", "3 conflicts")
        );
        let mut nine = vec![0; 81];
        (nine[0], nine[20], nine[80], nine[60]) = (7, 7, 5, 5);
        let found = conflicts(&nine);
        assert_eq!((0..81).filter(|cell| found[*cell]).collect::<Vec<_>>(), [0, 20, 60, 80]);
    }

    #[test]
    fn a_board_has_lines_of_one_width_and_codes_on_a_terminal_only() {
        let puzzle = cells("1... .... .... ....");
        let now = cells("1234 3412 2143 432.");
        let before = cells("1232 3412 2143 432.");
        let plain = board(&now, &puzzle, &before, false);
        assert_eq!(plain, ["1 2 | 3 4 ", "3 4 | 1 2 ", "----+-----", "2 1 | 4 3 ", "4 3 | 2 . "]);
        let coloured = board(&now, &puzzle, &before, true);
        assert_eq!(coloured[0], "\u{1b}[1m1\u{1b}[0m 2 | 3 \u{1b}[33m4\u{1b}[0m ");
        assert_eq!(padded(&coloured[0], 12), format!("{}  ", coloured[0]));
        let wrong = board(&before, &puzzle, &before, true);
        assert_eq!(wrong[0], "\u{1b}[1m1\u{1b}[0m \u{1b}[31m2\u{1b}[0m!| 3 \u{1b}[31m2\u{1b}[0m!");
        let nine = vec![0; 81];
        assert!(board(&nine, &nine, &nine, false).iter().all(|line| line.chars().count() == 22));
        assert_eq!(board(&nine, &nine, &nine, false).len(), 11);
    }

    #[test]
    fn moments_end_with_the_last_change() {
        let boards = |changes: usize, length: usize| -> Vec<Vec<u32>> {
            (0..length).map(|step| vec![step.min(changes) as u32]).collect()
        };
        assert_eq!(moments(&boards(25, 65)), [0, 1, 4, 9, 16, 25]);
        assert_eq!(moments(&boards(2, 65)), [0, 1, 2]);
        assert_eq!(moments(&boards(0, 65)), [0]);
        assert_eq!(moments(&boards(64, 65)).last(), Some(&64));
        assert_eq!(moments(&boards(0, 1)), [0]);
    }

    #[test]
    fn frames_stand_next_to_each_other() {
        let puzzle = cells("1... .... .... ....");
        let step = |digit: u32| {
            let mut board = cells(SOLVED);
            board[15] = digit;
            board
        };
        let trace = Trace { boards: vec![step(4), step(2), step(1), step(1)], energies: vec![-1.0, -2.5, -3.0] };
        let text = forming(&puzzle, &trace, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "step 0: 4 conflicts       step 1: 3 conflicts       step 2: obeys the rules");
        assert_eq!(lines[5].split_whitespace().collect::<Vec<_>>().join(" "), "4!3 | 2 4! 4 3 | 2!2! 4 3 | 2 1");
        assert_eq!(lines[6], "energy -1.00              energy -2.50              energy -3.00");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(!text.contains('\u{1b}') && forming(&puzzle, &trace, true).contains('\u{1b}'));
    }

    #[test]
    fn bars_run_from_the_lowest_to_the_highest() {
        assert_eq!(bars(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8), "▁▂▃▄▅▆▇█");
        assert_eq!(bars(&[-5.0; 3], 8), "▁▁▁");
        // Every second of five from the end.
        assert_eq!(bars(&[7.0, 0.0, 0.0, 0.0, 0.0], 3), "█▁▁");
        assert_eq!(bars(&[], 8), "");
        let text = energy(&[-1.0, -4.0, -3.0]);
        assert_eq!(
            text,
            "energy █▁▃\nfrom -1.00 at the start to -3.00 before the last step; lowest: -4.00 after step 1\n"
        );
        assert_eq!(energy(&[]), "");
    }

    #[test]
    fn the_table_of_a_vote_names_the_winner() {
        let (right, mut wrong) = (cells(SOLVED), cells(SOLVED));
        wrong[0] = 2;
        let puzzle = cells(".... 3412 2143 4321");
        let draws = vec![(wrong.clone(), -1.5), (right.clone(), -2.0), (right.clone(), -1.0)];
        let voted = Voted { puzzle: puzzle.clone(), draws, elected: 1 };
        let text = table(&voted, Ballot::Energy(Statistic::Last));
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["draw", "energy", "answer"]);
        assert_eq!(lines[1], ["1", "-1.50", "3", "conflicts"]);
        assert_eq!(lines[2], ["2", "-2.00", "obeys", "the", "rules", "<-", "elected"]);
        assert_eq!(lines[4].join(" "), "2 of 3 draws obey the rules");
        // Of many draws the best, which are the last here.
        let draws = (0..40).map(|k| (right.clone(), -0.01 * f64::from(k))).collect();
        let text = table(&Voted { puzzle, draws, elected: 39 }, Ballot::Confidence);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + ROWS + 2);
        assert!(
            lines[1].trim_start().starts_with("40") && lines[1].contains("39.00 %") && lines[1].contains("elected")
        );
        assert_eq!(lines[ROWS + 1], "and 28 draws that score worse");
    }

    #[test]
    fn a_story_ends_with_the_verdict() {
        let (right, puzzle) = (cells(SOLVED), cells(".... 3412 2143 4321"));
        let mut wrong = right.clone();
        wrong[0] = 2;
        let trace = Trace { boards: vec![wrong.clone(), right.clone()], energies: vec![-1.0] };
        let ballot = Ballot::Energy(Statistic::Last);
        let story = |draws: Vec<(Vec<u32>, f64)>| {
            let voted = Voted { puzzle: puzzle.clone(), draws, elected: 0 };
            story(&voted, &trace, ballot, false)
        };
        let solved = story(vec![(right, -1.0)]);
        assert!(solved.ends_with("it is the solution.\n") && !solved.contains("elected"), "{solved}");
        let failed = story(vec![(wrong.clone(), -1.0), (wrong, -0.5)]);
        assert!(failed.contains("breaks the rules") && failed.contains("0 of 2 draws obey"), "{failed}");
    }
}
