using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Tessera.Data.Formats;

/// <summary>Reads YAML of any origin as data.</summary>
internal static class YamlText
{
    /// <summary>The documents of a text.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="maxDepth">How deep values may be nested.</param>
    /// <param name="error">Makes the error of a problem: its line, which may be unknown, what it is, and its cause.</param>
    internal static YamlStream Load(string yaml, int maxDepth, Func<long?, string, Exception?, Exception> error)
    {
        var stream = new YamlStream();
        try
        {
            // The representation model is built by recursion: the parser's events are counted first, so that no input exhausts the stack.
            var parser = new Parser(new StringReader(yaml));
            for (var depth = 0; parser.MoveNext(); )
            {
                depth += parser.Current!.NestingIncrease;
                if (depth > maxDepth + 3)
                    throw error(parser.Current.Start.Line, $"nested more than {maxDepth} deep", null);
            }
            stream.Load(new StringReader(yaml));
        }
        catch (YamlException cause)
        {
            throw error(cause.Start.Line, $"no YAML: {cause.Message.ReplaceLineEndings(" ")}", cause);
        }
        catch (Exception cause) when (cause is InvalidOperationException or ArgumentException or FormatException or KeyNotFoundException)
        {
            // The parser throws these on some damaged texts, without a line.
            throw error(null, $"no YAML: {cause.Message.ReplaceLineEndings(" ")}", cause);
        }
        return stream;
    }
}
