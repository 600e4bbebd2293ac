using System.Text.Json;

namespace Tessera.Testing;

/// <summary>The recorded files under tests/goldens.</summary>
public static class Goldens
{
    /// <summary>The path of a file.</summary>
    public static string Path(string relative) => Repository.Tests("goldens", relative);

    /// <summary>A file's content.</summary>
    public static JsonElement Read(string relative)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path(relative)));
        return document.RootElement.Clone();
    }

    /// <summary>The recorded values of an output.</summary>
    public static double[] Output(JsonElement golden, string name) =>
        [.. golden.GetProperty("outputs").GetProperty(name).GetProperty("values").EnumerateArray().Select(v => v.GetDouble())];
}
