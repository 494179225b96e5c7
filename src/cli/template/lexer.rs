//! Cuts a template into text and the words of its actions.
use super::value::Value;
use anyhow::{Result, bail};

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Goes out as it is.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// `.` on its own
    Dot,
    /// `.Name`; glued to what stands before it, or the first of its word.
    Field { name: String, glued: bool },
    /// `$name`, without the sign; empty for `$`.
    Variable(String),
    /// A function or a key word.
    Word(String),
    /// A constant.
    Literal(Value),
    /// `|`, `(`, `)`, `,`, `=`, `:=`
    Sign(&'static str),
}

/// A token and the line it stands in.
pub(super) type Placed = (usize, Token);

/// All tokens in their order.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>> {
    let mut lexer = Lexer { rest: text, line: 1, found: vec![] };
    lexer.run()?;
    Ok(lexer.found)
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    found: Vec<Placed>,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) -> Result<()> {
        let mut trim = false;
        while let Some(at) = self.rest.find("{{") {
            let text = self.take(at);
            self.take(2);
            let left = self.rest.starts_with('-') && self.rest[1..].starts_with(space);
            self.text(text, trim, left);
            if left {
                self.take(1);
            }
            trim = if self.rest.trim_start().starts_with("/*") {
                self.comment()?
            } else {
                self.action()?
            };
        }
        let text = self.take(self.rest.len());
        self.text(text, trim, false);
        Ok(())
    }
    /// Cuts so many bytes off.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
    fn push(&mut self, token: Token) {
        self.found.push((self.line, token));
    }
    fn text(&mut self, text: &str, trim_start: bool, trim_end: bool) {
        let text = if trim_start { text.trim_start_matches(space) } else { text };
        let text = if trim_end { text.trim_end_matches(space) } else { text };
        if !text.is_empty() {
            self.push(Token::Text(text.to_owned()));
        }
    }
    /// Skips a comment; whether the text behind it is trimmed.
    fn comment(&mut self) -> Result<bool> {
        let Some(end) = self.rest.find("*/") else { bail!("line {}: endless comment", self.line) };
        self.take(end + 2);
        match self.end(space_before(self.rest)) {
            Some(trim) => Ok(trim),
            None => bail!("line {}: a comment must be the whole of its action", self.line),
        }
    }
    /// Takes the end of an action if it stands here; whether the text behind it is trimmed.
    fn end(&mut self, after_space: bool) -> Option<bool> {
        let rest = self.rest.trim_start_matches(space);
        let trim = after_space && rest.starts_with("-}}");
        if !trim && !rest.starts_with("}}") {
            return None;
        }
        self.take(self.rest.len() - rest.len() + if trim { 3 } else { 2 });
        Some(trim)
    }
    fn action(&mut self) -> Result<bool> {
        self.push(Token::Open);
        let mut glued = false;
        loop {
            let after_space = space_before(self.rest);
            if let Some(trim) = self.end(after_space) {
                self.push(Token::Close);
                return Ok(trim);
            }
            let blank = self.rest.len() - self.rest.trim_start_matches(space).len();
            self.take(blank);
            let token = self.token(glued && !after_space)?;
            // Members are asked of what ends right before their point.
            glued = matches!(token, Token::Field { .. } | Token::Variable(_) | Token::Sign(")"));
            self.push(token);
        }
    }
    fn token(&mut self, glued: bool) -> Result<Token> {
        let Some(first) = self.rest.chars().next() else {
            bail!("line {}: an action is not closed by }}}}", self.line)
        };
        match first {
            '"' => self.quoted(),
            '`' => self.raw(),
            '.' => Ok(self.field(glued)),
            '$' => {
                self.take(1);
                Ok(Token::Variable(self.name().to_owned()))
            }
            '0'..='9' | '-' | '+' => self.number(),
            c if c.is_alphabetic() || c == '_' => Ok(word(self.name())),
            _ => self.sign(),
        }
    }
    fn field(&mut self, glued: bool) -> Token {
        self.take(1);
        match self.name() {
            "" => Token::Dot,
            name => Token::Field { name: name.to_owned(), glued },
        }
    }
    fn name(&mut self) -> &'a str {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.take(self.rest.find(|c| !part(c)).unwrap_or(self.rest.len()))
    }
    fn sign(&mut self) -> Result<Token> {
        for sign in [":=", "=", "|", "(", ")", ","] {
            if self.rest.starts_with(sign) {
                self.take(sign.len());
                return Ok(Token::Sign(sign));
            }
        }
        let shown: String = self.rest.chars().take(1).collect();
        bail!("line {}: {shown:?} means nothing here", self.line)
    }
    fn number(&mut self) -> Result<Token> {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
        let text = self.take(self.rest.find(|c| !part(c)).unwrap_or(self.rest.len()));
        let plain = text.replace('_', "");
        if let Ok(number) = plain.parse::<i64>() {
            return Ok(Token::Literal(number.into()));
        }
        match plain.parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(Token::Literal(number.into())),
            _ => bail!("line {}: {text} is not a number", self.line),
        }
    }
    fn raw(&mut self) -> Result<Token> {
        let Some(end) = self.rest[1..].find('`') else {
            bail!("line {}: a ` is missing", self.line)
        };
        let text = &self.take(end + 2)[1..=end];
        Ok(Token::Literal(text.into()))
    }
    fn quoted(&mut self) -> Result<Token> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.take(at + 1);
                    return Ok(Token::Literal(text.into()));
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, c @ ('"' | '\\' | '\''))) => text.push(c),
                    _ => bail!("line {}: only \\n \\t \\r \\\" \\\\ are known", self.line),
                },
                '\n' => break,
                c => text.push(c),
            }
        }
        bail!("line {}: a closing \" is missing", self.line)
    }
}

/// What trim markers take away.
fn space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn space_before(rest: &str) -> bool {
    rest.starts_with(space)
}

fn word(name: &str) -> Token {
    match name {
        "true" => Token::Literal(true.into()),
        "false" => Token::Literal(false.into()),
        "nil" => Token::Literal(Value::Nil),
        name => Token::Word(name.to_owned()),
    }
}
