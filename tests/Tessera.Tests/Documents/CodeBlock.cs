using Markdig;
using Markdig.Syntax;

namespace Tessera.Hosting.Tests.Documents;

/// <summary>A block of C# in a document.</summary>
/// <param name="File">The document.</param>
/// <param name="Line">Its line above the code, from 1.</param>
/// <param name="Given">
/// Of a fragment, the variables that its text takes as given, as parameters of a method are written; null for a whole file.
/// </param>
/// <param name="Code">The code.</param>
internal sealed record CodeBlock(string File, int Line, string? Given, string Code)
{
    /// <summary>The blocks of a document.</summary>
    /// <param name="file">Its name in messages.</param>
    /// <param name="text">Its text.</param>
    internal static IEnumerable<CodeBlock> In(string file, string text) =>
        from block in Markdown.Parse(text).Descendants<FencedCodeBlock>()
        where block.Info is "csharp" or "cs" or "c#"
        select new CodeBlock(file, block.Line + 1, GivenIn(file, block), block.Lines.ToString());

    // ```csharp (Tensor images, int classes)
    private static string? GivenIn(string file, FencedCodeBlock block)
    {
        var words = block.Arguments?.Trim() ?? "";
        return words.Length == 0 ? null
            : words is ['(', .., ')'] ? words[1..^1]
            : throw new FormatException(
                $"{file}:{block.Line + 1}: after csharp there must be nothing, or the given variables in parentheses, not '{words}'"
            );
    }
}
