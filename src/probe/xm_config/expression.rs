//! The part of Python's expressions that is understood.

use super::Machine;
use super::lines::Token;

const MAX_DEPTH: usize = 50;
/// Bytes by which formatting may make a text longer.
const MAX_FILLED: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq)]
pub enum Py {
    Str(Vec<u8>),
    Int(i64),
    /// As written: nothing is reckoned with it.
    Float(String),
    Bool(bool),
    None,
    List(Vec<Py>),
    Tuple(Vec<Py>),
}

impl Py {
    /// Roughly how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Str(text) => text.len().saturating_add(16),
            Self::Float(text) => text.len().saturating_add(16),
            Self::List(items) | Self::Tuple(items) => items.iter().fold(16_usize, |sum, item| sum.saturating_add(item.size())),
            _ => 16,
        }
    }

    /// Lists in lists.
    fn depth(&self) -> usize {
        match self {
            Self::List(items) | Self::Tuple(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(on) => Some(i64::from(*on)),
            _ => None,
        }
    }
}

/// Why an expression has no value that is surely known.
pub(super) type Why = String;

struct Reader<'a> {
    machine: &'a mut Machine,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Machine {
    /// The value of an expression that takes all of `tokens`.
    pub(super) fn evaluate(&mut self, tokens: &[Token]) -> Result<Py, Why> {
        let mut reader = Reader { machine: self, tokens, at: 0, depth: 0 };
        let value = reader.tuple()?;
        match reader.peek() {
            None => Ok(value),
            Some(token) => Err(strange(token)),
        }
    }

    pub(super) fn pay(&mut self, bytes: usize) -> Result<(), Why> {
        match self.budget.checked_sub(bytes) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err("its values grow too large".to_owned()),
        }
    }
}

fn strange(token: &Token) -> Why {
    match token {
        Token::Bad(why) => (*why).to_owned(),
        Token::Sign("(") => "it calls a function, and nothing of the file is run".to_owned(),
        Token::Sign(".") => "it asks another object, and nothing of the file is run".to_owned(),
        Token::Sign("[") => "it takes a part of a value".to_owned(),
        Token::Sign("{") => "it holds a dictionary".to_owned(),
        Token::Sign(sign) => format!("it uses `{sign}`"),
        Token::Name(name) => format!("it uses `{}`", crate::model::shown::text(name)),
        _ => "it is not an expression".to_owned(),
    }
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        if found {
            self.at += 1;
        }
        found
    }

    /// `a` or `a, b`.
    fn tuple(&mut self) -> Result<Py, Why> {
        let first = self.sum()?;
        if !matches!(self.peek(), Some(Token::Sign(","))) {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.sign(",") {
            if self.peek().is_none() || matches!(self.peek(), Some(Token::Sign(")"))) {
                break;
            }
            items.push(self.sum()?);
        }
        Ok(Py::Tuple(items))
    }

    fn sum(&mut self) -> Result<Py, Why> {
        let mut left = self.product()?;
        loop {
            let plus = self.sign("+");
            if !plus && !self.sign("-") {
                return Ok(left);
            }
            let right = self.product()?;
            self.machine.pay(left.size().saturating_add(right.size()))?;
            left = if plus { add(left, right)? } else { numbers(&left, &right, i64::checked_sub)? };
        }
    }

    fn product(&mut self) -> Result<Py, Why> {
        let mut left = self.unary()?;
        loop {
            if self.sign("*") {
                let right = self.unary()?;
                left = self.times(left, right)?;
            } else if self.sign("%") {
                let right = self.unary()?;
                self.machine.pay(left.size().saturating_add(right.size()))?;
                left = match left {
                    Py::Str(format) => {
                        let text = fill(&format, &right)?;
                        self.machine.pay(text.len())?;
                        Py::Str(text)
                    }
                    other => numbers(&other, &right, |a, b| if b == 0 { None } else { a.checked_rem_euclid(b).filter(|_| b > 0) })?,
                };
            } else {
                return Ok(left);
            }
        }
    }

    fn times(&mut self, left: Py, right: Py) -> Result<Py, Why> {
        if let (Some(_), Some(_)) = (left.int(), right.int()) {
            return numbers(&left, &right, i64::checked_mul);
        }
        let (value, count) = match (left.int(), right.int()) {
            (None, Some(count)) => (left, count),
            (Some(count), None) => (right, count),
            _ => return Err("it multiplies what cannot be multiplied".to_owned()),
        };
        let count = usize::try_from(count.max(0)).map_err(|_| "its values grow too large".to_owned())?;
        self.machine.pay(value.size().saturating_mul(count))?;
        match value {
            Py::Str(text) => Ok(Py::Str(text.repeat(count))),
            Py::List(items) => Ok(Py::List(items.iter().cycle().take(items.len().saturating_mul(count)).cloned().collect())),
            _ => Err("it multiplies what cannot be multiplied".to_owned()),
        }
    }

    fn unary(&mut self) -> Result<Py, Why> {
        let mut negative = false;
        let mut signed = false;
        loop {
            if self.sign("-") {
                negative = !negative;
            } else if !self.sign("+") {
                break;
            }
            signed = true;
        }
        let value = self.atom()?;
        match value.int() {
            _ if !signed => Ok(value),
            Some(number) if negative => number.checked_neg().map(Py::Int).ok_or_else(|| "a number is too large".to_owned()),
            Some(number) => Ok(Py::Int(number)),
            None => Err("it gives a sign to what is no whole number".to_owned()),
        }
    }

    fn atom(&mut self) -> Result<Py, Why> {
        let Some(token) = self.peek().cloned() else { return Err("a value is missing".to_owned()) };
        self.at += 1;
        let value = match token {
            Token::Text(mut text) => {
                while let Some(Token::Text(more)) = self.peek() {
                    text.extend_from_slice(more);
                    self.at += 1;
                }
                self.machine.pay(text.len())?;
                Py::Str(text)
            }
            Token::Int(Some(number)) => Py::Int(number),
            Token::Int(None) => return Err("a number is too large".to_owned()),
            Token::Float(text) => Py::Float(text),
            Token::Name(name) => self.name(&name)?,
            Token::Sign("(") => self.deeper(Self::parenthesis)?,
            Token::Sign("[") => self.deeper(Self::list)?,
            other => return Err(strange(&other)),
        };
        match self.peek() {
            Some(after @ Token::Sign("(" | "[" | ".")) => Err(strange(after)),
            // Values outlive the expression, and are copied and dropped by recursion.
            _ if value.depth() > MAX_DEPTH => Err("its lists are nested too deep".to_owned()),
            _ => Ok(value),
        }
    }

    fn deeper(&mut self, read: impl Fn(&mut Self) -> Result<Py, Why>) -> Result<Py, Why> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("its brackets are nested too deep".to_owned());
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn parenthesis(&mut self) -> Result<Py, Why> {
        if self.sign(")") {
            return Ok(Py::Tuple(Vec::new()));
        }
        let value = self.tuple()?;
        if self.sign(")") { Ok(value) } else { Err(self.peek().map_or_else(|| "a bracket is not closed".to_owned(), strange)) }
    }

    fn list(&mut self) -> Result<Py, Why> {
        let mut items = Vec::new();
        loop {
            if self.sign("]") {
                return Ok(Py::List(items));
            }
            items.push(self.sum()?);
            if !self.sign(",") && !matches!(self.peek(), Some(Token::Sign("]"))) {
                return Err(self.peek().map_or_else(|| "a bracket is not closed".to_owned(), strange));
            }
        }
    }

    fn name(&mut self, name: &str) -> Result<Py, Why> {
        let known = self.machine.names.get(name).map(|variable| match &variable.known {
            super::Known::Value(value) => Ok(value.size()),
            super::Known::Unknown(_) => Err(variable.line),
        });
        match (known, name) {
            (Some(Ok(size)), _) => {
                self.machine.pay(size)?;
                self.machine.value(name).cloned().ok_or_else(String::new)
            }
            (Some(Err(line)), _) => Err(format!("it needs `{}` of line {line}, which is not known", crate::model::shown::text(name))),
            (None, "True") => Ok(Py::Bool(true)),
            (None, "False") => Ok(Py::Bool(false)),
            (None, "None") => Ok(Py::None),
            (None, "int" | "str") if self.sign("(") => self.deeper(|reader| reader.conversion(name)),
            (None, "lambda" | "not" | "if" | "for" | "in" | "is" | "and" | "or" | "else") => Err(format!("it uses `{name}`")),
            (None, _) if matches!(self.peek(), Some(Token::Sign("(" | "."))) => Err(self.peek().map_or_else(String::new, strange)),
            (None, _) => Err(format!("`{}` has no value in the file", crate::model::shown::text(name))),
        }
    }

    fn conversion(&mut self, to: &str) -> Result<Py, Why> {
        let value = self.sum()?;
        if !self.sign(")") {
            return Err("it uses int() or str() in an unusual way".to_owned());
        }
        match (to, &value) {
            ("int", Py::Str(text)) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .map(Py::Int)
                .ok_or_else(|| "int() of a text that is no number".to_owned()),
            ("int", _) => value.int().map(Py::Int).ok_or_else(|| "int() of what is no number".to_owned()),
            (_, Py::Str(_)) => Ok(value),
            (_, Py::Int(number)) => Ok(Py::Str(number.to_string().into_bytes())),
            _ => Err("str() of what is no number".to_owned()),
        }
    }
}

fn add(left: Py, right: Py) -> Result<Py, Why> {
    match (left, right) {
        (Py::Str(mut text), Py::Str(more)) => {
            text.extend(more);
            Ok(Py::Str(text))
        }
        (Py::List(mut items), Py::List(more)) => {
            items.extend(more);
            Ok(Py::List(items))
        }
        (Py::Tuple(mut items), Py::Tuple(more)) => {
            items.extend(more);
            Ok(Py::Tuple(items))
        }
        (left, right) => numbers(&left, &right, i64::checked_add),
    }
}

fn numbers(left: &Py, right: &Py, reckon: impl Fn(i64, i64) -> Option<i64>) -> Result<Py, Why> {
    let (Some(left), Some(right)) = (left.int(), right.int()) else {
        return Err("it reckons with values that are no whole numbers, or adds a text to a number".to_owned());
    };
    reckon(left, right).map(Py::Int).ok_or_else(|| "a number is too large".to_owned())
}

/// `"VM%02d" % 3`: the conversions d, i, u, s, x, X and o, with flags `0` and `-` and a width.
fn fill(format: &[u8], values: &Py) -> Result<Vec<u8>, Why> {
    const ODD: &str = "its `%` formatting is unusual";
    let mut values = match values {
        Py::Tuple(items) => items.iter(),
        single => std::slice::from_ref(single).iter(),
    };
    let mut out = Vec::with_capacity(format.len());
    let mut at = 0;
    while let Some(&byte) = format.get(at) {
        at += 1;
        if out.len() > format.len().saturating_add(MAX_FILLED) {
            return Err("its values grow too large".to_owned());
        }
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (mut zero, mut left) = (false, false);
        while let Some(flag) = format.get(at).filter(|c| matches!(c, b'0' | b'-')) {
            zero |= *flag == b'0';
            left |= *flag == b'-';
            at += 1;
        }
        let mut width = 0_usize;
        while let Some(digit) = format.get(at).filter(|c| c.is_ascii_digit()) {
            width = width.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            at += 1;
        }
        if width > 1000 {
            return Err(ODD.to_owned());
        }
        let conversion = *format.get(at).ok_or(ODD)?;
        at += 1;
        if conversion == b'%' {
            out.push(b'%');
            continue;
        }
        let value = values.next().ok_or(ODD)?;
        let text = match (conversion, value) {
            (b's', Py::Str(text)) => text.clone(),
            (b's' | b'd' | b'i' | b'u', Py::Int(number)) => number.to_string().into_bytes(),
            (b'd' | b'i' | b'u', Py::Bool(on)) => vec![b'0' + u8::from(*on)],
            (b'x', Py::Int(number)) if *number >= 0 => format!("{number:x}").into_bytes(),
            (b'X', Py::Int(number)) if *number >= 0 => format!("{number:X}").into_bytes(),
            (b'o', Py::Int(number)) if *number >= 0 => format!("{number:o}").into_bytes(),
            _ => return Err(ODD.to_owned()),
        };
        let fill = width.saturating_sub(text.len());
        if left {
            out.extend(&text);
            out.extend(std::iter::repeat_n(b' ', fill));
        } else if zero && conversion != b's' {
            let digits = text.strip_prefix(b"-").unwrap_or(&text);
            out.extend(text.get(..text.len() - digits.len()).unwrap_or_default());
            out.extend(std::iter::repeat_n(b'0', fill));
            out.extend(digits);
        } else {
            out.extend(std::iter::repeat_n(b' ', fill));
            out.extend(&text);
        }
    }
    if values.next().is_some() && !matches!(format, b"") { Err(ODD.to_owned()) } else { Ok(out) }
}
