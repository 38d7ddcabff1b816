//! What the source of a service in axum tells: the function that makes its router, and its routes.
//!
//! It reads text and no syntax tree: what is written in an unusual way is not found, and never guessed.

/// A function that makes a router of nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouterFunction {
    pub(super) name: String,
    pub(super) is_async: bool,
    /// Paths without parameters that it routes a GET to, in their order.
    pub(super) paths: Vec<String>,
    /// Whether it has routes that are not read: with parameters, or of other routers.
    pub(super) has_more: bool,
}

/// The types that a function can return to be one.
const ROUTERS: [&str; 4] = ["Router", "axum::Router", "Router<()>", "axum::Router<()>"];

/// The first public function without arguments that returns a router.
pub(super) fn router_function(source: &str) -> Option<RouterFunction> {
    let source = without_comments(source);
    let mut rest = source.as_str();
    while let Some(at) = rest.find("pub ") {
        let before = &source[..source.len() - rest.len() + at];
        rest = &rest[at + "pub ".len()..];
        // One of a type, or of a module within the file, has a longer name.
        if before.matches('{').count() != before.matches('}').count() {
            continue;
        }
        let (is_async, head) = match rest.strip_prefix("async ") {
            Some(head) => (true, head),
            None => (false, rest),
        };
        let Some((name, after)) = head.strip_prefix("fn ").and_then(|it| it.split_once("()"))
        else {
            continue;
        };
        let is_name = name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        let Some((returned, body)) = after.split_once('{').filter(|_| is_name) else { continue };
        let returned: String = returned.split_whitespace().collect();
        if ROUTERS.iter().any(|it| returned == format!("->{it}")) {
            let body = block(body);
            let (paths, has_more) = routes(body);
            return Some(RouterFunction { name: name.to_owned(), is_async, paths, has_more });
        }
    }
    None
}

/// The public modules that a file names, each in a file of its own.
pub(super) fn public_modules(source: &str) -> Vec<String> {
    let source = without_comments(source);
    let names = source.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("pub mod ")?.strip_suffix(';')?;
        Some(name.trim().to_owned())
    });
    names.collect()
}

/// The text up to the brace that closes what is open. Braces in the paths of routes come in pairs.
fn block(text: &str) -> &str {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// Paths of routes that answer a GET and need no parameter; and whether there are others.
fn routes(body: &str) -> (Vec<String>, bool) {
    let mut paths: Vec<String> = Vec::new();
    let mut has_more = [".nest(", ".merge(", ".nest_service("].iter().any(|it| body.contains(it));
    for route in body.split(".route(").skip(1) {
        let literal = route.trim_start().strip_prefix('"').and_then(|it| it.split_once('"'));
        let Some((path, handler)) = literal else {
            has_more = true;
            continue;
        };
        let parameter = |segment: &str| segment.starts_with([':', '*']) || segment.contains('{');
        if !path.starts_with('/') || path.split('/').any(parameter) {
            has_more = true;
        } else if answers_get(up_to_its_end(handler)) && !paths.iter().any(|it| it == path) {
            paths.push(path.to_owned());
        }
    }
    (paths, has_more)
}

/// The text up to the parenthesis that closes the route.
fn up_to_its_end(handler: &str) -> &str {
    let mut depth = 1_usize;
    for (at, c) in handler.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &handler[..at];
        }
    }
    handler
}

/// Whether a handler is made by `get(...)`.
fn answers_get(handler: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    handler.match_indices("get(").any(|(at, _)| !handler[..at].ends_with(is_part))
}

/// The lines without what stands behind `//`, unless that is within a string, as in `"http://"`.
fn without_comments(source: &str) -> String {
    let line = |line: &str| {
        let quotes = |at: usize| line[..at].matches('"').count();
        let comment = line.match_indices("//").find(|(at, _)| quotes(*at).is_multiple_of(2));
        comment.map_or(line, |(at, _)| &line[..at]).to_owned() + "\n"
    };
    source.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        //! pub fn wrong() -> Router { }
        use axum::{Router, routing::{get, post}};
        pub struct State;
        pub fn with_state(state: State) -> Router { Router::new() }
        pub fn number() -> usize { 7 }
        /// The routes.
        pub fn router()
            -> axum::Router
        {
            let url = "http://a"; // .route("/no", get(x))
            Router::new()
                .route("/", get(root))
                .route("/items/{id}", get(item))
                .route( "/items", axum::routing::get(list).post(create))
                .route("/new", post(create))
                .route("/target(", target(x))
                .route("/", get(root))
        }
        pub fn later() -> Router { Router::new().route("/later", get(root)) }
    "#;

    #[test]
    fn the_router_of_nothing_is_found_with_its_plain_routes() {
        let found = router_function(SOURCE).unwrap();
        assert_eq!((found.name.as_str(), found.is_async, found.has_more), ("router", false, true));
        assert_eq!(found.paths, ["/", "/items"]);
        let source = "pub async fn app() -> Router { x().route(PATH, get(a)) }";
        let found = router_function(source).unwrap();
        assert_eq!((found.name.as_str(), found.is_async, found.has_more), ("app", true, true));
        // What is within something else is not called by that name.
        let within = "impl App { pub fn router() -> Router { x() } } mod v1 { pub fn router() -> Router { x() } }";
        assert_eq!(router_function(within), None);
        // A route ends where it is closed.
        let source = "pub fn app() -> Router { x().route(\"/x\", post(h)).with_state(map.get(1)) }";
        assert_eq!(router_function(source).unwrap().paths, [""; 0]);
        assert!(found.paths.is_empty());
        for other in [
            "fn router() -> Router {}",
            "pub fn router() -> Router<State> {}",
            "pub fn r(",
            "pub fn a() -> Result<Router, E> { }",
            "",
        ] {
            assert_eq!(router_function(other), None, "{other}");
        }
    }

    #[test]
    fn modules_in_files_of_their_own_are_listed() {
        let source = "pub mod app;\nmod hidden;\n  pub mod web; // x\npub mod inline { }\n";
        assert_eq!(public_modules(source), ["app", "web"]);
    }
}
