using Tessera.Training.Probes;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>How frozen features are measured.</summary>
[Collection("engine")]
public sealed class FeatureEvaluatorTests : IDisposable
{
    private const int Classes = 5,
        Samples = 400;
    private static readonly string[] names = ["a", "b", "c", "d", "e"];
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    // The "images" are the features.
    private static Batch Of(Tensor features, Tensor labels, int from) =>
        Batches.Labelled(features, labels, [.. Enumerable.Range(from, (int)features.Size(0))]);

    private static FunctionSource Source(Tensor features, Tensor labels) =>
        new(4, (_, skip) =>
            Enumerable
                .Range(skip, 4 - skip)
                .Select(i => Of(features.Slice(0, i * 100, i * 100 + 100), labels.Slice(0, i * 100, i * 100 + 100), i * 100))
        );

    private static FeatureMetrics Measure(Tensor features, Tensor labels, Func<Tensor, Tensor>? classifier = null)
    {
        List<int> asked = [];
        var evaluator = new FeatureEvaluator(
            batch => batch.Inputs,
            new(names, 1)
            {
                BankSize = 123,
                Bank = most =>
                {
                    asked.Add(most);
                    return Source(features, labels);
                },
            }
        )
        {
            Classifier = classifier,
        };
        var metrics = (FeatureMetrics)Measurement.Run(new TinyModel(), Source(features, labels).Epoch(0), evaluator);
        Assert.Equal([123], asked);
        return metrics;
    }

    private static Tensor Labels() => Tensor.From([.. Enumerable.Range(0, Samples).Select(i => (long)(i * 7 % Classes))]);

    [Fact]
    public void Features_that_are_the_classes_are_always_right_and_have_one_dimension_less_than_classes()
    {
        var labels = Labels();
        var metrics = Measure(labels.OneHot(Classes).To(DType.Float32), labels, features => features);
        Assert.Equal((1, 1), (metrics.KnnTop1, metrics.ProbeTop1));
        // Centred, five corners of a simplex span four dimensions, all alike.
        Assert.Equal(Classes - 1, metrics.EffectiveRank, 1e-6);
    }

    [Fact]
    public void Features_that_are_all_the_same_have_no_spread()
    {
        var metrics = Measure(Torch.Ones([Samples, 6]), Labels());
        Assert.Equal(1, metrics.EffectiveRank, 1e-6);
    }

    [Fact]
    public void Random_features_are_right_by_chance()
    {
        Torch.Seed(21);
        var (bank, queries) = (Torch.Randn([2000, 16]), Torch.Randn([2000, 16]));
        var labels = Tensor.From([.. Enumerable.Range(0, 2000).Select(i => (long)(i * 7 % Classes))]);
        var right = NearestNeighbors
            .Predictions(NearestNeighbors.WeightedScores(queries, bank, labels, Classes))
            .Eq(labels)
            .Sum()
            .ToInt64();
        // Four standard deviations of 2000 draws at 20 %.
        Assert.InRange(right / 2000.0, 0.2 - 0.036, 0.2 + 0.036);
        Assert.Equal(16, FeatureSpread.Of(bank), 0.3);
    }

    [Fact]
    public void Processes_come_to_the_figures_of_one_also_where_one_of_them_has_no_samples()
    {
        Torch.Seed(23);
        var values = Torch.Randn([12, 3]).ToArray<float>();
        FeatureMetrics Of(int from, int to, Tessera.Distributed.ProcessGroup? group)
        {
            using var own = new Scope();
            var evaluator = new FeatureEvaluator(batch => batch.Inputs, new(names, 1))
            {
                LossNames = ["loss"],
                Losses = batch => [batch.Inputs.Sum(1)],
            };
            if (to > from)
                evaluator.Add(
                    FeatureEvaluatorTests.Of(
                        Tensor.From(values[(3 * from)..(3 * to)], to - from, 3),
                        Torch.Zeros([to - from], DType.Int64),
                        from
                    )
                );
            if (group is not null)
                evaluator.Join(group);
            return evaluator.Measure();
        }
        var whole = Of(0, 12, null);
        var parts = Tessera.Testing.Ranks.Run(3, group =>
            group.Rank == 2 ? Of(0, 0, group) : Of(group.Rank * 5, 5 + group.Rank * 7, group)
        );
        foreach (var found in parts)
        {
            Assert.Equal(12, found.Count);
            Assert.Equal(whole.Losses["loss"], found.Losses["loss"], 1e-9);
            Assert.Equal(whole.EffectiveRank, found.EffectiveRank, 1e-9);
        }
    }

    [Fact]
    public void A_bank_gives_one_tensor_to_all_and_takes_in_nothing_after_that()
    {
        var labels = Labels();
        var bank = new FeatureBank(Source(labels.OneHot(Classes), labels), batch => batch.Inputs);
        foreach (var batch in bank.Batches(default))
            bank.Add(batch);
        Assert.Same(bank.Features, bank.Features);
        Assert.Equal(new Shape(Samples, Classes), bank.Features.Shape);
        Assert.Throws<InvalidOperationException>(() => bank.Add(Of(labels.OneHot(Classes), labels, 0)));
    }

    [Fact]
    public void What_batches_add_does_not_depend_on_their_order()
    {
        Torch.Seed(22);
        var (features, labels) = (Torch.Randn([Samples, 7]), Labels());
        var whole = Measure(features, labels);
        var direct = FeatureSpread.Of(features);
        Assert.Equal(direct, whole.EffectiveRank, 1e-9);
        // Each sample is its own nearest neighbour, and counts for its class the most.
        Assert.InRange(whole.KnnTop1!.Value, 0.9, 1);
    }
}
