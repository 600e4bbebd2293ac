using Tessera.Models;
using Tessera.Training.Objectives.Retrieval;
using Tessera.Training.Probes;
using Tessera.Training.Tasks.Retrieval;

namespace Tessera.Training.Tests.Retrieval;

/// <summary>What IRT makes of a small model: classes that it never saw are found, and the entropy spreads them.</summary>
[Collection("engine")]
public sealed class IrtLearnsTests : IDisposable
{
    private const int Classes = 24,
        BatchSize = 32,
        Steps = 200;

    private static readonly int[] unseen = Patterns.Unseen(Classes, 16, 6);

    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    private static Tensor Descriptors(Vit model)
    {
        using var outside = Torch.NoGrad();
        model.Eval();
        return new Descriptor().Of(model, Patterns.Images(unseen)).Detach();
    }

    private static Tensor Trained(IrtOptions options)
    {
        Torch.Seed(3);
        var model = Patterns.Student();
        var method = new Irt(options, new(model, Device.Cpu) { StepSamples = BatchSize }, new RetrievalTask().Descriptor);
        var how = new TrainOptions(Seed: 3);
        using var trainer = new Trainer(
            new()
            {
                Objective = method,
                Phases = Phases.Of(method, new AdamWOptions(2e-3), how),
                Schedule = new ConstantOptions(Steps: Steps),
                Data = Patterns.Source(40, Classes, BatchSize),
                Options = how,
            }
        );
        trainer.Train();
        return Descriptors(model);
    }

    // Share of images whose nearest other is of their class.
    private static double Recall(Tensor rows)
    {
        var labels = Patterns.Labels(unseen);
        return labels.IndexSelect(0, KoLeo.Nearest(rows, rows)).Eq(labels).To(DType.Float64).Mean().ToDouble();
    }

    private static double Nearest(Tensor rows) => KoLeo.Distances(rows, rows, KoLeo.Nearest(rows, rows)).Mean().ToDouble();

    [Fact]
    public void Classes_that_were_never_seen_are_found_and_the_entropy_spreads_them()
    {
        Torch.Seed(3);
        var before = Descriptors(Patterns.Student());
        var plain = Trained(new(Koleo: 0, Memory: 128));
        var spread = Trained(new(Koleo: 1.5, Memory: 128));
        var figures =
            $"recall {Recall(before):0.000}, {Recall(plain):0.000}, {Recall(spread):0.000}; nearest {Nearest(before):0.000}, "
            + $"{Nearest(plain):0.000}, {Nearest(spread):0.000}; rank {FeatureSpread.Of(before):0.0}, {FeatureSpread.Of(plain):0.0}, "
            + $"{FeatureSpread.Of(spread):0.0}; energy {Energy(plain):0.000}, {Energy(spread):0.000}";
        Assert.True(Recall(plain) > Recall(before) + 0.15, figures);
        Assert.True(Recall(spread) > Recall(before) + 0.15, figures);
        Assert.True(Nearest(spread) > Nearest(plain), figures);
        Assert.True(FeatureSpread.Of(spread) > FeatureSpread.Of(plain), figures);
        Assert.True(Energy(spread) < Energy(plain), figures);
    }

    // Share of the variance in the first four directions.
    private static double Energy(Tensor rows)
    {
        var found = PrincipalComponents.Fit(rows, 4);
        return found.ExplainedVariance.Sum() / found.TotalVariance;
    }
}
