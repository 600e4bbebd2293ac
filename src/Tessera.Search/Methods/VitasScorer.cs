using Tessera.Models;

namespace Tessera.Search.Methods;

/// <summary>
/// Scores networks by the weights that they have in the super-transformer: the mean of the scores of its sides. Nothing is drawn, and there
/// are no statistics that a network could leave behind: its layers are the same in training and evaluation.
/// </summary>
internal sealed class VitasScorer : CandidateScorer
{
    private readonly VitasMethod method;
    private readonly SupernetMeasurement measurement;
    private readonly VitasSupernet supernet;

    internal VitasScorer(VitasMethod method, SearchContext context)
    {
        this.method = method;
        measurement = new(context, VitasMethod.SupernetStage, method.Supernet, method.ScoreImages);
        supernet = measurement.Supernet<VitasSupernet>();
    }

    /// <inheritdoc/>
    public override CandidateScore Score(string genome, ulong seed, CancellationToken stop)
    {
        var network = method.Space.Decode(genome);
        var sides = supernet.Options.Sides;
        double[] scores = [.. sides.Select(side => measurement.Score(images => supernet.Call(images, network, side), stop))];
        return measurement.Scored(scores.Average()) with
        {
            Figures =
                sides.Count == 1
                    ? new Dictionary<string, double>()
                    : sides.Zip(scores).ToDictionary(side => side.First == WidthSharing.Left ? "left" : "right", side => side.Second),
        };
    }
}
