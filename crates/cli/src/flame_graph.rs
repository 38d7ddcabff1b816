//! Flame graphs: where a request's instructions are, and of a comparison which of them are new.

use inferno::flamegraph::{self, Options};

use perf_passport::text::escaped;
use perf_passport_compare::ChainCost;

/// Pixels.
const WIDTH: usize = 1_600;

/// What the picture of a comparison shows.
const OF_COMPARISON: &str = "Instructions of one sample in the current build, by chains of calls. Red: \
                             more in the function itself than in the baseline; blue: fewer.";

/// What the picture of one build shows.
const OF_BUILD: &str = "Instructions of one sample, by chains of calls.";

/// The graph of a comparison, as SVG.
///
/// # Errors
///
/// When there is nothing to draw.
pub(super) fn draw(title: &str, chains: &[ChainCost]) -> anyhow::Result<Vec<u8>> {
    let line = |chain: &ChainCost| format!("{} {} {}", stack(chain), chain.before, chain.after);
    drawn(title, OF_COMPARISON, &chains.iter().map(line).collect::<Vec<_>>())
}

/// The graph of the current build alone, as SVG.
///
/// # Errors
///
/// When there is nothing to draw.
pub(super) fn draw_one(title: &str, chains: &[ChainCost]) -> anyhow::Result<Vec<u8>> {
    let line = |chain: &ChainCost| format!("{} {}", stack(chain), chain.after);
    drawn(title, OF_BUILD, &chains.iter().map(line).collect::<Vec<_>>())
}

/// Tags of what is drawn below the head.
const TAGS: [&str; 5] = ["g", "rect", "svg", "text", "title"];

/// Whether an SVG is one that this program drew, as far as it could do anything: its script and its style
/// are those of ours, and nothing else is in it but boxes and their names.
pub(super) fn is_ours(svg: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(svg) else { return false };
    let Some((head, drawing)) = text.split_once(HEAD_END) else { return false };
    let chains = [ChainCost { functions: vec!["f".to_owned()], before: 1, after: 2 }];
    let is_head = |ours: anyhow::Result<Vec<u8>>| {
        let ours = ours.map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default();
        let ours = ours.split_once(HEAD_END).map(|(ours, _)| without_numbers(ours));
        ours == Some(without_numbers(head))
    };
    let is_plain = |tag: &str| {
        let tag = tag.split_once('>').map_or(tag, |(tag, _)| tag);
        let name = tag.strip_prefix('/').unwrap_or(tag);
        // Up to its end: a prefix would make `svg:script` of it.
        let ends = |c: char| c.is_ascii_whitespace() || c == '/';
        let name = name.split(ends).next().unwrap_or_default();
        let acts = |it: &str| {
            // What is referred to in the drawing itself is ours.
            let it = it.to_ascii_lowercase().replace("url(#", "");
            let begins = ["on", "style", "xmlns"].iter().any(|name| it.starts_with(name));
            begins || ["href", "url(", "&"].iter().any(|part| it.contains(part))
        };
        // A quotation mark that stays open would hide where the tag ends.
        let whole = tag.matches('"').count().is_multiple_of(2) && !tag.contains('\'');
        TAGS.contains(&name) && whole && !tag.split_ascii_whitespace().any(acts)
    };
    (is_head(draw("", &chains)) || is_head(draw_one("", &chains)))
        && drawing.split('<').skip(1).all(is_plain)
}

/// Where the head of a drawing ends.
const HEAD_END: &str = "</script>";

/// The height of a picture is in its head.
fn without_numbers(text: &str) -> String {
    text.split(|c: char| c.is_ascii_digit())
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join("0")
}

/// The name of the file that the graph of a comparison is in, beside the passport of this run.
pub(super) fn file_of_comparison(item: &str, run: &str) -> String {
    format!("flamegraph_{}_{run}.svg", in_a_file_name(item))
}

/// The name of the file that the graph of one build is in.
pub(super) fn file_of_profile(item: &str) -> String {
    format!("profile_{}.svg", in_a_file_name(item))
}

/// `endpoint/variant` as a part of a file's name.
fn in_a_file_name(item: &str) -> String {
    let part = |it: char| if it.is_ascii_alphanumeric() || "-_.".contains(it) { it } else { '+' };
    item.chars().map(part).collect()
}

/// `outer;inner COUNT` or `outer;inner BEFORE AFTER` on each line.
fn drawn(title: &str, subtitle: &str, lines: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut options = Options::default();
    options.title = escaped(title);
    options.subtitle = Some(subtitle.into());
    "instructions".clone_into(&mut options.count_name);
    options.image_width = Some(WIDTH);
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)?;
    Ok(svg)
}

/// `outer;inner`.
fn stack(chain: &ChainCost) -> String {
    // A semicolon would cut the name of `[u8; 4]` in two.
    let names = chain.functions.iter().map(|name| escaped(name).replace(';', ","));
    names.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(functions: &[&str], before: u64, after: u64) -> ChainCost {
        let functions = functions.iter().map(|it| (*it).to_owned()).collect();
        ChainCost { functions, before, after }
    }

    /// The colour of the box of a function: red, green, blue.
    fn colour(svg: &str, function: &str) -> Vec<u32> {
        let group = svg.split("<g>").find(|group| group.contains(&format!("<title>{function} (")));
        let fill = group.unwrap().split("fill=\"rgb(").nth(1).unwrap();
        let fill = fill.split(')').next().unwrap();
        fill.split(',').map(|it| it.parse().unwrap()).collect()
    }

    #[test]
    fn more_is_red_fewer_is_blue_and_the_same_is_neither() {
        let svg = draw(
            "work/default: new against old",
            &[
                chain(&["work", "grown"], 1_000, 3_000),
                chain(&["work", "shrunk"], 3_000, 1_000),
                chain(&["work", "same"], 500, 500),
            ],
        );
        let svg = String::from_utf8(svg.unwrap()).unwrap();
        let (grown, shrunk) = (colour(&svg, "grown"), colour(&svg, "shrunk"));
        assert!(grown[0] > grown[2] && shrunk[2] > shrunk[0], "{grown:?} {shrunk:?}");
        let same = colour(&svg, "same");
        assert!(same[0] == same[1] && same[1] == same[2], "{same:?}");
        assert!(svg.contains("work/default: new against old"));
        assert!(svg.contains("grown (3,000 instructions"), "{svg}");
    }

    #[test]
    fn names_of_functions_are_text_and_no_markup() {
        let name = "<[u8; 4] as a::B<'_>>::\u{e9}\"</svg><script>alert(1)</script>&";
        let svg = draw("t</text><script>", &[chain(&[name, "inner"], 5, 10)]).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.is_ascii());
        assert!(!svg.contains("<script>alert") && !svg.contains("</svg><script"), "{svg}");
        assert!(!svg.contains("t</text>"));
        assert!(svg.contains("&lt;[u8, 4] as a::B"), "{svg}");
        assert_eq!(svg.matches("</svg>").count(), svg.matches("<svg").count());
    }

    #[test]
    fn one_build_has_no_colours_of_a_change() {
        let svg = draw_one("work/default", &[chain(&["work", "loop"], 900, 900)]).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.contains("loop (900 instructions, 100.00%)"), "{svg}");
        assert!(svg.contains(OF_BUILD) && !svg.contains("baseline"), "{svg}");
        assert!(draw_one("t", &[]).is_err());
    }

    #[test]
    fn what_somebody_else_drew_or_changed_is_none_of_ours() {
        let chains = [chain(&["work", "a\u{e9} \"on=\" href"], 5, 9), chain(&["x"], 9, 9)];
        for svg in [draw("t", &chains), draw_one("t", &chains)] {
            let svg = String::from_utf8(svg.unwrap()).unwrap();
            assert!(is_ours(svg.as_bytes()), "{svg}");
            let (head, drawing) = svg.split_once(HEAD_END).unwrap();
            for other in [
                svg.replacen("init(evt)", "alert(1)", 1),
                svg.replacen("function", "alert(1);function", 1),
                svg.replacen("font-size", "background:url(//x);font-size", 1),
                svg.replacen("</svg>", "<script>alert(1)</script></svg>", 1),
                svg.replacen("</svg>", "<image/></svg>", 1),
                svg.replacen("</svg>", "<!-- --></svg>", 1),
                format!(
                    "{head}{HEAD_END}{}",
                    drawing.replacen("<rect ", "<rect onclick=\"x\" ", 1)
                ),
                format!(
                    "{head}{HEAD_END}{}",
                    drawing.replacen("<rect ", "<rect a='>' onclick=\"x\" ", 1)
                ),
                format!(
                    "{head}{HEAD_END}{}",
                    drawing.replacen("<g>", "<g a=\">\" onclick=\"x\">", 1)
                ),
                format!("{head}{HEAD_END}{}", drawing.replacen("<g>", "<g\txlink:href=\"x\">", 1)),
                svg.replacen("</svg>", "<svg:script>alert(1)</svg:script></svg>", 1),
                format!("{head}{HEAD_END}{}", drawing.replacen("<g>", "<g xmlns=\"x\">", 1)),
                format!("{head}{HEAD_END}{}", drawing.replacen("<g>", "<g style=\"fill:red\">", 1)),
                format!("{head}{HEAD_END}{}", drawing.replacen("<g>", "<g fill=\"URL(//x)\">", 1)),
                format!(
                    "{head}{HEAD_END}{}",
                    drawing.replacen("<g>", "<g fill=\"&#117;rl(//x)\">", 1)
                ),
                "<svg/>".to_owned(),
                String::new(),
            ] {
                assert!(other != svg && !is_ours(other.as_bytes()), "{other}");
            }
        }
    }

    #[test]
    fn two_checks_have_two_files() {
        assert_eq!(in_a_file_name("orders/by-id"), "orders+by-id");
        assert_ne!(in_a_file_name("orders.by/id"), in_a_file_name("orders/by.id"));
        assert_eq!(in_a_file_name("../\u{e9} x"), "..+++x");
    }

    #[test]
    fn nothing_is_not_drawn() {
        assert!(draw("t", &[]).is_err());
        assert!(draw("t", &[chain(&["gone"], 5, 0)]).is_err());
    }
}
