using Tessera.Distributed;
using Tessera.Models;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>Small trainings by momentum contrast.</summary>
internal static class Contrast
{
    internal const int Side = 16,
        Classes = 3,
        Batch = 6,
        Batches = 4;

    /// <summary>A student without batch norms and without randomness.</summary>
    internal static Vit Plain() => new(new((Side, Side), 8, 12, 1, 3, Classes));

    /// <summary>A student with batch norms.</summary>
    internal static ResNet Normed() => new(new((Side, Side), [1, 1, 1, 1], false, Classes, Stem: ResNetStem.Small, Width: 4));

    internal static ObjectiveContext Context(Func<Backbone> student, int samples = Batch) =>
        new(student(), Device.Cpu) { Another = student, StepSamples = samples };

    internal static Moco Method(MocoOptions options, Func<Backbone>? student = null, int samples = Batch) =>
        new(options, Context(student ?? Plain, samples));

    /// <summary>Two noisy views of images, which depend on epoch and number alone.</summary>
    /// <param name="replica">Which share of each batch.</param>
    /// <param name="sizes">Samples of each batch.</param>
    /// <param name="type">Of the images.</param>
    internal static FunctionSource Source(Replica? replica = null, int[]? sizes = null, DType type = DType.Float32)
    {
        var counts = sizes ?? [.. Enumerable.Repeat(Batch, Batches)];
        return new(counts.Length, (epoch, skip) =>
            Enumerable
                .Range(skip, counts.Length - skip)
                .Select(number => Views(epoch, number, counts[number], replica ?? Replica.Single, type))
        );
    }

    internal static Batch Views(int epoch, int number, int count, Replica replica, DType type = DType.Float32)
    {
        const int pixels = 3 * Side * Side;
        var random = new Random(epoch * 100 + number);
        var labels = Enumerable.Range(0, count).Select(_ => (long)random.Next(Classes)).ToArray();
        var images = Enumerable.Range(0, count * pixels).Select(i => random.NextDouble() - 0.5 + labels[i / pixels]).ToArray();
        var noise = Enumerable.Range(0, 2).Select(_ => images.Select(_ => 0.3 * random.NextDouble()).ToArray()).ToArray();
        var share = replica.Count == 1 ? [.. Enumerable.Range(0, count)] : BatchShare.Of(count, replica);
        var idle = share.Length == 0;
        if (idle)
            share = [0];
        using var scope = new Scope();
        BatchView Of(double[] added) =>
            new(
                Tensor
                    .From(
                        share.SelectMany(i => Enumerable.Range(i * pixels, pixels)).Select(i => images[i] + added[i]).ToArray(),
                        share.Length,
                        3,
                        Side,
                        Side
                    )
                    .To(type)
            );
        return scope.Return(
            new Batch([Of(noise[0]), Of(noise[1])], new ClassTargets(Tensor.From(share.Select(i => labels[i]).ToArray())), share)
            {
                GlobalCount = count,
                IsPlaceholder = idle,
            }
        );
    }

    /// <summary>A training; everything that the next step depends on comes out as bytes.</summary>
    internal static Dictionary<string, double[]> Train(
        MocoOptions options,
        TrainOptions how,
        Func<Backbone>? student = null,
        ProcessGroup? group = null,
        int[]? sizes = null,
        DType type = DType.Float32,
        string? run = null,
        int[]? stops = null,
        int epochs = 2,
        Action<TrainingEvent>? report = null,
        OptimizerOptions? optimizer = null
    )
    {
        stops ??= [epochs * Batches];
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            Moco method;
            // The engine's random numbers belong to the process.
            lock (gate)
            {
                Torch.Seed(7);
                var context = Context(student ?? Plain, Batch * how.GradAccumSteps) with { Group = group };
                method = new Moco(options, context);
            }
            method.To(dtype: type);
            var phases = Phases.Of(method, optimizer ?? new SgdOptions(0.05), how);
            var setup = new TrainingSetup
            {
                Objective = method,
                Phases = phases,
                Schedule = new CosineOptions(epochs),
                Data = Source(group is null ? null : new(group.Rank, group.Size), sizes, type),
                Options = how,
                Group = group,
            };
            using var trainer = new Trainer(setup, run is null ? null : new RunFolder(run), report);
            if (stop != stops[0])
                Assert.True(trainer.Resume());
            trainer.Train(stop);
            // Each process watches its own samples for collapse, and the first part of a batch.
            if (stop == stops[^1])
                return method
                    .StateDict()
                    .Where(entry => entry.Key != "watch.low")
                    .ToDictionary(entry => entry.Key, entry => entry.Value.ToArray<double>());
        }
        throw new ArgumentException("no stop", nameof(stops));
    }

    private static readonly Lock gate = new();

    /// <summary>All of the same values, or within a tolerance.</summary>
    internal static void Same(Dictionary<string, double[]> expected, Dictionary<string, double[]> found, double tolerance = 0)
    {
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (name, values) in expected)
            for (var i = 0; i < values.Length; i++)
                Assert.True(
                    Math.Abs(values[i] - found[name][i]) <= tolerance,
                    $"{name}[{i}] is {found[name][i]:R}, {values[i]:R} was expected"
                );
    }
}
