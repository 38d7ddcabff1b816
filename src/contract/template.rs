//! Header values that may name environment variables.
//!
//! A [`HeaderTemplate`] is what the contract says (`Bearer ${TOKEN}`) and is all that a passport or
//! a log ever sees. [`HeaderTemplate::fill`] makes the secret value, which only the probe holds.
//! The environment itself is read by the caller.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A header value as written, with `${NAME}` for environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct HeaderTemplate(String);

/// Names of authentication schemes, which are no secret before a secret.
const SCHEMES: [&str; 4] = ["Basic ", "Bearer ", "Digest ", "Token "];

/// A header value that may be secret: it has no way to be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// A value that was filled in otherwise.
    pub(crate) fn of(filled: String) -> Self {
        Self(filled)
    }

    /// The value itself, for the request that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

impl HeaderTemplate {
    /// Wraps a template as written.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the value comes from variables alone, but perhaps for the name of a scheme before.
    pub(super) fn hides_its_value(&self) -> bool {
        let Some((scheme, _, mut rest)) = next_variable(&self.0) else { return false };
        while let Some(("", _, after)) = next_variable(rest) {
            rest = after;
        }
        rest.is_empty() && (scheme.is_empty() || Self::is_scheme(scheme))
    }

    /// Whether this is the name of a scheme, with the space behind it.
    pub(super) fn is_scheme(text: &str) -> bool {
        SCHEMES.iter().any(|it| it.eq_ignore_ascii_case(text))
    }

    /// The first `${NAME}` whose name no shell can set.
    pub(super) fn unusable_variable(&self) -> Option<&str> {
        let settable = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        self.variables().find(|name| !settable(name))
    }

    /// Fills each `${NAME}` with what `lookup` says.
    ///
    /// # Errors
    ///
    /// The name of the first variable that `lookup` does not know, or whose value holds a control
    /// character, which no header can carry.
    pub fn fill(&self, lookup: impl Fn(&str) -> Option<String>) -> Result<SecretValue, String> {
        let mut filled = String::new();
        let mut rest = self.0.as_str();
        while let Some((before, name, after)) = next_variable(rest) {
            filled.push_str(before);
            let value = lookup(name).filter(|value| !value.contains(char::is_control));
            let value = value.ok_or_else(|| name.to_owned())?;
            filled.push_str(&value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(SecretValue(filled))
    }

    fn variables(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.0.as_str();
        std::iter::from_fn(move || {
            let (_, name, after) = next_variable(rest)?;
            rest = after;
            Some(name)
        })
    }
}

/// Splits at the first `${NAME}`: the text before, the name, the text after.
pub(crate) fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find("${")?;
    let length = text[start + 2..].find('}')?;
    let name = &text[start + 2..start + 2 + length];
    Some((&text[..start], name, &text[start + 3 + length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_and_other_text_is_kept() {
        let template = HeaderTemplate::new("Bearer ${A}-${B}$");
        let lookup = |name: &str| Some(name.to_lowercase());
        assert_eq!(template.fill(lookup).unwrap().expose(), "Bearer a-b$");
        assert_eq!(HeaderTemplate::new("${open").fill(lookup).unwrap().expose(), "${open");
    }

    #[test]
    fn a_secret_is_all_variables_but_for_the_scheme_before_it() {
        let hidden = |text: &str| HeaderTemplate::new(text).hides_its_value();
        for good in ["${A}", "${A}${B}", "Bearer ${A}", "basic ${A}", "Token ${A}${B}"] {
            assert!(hidden(good), "{good}");
        }
        for bad in [
            "",
            "hunter2",
            "Bearer ",
            "${open",
            "${A}hunter2",
            "hunter2${A}",
            "${A}x${B}",
            "Bearer hunter2${A}",
            "Bearer ${A} ",
            "${A}Bearer ",
            " ${A}",
            "hunter2 ${A}",
        ] {
            assert!(!hidden(bad), "{bad}");
        }
    }

    #[test]
    fn an_unset_variable_is_named_and_a_value_is_never_printed() {
        let template = HeaderTemplate::new("${TOKEN}");
        assert_eq!(template.fill(|_| None).unwrap_err(), "TOKEN");
        let broken = |_: &str| Some("hunter2\r\nx: y".to_owned());
        assert_eq!(template.fill(broken).unwrap_err(), "TOKEN");
        let secret = template.fill(|_| Some("hunter2".to_owned())).unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
