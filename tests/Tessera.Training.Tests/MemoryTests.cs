using System.Text.Json.Nodes;
using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Steps that do not fit into memory.</summary>
[Collection("engine")]
public sealed partial class MemoryTests
{
    /// <summary>The loss of the head alone on raw pixels, without dropout and batch statistics; larger batches do not fit.</summary>
    private sealed class Narrow(TinyModel model, int most, bool inBackward = false, bool mean = true) : BackboneObjective(model)
    {
        internal List<int> Seen { get; } = [];

        public override bool MeanOverSamples => mean;

        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
        {
            Assert.Equal(batch.Count, batch.Inputs.Size(0));
            var (labels, soft) = (ClassTargets)batch.Targets;
            Assert.Equal(batch.Count, labels.Size(0));
            Assert.All([soft, batch.Mask], part => Assert.Equal(batch.Count, part?.Size(0) ?? batch.Count));
            // Drawn in every attempt: a step that is done again has to draw the same.
            var noise = Torch.Rand(1).ToDouble();
            var pooled = batch.Inputs.Reshape(batch.Count, -1).Slice(1, 0, TinyModel.Width).To(DType.Float32);
            if (batch.Mask is { } mask)
                pooled = pooled * mask.To(DType.Float32);
            if (!inBackward)
                Ask(batch.Count);
            var logits = ((TinyModel)Student).Head.Call(pooled);
            if (inBackward)
                logits = new Asking(() => Ask(batch.Count)).Apply(logits)[0];
            Seen.Add(batch.Count);
            var loss = soft is not null
                ? ClassificationLosses.SoftCrossEntropy(logits, soft)
                : ClassificationLosses.CrossEntropy(logits, labels);
            return new(loss) { Parts = new Dictionary<string, Tensor> { ["noise"] = Tensor.Of(noise) } };
        }

        // The engine's own answer to a request that no machine can meet.
        private void Ask(int count)
        {
            if (count > most)
                Torch.Empty([1L << 47]);
        }
    }

    private sealed class Asking(Action ask) : Function
    {
        protected override Tensor[] Forward(Context context, Tensor[] inputs) => [inputs[0] + 0];

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
        {
            ask();
            return [gradients[0]];
        }
    }

    private static (double[] Head, List<TrainingEvent> Events, string[] Log) Train(
        Func<TinyModel, Objective> objective,
        TrainOptions? options = null,
        BatchSource? data = null
    )
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var events = new List<TrainingEvent>();
        var (trainer, model, _) = Tiny.Training(
            folder.Path,
            options ?? Tiny.Options,
            epochs: 2,
            data: data,
            objective: objective,
            report: events.Add,
            test: false
        );
        using (trainer)
            Assert.True(trainer.Train().Completed);
        return ([.. model.Head.Weight.ToArray<double>(), .. model.Head.Bias!.ToArray<double>()], events, ResumeTests.Log(folder.Path));
    }

    private static void Near(double[] expected, double[] actual)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], 1e-6);
    }

    [Fact]
    public void A_step_can_begin_again_without_copies_of_what_never_changes()
    {
        using var scope = Torch.Scope();
        foreach (
            var (model, changing) in new (Backbone, int)[]
            {
                (new TinyModel(), 3),
                (Small.Swin(), 0),
                (Registry.Create("cyclemlp_micro_32"), 0),
            }
        )
        {
            var objective = new Supervised(model);
            var constant = model
                .NamedBuffers()
                .Where(entry => entry.Buffer.Constant)
                .Select(entry => (entry.Buffer, Before: entry.Buffer.Clone()))
                .ToArray();
            var (height, width) = model.ImageSize;
            var input = Torch.Randn([4, model.Channels, height, width]);
            var before = LiveTensors.Settled();
            var start = new StepSnapshot(objective, Device.Cpu);
            Assert.Equal(changing, Tensor.LiveCount - before);
            model.Train();
            var first = model.Call(input);
            first.Sum().Backward();
            Assert.All(constant, entry => Assert.True(entry.Buffer.Equal(entry.Before)));
            start.Restore();
            Assert.True(model.Call(input).Equal(first));
        }
    }

    [Theory]
    [InlineData(3, false, 1)]
    [InlineData(2, false, 1)]
    [InlineData(1, false, 1)]
    [InlineData(5, false, 2)]
    [InlineData(3, true, 1)]
    [InlineData(1, true, 2)]
    public void Halving_keeps_the_batch_and_its_result(int most, bool inBackward, int accumulate)
    {
        var options = Tiny.Options with { GradAccumSteps = accumulate };
        var whole = Train(model => new Narrow(model, int.MaxValue), options);
        Narrow? narrow = null;
        var parts = Train(model => narrow = new Narrow(model, most, inBackward), options);
        Near(whole.Head, parts.Head);
        var halved = parts.Events.OfType<MicroBatchHalved>().ToArray();
        Assert.All(halved, one => Assert.Equal(0, one.Step));
        Assert.Equal(
            most switch
            {
                1 => [3, 2, 1],
                2 => [3, 2],
                _ => [3],
            },
            halved.Select(one => one.Samples)
        );
        Assert.True(halved[0].BatchStatistics);
        Assert.Contains("batch norms", halved[0].Remark, StringComparison.Ordinal);
        Assert.Equal(halved.Length, parts.Log.Count(line => line.Contains("\"kind\":\"micro_batch\"", StringComparison.Ordinal)));
        Assert.Equal(Math.Min(most, 3), narrow!.Seen[^(Math.Min(2, accumulate))..].Max());
        Near(Losses(whole.Events), Losses(parts.Events));

        static double[] Losses(List<TrainingEvent> events) => [.. events.OfType<StepDone>().Select(step => step.Loss)];
    }

    [Fact]
    public void Sharpness_aware_steps_are_divided_in_both_passes()
    {
        var options = Tiny.Options with { Sam = new(), ClipGrad = null };
        Near(
            Train(model => new Narrow(model, int.MaxValue), options).Head,
            Train(model => new Narrow(model, 2, inBackward: true), options).Head
        );
        // The second pass of the third step alone: the first is not done again.
        var calls = 0;
        var late = Train(model => new Wrapped(model, () => ++calls == 6), options);
        Assert.Equal(2, Assert.Single(late.Events.OfType<MicroBatchHalved>()).Step);
        Assert.Equal(5 + 1 + 2 + 4 * 7, calls);
    }

    [Fact]
    public void A_step_that_is_done_again_draws_the_same_random_numbers()
    {
        static string Noise((double[], List<TrainingEvent>, string[] Log) run) =>
            string.Join(' ', run.Log.Select(line => JsonNode.Parse(line)!["noise"]?.ToJsonString()).OfType<string>());
        // The second run draws once before it fails, and begins again with parts of 3.
        var small = Train(model => new Narrow(model, 3), Tiny.Options with { MicroBatch = 3 });
        var again = Train(model => new Narrow(model, 3));
        Assert.Equal(Noise(small), Noise(again));
        Assert.Equal(small.Head, again.Head);
    }

    [Fact]
    public void Running_statistics_of_the_failed_attempt_are_forgotten()
    {
        static double[] Statistics(Func<TinyModel, Objective> objective, TrainOptions options)
        {
            using var scope = new Scope();
            var (trainer, model, _) = Tiny.Training(null, options, objective: objective, test: false);
            using (trainer)
                trainer.Train(until: 1);
            return [.. model.NamedBuffers().SelectMany(b => b.Buffer.ToArray<double>())];
        }
        var calls = 0;
        Assert.Equal(
            Statistics(model => new Supervised(model), Tiny.Options with { MicroBatch = 2 }),
            Statistics(model => new Wrapped(model, () => ++calls == 2), Tiny.Options with { MicroBatch = 3 })
        );
        Assert.Equal(5, calls);
    }

    // Runs out of memory after the forward pass, so that running statistics have changed by then.
    private sealed partial class Wrapped(TinyModel model, Func<bool> full) : BackboneObjective(model)
    {
        private readonly Supervised inner = new(model);

        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
        {
            var loss = inner.Compute(batch, progress);
            if (full())
                Torch.Empty([1L << 47]);
            return loss;
        }
    }

    [Fact]
    public void Soft_targets_masks_and_word_ids_are_divided_too()
    {
        static IEnumerable<Batch> Words(int epoch, int skip) =>
            Enumerable
                .Range(skip, 4 - skip)
                .Select(number =>
                {
                    var random = new Random(epoch * 100 + number);
                    long[] words = [.. Enumerable.Range(0, 6 * TinyModel.Width).Select(_ => (long)random.Next(1, 9))];
                    float[] targets =
                    [
                        .. Enumerable
                            .Range(0, 6)
                            .SelectMany(_ => random.NextDouble() is var share ? new[] { (float)share, (float)(1 - share), 0 } : []),
                    ];
                    var view = new BatchView(Tensor.From(words, 6, TinyModel.Width))
                    {
                        Mask = Tensor.From([.. words.Select(word => word % 2 == 0)], 6, TinyModel.Width),
                    };
                    var both = new ClassTargets(Tensor.From(new long[6]), Tensor.From(targets, 6, 3));
                    return new Batch([view], both, [.. Enumerable.Range(0, 6)]);
                });
        var data = new FunctionSource(4, Words);
        Near(Train(model => new Narrow(model, int.MaxValue), data: data).Head, Train(model => new Narrow(model, 1), data: data).Head);
    }

    [Fact]
    public void The_smaller_size_is_remembered_by_checkpoints()
    {
        using var folder = new TempFolder();
        using (var first = Tiny.Training(folder.Path, objective: model => new Narrow(model, 3), test: false).Trainer)
            first.Train(until: 4);
        Assert.Equal(3, new RunFolder(folder.Path).Checkpoints.Newest()!.Position.MicroBatch);
        var events = new List<TrainingEvent>();
        using var second = Tiny.Training(folder.Path, objective: model => new Narrow(model, 3), report: events.Add, test: false).Trainer;
        Assert.True(second.Resume());
        second.Train(until: 7);
        Assert.Empty(events.OfType<MicroBatchHalved>());
    }

    [Fact]
    public void A_single_sample_that_does_not_fit_ends_the_run_with_one_line()
    {
        using var scope = new Scope();
        using var trainer = Tiny.Training(null, objective: model => new Narrow(model, 0), test: false).Trainer;
        var error = Assert.Throws<StepMemoryException>(() => trainer.Train());
        Assert.Contains("a single sample does not fit into the memory of cpu at step 0", error.Message, StringComparison.Ordinal);
        Assert.Contains("train.grad_checkpointing", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Methods_that_compare_samples_are_not_divided()
    {
        using var trainer = Tiny.Training(null, objective: model => new Narrow(model, 3, mean: false), test: false).Trainer;
        Assert.Contains(
            "compares the samples",
            Assert.Throws<StepMemoryException>(() => trainer.Train()).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "train.micro_batch",
            Assert
                .Throws<RunException>(() =>
                    Tiny.Training(null, Tiny.Options with { MicroBatch = 2 }, objective: model => new Narrow(model, 3, mean: false))
                )
                .Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Other_errors_of_the_engine_are_not_taken_for_a_lack_of_memory()
    {
        using var trainer = Tiny.Training(
            null,
            objective: model => new Wrapped(model, () => throw new ShapeException("3 and 4")),
            test: false
        ).Trainer;
        Assert.Throws<ShapeException>(() => trainer.Train());
    }

    [Fact]
    public void Evaluation_passes_in_parts_where_a_batch_does_not_fit()
    {
        using var scope = new Scope();
        Torch.Seed(2);
        var model = new NarrowModel { Most = int.MaxValue };
        var whole = Measure(model);
        model.Most = 2;
        var parts = Measure(model);
        Assert.Equal(whole.Loss, parts.Loss, 1e-6);
        Assert.Equal(whole.Top1, parts.Top1);
        model.Most = 0;
        Assert.Throws<TorchOutOfMemoryException>(() => Measure(model));
    }

    private static ClassificationMetrics Measure(Backbone model) =>
        (ClassificationMetrics)Measurement.Run(model, Tiny.Source(3).Epoch(0), new ClassificationEvaluator(model, 15));

    /// <summary>A model that asks for more than there is when more than so many images come at a time.</summary>
    private sealed partial class NarrowModel : Backbone
    {
        private readonly TinyModel inner = new();

        internal int Most { get; set; }

        public override (int Height, int Width) ImageSize => inner.ImageSize;
        public override int Channels => inner.Channels;
        public override int Classes => inner.Classes;
        public override int NumFeatures => inner.NumFeatures;
        public override IReadOnlyList<string> BlockPaths => [];
        public override IReadOnlyList<string> ClassifierNames => [];

        protected override Tensor Features(Tensor input)
        {
            if (input.Size(0) > Most)
                Torch.Empty([1L << 47]);
            return inner.Call(input);
        }

        protected override Tensor Pool(Tensor features) => features;

        protected override Tensor Classify(Tensor pooled) => pooled;

        protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [];

        public override void ResetClassifier(int classes) => throw new NotSupportedException();

        public override void Resize(int height, int width) => throw new NotSupportedException();
    }
}
