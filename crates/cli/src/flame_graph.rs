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
    fn nothing_is_not_drawn() {
        assert!(draw("t", &[]).is_err());
        assert!(draw("t", &[chain(&["gone"], 5, 0)]).is_err());
    }
}
