using Tessera.Training;

namespace Tessera.Cli.Rendering;

/// <summary>What a measurement came to, for terminals.</summary>
internal static class MetricsTable
{
    /// <summary>Adds a row per figure, and the number of samples.</summary>
    /// <param name="sheet">Of two columns, or of three with averaged weights.</param>
    /// <param name="own">Of the weights.</param>
    /// <param name="samples">What the samples are called.</param>
    /// <param name="averaged">Of their moving average; null where there is none.</param>
    internal static void AddTo(Sheet sheet, Metrics own, string samples, Metrics? averaged = null)
    {
        foreach (var (i, row) in own.Rows.Index())
            sheet.Add(averaged is null ? [row.Name, Text(row)] : [row.Name, Text(row), Text(averaged.Rows[i])]);
        var count = $"{own.Count:N0}";
        sheet.Add(averaged is null ? [samples, count] : [samples, count, count]);
    }

    /// <summary>An empty sheet for <see cref="AddTo"/>.</summary>
    internal static Sheet Sheet(string title, bool averaged = false) =>
        averaged ? new(new(title), new("weights", true), new("averaged", true)) : new(new(title), new("", true));

    /// <summary>A table as a sheet.</summary>
    internal static Sheet Of(MetricTable table)
    {
        var sheet = new Sheet([.. table.Columns.Select(column => new Column(column.Title, column.Numeric))]);
        foreach (var row in table.Rows)
            sheet.Add([.. row]);
        return sheet;
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
