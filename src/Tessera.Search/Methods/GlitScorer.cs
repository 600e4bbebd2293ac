using Tessera.Data.Loading;
using Tessera.Models;

namespace Tessera.Search.Methods;

/// <summary>
/// Scores paths through a supernet. The running statistics of a supernet's batch norms are those of many paths, so those of the path are
/// computed first, on training images; afterwards the supernet is as it was.
/// </summary>
internal sealed class GlitScorer : CandidateScorer
{
    private readonly GlitMethod method;
    private readonly SupernetMeasurement measurement;
    private readonly Glit supernet;
    private readonly LoadableDataset samples;

    internal GlitScorer(GlitMethod method, SearchContext context, string stage)
    {
        this.method = method;
        measurement = new(context, stage, method.Supernet, method.ScoreImages);
        supernet = measurement.Supernet<Glit>();
        samples = measurement.Bundle.Task.Prepare(context.SearchData.OpenTraining(), measurement.Bundle.Facts);
    }

    /// <inheritdoc/>
    public override CandidateScore Score(string genome, ulong seed, CancellationToken stop)
    {
        var path = GlitGenome.Parse(genome, method.Depth).Path;
        using var statistics = WithStatistics(path, seed, stop);
        return measurement.Scored(measurement.Score(images => supernet.Call(images, path), stop));
    }

    /// <summary>The weights of a path with its own statistics.</summary>
    /// <param name="path">The path.</param>
    /// <param name="seed">Of the training images that the statistics are computed on.</param>
    internal OrderedDictionary<string, Tensor> WeightsOf(IReadOnlyList<int> path, ulong seed)
    {
        using var statistics = WithStatistics(path, seed, default);
        return supernet.WeightsOf(path);
    }

    private NormStatistics WithStatistics(IReadOnlyList<int> path, ulong seed, CancellationToken stop)
    {
        var pipeline = measurement.Bundle.PipelineFor(measurement.Bundle.Task.FactsOf(samples));
        var loader = new Loader(
            samples,
            pipeline,
            new(method.StatisticsBatch)
            {
                Seed = seed,
                Shuffle = true,
                DropLast = samples.Count >= method.StatisticsBatch,
            }
        );
        var statistics = new NormStatistics(supernet);
        try
        {
            statistics.Compute(loader.Epoch(0, stop: stop).Take(method.StatisticsBatches), images => supernet.Call(images, path));
            return statistics;
        }
        catch
        {
            statistics.Dispose();
            throw;
        }
    }
}
