using System;
using System.Collections.Generic;
using System.Text;

namespace Tessera.Generator;

/// <summary>One argument or return of an operator schema, with the alias annotation taken off its type.</summary>
internal sealed record Argument(string Type, string Name, string? Default, bool Written);

/// <summary>
/// An operator schema as the engine prints it: <c>add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor</c>.
/// </summary>
internal sealed record Schema(
    string Namespace,
    string Name,
    string Overload,
    List<Argument> Arguments,
    List<Argument> Returns,
    string Summary,
    string Text
)
{
    public static Schema Parse(string line)
    {
        var comment = line.IndexOf("  # ", StringComparison.Ordinal);
        var summary = comment < 0 ? "" : line.Substring(comment + 4).Trim();
        var text = (comment < 0 ? line : line.Substring(0, comment)).Trim();
        var open = text.IndexOf('(');
        var arrow = text.LastIndexOf(") -> ", StringComparison.Ordinal);
        if (open < 0 || arrow < open)
            throw new FormatException("not a schema: " + text);
        var full = text.Substring(0, open).Split('.');
        var colons = full[0].IndexOf("::", StringComparison.Ordinal);
        var library = colons < 0 ? "aten" : full[0].Substring(0, colons);
        var name = colons < 0 ? full[0] : full[0].Substring(colons + 2);
        var returns = text.Substring(arrow + 5).Trim();
        if (returns.StartsWith("(", StringComparison.Ordinal) && returns.EndsWith(")", StringComparison.Ordinal))
            returns = returns.Substring(1, returns.Length - 2);
        return new Schema(
            library,
            name,
            full.Length > 1 ? full[1] : "",
            ParseList(text.Substring(open + 1, arrow - open - 1)),
            ParseList(returns),
            summary,
            text
        );
    }

    private static List<Argument> ParseList(string text)
    {
        var result = new List<Argument>();
        foreach (var raw in SplitTop(text))
        {
            var part = raw.Trim();
            if (part.Length == 0 || part == "*")
                continue;
            string? value = null;
            var equals = part.IndexOf('=');
            if (equals >= 0)
            {
                value = part.Substring(equals + 1).Trim();
                part = part.Substring(0, equals).Trim();
            }
            var written = part.Contains("!)");
            part = DropAnnotation(part);
            var space = part.LastIndexOf(' ');
            result.Add(
                space < 0
                    ? new Argument(part, "", value, written)
                    : new Argument(part.Substring(0, space).Trim(), part.Substring(space + 1), value, written)
            );
        }
        return result;
    }

    private static string DropAnnotation(string part)
    {
        var open = part.IndexOf('(');
        if (open < 0)
            return part;
        var close = part.IndexOf(')', open);
        return part.Substring(0, open) + part.Substring(close + 1);
    }

    private static IEnumerable<string> SplitTop(string text)
    {
        var depth = 0;
        var current = new StringBuilder();
        var quoted = false;
        foreach (var c in text)
        {
            if (c == '"')
                quoted = !quoted;
            if (!quoted && (c == '(' || c == '['))
                depth++;
            if (!quoted && (c == ')' || c == ']'))
                depth--;
            if (c == ',' && depth == 0 && !quoted)
            {
                yield return current.ToString();
                current.Clear();
            }
            else
                current.Append(c);
        }
        yield return current.ToString();
    }
}
