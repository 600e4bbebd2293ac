using System.Text;

namespace Tessera.Retrieval;

/// <summary>Reads a filter from left to right.</summary>
internal sealed class FilterParser
{
    internal const string Name = "name";
    internal const string Id = "id";
    private const int MostNested = 100;

    private readonly string text;
    private readonly List<Token> tokens = [];
    private readonly HashSet<string> fields = new(StringComparer.Ordinal);
    private int at;
    private int nested;

    internal FilterParser(string text)
    {
        this.text = text;
        var position = 0;
        while (true)
        {
            while (position < text.Length && char.IsWhiteSpace(text[position]))
                position++;
            if (position == text.Length)
                break;
            tokens.Add(Next(ref position));
        }
        tokens.Add(new(TokenKind.End, "", text.Length));
    }

    internal IReadOnlyCollection<string> Fields => fields;

    internal FilterCondition ParseAll()
    {
        var condition = Any();
        return Current.Kind == TokenKind.End
            ? condition
            : throw Unreadable($"'{Current.Text}' is one too many; and or or joins conditions");
    }

    private enum TokenKind
    {
        Word,
        Quoted,
        Sign,
        End,
    }

    private readonly record struct Token(TokenKind Kind, string Text, int Position);

    private Token Current => tokens[at];

    private Token Next(ref int position)
    {
        var (start, first) = (position, text[position]);
        if (first == '"')
            return new(TokenKind.Quoted, Quoted(ref position), start);
        if (first is '(' or ')' or ',')
            return new(TokenKind.Sign, text[position++].ToString(), start);
        if (first is '=' or '!' or '<' or '>')
        {
            position++;
            if (position < text.Length && text[position] == '=')
                position++;
            var sign = text[start..position];
            return sign switch
            {
                "!" => throw Unreadable("'!' stands before '=' alone: field!=value", start),
                "==" => new(TokenKind.Sign, "=", start),
                _ => new(TokenKind.Sign, sign, start),
            };
        }
        while (
            position < text.Length && !char.IsWhiteSpace(text[position]) && !"\"(),=!<>".Contains(text[position], StringComparison.Ordinal)
        )
            position++;
        return new(TokenKind.Word, text[start..position], start);
    }

    private string Quoted(ref int position)
    {
        var (start, value) = (position++, new StringBuilder());
        for (; position < text.Length && text[position] != '"'; position++)
        {
            if (text[position] == '\\' && (++position == text.Length || text[position] is not ('"' or '\\')))
                throw Unreadable("a backslash stands before a quote or a backslash", position - 1);
            value.Append(text[position]);
        }
        if (position == text.Length)
            throw Unreadable("the quote has no end", start);
        position++;
        return value.ToString();
    }

    private FilterCondition Any()
    {
        var left = All();
        while (TakeWord("or"))
            left = new FilterCondition.Any(left, All());
        return left;
    }

    private FilterCondition All()
    {
        var left = One();
        while (TakeWord("and"))
            left = new FilterCondition.All(left, One());
        return left;
    }

    private FilterCondition One()
    {
        if (++nested > MostNested)
            throw Unreadable($"it is nested more than {MostNested} deep");
        try
        {
            if (TakeWord("not"))
                return new FilterCondition.Not(One());
            if (!TakeSign("("))
                return Comparison();
            var inner = Any();
            return TakeSign(")") ? inner : throw Unreadable("a closing parenthesis is missing");
        }
        finally
        {
            nested--;
        }
    }

    private FilterCondition Comparison()
    {
        var field = Text("a field");
        if (field is not (Name or Id))
            fields.Add(field);
        if (TakeWord("in"))
            return Among(field);
        if (Current is not { Kind: TokenKind.Sign, Text: "=" or "!=" or "<" or "<=" or ">" or ">=" } sign)
            throw Unreadable($"after the field '{field}' there has to be =, !=, <, <=, >, >= or in");
        at++;
        return new FilterCondition.Comparison(field, sign.Text, Text("a value"));
    }

    private FilterCondition Among(string field)
    {
        if (!TakeSign("("))
            throw Unreadable("in has its values in parentheses: field in (a, b)");
        FilterCondition? all = null;
        do
        {
            var one = new FilterCondition.Comparison(field, "=", Text("a value"));
            all = all is null ? one : new FilterCondition.Any(all, one);
        } while (TakeSign(","));
        return TakeSign(")") ? all : throw Unreadable("a closing parenthesis is missing");
    }

    private string Text(string what)
    {
        if (Current.Kind is not (TokenKind.Word or TokenKind.Quoted))
            throw Unreadable($"{what} is missing");
        return tokens[at++].Text;
    }

    private bool TakeWord(string word)
    {
        var taken = Current.Kind == TokenKind.Word && Current.Text.Equals(word, StringComparison.OrdinalIgnoreCase);
        at += taken ? 1 : 0;
        return taken;
    }

    private bool TakeSign(string sign)
    {
        var taken = Current.Kind == TokenKind.Sign && Current.Text == sign;
        at += taken ? 1 : 0;
        return taken;
    }

    private IndexException Unreadable(string what, int? position = null) =>
        new($"the filter '{text}' cannot be read at character {(position ?? Current.Position) + 1}: {what}");
}
