using Tessera.Training;
using Tessera.Training.Experiments;
using Tessera.Training.Loop;

namespace Tessera.Search.Methods;

/// <summary>Trains the small network of a cell from scratch and measures it on what was held out. Nothing of it is kept.</summary>
/// <param name="method">How networks are trained.</param>
/// <param name="context">The search, with its data.</param>
internal sealed class PnasScorer(PnasMethod method, SearchContext context) : CandidateScorer
{
    private const string HeldOut = "minival";

    /// <inheritdoc/>
    /// <exception cref="RunException">The data has no score that is a share, which the surrogate could predict.</exception>
    public override CandidateScore Score(string genome, ulong seed, CancellationToken stop)
    {
        using var scope = new Scope();
        var evaluation = (method.Proxy.Evaluation ?? new()) with { Split = HeldOut, Every = 0 };
        var model = new ModelRecipe(method.ProxyNetwork(genome)) { ImageSize = context.Recipe.ImageSize };
        var recipe = (method.Proxy with { Evaluation = evaluation }).With(model, context.SearchData, seed: seed);
        var parts = new ExperimentParts(recipe, group: null, load: true, check: null, stop);
        using var trainer = new Trainer(
            new()
            {
                Objective = parts.Objective,
                Phases = recipe.CreatePhases(parts.Objective),
                Schedule = recipe.Schedule,
                Data = parts.TrainingLoader(),
                Options = recipe.Train with { Device = parts.Device.ToString() },
                Test = parts.EvaluationLoader(parts.TestData),
                Evaluator = parts.CreateEvaluator,
                EvaluateEvery = evaluation.Every,
            }
        );
        var result = trainer.Train(stop: stop);
        if (!result.Completed)
            throw new OperationCanceledException(stop);
        var metrics = (recipe.Train.Averages ? result.LastEma : null) ?? result.Last!;
        if (metrics is not { HigherIsBetter: true, PrimaryFormat: MetricFormat.Share })
            throw new RunException($"search: pnas needs a score that is a share, as of classes, and {metrics.Primary} is none");
        var share = metrics.Score.Value;
        return new(share, Math.Sqrt(share * (1 - share) / metrics.Count)) { Figures = metrics.Scalars };
    }
}
