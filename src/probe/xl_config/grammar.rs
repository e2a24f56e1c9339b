//! Words to settings. After an error everything up to the next line end is skipped, as xl's parser does, so that later errors are told too.

use super::lexer::{Lexer, Token};
use super::{Item, MAX_NESTING, Parsed, Position, Setting, Value};

/// After an error the parser keeps silent until it has taken this many words (bison's rule).
const QUIET_WORDS: u8 = 3;

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next word.
    token: Token,
    at: Position,
    quiet: u8,
    parsed: Parsed,
}

/// The statement is wrong; what there was to say has been said.
struct Refused;

pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let mut lexer = Lexer::new(bytes);
    let (token, at) = lexer.next();
    let mut parser = Parser { lexer, token, at, quiet: 0, parsed: Parsed::default() };
    while parser.token != Token::End {
        if parser.statement().is_err() {
            parser.skip_line();
        }
    }
    let mut parsed = parser.parsed;
    parsed.errors = parser.lexer.errors;
    parsed.looks_like_python = parser.lexer.looks_like_python;
    parsed
}

/// What may come next inside a list.
#[derive(PartialEq)]
enum Expect {
    /// A value or the end: after `[`, and after a comma (one comma may stand before the end).
    Value,
    /// A comma or the end.
    Comma,
}

struct OpenList {
    items: Vec<Item>,
    at: Position,
    expect: Expect,
}

impl Parser<'_> {
    fn take(&mut self) -> (Token, Position) {
        let (token, at) = self.lexer.next();
        self.quiet = self.quiet.saturating_sub(1);
        (std::mem::replace(&mut self.token, token), std::mem::replace(&mut self.at, at))
    }

    fn statement(&mut self) -> Result<(), Refused> {
        match self.token {
            Token::Newline | Token::Semicolon => {
                self.take();
                return Ok(());
            }
            Token::Ident(_) => {}
            _ => return Err(self.refuse("a line begins with a key, as in `memory = 512`")),
        }
        let (Token::Ident(key), at) = self.take() else { return Err(Refused) };
        let added = match self.token {
            Token::Assign => false,
            Token::Append => true,
            _ => return Err(self.refuse(&format!("after the key `{key}` comes `=` (or `+=`)"))),
        };
        self.take();
        let value_at = self.at;
        let value = self.value()?;
        let setting = Setting { key, value, at, value_at, added, overrules: None };
        if added {
            if let Err(what) = self.parsed.append(setting) {
                self.lexer.syntax_error(value_at, what.to_owned());
            }
        } else {
            self.parsed.assign(setting);
        }
        match self.token {
            Token::Newline | Token::Semicolon => {
                self.take();
                Ok(())
            }
            Token::End => Ok(()),
            _ => Err(self.refuse("after a value comes the end of the line; two settings on one line need `;` between them")),
        }
    }

    fn value(&mut self) -> Result<Value, Refused> {
        match self.token {
            Token::Text(_) | Token::Number(_) => Ok(single(self.take().0)),
            Token::Open => self.list(),
            Token::Newline => Err(self.refuse("the value has to begin on the line of its key")),
            Token::Ident(ref word) => {
                let what = format!("`{word}`: a text needs quotes, and xl has no variables");
                Err(self.refuse(&what))
            }
            _ => Err(self.refuse("after `=` comes a string, a number or a list")),
        }
    }

    /// A list and all lists in it, without recursion: the nesting is a stranger's.
    fn list(&mut self) -> Result<Value, Refused> {
        let mut open: Vec<OpenList> = Vec::new();
        loop {
            let expect_value = open.last().is_none_or(|list| list.expect == Expect::Value);
            match self.token {
                Token::Newline => {
                    self.take();
                }
                Token::Open if expect_value => {
                    if open.len() >= MAX_NESTING {
                        return Err(self.refuse("lists are nested too deep"));
                    }
                    let (_, at) = self.take();
                    open.push(OpenList { items: Vec::new(), at, expect: Expect::Value });
                }
                Token::Text(_) | Token::Number(_) if expect_value => {
                    let (token, at) = self.take();
                    if let Some(list) = open.last_mut() {
                        list.items.push(Item { value: single(token), at });
                        list.expect = Expect::Comma;
                    }
                }
                Token::Comma if !expect_value => {
                    self.take();
                    if let Some(list) = open.last_mut() {
                        list.expect = Expect::Value;
                    }
                }
                Token::Close => {
                    self.take();
                    let Some(closed) = open.pop() else { return Err(Refused) };
                    let Some(outer) = open.last_mut() else { return Ok(Value::List(closed.items)) };
                    outer.items.push(Item { value: Value::List(closed.items), at: closed.at });
                    outer.expect = Expect::Comma;
                }
                _ => return Err(self.refuse_in_list(open.last().map(|list| list.at), expect_value)),
            }
        }
    }

    fn refuse_in_list(&mut self, opened: Option<Position>, expect_value: bool) -> Refused {
        let what = match (&self.token, opened) {
            (Token::End, Some(at)) => format!("the list that begins on line {} has no `]`", at.line),
            (Token::Text(_) | Token::Number(_) | Token::Open, _) => {
                "two values in a list without a comma between them: xl joins no strings".to_owned()
            }
            (Token::Comma, _) => "a comma without a value before it".to_owned(),
            (Token::Ident(word), Some(at)) if expect_value => {
                format!("`{word}`: a text needs quotes, and xl has no variables; or the list that begins on line {} lacks its `]`", at.line)
            }
            (Token::Ident(_) | Token::Assign, Some(at)) => {
                format!("a key in the middle of the list that begins on line {}: is its `]` missing?", at.line)
            }
            _ => "this may not stand in a list".to_owned(),
        };
        self.refuse(&what)
    }

    fn refuse(&mut self, what: &str) -> Refused {
        if self.quiet == 0 {
            self.lexer.syntax_error(self.at, what.to_owned());
        }
        self.quiet = QUIET_WORDS;
        Refused
    }

    fn skip_line(&mut self) {
        loop {
            let quiet = self.quiet;
            let (token, _) = self.take();
            if matches!(token, Token::Newline | Token::End) {
                return;
            }
            // Skipped words are not taken ones.
            self.quiet = quiet;
        }
    }
}

fn single(token: Token) -> Value {
    match token {
        Token::Text(text) => Value::Str(text),
        Token::Number(digits) => Value::Num(digits),
        _ => Value::List(Vec::new()),
    }
}
