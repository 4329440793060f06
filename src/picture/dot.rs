//! A tree for Graphviz.

use std::fmt::{self, Write};

use super::words::Words;
use crate::info::TreeNode;

impl TreeNode {
    /// A graph for [Graphviz](https://graphviz.org), with colours for the states: `dot -Tsvg`.
    ///
    /// ```
    /// # use actix::Actor;
    /// # use actix_supervisor::{Supervisor, Tree};
    /// # actix_rt::System::new().block_on(async {
    /// # let root = Supervisor::new("root").start();
    /// let tree = root.send(Tree).await?;
    /// assert!(tree.to_dot().starts_with("digraph tree {\n"));
    /// # Ok::<(), actix::MailboxError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut text = String::from(
            "digraph tree {\n    rankdir=LR\n    node [shape=box, style=filled, fontname=sans]\n",
        );
        let mut next = 1;
        // A `String` takes all that is written.
        let _ = shape(&mut text, 0, &Words::of_root(self));
        let _ = below(self, 0, &mut next, &mut text);
        text.push_str("}\n");
        text
    }
}

fn below(tree: &TreeNode, above: usize, next: &mut usize, text: &mut String) -> fmt::Result {
    for (words, nested) in tree.branches() {
        let number = *next;
        *next += 1;
        shape(text, number, &words)?;
        writeln!(text, "    n{above} -> n{number}")?;
        if let Some(nested) = nested {
            below(nested, number, next, text)?;
        }
    }
    Ok(())
}

fn shape(text: &mut String, number: usize, words: &Words<'_>) -> fmt::Result {
    write!(text, "    n{number} [label=\"{}\\n{}", Escaped(words.name), words.state)?;
    let failure = words.failure.iter();
    for fact in words.facts.iter().chain(failure) {
        write!(text, "\\n{}", Escaped(fact))?;
    }
    let edges = if words.is_supervisor { ", peripheries=2" } else { "" };
    writeln!(text, "\", fillcolor=\"{}\"{edges}]", words.mood.fill())
}

/// For a quoted string, in which Graphviz knows escapes with a backslash and HTML's entities.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '&' => f.write_str("&amp;")?,
                '\'' => f.write_char(letter)?,
                _ => {
                    for part in letter.escape_debug() {
                        match part {
                            '\\' => f.write_str("\\\\")?,
                            _ => f.write_char(part)?,
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::hostile, Escaped};

    #[test]
    fn a_backslash_is_one_backslash_and_an_apostrophe_an_apostrophe() {
        assert_eq!(Escaped(r"it's a\b").to_string(), r"it's a\\b");
        assert_eq!(Escaped("a\tb").to_string(), r"a\\tb");
    }

    #[test]
    fn a_graph_has_a_box_for_each_and_an_arrow_to_each_but_the_first() {
        let text = hostile().to_dot();
        assert!(
            text.contains(
                "    n0 [label=\"root\\nrunning\", fillcolor=\"#c8e6c9\", peripheries=2]\n"
            )
        );
        for arrow in ["n0 -> n1", "n1 -> n2", "n0 -> n3", "n0 -> n4"] {
            assert!(text.contains(&format!("    {arrow}\n")), "{text}");
        }
        assert!(text.ends_with("}\n"), "{text}");
    }

    #[test]
    fn hostile_names_stay_within_their_boxes() {
        let text = hostile().to_dot();
        let bad = text.lines().find(|line| line.contains("n3 [")).unwrap();
        assert!(bad.contains(r#"[label="a\"]; end\\n<script>\nbacking off"#), "{bad}");
        assert!(bad.contains(r#"\"quotes\" &amp; <tags>", fillcolor"#), "{bad}");
    }
}
