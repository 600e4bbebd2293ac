using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Training;

/// <summary>A section of a report, as HTML.</summary>
/// <param name="Title">Its heading.</param>
/// <param name="Html">What stands below.</param>
/// <param name="Column">Sections of the same column stand above each other, beside other columns; 0 takes the whole width.</param>
public sealed record ReportSection(string Title, string Html, int Column = 0);

/// <summary>The samples that a method may show in a report.</summary>
/// <param name="Data">What the model was measured on.</param>
/// <param name="Pipeline">What happens to samples before the model.</param>
/// <param name="Seed">Of what showing them draws.</param>
public sealed record ReportSamples(LoadableDataset Data, Pipeline Pipeline, ulong Seed)
{
    /// <summary>Training samples, for pictures that compare with them, with what happens to them before the model; null for none.</summary>
    public (LoadableDataset Data, Pipeline Pipeline)? Training { get; init; }
}
