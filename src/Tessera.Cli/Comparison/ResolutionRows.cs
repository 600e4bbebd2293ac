using Tessera.Cli.Rendering;
using Tessera.Cli.Shell;
using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Training.Reports;

namespace Tessera.Cli.Comparison;

/// <summary>Cost and receptive field of models at several sizes of images.</summary>
internal static class ResolutionRows
{
    /// <summary>A row for each model and side, until it is stopped.</summary>
    /// <param name="variants">The models.</param>
    /// <param name="sides">Sides of square images, in pixels.</param>
    /// <param name="terminal">Told what is being counted, and what cannot be.</param>
    /// <param name="stop">Ends it between two rows.</param>
    internal static IEnumerable<ResolutionRow> Over(Variant[] variants, int[] sides, Terminal terminal, CancellationToken stop)
    {
        Torch.Threads = ThreadLimit.Here.Count;
        foreach (var variant in variants)
        foreach (var side in sides)
        {
            if (stop.IsCancellationRequested)
                yield break;
            terminal.Note($"{variant.Name} at {side}");
            yield return At(variant, side, terminal);
        }
    }

    private static ResolutionRow At(Variant variant, int side, Terminal terminal)
    {
        var row = new ResolutionRow(variant.Name, [side, side]);
        try
        {
            using var scope = new Scope();
            var model = variant.Create(new() { ImageSize = (side, side) });
            if (!model.TakesImages)
                return row with { Deviation = "the model takes texts" };
            var cost = ModelCost.Count(model);
            var field = ReceptiveField.Measure(model, side, side)[^1];
            return row with
            {
                Parameters = cost.Parameters,
                Macs = cost.Macs,
                Activations = cost.Activations,
                ReceptivePixels = field.Pixels,
                ReceptiveBox = [field.Height, field.Width],
                ReceptiveShare = Math.Round(field.Share, 6),
            };
        }
        catch (Exception error) when (error is ShapeException or ArgumentException or TorchException)
        {
            terminal.Note($"{variant.Name} at {side}: {error.Message}");
            return row with { Deviation = error.Message };
        }
    }
}
