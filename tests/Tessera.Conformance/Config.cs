using System.Text.Json;

namespace Tessera.Conformance;

/// <summary>
/// An object of a golden file: entries by name, null meaning "does not apply". It keeps account of the entries that a case has used,
/// so that a case which passes over one fails (<see cref="Unread"/>).
/// </summary>
internal sealed class Config
{
    private readonly JsonElement root;
    private readonly string path;
    private readonly HashSet<string> read;
    private readonly Dictionary<string, Config[]> nested = [];

    /// <summary>An object, of which nothing has been used yet.</summary>
    /// <param name="root">The object.</param>
    /// <param name="path">Where it stands, as messages name it, with what separates it from its entries: <c>agent.</c></param>
    /// <param name="known">Entries that others use.</param>
    public Config(JsonElement root, string path = "", IEnumerable<string>? known = null)
    {
        this.root = root;
        this.path = path;
        read = [.. known ?? []];
    }

    /// <summary>The entry itself. It counts as used as a whole.</summary>
    /// <exception cref="KeyNotFoundException">There is no such entry.</exception>
    public JsonElement this[string key]
    {
        get
        {
            var value = Entry(key);
            read.Add(key);
            return value;
        }
    }

    /// <summary>Paths of the entries that nobody has used.</summary>
    public IEnumerable<string> Unread =>
        root.EnumerateObject()
            .Where(entry => !read.Contains(entry.Name))
            .SelectMany(entry =>
                nested.TryGetValue(entry.Name, out var parts) ? parts.SelectMany(part => part.Unread) : [path + entry.Name]
            );

    /// <summary>Whether there is an entry that is not null. That there is none counts as used; the value of one does not.</summary>
    public bool Has(string key)
    {
        if (root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null)
            return true;
        read.Add(key);
        return false;
    }

    public int Int(string key) => this[key].GetInt32();

    public int Int(string key, int missing) => Has(key) ? Int(key) : missing;

    public double Double(string key) => this[key].GetDouble();

    public double Double(string key, double missing) => Has(key) ? Double(key) : missing;

    public bool Bool(string key) => this[key].GetBoolean();

    public bool Bool(string key, bool missing) => Has(key) ? Bool(key) : missing;

    public string String(string key) => this[key].GetString()!;

    public string String(string key, string missing) => Has(key) ? String(key) : missing;

    public int[] Ints(string key) => [.. this[key].EnumerateArray().Select(v => v.GetInt32())];

    public double[] Doubles(string key) => [.. this[key].EnumerateArray().Select(v => v.GetDouble())];

    public string[] Strings(string key) => [.. this[key].EnumerateArray().Select(v => v.GetString()!)];

    public bool[] Bools(string key) => [.. this[key].EnumerateArray().Select(v => v.GetBoolean())];

    /// <summary>A size given as one number or as [height, width].</summary>
    public (int Height, int Width) Size(string key) =>
        this[key].ValueKind == JsonValueKind.Array ? (Ints(key)[0], Ints(key)[1]) : (Int(key), Int(key));

    /// <summary>A nested object, whose entries are accounted for one by one.</summary>
    public Config Object(string key) => Nested(key, value => [new(value, $"{path}{key}.")])[0];

    /// <summary>A list of objects.</summary>
    public IReadOnlyList<Config> Objects(string key) =>
        Nested(key, value => [.. value.EnumerateArray().Select((item, i) => new Config(item, $"{path}{key}[{i}]."))]);

    /// <summary>Names and values of all entries, which count as used.</summary>
    public IEnumerable<(string Key, JsonElement Value)> Entries => Keys.Select(key => (key, this[key]));

    /// <summary>Names of all entries.</summary>
    public IEnumerable<string> Keys => root.EnumerateObject().Select(entry => entry.Name);

    /// <summary>All entries, each an object.</summary>
    public IEnumerable<(string Key, Config Value)> Parts => Keys.Select(key => (key, Object(key)));

    /// <summary>
    /// Checks an entry that says what the case does anyhow, or what its other entries or inputs say already. A file may leave it out.
    /// </summary>
    /// <exception cref="GoldenMismatchException">Something else stands there.</exception>
    public void Expect<T>(string key, T value) => ExpectOneOf(key, value);

    /// <summary>As <see cref="Expect{T}"/>, for entries that may take several values.</summary>
    public void ExpectOneOf<T>(string key, params IReadOnlyList<T> values)
    {
        if (!root.TryGetProperty(key, out var stands))
            return;
        read.Add(key);
        var allowed = values.Select(value => JsonSerializer.SerializeToElement(value)).ToArray();
        if (!allowed.Any(value => JsonElement.DeepEquals(value, stands)))
            throw new GoldenMismatchException(
                $"'{path}{key}' is {stands.GetRawText()}, {string.Join(" or ", allowed.Select(value => value.GetRawText()))} was expected"
            );
    }

    /// <summary>Checks that an entry that does not apply is missing or null.</summary>
    /// <exception cref="GoldenMismatchException">A value stands there.</exception>
    public void ExpectNone(params IEnumerable<string> keys)
    {
        foreach (var key in keys.Where(Has))
            throw new GoldenMismatchException($"'{path}{key}' is {Entry(key).GetRawText()}, null was expected: it does not apply here");
    }

    /// <summary>Passes over an entry in prose, which says nothing that others do not.</summary>
    /// <exception cref="GoldenMismatchException">It is no text.</exception>
    public void Remark(string key)
    {
        if (Has(key) && this[key].ValueKind != JsonValueKind.String)
            throw new GoldenMismatchException($"'{path}{key}' is {Entry(key).GetRawText()}, a sentence was expected");
    }

    private JsonElement Entry(string key) =>
        root.TryGetProperty(key, out var value) ? value : throw new KeyNotFoundException($"the file lacks '{path}{key}'");

    private Config[] Nested(string key, Func<JsonElement, Config[]> make)
    {
        if (!nested.TryGetValue(key, out var parts))
            nested[key] = parts = make(Entry(key));
        return parts;
    }
}
