//! A command that starts a server, as words; no shell reads it.
//!
//! What is shown and recorded of it is the program's name and how many arguments it has. Which of them
//! holds a secret is anybody's guess (`-p hunter2`, `hunter2@host`, a script for a shell), and a digest
//! of one can be tried out; so none is recorded, and none can get into a passport.

use thiserror::Error;

/// What stands in a command for the port to listen on.
const PORT: &str = "{port}";

/// The longest command that is taken.
const LENGTH_MAX: usize = 8_192;

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

    /// The name of the program, without the directory that it is in, and the number of its arguments:
    /// all that may be recorded. What was perhaps not meant to be the program is not shown either.
    pub fn shown(&self) -> String {
        let (program, arguments) = self.words.split_first().map_or(("", 0), |(program, rest)| {
            let name = program.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let is_name = !name.is_empty() && !program.contains(['=', '@', ':']);
            (if is_name { name } else { "..." }, rest.len())
        });
        match arguments {
            0 => program.to_owned(),
            1 => format!("{program} (1 argument)"),
            _ => format!("{program} ({arguments} arguments)"),
        }
    }
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
    fn no_argument_is_shown() {
        for (text, expected) in [
            ("server", "server"),
            ("/srv/hunter2/server", "server"),
            ("bin/server/", "server"),
            ("/", "..."),
            ("API_TOKEN=hunter2 server", "... (1 argument)"),
            ("postgres://u:hunter2@h/x", "..."),
            ("server --port {port}", "server (2 arguments)"),
            ("server -phunter2", "server (1 argument)"),
            ("env DB_PASSWORD=hunter2 server postgres://u:hunter2@h/x", "env (3 arguments)"),
            ("sh -c 'server --password hunter2'", "sh (2 arguments)"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let debug = format!("{:?}", CommandLine::parse("s --token hunter2").unwrap());
        assert!(!debug.contains("hunter2"), "{debug}");
    }

    proptest! {
        /// Whatever the arguments are, what is shown depends on their number alone.
        #[test]
        fn arguments_do_not_reach_what_is_shown(
            program in "[a-z/.]{0,8}[a-z]",
            arguments in prop::collection::vec("[^\0]{0,12}", 0..6),
        ) {
            let command = |arguments: &[String]| {
                let words = std::iter::once(&program).chain(arguments).map(String::as_str);
                CommandLine::parse(&shlex::try_join(words).unwrap()).unwrap()
            };
            let others = vec!["x".to_owned(); arguments.len()];
            prop_assert_eq!(command(&arguments).words.len(), arguments.len() + 1);
            prop_assert_eq!(command(&arguments).shown(), command(&others).shown());
        }
    }
}
