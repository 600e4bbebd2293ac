using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Fitting;
using Tessera.Training.Bundles;
using Tessera.Training.Recipes;

namespace Tessera.Cli.Rendering;

/// <summary>What was found in a file of weights.</summary>
/// <param name="Weights">The file.</param>
/// <param name="Found">The weights that a model would get; null where there are none, or several to choose from.</param>
/// <param name="Problem">Why there are none.</param>
/// <param name="Tensors">The tensors to show: those of the found weights, or all of the file under their places.</param>
internal sealed record Inspection(
    StoredWeights Weights,
    FoundStateDict? Found,
    string? Problem,
    IReadOnlyList<KeyValuePair<string, CheckpointTensor>> Tensors
)
{
    private const int MostFits = 12;
    private const int MostPartial = 5;

    /// <summary>Models that were compared; null where none was.</summary>
    internal IReadOnlyList<ModelFit>? Fits { get; init; }

    /// <summary>Whether one model was compared, and not all of the registry.</summary>
    internal bool Compared { get; init; }

    /// <summary>The fits that are worth showing: all complete ones, some with options, and partial ones where there is nothing better.</summary>
    internal IReadOnlyList<ModelFit> BestFits
    {
        get
        {
            if (Fits is null || Compared)
                return Fits ?? [];
            ModelFit[] complete = [.. Fits.Where(fit => fit.Kind == FitKind.Complete)];
            ModelFit[] usable = [.. complete, .. Fits.Where(fit => fit.Kind == FitKind.WithOptions).Take(MostFits - complete.Length)];
            return usable.Length > 0 ? usable : [.. Fits.Take(MostPartial)];
        }
    }

    /// <summary>How a format is called.</summary>
    internal static string Name(CheckpointFormat format) =>
        format switch
        {
            CheckpointFormat.Safetensors => "safetensors",
            CheckpointFormat.TorchZip => "PyTorch (zip archive)",
            CheckpointFormat.TorchLegacy => "PyTorch (before version 1.6)",
            CheckpointFormat.Pickle => "pickle",
            CheckpointFormat.NumpyArchive => "numpy archive",
            _ => "numpy array",
        };

    internal object ToJson() =>
        new
        {
            File = Weights.File.Path,
            Format = Name(Weights.File.Format),
            Bytes = Weights.File.FileLength,
            Weights.File.Metadata,
            Bundle = Weights.Content is { } content
                ? new
                {
                    Model = content.Model.Name,
                    content.Model.Options,
                    Head = content.Model.Head is { } head ? Heads.NameOf(head) : null,
                    Generator = RecipeJson.Write(content.Model.Generator),
                    Task = content.Task.Name,
                    content.Facts.Classes,
                    content.Precision,
                    content.TrainedClassifier,
                    Weights = Weights.Entries,
                }
                : null,
            Contents = Weights.File.Outline(),
            NeverRun = Weights.File.ForeignNames,
            Found?.Key,
            Notes = Found?.Notes ?? [Problem!],
            Tensors = Tensors.Select(entry =>
            {
                var refusal = entry.Value.Refusal?.Message;
                return new
                {
                    Name = entry.Key,
                    Type = entry.Value.ElementTypeName,
                    Shape = refusal is null ? entry.Value.Shape.ToArray() : null,
                    Values = refusal is null ? entry.Value.Count : (long?)null,
                    Bytes = refusal is null ? entry.Value.ByteLength : (long?)null,
                    Refusal = refusal,
                };
            }),
            Fits = Fits is null
                ? null
                : BestFits.Select(fit => new
                {
                    fit.Model,
                    Fit = fit.Kind.ToString(),
                    fit.Agreeing,
                    fit.Classes,
                    fit.Channels,
                    Resized = Pairs(fit.Resized),
                    fit.Differences.Missing,
                    fit.Differences.Unexpected,
                    OtherShape = Pairs(fit.Differences.Mismatched),
                }),
        };

    private static IEnumerable<object> Pairs(IEnumerable<(string Name, Shape Own, Shape Given)> shapes) =>
        shapes.Select(entry => new
        {
            entry.Name,
            Model = entry.Own.ToArray(),
            File = entry.Given.ToArray(),
        });
}
