using System.Globalization;
using Tessera.Data.Loading;
using Tessera.Models;
using Tessera.Search;
using Tessera.Training.Loop;
using Tessera.Training.Recipes;
using Tessera.Training.Tasks;

namespace Tessera.Tests.Search.Toys;

/// <summary>A search over the width of a network, whose weights are the first channels of the widest one, which is trained first.</summary>
/// <param name="Widest">Channels of the widest.</param>
/// <param name="TwoTrainings">Whether the winner is trained in two stages.</param>
[RecipeName("toy_widths")]
public sealed record ToyWidths(int Widest = 6, bool TwoTrainings = false) : SearchMethod
{
    internal const string Supernet = "supernet",
        StageName = "widths";

    public override string? RankedStage => StageName;

    public override IReadOnlyList<SearchStage> Stages(SearchContext context) =>
        [
            new TrainingStage(Supernet, () => context.Recipe.Retrain.With(new(new ToyNetwork(Widest)), context.SearchData)),
            new Widths(this, context),
        ];

    public override ArchitectureOptions Network(string genome, SearchContext context) =>
        int.TryParse(genome, NumberStyles.None, CultureInfo.InvariantCulture, out var width) && width >= 1 && width <= Widest
            ? new ToyNetwork(width)
            : throw new FormatException($"'{genome}' must be a number from 1 to {Widest}");

    public override string Draw(Random random, SearchContext context) => (random.Next(Widest) + 1).ToString(CultureInfo.InvariantCulture);

    public override IReadOnlyDictionary<string, Tensor>? Inherited(string genome, SearchContext context)
    {
        var width = ((ToyNetwork)Network(genome, context)).Width;
        var whole = context.Trained(Supernet).Model.StateDict();
        return new Dictionary<string, Tensor>
        {
            ["stem.weight"] = whole["stem.weight"].Narrow(0, 0, width).Clone(),
            ["stem.bias"] = whole["stem.bias"].Narrow(0, 0, width).Clone(),
            ["head.weight"] = whole["head.weight"].Narrow(1, 0, width).Clone(),
            ["head.bias"] = whole["head.bias"].Clone(),
        };
    }

    public override IReadOnlyList<(string Name, Training.Experiments.Recipe Recipe)> Retraining(
        string genome,
        SearchContext context,
        ulong seed
    )
    {
        var only = base.Retraining(genome, context, seed)[0].Recipe;
        return TwoTrainings
            ? [("first", only), ("second", only with { Model = only.Model with { Weights = new("stage:first") } })]
            : [("retrained", only)];
    }

    private sealed record Widths(ToyWidths Method, SearchContext Context) : CandidateStage(StageName)
    {
        public override int? Generations => 1;

        public override IReadOnlyList<Proposal>? Propose(IReadOnlyList<IReadOnlyList<Candidate>> before, CancellationToken stop) =>
            before.Count > 0
                ? null
                :
                [
                    .. Enumerable
                        .Range(1, Method.Widest)
                        .Select(width => width.ToString(CultureInfo.InvariantCulture))
                        .Select(genome => new Proposal(genome, Context.CostOf(genome))),
                ];

        public override CandidateScorer CreateScorer() => new Scorer(Method, Context);
    }

    private sealed class Scorer(ToyWidths method, SearchContext context) : CandidateScorer
    {
        public override CandidateScore Score(string genome, ulong seed, CancellationToken stop)
        {
            var bundle = context.Trained(Supernet);
            var data = bundle.Task.Prepare(context.SearchData.Open("minival", stop), bundle.Facts);
            var network = context.Create(genome);
            network.LoadStateDict(method.Inherited(genome, context)!);
            var loader = new Loader(
                data,
                bundle.Task.EvaluationPipeline(network, bundle.Facts, bundle.Content.Preprocessing, null),
                new(16)
            );
            var metrics = Measurement.Run(
                network,
                loader.Epoch(0, stop: stop),
                bundle.Task.CreateEvaluator(network, bundle.Facts, null),
                stop: stop
            );
            // A finer measure than the share of few images.
            return new(-metrics.Scalars["loss"], 0.01);
        }
    }
}
