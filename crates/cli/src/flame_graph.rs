//! A differential flame graph: where a request's instructions are, and which of them are new.

use inferno::flamegraph::{self, Options};

use perf_passport::text::escaped;
use perf_passport_compare::ChainCost;

/// Pixels.
const WIDTH: usize = 1_600;

/// What the picture shows.
const SUBTITLE: &str = "Instructions of one sample in the current build, by chains of calls. Red: more \
                        in the function itself than in the baseline; blue: fewer.";

/// The graph, as SVG.
///
/// # Errors
///
/// When there is nothing to draw.
pub(super) fn draw(title: &str, chains: &[ChainCost]) -> anyhow::Result<Vec<u8>> {
    let mut options = Options::default();
    options.title = escaped(title);
    options.subtitle = Some(SUBTITLE.into());
    "instructions".clone_into(&mut options.count_name);
    options.image_width = Some(WIDTH);
    let lines: Vec<String> = chains.iter().map(folded).collect();
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)?;
    Ok(svg)
}

/// `outer;inner BEFORE AFTER`.
fn folded(chain: &ChainCost) -> String {
    // A semicolon would cut the name of `[u8; 4]` in two.
    let names = chain.functions.iter().map(|name| escaped(name).replace(';', ","));
    let stack = names.collect::<Vec<_>>().join(";");
    format!("{stack} {} {}", chain.before, chain.after)
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
    fn nothing_is_not_drawn() {
        assert!(draw("t", &[]).is_err());
        assert!(draw("t", &[chain(&["gone"], 5, 0)]).is_err());
    }
}
