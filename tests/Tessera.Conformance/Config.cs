using System.Text.Json;

namespace Tessera.Conformance;

/// <summary>A golden file's configuration: entries by name, null meaning "does not apply".</summary>
internal readonly struct Config(JsonElement root)
{
    /// <summary>The entry itself.</summary>
    public JsonElement this[string key] =>
        root.TryGetProperty(key, out var value) ? value : throw new KeyNotFoundException($"the configuration lacks '{key}'");

    /// <summary>Whether there is an entry that is not null.</summary>
    public bool Has(string key) => root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null;

    public int Int(string key) => this[key].GetInt32();

    public int Int(string key, int missing) => Has(key) ? Int(key) : missing;

    public double Double(string key) => this[key].GetDouble();

    public double Double(string key, double missing) => Has(key) ? Double(key) : missing;

    public bool Bool(string key) => this[key].GetBoolean();

    public bool Bool(string key, bool missing) => Has(key) ? Bool(key) : missing;

    public string String(string key) => this[key].GetString()!;

    public string String(string key, string missing) => Has(key) ? String(key) : missing;

    public int[] Ints(string key) => [.. this[key].EnumerateArray().Select(v => v.GetInt32())];

    public long[] Longs(string key) => GoldenFile.Longs(this[key]);

    public double[] Doubles(string key) => [.. this[key].EnumerateArray().Select(v => v.GetDouble())];

    public string[] Strings(string key) => [.. this[key].EnumerateArray().Select(v => v.GetString()!)];

    public bool[] Bools(string key) => [.. this[key].EnumerateArray().Select(v => v.GetBoolean())];

    /// <summary>A size given as one number or as [height, width].</summary>
    public (int Height, int Width) Size(string key) =>
        this[key].ValueKind == JsonValueKind.Array ? (Ints(key)[0], Ints(key)[1]) : (Int(key), Int(key));

    /// <summary>A nested object.</summary>
    public Config Object(string key) => new(this[key]);

    /// <summary>A list of objects.</summary>
    public IEnumerable<Config> Objects(string key) => this[key].EnumerateArray().Select(v => new Config(v));

    /// <summary>Names and values of all entries.</summary>
    public IEnumerable<(string Key, JsonElement Value)> Entries => root.EnumerateObject().Select(p => (p.Name, p.Value));
}
