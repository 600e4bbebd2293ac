using System.Text;

namespace Tessera.Data;

/// <summary>
/// Which class of a model each class of a data set is. Classes are the same where their names are, whatever their positions: a split may
/// lack classes or list them in another order.
/// </summary>
/// <remarks>
/// A name is looked for as it is first. Where a list has no such name, Unicode form, capitals, and the difference between spaces,
/// underscores and hyphens are forgiven, and a WordNet id stands for the name of its class of ImageNet, as long as one class alone fits.
/// </remarks>
public sealed class ClassMapping
{
    private const int MostNames = 5;

    private readonly int[] numbers;

    /// <summary>Compares two lists of classes.</summary>
    /// <param name="from">Name per class of the data.</param>
    /// <param name="onto">Name per class of the model.</param>
    public ClassMapping(IReadOnlyList<string> from, IReadOnlyList<string> onto)
    {
        (From, Onto) = (from, onto);
        var exact = Places(onto, name => name);
        var similar = Places(onto, Normalize);
        numbers = [.. from.Select(name => Find(exact, name) ?? Find(similar, Normalize(name)) ?? -1)];
        // Two classes of the data must not become one.
        foreach (var same in numbers.Index().Where(entry => entry.Item >= 0).GroupBy(entry => entry.Item).Where(group => group.Count() > 1))
        foreach (var (place, number) in same)
            if (from[place] != onto[number])
                numbers[place] = -1;
    }

    /// <summary>Name per class of the data.</summary>
    public IReadOnlyList<string> From { get; }

    /// <summary>Name per class of the model.</summary>
    public IReadOnlyList<string> Onto { get; }

    /// <summary>The class of the model for each class of the data; -1 where the model has no such class.</summary>
    public IReadOnlyList<int> Numbers => numbers;

    /// <summary>Whether every class has the same number in both lists, which are equally long.</summary>
    public bool IsIdentity => From.Count == Onto.Count && numbers.Index().All(entry => entry.Index == entry.Item);

    /// <summary>Names of the data's classes that the model does not have.</summary>
    public IEnumerable<string> Unknown => numbers.Index().Where(entry => entry.Item < 0).Select(entry => From[entry.Index]);

    /// <summary>Names of the model's classes that the data does not list.</summary>
    public IEnumerable<string> Missing => Onto.Where((_, number) => !numbers.Contains(number));

    /// <summary>A data set whose labels are the numbers of a model's classes.</summary>
    /// <param name="data">Its classes are found by name; where the numbers agree already, it is given back.</param>
    /// <param name="classes">Name per class of the model.</param>
    /// <exception cref="DataException">
    /// Samples are of a class that the model does not have; the message names the classes. A class without samples does no harm.
    /// </exception>
    public static Dataset Apply(Dataset data, IReadOnlyList<string> classes)
    {
        if (data.ClassNames.Count == 0)
            return data;
        var mapping = new ClassMapping(data.ClassNames, classes);
        if (mapping.IsIdentity)
            return data;
        var counts = data.Annotations.SamplesPerClass;
        string[] unknown =
        [
            .. mapping
                .Numbers.Index()
                .Where(entry => entry.Item < 0 && counts?[entry.Index] != 0)
                .Select(entry => data.ClassNames[entry.Index]),
        ];
        if (unknown.Length > 0)
            throw new DataException(
                $"{data.Name} ({data.Split}): the model does not know {Named(unknown)}; "
                    + $"its {classes.Count} {(classes.Count == 1 ? "class is" : "classes are")} {List(classes)}"
            );
        return data.Relabelled(data.Annotations.Renumbered(mapping));
    }

    /// <summary>A name as it is compared where there is no equal one.</summary>
    public static string Normalize(string name)
    {
        var plain = new StringBuilder(name.Length);
        foreach (var c in UnicodeForm.Compose(ImageNetClasses.NameOf(name) ?? name).Trim())
        {
            var own = c is '_' or '-' || char.IsWhiteSpace(c) ? ' ' : char.ToLowerInvariant(c);
            if (own != ' ' || plain.Length == 0 || plain[^1] != ' ')
                plain.Append(own);
        }
        return plain.ToString();
    }

    /// <summary>"class a", or "classes a, b and 3 more".</summary>
    public static string Named(IReadOnlyList<string> names) => $"{(names.Count == 1 ? "class" : "classes")} {List(names)}";

    private static string List(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(MostNames)) + (names.Count > MostNames ? $" and {names.Count - MostNames} more" : "");

    // A key that several classes have stands for none.
    private static Dictionary<string, int> Places(IReadOnlyList<string> names, Func<string, string> key)
    {
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var number = 0; number < names.Count; number++)
            if (!places.TryAdd(key(names[number]), number))
                places[key(names[number])] = -1;
        return places;
    }

    private static int? Find(Dictionary<string, int> places, string key) =>
        places.TryGetValue(key, out var number) && number >= 0 ? number : null;
}
