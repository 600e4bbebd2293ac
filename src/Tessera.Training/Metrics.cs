using System.Globalization;
using System.Text.Json.Serialization;
using Tessera.Data;

namespace Tessera.Training;

/// <summary>What a measurement came to: figures by name, one of which is the primary score, and tables for reports.</summary>
/// <param name="Count">Number of samples.</param>
public abstract record Metrics(int Count)
{
    /// <summary>Name of the score that the best checkpoint is chosen by; one of <see cref="Scalars"/>.</summary>
    public abstract string Primary { get; }

    /// <summary>How the primary score is written.</summary>
    public virtual MetricFormat PrimaryFormat => MetricFormat.Share;

    /// <summary>Whether a higher primary score is better.</summary>
    public virtual bool HigherIsBetter => true;

    /// <summary>Figures for the log, by name, in the order of the log.</summary>
    public abstract IReadOnlyDictionary<string, double> Scalars { get; }

    /// <summary>All figures as people read them.</summary>
    public abstract IReadOnlyList<MetricRow> Rows { get; }

    /// <summary>The few figures that are shown while training goes on.</summary>
    public abstract IReadOnlyList<MetricRow> Headline { get; }

    /// <summary>Figures that a report draws over the epochs, beside the loss.</summary>
    public virtual IReadOnlyList<MetricCurve> Curves => [new(Primary, Primary, PrimaryFormat)];

    /// <summary>Tables beside the figures: one row per class, for instance.</summary>
    public virtual IReadOnlyList<MetricTable> Tables(IReadOnlyList<string> classes) => [];

    /// <summary>All of it for programs; shares are fractions.</summary>
    public abstract object ToJson(IReadOnlyList<string> classes);

    /// <summary>Pictures of what was measured, which a run keeps of each evaluation.</summary>
    [JsonIgnore]
    public IReadOnlyList<MetricPicture> Pictures { get; init; } = [];

    /// <summary>The primary score.</summary>
    public PrimaryScore Score => new(Primary, Scalars[Primary], HigherIsBetter);

    /// <summary>Images that could not be read; they are left out of all figures.</summary>
    public IReadOnlyList<UnreadableImage> Unreadable { get; init; } = [];
}

/// <summary>What the best checkpoint is chosen by.</summary>
/// <param name="Name">Of the figure.</param>
/// <param name="Value">Its value.</param>
/// <param name="HigherIsBetter">Its direction.</param>
public sealed record PrimaryScore(string Name, double Value, bool HigherIsBetter)
{
    /// <summary>The value with the sign that makes higher better.</summary>
    internal double Order => HigherIsBetter ? Value : -Value;
}

/// <summary>A picture of what was measured.</summary>
/// <param name="Name">Of its kind, the same in each evaluation: small letters, digits and hyphens.</param>
/// <param name="Png">The file's bytes.</param>
public sealed record MetricPicture(string Name, byte[] Png);

/// <summary>How a figure is written.</summary>
public enum MetricFormat
{
    /// <summary>A fraction, as percent.</summary>
    Share,

    /// <summary>A number with four digits after the point.</summary>
    Number,

    /// <summary>A whole number.</summary>
    Count,
}

/// <summary>A figure as people read it.</summary>
/// <param name="Name">As in <c>top-1</c>.</param>
/// <param name="Value">Its value.</param>
/// <param name="Format">How it is written.</param>
public sealed record MetricRow(string Name, double Value, MetricFormat Format)
{
    /// <summary>Name and value for a log: <c>top-1 91.30 %</c>, <c>loss 0.3214</c>.</summary>
    public string Describe() =>
        Format switch
        {
            MetricFormat.Share => string.Create(CultureInfo.InvariantCulture, $"{Name} {100 * Value:0.00} %"),
            MetricFormat.Count => string.Create(CultureInfo.InvariantCulture, $"{Name} {Value:0}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{Name} {Value:0.0000}"),
        };
}

/// <summary>A figure that is drawn over the epochs.</summary>
/// <param name="Title">Above the chart.</param>
/// <param name="Field">Its name among <see cref="Metrics.Scalars"/>.</param>
/// <param name="Format">How it is written.</param>
public sealed record MetricCurve(string Title, string Field, MetricFormat Format);

/// <summary>A table of text.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Columns">Head of each column; numeric ones are set flush right.</param>
/// <param name="Rows">Cells.</param>
public sealed record MetricTable(
    string Title,
    IReadOnlyList<(string Title, bool Numeric)> Columns,
    IReadOnlyList<IReadOnlyList<string>> Rows
);
