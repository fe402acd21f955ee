//! Patterns for names, as a shell has them.

/// Whether `name` matches a pattern in which `*` stands for any run of characters.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name
            .strip_prefix(head)
            .is_some_and(|tail| (0..=tail.len()).any(|i| tail.is_char_boundary(i) && matches(rest, &tail[i..]))),
    }
}

/// A filter of rows `op/variant/dtype/case`: a name alone, without `/` and `*`, is all rows of that op.
pub fn of_rows(filter: &str) -> String {
    if filter.contains(['/', '*']) { filter.to_owned() } else { format!("{filter}/*") }
}

/// The patterns of a list `a,b`; `{a,b}c` stands for `ac,bc`.
pub fn alternatives(list: &str) -> Vec<String> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.into_iter().flat_map(braces).collect()
}

/// `a{b,c}d` is `abd` and `acd`; a brace without its pair is a brace.
fn braces(pattern: &str) -> Vec<String> {
    let Some(open) = pattern.find('{') else { return vec![pattern.to_owned()] };
    let mut depth = 0;
    let close = pattern[open..].char_indices().find(|(_, c)| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth == 0
    });
    let Some((length, _)) = close else { return vec![pattern.to_owned()] };
    let (head, inner, tail) = (&pattern[..open], &pattern[open + 1..open + length], &pattern[open + length + 1..]);
    let tails = braces(tail);
    let middles = alternatives(inner);
    middles.iter().flat_map(|middle| tails.iter().map(move |tail| format!("{head}{middle}{tail}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        assert!(matches("*", "add/plain/f32/[1]") && matches("add/*", "add/plain/f32/[1]"));
        assert!(matches("*/f32/*", "add/plain/f32/[1]") && !matches("*/f16/*", "add/plain/f32/[1]"));
        assert!(!matches("add", "add/plain") && matches("a*d", "add"));
    }

    #[test]
    fn a_name_alone_is_all_rows_of_an_op() {
        let fits = |filter: &str, row: &str| matches(&of_rows(filter), row);
        assert!(fits("add", "add/plain/f32/[1]") && !fits("add", "addition/plain/f32/[1]"));
        assert!(fits("add*", "addition/plain/f32/[1]") && fits("add/*", "add/plain/f32/[1]"));
        assert!(!fits("add/plain", "add/plain/f32/[1]") && fits("*/f32/*", "add/plain/f32/[1]"));
    }

    #[test]
    fn lists_and_braces_are_several_patterns() {
        assert_eq!(alternatives("a"), ["a"]);
        assert_eq!(alternatives("a*,b"), ["a*", "b"]);
        assert_eq!(alternatives("{a,b}_*,c"), ["a_*", "b_*", "c"]);
        assert_eq!(alternatives("x{a,{b,c}d}{1,2}"), ["xa1", "xa2", "xbd1", "xbd2", "xcd1", "xcd2"]);
        assert_eq!(alternatives("a{b"), ["a{b"]);
        assert_eq!(alternatives("a}b"), ["a}b"]);
    }
}
