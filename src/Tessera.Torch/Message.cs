namespace Tessera;

/// <summary>Text of error messages.</summary>
internal static class Message
{
    /// <summary>The text without line breaks and other control characters, which quotes from files may hold.</summary>
    internal static string OneLine(string text) =>
        text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '\uFFFD' : c)) : text;
}
