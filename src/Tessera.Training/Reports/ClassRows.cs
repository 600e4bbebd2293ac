using Tessera.Data.Checks;
using Tessera.Training.Drawing;

namespace Tessera.Training.Reports;

/// <summary>Classes of several splits as rows of one table on the page about a data set.</summary>
internal static class ClassRows
{
    private const int Most = 200;

    /// <summary>Figures of each split by the name that a class has in the training split, and these names, the most frequent first.</summary>
    /// <param name="splits">The splits.</param>
    /// <param name="figures">Figures of each class of a split.</param>
    /// <param name="amount">How much there is of a class.</param>
    internal static (Dictionary<string, T>[] Own, string[] Names) Of<T>(
        IReadOnlyList<SplitReport> splits,
        Func<SplitReport, IReadOnlyList<T>> figures,
        Func<T, long> amount
    )
        where T : class
    {
        var own = splits
            .Select(split =>
                split
                    .Classes.Zip(figures(split))
                    .GroupBy(pair => pair.First.Trained ?? pair.First.Name)
                    .ToDictionary(group => group.Key, group => group.First().Second)
            )
            .ToArray();
        string[] names =
        [
            .. own.SelectMany(classes => classes.Keys)
                .Distinct()
                .OrderByDescending(name => amount(own.Select(classes => classes.GetValueOrDefault(name)).First(one => one is not null)!)),
        ];
        return (own, names);
    }

    /// <summary>A row for each class, and a line above where there are too many of them.</summary>
    /// <param name="names">Names of all classes.</param>
    /// <param name="row">The row of a class.</param>
    internal static (string Remark, string Rows) Shown(IReadOnlyList<string> names, Func<string, string> row) =>
        (
            names.Count > Most ? $"<p>The {Most} most frequent of {Html.Integer(names.Count)} classes; --json lists all.</p>" : "",
            string.Concat(names.Take(Most).Select(row))
        );
}
