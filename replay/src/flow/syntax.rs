//! Reads expressions and templates, and says where every name in them stood.
//!
//! A hand-written Pratt parser: the grammar is one table of binding powers, and every error has the
//! byte range of what is wrong inside the text it was given, which `config/` moves to the place in
//! the file. Knows nothing of which names exist: it reports them, its caller decides.

use std::fmt;
use std::ops::Range;

use super::expression::{Binary, Expression, Fact, Function, Read, Sampler, Unary};
use super::token::{Token, TokenKind, tokens};

/// Operators, calls and members in one expression. Whoever needs more needs a variable in between.
const NODES_MAX: usize = 100;
/// Nesting: at most three levels for each node, also when it is written out again (`write.rs`).
const DEPTH_MAX: usize = 3 * NODES_MAX + 8;
/// An expression longer than this is a mistake, and would be slow to check.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What is wrong with an expression or a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Bytes of the text given.
    pub range: Range<usize>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing stands where a value must.
    ValueMissing,
    /// Something stands where the expression should have ended or gone on.
    Unexpected,
    /// `(` or `[` was not closed, and by what it should have been.
    Unclosed(char),
    /// A text without its closing quote.
    UnclosedText,
    /// `${` without `}`.
    UnclosedHole,
    /// A character that begins nothing.
    StrayCharacter,
    /// A number with a fraction, or one that does not fit 64 bits.
    NotWhole,
    /// `=` where `==` is meant.
    SingleEquals,
    /// An unknown function; the nearest known one.
    UnknownFunction(Option<&'static str>),
    /// An unknown sampler after `draw.site.`.
    UnknownSampler(Option<&'static str>),
    /// `draw` not followed by `.site.sampler(...)`.
    DrawShape,
    /// A function with the wrong number of arguments: the smallest and largest number.
    ArgumentCount(usize, usize),
    /// `header(...)`, `json(...)`, `matches` or `find` need text in quotes here.
    NeedsQuotedText,
    /// A JSON pointer that does not begin with `/`.
    BadPointer,
    /// `body` as a value: only `contains` and `matches` may look into it.
    BareBody,
    /// `setup`, `env` or `data` without a name behind the dot.
    NameMissing(&'static str),
    /// Too deep or too long.
    TooLarge,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::ValueMissing => f.write_str("a value is missing here"),
            Problem::Unexpected => f.write_str("not expected here"),
            Problem::Unclosed(close) => write!(f, "`{close}` is missing"),
            Problem::UnclosedText => f.write_str("the closing `'` is missing"),
            Problem::UnclosedHole => f.write_str("the closing `}` is missing"),
            Problem::StrayCharacter => f.write_str("this character means nothing here"),
            Problem::NotWhole => f.write_str("must be a whole number of at most 64 bits"),
            Problem::SingleEquals => f.write_str("write `==` to compare"),
            Problem::UnknownFunction(Some(name)) => {
                write!(f, "no such function; the nearest is `{name}`")
            }
            Problem::UnknownFunction(None) => f.write_str("no such function"),
            Problem::UnknownSampler(Some(name)) => {
                write!(f, "no such draw; the nearest is `{name}`")
            }
            Problem::UnknownSampler(None) => {
                f.write_str("no such draw; there are between, chance, pick and element")
            }
            Problem::DrawShape => f.write_str("write for example `draw.level.between(1, 10)`"),
            Problem::ArgumentCount(least, most) if least == most => {
                write!(f, "needs {least} argument{}", if *least == 1 { "" } else { "s" })
            }
            Problem::ArgumentCount(least, most) => write!(f, "needs {least} to {most} arguments"),
            Problem::NeedsQuotedText => f.write_str("needs text in single quotes"),
            Problem::BadPointer => f.write_str("a JSON pointer begins with `/`, or is empty"),
            Problem::BareBody => f.write_str("use `body contains '...'` or `body matches '...'`"),
            Problem::NameMissing(example) => write!(f, "write for example `{example}`"),
            Problem::TooLarge => f.write_str("too long or too deeply nested"),
        }
    }
}

/// A tree, and where its names stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<T> {
    /// What was read.
    pub value: T,
    /// Every leaf that names something, in order of appearance, with its range.
    pub names: Vec<(Expression, Range<usize>)>,
}

/// Reads an expression that makes up the whole text.
pub fn parse_expression(text: &str) -> Result<Parsed<Expression>, SyntaxError> {
    parse_at(text, 0..text.len())
}

/// Reads the expression in `range` of `text`; ranges in the answer count from the beginning of
/// `text`.
pub(super) fn parse_at(text: &str, range: Range<usize>) -> Result<Parsed<Expression>, SyntaxError> {
    if range.len() > TEXT_BYTES_MAX {
        return Err(SyntaxError { range, problem: Problem::TooLarge });
    }
    let tokens = tokens(text, range)?;
    let mut parser = Parser { tokens, position: 0, depth: 0, nodes: 0, names: Vec::new() };
    let value = parser.filtered()?;
    let next = parser.peek().clone();
    if next.kind != TokenKind::End {
        return Err(SyntaxError { range: next.range, problem: Problem::Unexpected });
    }
    Ok(Parsed { value, names: parser.names })
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    position: usize,
    depth: usize,
    nodes: usize,
    names: Vec<(Expression, Range<usize>)>,
}

type Parse<T> = Result<T, SyntaxError>;

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.position.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.position += 1;
        token
    }

    fn take(&mut self, kind: &TokenKind<'_>) -> bool {
        let found = self.peek().kind == *kind;
        if found {
            self.position += 1;
        }
        found
    }

    fn fail<T>(&self, range: Range<usize>, problem: Problem) -> Parse<T> {
        Err(SyntaxError { range, problem })
    }

    fn named(&mut self, value: Expression, range: Range<usize>) -> Expression {
        self.names.push((value.clone(), range));
        value
    }

    /// `expression | function argument ...`, the loosest binding of all.
    fn filtered(&mut self) -> Parse<Expression> {
        let mut value = self.conditional()?;
        while self.take(&TokenKind::Symbol("|")) {
            let name = self.next();
            let TokenKind::Word(word) = name.kind else {
                return self.fail(name.range, Problem::UnknownFunction(None));
            };
            let mut arguments = vec![value];
            while self.value_begins() {
                arguments.push(self.binary(POWER_MAX)?);
            }
            value = self.call(word, name.range, arguments)?;
        }
        Ok(value)
    }

    fn value_begins(&self) -> bool {
        match self.peek().kind {
            TokenKind::Integer(_) | TokenKind::Text(_) => true,
            TokenKind::Word(word) => !matches!(word, "contains" | "matches"),
            TokenKind::Symbol(symbol) => matches!(symbol, "(" | "-" | "!"),
            TokenKind::End => false,
        }
    }

    fn conditional(&mut self) -> Parse<Expression> {
        let condition = self.binary(0)?;
        if !self.take(&TokenKind::Symbol("?")) {
            return Ok(condition);
        }
        self.node()?;
        self.enter()?;
        let yes = self.conditional()?;
        if !self.take(&TokenKind::Symbol(":")) {
            let range = self.peek().range.clone();
            return self.fail(range, Problem::Unclosed(':'));
        }
        let no = self.conditional()?;
        self.depth -= 1;
        Ok(Expression::Either(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    /// Counts one more operator, call or member.
    fn node(&mut self) -> Parse<()> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let range = self.peek().range.clone();
            return self.fail(range, Problem::TooLarge);
        }
        Ok(())
    }

    fn enter(&mut self) -> Parse<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let range = self.peek().range.clone();
            return self.fail(range, Problem::TooLarge);
        }
        Ok(())
    }

    fn binary(&mut self, power_min: u8) -> Parse<Expression> {
        self.enter()?;
        let mut left = self.unary()?;
        loop {
            let token = self.peek().clone();
            if token.kind == TokenKind::Symbol("=") {
                return self.fail(token.range, Problem::SingleEquals);
            }
            let Some((operator, power)) = operator_of(&token.kind) else { break };
            if power < power_min || power_min == POWER_MAX {
                break;
            }
            self.position += 1;
            self.node()?;
            let right = self.binary(power + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Parse<Expression> {
        let operator = match self.peek().kind {
            TokenKind::Symbol("!") => Unary::Not,
            TokenKind::Symbol("-") => Unary::Minus,
            _ => return self.postfix(),
        };
        self.position += 1;
        self.node()?;
        self.enter()?;
        let value = self.unary()?;
        self.depth -= 1;
        Ok(match (operator, value) {
            (Unary::Minus, Expression::Integer(n)) => Expression::Integer(n.wrapping_neg()),
            (operator, value) => Expression::Unary(operator, Box::new(value)),
        })
    }

    fn postfix(&mut self) -> Parse<Expression> {
        let mut value = self.primary()?;
        loop {
            if self.take(&TokenKind::Symbol(".")) {
                self.node()?;
                let (name, _) = self.word(Problem::Unexpected)?;
                value = Expression::Field(Box::new(value), name.to_owned());
            } else if self.take(&TokenKind::Symbol("[")) {
                self.node()?;
                self.enter()?;
                let index = self.filtered()?;
                self.close("]", ']')?;
                self.depth -= 1;
                value = Expression::Index(Box::new(value), Box::new(index));
            } else {
                return Ok(value);
            }
        }
    }

    fn close(&mut self, symbol: &'static str, shown: char) -> Parse<()> {
        if self.take(&TokenKind::Symbol(symbol)) {
            return Ok(());
        }
        let token = self.peek();
        let problem = match token.kind {
            TokenKind::End => Problem::Unclosed(shown),
            _ => Problem::Unexpected,
        };
        self.fail(token.range.clone(), problem)
    }

    fn word(&mut self, problem: Problem) -> Parse<(&'a str, Range<usize>)> {
        let token = self.next();
        match token.kind {
            TokenKind::Word(word) => Ok((word, token.range)),
            _ => self.fail(token.range, problem),
        }
    }

    fn primary(&mut self) -> Parse<Expression> {
        let token = self.next();
        match token.kind {
            TokenKind::Integer(n) => Ok(Expression::Integer(n)),
            TokenKind::Text(text) => Ok(Expression::Text(text)),
            TokenKind::Word(word) => self.name(word, token.range),
            TokenKind::Symbol("(") => {
                self.enter()?;
                let value = self.filtered()?;
                self.depth -= 1;
                self.close(")", ')')?;
                Ok(value)
            }
            TokenKind::End => self.fail(token.range, Problem::ValueMissing),
            TokenKind::Symbol(_) => self.fail(token.range, Problem::ValueMissing),
        }
    }

    fn name(&mut self, word: &'a str, range: Range<usize>) -> Parse<Expression> {
        match word {
            "null" => return Ok(Expression::Null),
            "true" => return Ok(Expression::Bool(true)),
            "false" => return Ok(Expression::Bool(false)),
            "draw" => return self.draw(range),
            "status" => return Ok(self.named(Expression::Read(Read::Status), range)),
            "time" => return Ok(self.named(Expression::Read(Read::Time), range)),
            "body" => return self.body(range),
            "header" | "json" => return self.read(word, range),
            "contains" | "matches" => return self.fail(range, Problem::ValueMissing),
            _ => {}
        }
        if let "setup" | "env" | "data" = word {
            return self.namespaced(word, range);
        }
        if self.peek().kind == TokenKind::Symbol("(") {
            self.position += 1;
            let arguments = self.arguments()?;
            return self.call(word, range, arguments);
        }
        let fact = Fact::ALL.iter().find(|(name, _)| *name == word);
        Ok(match fact {
            Some((_, fact)) => Expression::Fact(*fact),
            None => self.named(Expression::Variable(word.to_owned()), range),
        })
    }

    fn namespaced(&mut self, space: &str, range: Range<usize>) -> Parse<Expression> {
        let example = match space {
            "setup" => "setup.token",
            "env" => "env.NAME",
            _ => "data.users.name",
        };
        if !self.take(&TokenKind::Symbol(".")) {
            return self.fail(range, Problem::NameMissing(example));
        }
        let (name, mut end) = self.word(Problem::NameMissing(example))?;
        let value = match space {
            "setup" => Expression::Setup(name.to_owned()),
            "env" => Expression::Parameter(name.to_owned()),
            _ => {
                let mut column = None;
                if self.take(&TokenKind::Symbol(".")) {
                    let (word, word_range) = self.word(Problem::NameMissing(example))?;
                    end = word_range;
                    column = Some(word.to_owned());
                }
                Expression::Data { source: name.to_owned(), column }
            }
        };
        Ok(self.named(value, range.start..end.end))
    }

    fn draw(&mut self, range: Range<usize>) -> Parse<Expression> {
        if !self.take(&TokenKind::Symbol(".")) {
            return self.fail(range, Problem::DrawShape);
        }
        let (site, site_range) = self.word(Problem::DrawShape)?;
        if !self.take(&TokenKind::Symbol(".")) {
            return self.fail(range.start..site_range.end, Problem::DrawShape);
        }
        let (word, word_range) = self.word(Problem::DrawShape)?;
        let Some(&(_, sampler, least, most)) = Sampler::ALL.iter().find(|row| row.0 == word) else {
            let known = Sampler::ALL.iter().map(|row| row.0);
            return self.fail(word_range, Problem::UnknownSampler(nearest(word, known)));
        };
        if !self.take(&TokenKind::Symbol("(")) {
            return self.fail(range.start..word_range.end, Problem::DrawShape);
        }
        let arguments = self.arguments()?;
        if arguments.len() < least || arguments.len() > most {
            return self.fail(word_range, Problem::ArgumentCount(least, most));
        }
        self.node()?;
        let value = Expression::Draw { site: site.to_owned(), sampler, arguments };
        Ok(self.named(value, range.start..word_range.end))
    }

    fn body(&mut self, range: Range<usize>) -> Parse<Expression> {
        let read = match self.peek().kind {
            TokenKind::Word("contains") => {
                self.position += 1;
                let (_, power) = operator_of(&TokenKind::Word("contains")).expect("an operator");
                Read::BodyContains(Box::new(self.binary(power + 1)?))
            }
            TokenKind::Word("matches") => {
                self.position += 1;
                Read::BodyMatches(self.quoted()?.0)
            }
            _ => return self.fail(range, Problem::BareBody),
        };
        Ok(self.named(Expression::Read(read), range))
    }

    fn quoted(&mut self) -> Parse<(String, Range<usize>)> {
        let token = self.next();
        match token.kind {
            TokenKind::Text(text) => Ok((text, token.range)),
            _ => self.fail(token.range, Problem::NeedsQuotedText),
        }
    }

    fn read(&mut self, word: &str, range: Range<usize>) -> Parse<Expression> {
        if !self.take(&TokenKind::Symbol("(")) {
            return self.fail(range, Problem::NeedsQuotedText);
        }
        let (text, text_range) = self.quoted()?;
        self.close(")", ')')?;
        let read = match word {
            "header" => Read::Header(text),
            _ if text.is_empty() || text.starts_with('/') => Read::Json(text),
            _ => return self.fail(text_range, Problem::BadPointer),
        };
        Ok(self.named(Expression::Read(read), range.start..text_range.end + 1))
    }

    fn arguments(&mut self) -> Parse<Vec<Expression>> {
        let mut arguments = Vec::new();
        if self.take(&TokenKind::Symbol(")")) {
            return Ok(arguments);
        }
        loop {
            self.enter()?;
            arguments.push(self.filtered()?);
            self.depth -= 1;
            if self.take(&TokenKind::Symbol(",")) {
                continue;
            }
            self.close(")", ')')?;
            return Ok(arguments);
        }
    }

    fn call(
        &mut self,
        word: &str,
        range: Range<usize>,
        arguments: Vec<Expression>,
    ) -> Parse<Expression> {
        let known = Function::ALL.iter().find(|row| row.0 == word);
        let Some(&(_, function, least, most)) = known else {
            let names = Function::ALL.iter().map(|row| row.0);
            return self.fail(range, Problem::UnknownFunction(nearest(word, names)));
        };
        if arguments.len() < least || arguments.len() > most {
            // A filter's first argument stands before the bar; the user counts those behind it.
            return self.fail(range, Problem::ArgumentCount(least, most));
        }
        self.node()?;
        Ok(Expression::Call(function, arguments))
    }
}

/// A binding power above every operator: reads one operand.
const POWER_MAX: u8 = 100;

pub(super) fn operator_of(kind: &TokenKind<'_>) -> Option<(Binary, u8)> {
    let row = match kind {
        TokenKind::Symbol("||") => (Binary::Or, 1),
        TokenKind::Symbol("&&") => (Binary::And, 2),
        TokenKind::Symbol("==") => (Binary::Equal, 3),
        TokenKind::Symbol("!=") => (Binary::NotEqual, 3),
        TokenKind::Symbol("<") => (Binary::Less, 4),
        TokenKind::Symbol("<=") => (Binary::LessOrEqual, 4),
        TokenKind::Symbol(">") => (Binary::Greater, 4),
        TokenKind::Symbol(">=") => (Binary::GreaterOrEqual, 4),
        TokenKind::Word("contains") => (Binary::Contains, 4),
        TokenKind::Symbol("+") => (Binary::Add, 5),
        TokenKind::Symbol("-") => (Binary::Subtract, 5),
        TokenKind::Symbol("*") => (Binary::Multiply, 6),
        TokenKind::Symbol("/") => (Binary::Divide, 6),
        TokenKind::Symbol("%") => (Binary::Remainder, 6),
        _ => return None,
    };
    Some(row)
}

/// The known word that `word` was most likely meant to be: at most a third of its letters differ.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    nearest_within(word, known, (word.chars().count() / 3).clamp(1, 3))
}

/// The known word that is at most so many letters away, if any is.
pub fn nearest_within<'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k str>,
    limit: usize,
) -> Option<&'k str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, changes and swaps of neighbours that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
