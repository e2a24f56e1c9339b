//! Statements: what each line sets, and what a line that is not understood could have set.

use std::collections::BTreeSet;

use super::lines::{Line, Token};
use super::{Known, Machine};

/// Calls of these may set any name.
const WILD: [&str; 8] = ["exec", "execfile", "eval", "globals", "locals", "vars", "__import__", "setattr"];
const NO_OPS: [&str; 4] = ["pass", "global", "assert", "nonlocal"];
const BLOCKS: [&str; 11] = ["if", "elif", "else", "for", "while", "try", "except", "finally", "with", "class", "def"];

impl Machine {
    pub(super) fn run(&mut self, lines: &[Line]) {
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            at += 1;
            if line.indent > 0 {
                self.broken(line.number, "an indented line that belongs to nothing");
                self.unknown_line(line, "its line is indented for no reason");
                continue;
            }
            if is_block(line) {
                let body = lines.get(at..).unwrap_or_default().iter().take_while(|l| l.indent > 0).count();
                self.block(lines.get(at - 1..at + body).unwrap_or_default());
                at += body;
            } else {
                self.statement(line);
            }
        }
    }

    fn statement(&mut self, line: &Line) {
        let first = match line.tokens.first() {
            Some(Token::Name(name)) => name.as_str(),
            Some(Token::Text(_)) if line.tokens.len() == 1 => return,
            _ => "",
        };
        if NO_OPS.contains(&first) {
            self.result.python = true;
        } else if matches!(first, "import" | "from") {
            self.import(first, line);
        } else if outside(&line.tokens) {
            self.assignment(line);
        } else if let (Some(Token::Sign("+=")), [_, _, right @ ..]) = (line.tokens.get(1), line.tokens.as_slice()) {
            self.addition(first, right, line);
        } else {
            self.expression_statement(first, line);
        }
    }

    /// Imports set nothing that matters, unless they bring in every name of an unknown module.
    fn import(&mut self, first: &str, line: &Line) {
        self.result.python = true;
        let star = line.tokens.iter().any(|t| matches!(t, Token::Sign("*")));
        let of_xen = matches!(line.tokens.get(1), Some(Token::Name(module)) if module == "xen");
        if first == "from" && star && !of_xen {
            self.poison_everything(line.number, "another file's names were imported over it");
            return;
        }
        for name in names(&line.tokens) {
            if self.names.contains_key(&name) {
                self.poison(&name, line.number, "an import could have replaced it");
            }
        }
    }

    fn assignment(&mut self, line: &Line) {
        let parts: Vec<&[Token]> = split_at_equals(&line.tokens);
        let Some((value, targets)) = parts.split_last() else { return };
        let wild = self.note_calls(value, line.number);
        let result = if wild { Err("it could set anything".to_owned()) } else { self.evaluate(value) };
        let odd_target = |target: &&[Token]| matches!(target, [_, Token::Sign(_), ..]);
        let chained = targets.len() > 1 && targets.iter().all(|target| !target.is_empty());
        let not_plain = !is_plain(value) || (result.is_err() && !value_is_broken(value));
        self.result.python |= not_plain || chained || targets.iter().any(odd_target);
        let lists: BTreeSet<String> = names(value).into_iter().filter(|name| self.holds_list(name)).collect();
        let mut set = Vec::new();
        for target in targets {
            match (target, &result) {
                ([Token::Name(name)], Ok(value)) => match self.pay(value.size()) {
                    Ok(()) => {
                        self.set(name, line.number, Known::Value(value.clone()));
                        set.push(name.clone());
                    }
                    Err(why) => self.set(name, line.number, Known::Unknown(why)),
                },
                ([Token::Name(name)], Err(why)) => {
                    self.set(name, line.number, Known::Unknown(why.clone()));
                    if value_is_broken(value) {
                        self.broken(line.number, why);
                    }
                }
                _ => self.unpack(target, &result, line),
            }
        }
        // Names of one list share its later changes; only `+` is sure to have made a new one.
        let mut group: BTreeSet<String> = set.into_iter().filter(|name| self.holds_list(name)).collect();
        if !value.iter().any(|t| matches!(t, Token::Sign("+" | "*" | "%"))) && !group.is_empty() {
            group.extend(lists);
        }
        if group.len() > 1 {
            self.same.push(group);
        }
    }

    /// `a, b = 1, 2`; any other target makes the names in it unknown.
    fn unpack(&mut self, target: &[Token], result: &Result<super::Py, String>, line: &Line) {
        let singles: Option<Vec<&str>> = target
            .split(|t| matches!(t, Token::Sign(",")))
            .map(|part| match part {
                [Token::Name(name)] => Some(name.as_str()),
                _ => None,
            })
            .collect();
        match (singles, result) {
            (Some(singles), Ok(super::Py::Tuple(items) | super::Py::List(items))) if singles.len() == items.len() => {
                for (name, item) in singles.into_iter().zip(items) {
                    let known = self.pay(item.size()).map_or_else(Known::Unknown, |()| Known::Value(item.clone()));
                    self.set(name, line.number, known);
                }
            }
            _ => self.poison_all(names(target), line.number, "a part of it is set in a way that is not followed"),
        }
    }

    fn addition(&mut self, name: &str, right: &[Token], line: &Line) {
        self.result.python |= !is_plain(right);
        let wild = self.note_calls(right, line.number);
        let shared = self.same.iter().any(|group| group.contains(name));
        if shared && self.holds_list(name) {
            self.poison(name, line.number, "a list that has several names is changed");
            return;
        }
        let mut whole = vec![Token::Name(name.to_owned()), Token::Sign("+"), Token::Sign("(")];
        whole.extend_from_slice(right);
        whole.push(Token::Sign(")"));
        let known = match self.evaluate(&whole) {
            Ok(value) if !wild => Known::Value(value),
            Ok(_) => Known::Unknown("it could set anything".to_owned()),
            Err(why) => Known::Unknown(why),
        };
        self.set(name, line.number, known);
    }

    fn expression_statement(&mut self, first: &str, line: &Line) {
        self.result.python |=
            matches!(line.tokens.get(1), Some(Token::Sign("(" | "."))) || matches!(first, "print" | "del" | "exec" | "raise");
        if line.tokens.iter().any(|t| matches!(t, Token::Bad(_))) && !self.result.python {
            self.broken(line.number, "neither xl's language nor Python");
        }
        if first == "xm_vars" {
            return;
        }
        if !self.note_calls(&line.tokens, line.number) {
            self.unknown_line(line, "a line that is not followed could have changed it");
        }
    }

    /// Makes unknown what a line could have changed: a list by any mention, another name by being set, deleted or the first word.
    fn unknown_line(&mut self, line: &Line, why: &str) {
        let mut touched = set_names(&line.tokens);
        touched.extend(names(&line.tokens).into_iter().filter(|name| self.holds_list(name)));
        if let Some(Token::Name(first)) = line.tokens.first() {
            if first == "del" {
                touched.extend(names(&line.tokens).into_iter().skip(1));
            } else if first != "print" && !matches!(line.tokens.get(1), Some(Token::Sign("("))) {
                touched.insert(first.clone());
            }
        }
        self.poison_all(touched, line.number, why);
    }

    fn block(&mut self, lines: &[Line]) {
        self.result.python = true;
        let Some(head) = lines.first() else { return };
        let definition = matches!(head.tokens.first(), Some(Token::Name(word)) if word == "def");
        let mentioned: BTreeSet<String> = lines.iter().flat_map(|line| names(&line.tokens)).collect();
        if definition {
            if let Some(Token::Name(function)) = head.tokens.get(1) {
                self.functions.insert(function.clone(), mentioned);
                if self.names.contains_key(function) {
                    self.poison(function, head.number, "a function has its name");
                }
            }
            return;
        }
        let kind = match head.tokens.first() {
            Some(Token::Name(word)) => word.clone(),
            _ => String::new(),
        };
        let why = format!("it may be set in the `{kind}` of line {}", head.number);
        for line in lines {
            self.note_calls(&line.tokens, line.number);
        }
        let mut touched: BTreeSet<String> = lines.iter().flat_map(|line| set_names(&line.tokens)).collect();
        touched.extend(mentioned.into_iter().filter(|name| self.holds_list(name)));
        self.poison_all(touched, head.number, &why);
    }

    /// Makes unknown what the calls in an expression could change; true when that is everything.
    fn note_calls(&mut self, tokens: &[Token], line: u32) -> bool {
        let all = names(tokens);
        if let Some(wild) = all.iter().find(|name| WILD.contains(&name.as_str())) {
            let why = format!("`{wild}` in line {line} could have set it");
            self.poison_everything(line, &why);
            return true;
        }
        let own: BTreeSet<String> = all.iter().filter_map(|name| self.functions.get(name)).flatten().cloned().collect();
        let inside_own: Vec<String> = own.iter().filter(|name| self.names.contains_key(*name)).cloned().collect();
        if own.iter().any(|name| WILD.contains(&name.as_str())) {
            self.poison_everything(line, "a function of the file could have set it");
            return true;
        }
        self.poison_all(inside_own, line, "a function of the file could have changed it");
        let calls = tokens.windows(2).any(|pair| match pair {
            [Token::Name(name), Token::Sign("(")] => name != "int" && name != "str",
            [_, Token::Sign(".")] => true,
            _ => false,
        });
        if calls {
            let lists: Vec<String> = all.into_iter().filter(|name| self.holds_list(name)).collect();
            self.poison_all(lists, line, "it is handed to a function, which could have changed it");
        }
        false
    }

    fn poison_all(&mut self, names: impl IntoIterator<Item = String>, line: u32, why: &str) {
        for name in names {
            self.poison(&name, line, why);
        }
    }

    fn holds_list(&self, name: &str) -> bool {
        matches!(self.value(name), Some(super::Py::List(_) | super::Py::Tuple(_)))
    }
}

fn is_block(line: &Line) -> bool {
    let begins = match line.tokens.first() {
        Some(Token::Name(word)) => BLOCKS.contains(&word.as_str()),
        Some(Token::Sign("@")) => true,
        _ => false,
    };
    begins && !matches!(line.tokens.get(1), Some(Token::Sign("=" | "+=")))
}

/// All names of a line, keywords too: they are nobody's variables.
fn names(tokens: &[Token]) -> BTreeSet<String> {
    tokens
        .iter()
        .filter_map(|token| match token {
            Token::Name(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

/// Names that a line sets or may set: before `=`, `+=`, `.` or `[`, after `for`, `as`, `global`, `del`, `import`.
fn set_names(tokens: &[Token]) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    let assigns = tokens.iter().rposition(|t| matches!(t, Token::Sign(s) if is_assignment(s)));
    let mut naming = false;
    for (at, token) in tokens.iter().enumerate() {
        let Token::Name(name) = token else { continue };
        match name.as_str() {
            "for" | "as" | "global" | "del" | "import" | "class" => naming = true,
            "in" | "if" => naming = false,
            _ => {
                let before_dot = matches!(tokens.get(at + 1), Some(Token::Sign("." | "[")));
                if naming || before_dot || assigns.is_some_and(|assigns| at < assigns) {
                    set.insert(name.clone());
                }
            }
        }
    }
    set
}

fn is_assignment(sign: &str) -> bool {
    sign.ends_with('=') && !matches!(sign, "==" | "!=" | "<=" | ">=")
}

/// Whether the first `=` of a line stands outside of all brackets (otherwise it names an argument of a call).
fn outside(tokens: &[Token]) -> bool {
    let mut depth = 0_usize;
    for token in tokens {
        match token {
            Token::Sign("(" | "[" | "{") => depth += 1,
            Token::Sign(")" | "]" | "}") => depth = depth.saturating_sub(1),
            Token::Sign("=") => return depth == 0,
            _ => {}
        }
    }
    false
}

/// `a = b = value` cut at each `=` outside of brackets.
fn split_at_equals(tokens: &[Token]) -> Vec<&[Token]> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign("(" | "[" | "{") => depth += 1,
            Token::Sign(")" | "]" | "}") => depth = depth.saturating_sub(1),
            Token::Sign("=") if depth == 0 => {
                parts.push(tokens.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(tokens.get(start..).unwrap_or_default());
    parts
}

/// A text, a number, or a list of such: no sign that the file is Python.
fn is_plain(tokens: &[Token]) -> bool {
    tokens.iter().all(|t| matches!(t, Token::Text(_) | Token::Int(_) | Token::Sign("[" | "]" | ",") | Token::Bad(_)))
}

fn value_is_broken(tokens: &[Token]) -> bool {
    tokens.is_empty() || tokens.iter().any(|t| matches!(t, Token::Bad(_)))
}
