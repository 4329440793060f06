//! A tree for Mermaid, which GitHub, GitLab and rustdoc's plugins draw.

use std::fmt::{self, Write};

use super::words::{Mood, Words};
use crate::info::TreeNode;

impl TreeNode {
    /// A flowchart for [Mermaid](https://mermaid.js.org), with colours for the states.
    ///
    /// Mermaid draws at most 500 children unless its `maxEdges` and `maxTextSize` are set.
    ///
    /// ```
    /// # use actix::Actor;
    /// # use actix_supervisor::{Supervisor, Tree};
    /// # actix_rt::System::new().block_on(async {
    /// # let root = Supervisor::new("root").start();
    /// let tree = root.send(Tree).await?;
    /// assert!(tree.to_mermaid().starts_with("flowchart LR\n"));
    /// # Ok::<(), actix::MailboxError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let mut next = 1;
        // A `String` takes all that is written.
        let _ = shape(&mut text, 0, &Words::of_root(self));
        let _ = below(self, 0, &mut next, &mut text);
        for mood in Mood::ALL {
            let (class, fill) = (class(mood), mood.fill());
            let _ = writeln!(text, "    classDef {class} fill:{fill},color:#000,stroke:#555");
        }
        text
    }
}

fn below(tree: &TreeNode, above: usize, next: &mut usize, text: &mut String) -> fmt::Result {
    for (words, nested) in tree.branches() {
        let number = *next;
        *next += 1;
        shape(text, number, &words)?;
        writeln!(text, "    n{above} --> n{number}")?;
        if let Some(nested) = nested {
            below(nested, number, next, text)?;
        }
    }
    Ok(())
}

fn shape(text: &mut String, number: usize, words: &Words<'_>) -> fmt::Result {
    let (open, close) = if words.is_supervisor { ("[[", "]]") } else { ("[", "]") };
    write!(text, "    n{number}{open}\"{}<br/>{}", Escaped(words.name), words.state)?;
    let failure = words.failure.iter();
    for fact in words.facts.iter().chain(failure) {
        write!(text, "<br/>{}", Escaped(fact))?;
    }
    writeln!(text, "\"{close}:::{}", class(words.mood))
}

fn class(mood: Mood) -> &'static str {
    match mood {
        Mood::Up => "up",
        Mood::Starting => "starting",
        Mood::Waiting => "waiting",
        Mood::Stopping => "stopping",
        Mood::Down => "down",
    }
}

/// All but letters, digits and single spaces as Mermaid's entities: it gives meaning to quotes, tags, backticks, stars, …
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                _ if letter.is_alphanumeric() => f.write_char(letter)?,
                _ if letter.is_ascii_punctuation() => write!(f, "#{};", u32::from(letter))?,
                _ => {
                    for part in letter.escape_debug() {
                        match part.is_ascii_punctuation() {
                            true => write!(f, "#{};", u32::from(part))?,
                            false => f.write_char(part)?,
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
    fn letters_of_any_script_stay_as_they_are() {
        assert_eq!(Escaped("कुरसी 7 café").to_string(), "कुरसी 7 café");
    }

    #[test]
    fn a_flowchart_has_a_box_for_each_and_an_arrow_to_each_but_the_first() {
        let text = hostile().to_mermaid();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines[..4],
            [
                "flowchart LR",
                r#"n0[["root<br/>running"]]:::up"#,
                r#"n1[["pool<br/>running"]]:::up"#,
                "n0 --> n1",
            ]
        );
        assert!(lines.contains(&"n1 --> n2"), "{text}");
        assert!(lines.contains(&"n0 --> n3"), "{text}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("n")).count(), 9, "{text}");
    }

    #[test]
    fn hostile_names_stay_within_their_boxes() {
        let text = hostile().to_mermaid();
        let bad = text.lines().find(|line| line.contains("n3[")).unwrap();
        assert!(bad.contains("a#34;#93;#59; end#92;n#60;script#62;<br/>backing off"), "{bad}");
        assert_eq!(bad.matches('"').count(), 2, "{bad}");
    }
}
