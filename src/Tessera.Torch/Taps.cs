using System.Text.RegularExpressions;

namespace Tessera;

/// <summary>
/// Records intermediates of a model while it runs: the outputs of modules by their path (<c>blocks.3</c>), and the tensors that modules
/// record themselves below that path (<c>blocks.3.attn.attention</c>). Only intermediates that match a pattern are computed and kept.
/// A recording inside another does not stop the outer one. The records stay when the recording ends.
/// </summary>
/// <example><code>
/// using var taps = new Taps(model, "blocks.*");
/// model.Call(images);
/// var third = taps["blocks.3"];
/// </code></example>
public sealed class Taps : ThreadRegion
{
    [ThreadStatic]
    private static Taps? current;

    private readonly Dictionary<Module, string> paths = new(ReferenceEqualityComparer.Instance);
    private readonly OrderedDictionary<string, Tensor> records = [];
    private readonly Regex[] patterns;
    private readonly string[] given;
    private readonly Scope? home = Scope.Current;
    private Taps? outer;

    /// <summary>Starts recording on this thread.</summary>
    /// <param name="root">The module from which paths count.</param>
    /// <param name="patterns">Names to record; <c>*</c> stands for any text without a dot, <c>**</c> for any text.</param>
    public Taps(Module root, params string[] patterns)
        : base("a recording of Taps")
    {
        given = patterns;
        this.patterns = Array.ConvertAll(patterns, Compile);
        foreach (var (name, module) in root.NamedModules())
            paths[module] = name;
        Begin();
    }

    private protected override void Enter() => (outer, current) = (current, this);

    private protected override void Leave() => current = outer;

    private protected override bool IsInnermost => current == this;

    /// <summary>The active recording of this thread.</summary>
    internal static Taps? Current => current;

    /// <summary>The records in the order of computation. Repeated names carry <c>#1</c>, <c>#2</c>, ...</summary>
    public IReadOnlyDictionary<string, Tensor> Records => records;

    /// <summary>A record by name.</summary>
    /// <exception cref="KeyNotFoundException">There is no such record; the message lists the records.</exception>
    public Tensor this[string name] =>
        records.TryGetValue(name, out var value)
            ? value
            : throw new KeyNotFoundException($"'{name}' was not recorded; the records are {string.Join(", ", records.Keys)}");

    /// <summary>Suspends recording on this thread until the result is disposed.</summary>
    internal static IDisposable Pause() => new Silence();

    /// <summary>Whether a pattern may stand for something that is recorded inside of a module.</summary>
    internal bool WantsInside(Module module) =>
        (paths.TryGetValue(module, out var path) && Array.Exists(given, pattern => Reaches(pattern, path.Length == 0 ? "" : path + ".")))
        || outer?.WantsInside(module) == true;

    // Whether a name that begins with the text can match.
    private static bool Reaches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || pattern.StartsWith("**"))
            return true;
        if (pattern.IsEmpty)
            return false;
        return pattern[0] == '*'
            ? Reaches(pattern[1..], text) || (text[0] != '.' && Reaches(pattern, text[1..]))
            : pattern[0] == text[0] && Reaches(pattern[1..], text[1..]);
    }

    internal bool Wants(Module module, string name) =>
        (paths.TryGetValue(module, out var path) && Matches(Join(path, name))) || outer?.Wants(module, name) == true;

    internal void Record(Module module, string name, Tensor value)
    {
        outer?.Record(module, name, value);
        if (!paths.TryGetValue(module, out var path))
            return;
        var full = Join(path, name);
        if (!Matches(full))
            return;
        var unique = full;
        for (var again = 1; records.ContainsKey(unique); again++)
            unique = $"{full}#{again}";
        // A handle of its own, owned by the scope in which recording began: the original is freed with its module's scope.
        var record = value.Share();
        if (Scope.Current is { } scope && scope != home)
            record.MoveFrom(scope, home);
        records.Add(unique, record);
    }

    private bool Matches(string name) => Array.Exists(patterns, pattern => pattern.IsMatch(name));

    private static Regex Compile(string pattern) =>
        new(
            $"^{Regex.Escape(pattern).Replace(@"\*\*", ".*", StringComparison.Ordinal).Replace(@"\*", "[^.]*", StringComparison.Ordinal)}$",
            RegexOptions.CultureInvariant
        );

    private static string Join(string path, string name) =>
        path.Length == 0 ? name
        : name.Length == 0 ? path
        : $"{path}.{name}";

    private sealed class Silence : IDisposable
    {
        private readonly Taps? before = current;

        internal Silence() => current = null;

        public void Dispose() => current = before;
    }
}
