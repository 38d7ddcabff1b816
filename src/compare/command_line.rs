//! A command that starts a server, as words; no shell reads it.
//!
//! What is shown and recorded of it leaves out what looks like a secret. That is a guess by names:
//! the one way that is sure is to give a secret in the environment, which is not recorded.

use thiserror::Error;

/// What stands in a command for the port to listen on.
const PORT: &str = "{port}";

/// What stands in the place of a secret.
const HIDDEN: &str = "...";

/// The longest command that is taken.
const LENGTH_MAX: usize = 8_192;

/// Parts of the names of what holds a secret.
const SECRET_NAMES: [&str; 8] =
    ["auth", "cookie", "credential", "key", "passwd", "password", "secret", "token"];

/// Ends of the names of what holds where a secret is, and not the secret.
const PLACES: [&str; 3] = ["dir", "file", "path"];

/// A command with its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Never empty.
    words: Vec<String>,
}

/// A text that is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// There is no word in it.
    #[error("the command is empty")]
    Empty,
    /// A quotation is not closed.
    #[error("a quote or a backslash in the command is not closed")]
    Unclosed,
    /// No program is started with it.
    #[error("the command holds a NUL, or more than {LENGTH_MAX} bytes")]
    Unusable,
}

impl std::fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CommandLine").field(&self.shown()).finish()
    }
}

impl CommandLine {
    /// Splits a text into words as a POSIX shell does, and does nothing else that one does: no
    /// variables, no patterns, no pipes.
    ///
    /// # Errors
    ///
    /// [`CommandLineError`].
    pub fn parse(text: &str) -> Result<Self, CommandLineError> {
        if text.len() > LENGTH_MAX || text.contains('\0') {
            return Err(CommandLineError::Unusable);
        }
        let words = shlex::split(text).ok_or(CommandLineError::Unclosed)?;
        // An empty word names no program.
        match words.first() {
            Some(program) if !program.is_empty() => Ok(Self { words }),
            _ => Err(CommandLineError::Empty),
        }
    }

    /// The words with the port in the place of each `{port}`.
    pub(super) fn with_port(&self, port: u16) -> Vec<String> {
        let port = port.to_string();
        self.words.iter().map(|word| word.replace(PORT, &port)).collect()
    }

    /// The command as one text that [`Self::parse`] reads, without what looks like a secret: the
    /// values of options and assignments that are named like one, and the user in a URL.
    pub fn shown(&self) -> String {
        let mut shown: Vec<String> = Vec::new();
        let mut secret_follows = false;
        for word in &self.words {
            if secret_follows {
                shown.push(HIDDEN.to_owned());
                secret_follows = false;
            } else {
                secret_follows = word.starts_with('-') && !word.contains('=') && is_secret(word);
                shown.push(without_secrets(word));
            }
        }
        shlex::try_join(shown.iter().map(String::as_str)).unwrap_or_else(|_| HIDDEN.to_owned())
    }
}

/// A word without the value of an assignment that is named like a secret, and without the user of
/// a URL.
fn without_secrets(word: &str) -> String {
    if let Some((name, _)) = word.split_once('=')
        && is_secret(name)
    {
        return format!("{name}={HIDDEN}");
    }
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    // A password may hold anything, also what ends the authority of a proper URL.
    match rest.rsplit_once('@') {
        Some((_, after)) => format!("{scheme}://{HIDDEN}@{after}"),
        None => word.to_owned(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|it| name.contains(it)) && !PLACES.iter().any(|it| name.ends_with(it))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        CommandLine::parse(text).unwrap().shown()
    }

    #[test]
    fn words_are_split_as_a_shell_does_and_nothing_else_is_done() {
        let command = CommandLine::parse("'my server' --listen 127.0.0.1:{port} $HOME * > a\\ b");
        let words = command.unwrap().with_port(8_080);
        let expected = ["my server", "--listen", "127.0.0.1:8080", "$HOME", "*", ">", "a b"];
        assert_eq!(words, expected);
        for (text, error) in [
            ("", CommandLineError::Empty),
            (" \t\n", CommandLineError::Empty),
            ("''", CommandLineError::Empty),
            ("a 'b", CommandLineError::Unclosed),
            ("a \"b", CommandLineError::Unclosed),
            ("a \\", CommandLineError::Unclosed),
            ("a\0b", CommandLineError::Unusable),
            (&"a".repeat(9_000), CommandLineError::Unusable),
        ] {
            assert_eq!(CommandLine::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        for (text, expected) in [
            ("server --port {port}", "server --port '{port}'"),
            ("server --api-key-file k", "server --api-key-file k"),
            ("server --api-key hunter2 x", "server --api-key ... x"),
            ("server --api-key=hunter2", "server '--api-key=...'"),
            ("env DB_PASSWORD=hunter2 server", "env 'DB_PASSWORD=...' server"),
            ("server postgres://u:hunter2@h/x", "server postgres://...@h/x"),
            ("server --db=postgres://u:hun@ter2@h/x?a=b", "server '--db=postgres://...@h/x?a=b'"),
            ("server postgres://u:hun/ter2@h/x", "server postgres://...@h/x"),
            ("server http://h/a", "server http://h/a"),
            ("server http://h/?token=hunter2", "server 'http://h/?token=...'"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let debug = format!("{:?}", CommandLine::parse("s --token hunter2").unwrap());
        assert!(!debug.contains("hunter2"), "{debug}");
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_again(words in prop::collection::vec("[^\0]{0,12}", 1..6)) {
            let text = shlex::try_join(words.iter().map(String::as_str)).unwrap();
            if let Ok(command) = CommandLine::parse(&text) {
                prop_assert_eq!(&command.words, &words);
                let again = CommandLine::parse(&command.shown()).unwrap();
                prop_assert_eq!(again.words.len(), words.len());
            }
        }
    }
}
