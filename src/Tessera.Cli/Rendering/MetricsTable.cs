using Tessera.Training;

namespace Tessera.Cli.Rendering;

/// <summary>What a measurement came to, for terminals.</summary>
internal static class MetricsTable
{
    /// <summary>Adds a row per figure, and the number of samples.</summary>
    /// <param name="table">Of two columns, or of three with averaged weights.</param>
    /// <param name="own">Of the weights.</param>
    /// <param name="samples">What the samples are called.</param>
    /// <param name="averaged">Of their moving average; null where there is none.</param>
    internal static void AddTo(TextTable table, Metrics own, string samples, Metrics? averaged = null)
    {
        foreach (var (i, row) in own.Rows.Index())
            table.Add(averaged is null ? [row.Name, Text(row)] : [row.Name, Text(row), Text(averaged.Rows[i])]);
        var count = $"{own.Count:N0}";
        table.Add(averaged is null ? [samples, count] : [samples, count, count]);
    }

    /// <summary>An empty table for <see cref="AddTo"/>.</summary>
    internal static TextTable Create(string title, bool averaged = false) =>
        averaged ? new(new(title), new("weights", true), new("averaged", true)) : new(new(title), new("", true));

    /// <summary>The text of a table.</summary>
    internal static TextTable Of(MetricTable table)
    {
        var text = new TextTable([.. table.Columns.Select(column => new Column(column.Title, column.Numeric))]);
        foreach (var row in table.Rows)
            text.Add([.. row]);
        return text;
    }

    /// <summary>A figure as text.</summary>
    internal static string Text(MetricRow row) =>
        row.Format switch
        {
            MetricFormat.Share => Figures.Percent(row.Value),
            MetricFormat.Count => $"{row.Value:N0}",
            _ => Figures.Loss(row.Value),
        };
}
