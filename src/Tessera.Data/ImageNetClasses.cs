namespace Tessera.Data;

/// <summary>
/// The 1,000 classes of ImageNet-1k (ILSVRC 2012) in the order of all published weights: sorted by their WordNet ids.
/// </summary>
public static class ImageNetClasses
{
    /// <summary>How the registry calls the data set.</summary>
    public const string Dataset = "ImageNet-1k";

    private const string Resource = "Tessera.Data.Sets.Resources.imagenet.txt";

    private static readonly Lazy<(string[] Synsets, string[] Names)> lists = new(Read);

    /// <summary>Ids in WordNet 3.0, as the folders of the data set are called: <c>n01440764</c>.</summary>
    public static IReadOnlyList<string> Synsets => lists.Value.Synsets;

    /// <summary>Names in plain English, each only once: <c>tench</c>.</summary>
    public static IReadOnlyList<string> Names => lists.Value.Names;

    private static readonly Lazy<Dictionary<string, string>> named = new(() =>
        lists.Value.Synsets.Zip(lists.Value.Names).ToDictionary(entry => entry.First, entry => entry.Second)
    );

    /// <summary>The name of a class by its WordNet id; null for what is no id of these classes.</summary>
    internal static string? NameOf(string synset) =>
        synset is ['n', >= '0' and <= '9', ..] && named.Value.TryGetValue(synset, out var name) ? name : null;

    private static (string[] Synsets, string[] Names) Read()
    {
        using var stream = typeof(ImageNetClasses).Assembly.GetManifestResourceStream(Resource)!;
        using var reader = new StreamReader(stream);
        var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return (
            Array.ConvertAll(lines, line => line[..line.IndexOf(' ', StringComparison.Ordinal)]),
            Array.ConvertAll(lines, line => line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..])
        );
    }
}
