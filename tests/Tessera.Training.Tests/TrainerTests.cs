using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class TrainerTests
{
    [Fact]
    public void It_learns_and_tells_how_it_goes()
    {
        var events = new List<TrainingEvent>();
        using var trainer = Tiny.Training(null, epochs: 12, lr: 3e-2, report: events.Add).Trainer;
        var result = trainer.Train();
        Assert.True(result.Completed);
        Assert.Equal(60, result.Steps);
        Assert.True(result.Last!.Score.Value > 0.9, $"top-1 of {result.Last.Score.Value}");
        Assert.NotNull(result.LastEma);
        Assert.Equal(60, events.OfType<StepDone>().Count());
        Assert.Equal(12, events.OfType<Evaluated>().Count());
        var last = events.OfType<StepDone>().Last();
        Assert.Equal((11, 12, 60L, 60L), (last.Epoch, last.Epochs, last.Step, last.Steps));
        Assert.True(last.ImagesPerSecond > 0);
    }

    // Five steps are an epoch.
    [Theory]
    [InlineData(7)]
    [InlineData(10)]
    [InlineData(3)]
    public void A_training_measured_in_steps_ends_within_an_epoch(int steps)
    {
        using var folder = new TempFolder();
        var events = new List<TrainingEvent>();
        var schedule = new PolyOptions(steps);
        using (var training = Tiny.Training(folder["whole"], schedule: schedule, report: events.Add).Trainer)
        {
            var result = training.Train();
            Assert.Equal((true, (long)steps), (result.Completed, result.Steps));
            Assert.Equal((steps + 4) / 5, events.OfType<Evaluated>().Count());
            Assert.Equal((steps - 1) / 5, events.OfType<Evaluated>().Last().Epoch);
            var last = events.OfType<StepDone>().Last();
            Assert.Equal(((long)steps, (long)steps, (steps + 4) / 5), (last.Step, last.Steps, last.Epochs));
        }
        using (var first = Tiny.Training(folder["halves"], schedule: schedule).Trainer)
            first.Train(until: steps - 1);
        var (second, resumed, _) = Tiny.Training(folder["halves"], schedule: schedule);
        using var going = second;
        Assert.True(second.Resume());
        Assert.Equal(steps, second.Train().Steps);
        var (third, ended, _) = Tiny.Training(folder["whole"], schedule: schedule);
        using var done = third;
        Assert.True(third.Resume());
        Assert.Equal(steps, third.Step);
        foreach (var (name, tensor) in ended.StateDict())
            Near.Identical(tensor, resumed.StateDict()[name]);
    }

    [Fact]
    public void No_tensor_is_left_over_after_training()
    {
        var before = LiveTensors.Settled();
        TrainOnce();
        Assert.Equal(before, LiveTensors.Settled());
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void TrainOnce()
    {
        using var folder = new TempFolder();
        using var trainer = Tiny.Training(folder.Path).Trainer;
        trainer.Train();
    }

    [Fact]
    public void Steps_leave_no_tensors_behind()
    {
        var counts = new List<long>();
        LiveTensors.Settled();
        using var trainer = Tiny.Training(
            null,
            report: e =>
            {
                if (e is StepDone)
                    counts.Add(Tensor.LiveCount);
            },
            test: false
        ).Trainer;
        trainer.Train();
        Assert.All(counts.Skip(2), count => Assert.Equal(counts[1], count));
    }

    [Fact]
    public void Accumulating_gradients_equals_a_larger_batch()
    {
        // Without dropout and running statistics, which do depend on the batch.
        double[] Train(int accumulate, BatchSource data)
        {
            using var scope = new Scope();
            var (trainer, model, _) = Tiny.Training(
                null,
                new(Seed: 1, GradAccumSteps: accumulate),
                epochs: 1,
                data: data,
                objective: model => new HeadOnly(model),
                test: false
            );
            using (trainer)
                trainer.Train();
            return model.Head.Weight.ToArray<double>();
        }
        var small = Tiny.Source(4);
        var large = new FunctionSource(2, (epoch, skip) =>
            small
                .Epoch(epoch)
                .Chunk(2)
                .Skip(skip)
                .Select(pair =>
                    Batches.Labelled(
                        Torch.Cat([.. pair.Select(b => b.Inputs)]),
                        Torch.Cat([.. pair.Select(b => b.Labels())]),
                        [.. pair.SelectMany(b => b.Indices)]
                    )
                )
        );
        var one = Train(1, large);
        var two = Train(2, small);
        for (var i = 0; i < one.Length; i++)
            Assert.Equal(one[i], two[i], 1e-5);
    }

    [Fact]
    public void Adaptive_clipping_spares_the_classifier()
    {
        using var scope = new Scope();
        var (trainer, model, optimizer) = Tiny.Training(null, new(Seed: 1, ClipGradAdaptive: 1e-9), epochs: 1, test: false);
        using (trainer)
            trainer.Train();
        var state = optimizer.StateDict();
        foreach (var (name, parameter) in model.NamedParameters())
        {
            var step = state[$"{name}/exp_avg"].LinalgVectorNorm().ToDouble();
            if (model.ClassifierNames.Contains(name))
                Assert.True(step > 1e-6, $"{name}: {step}");
            else
                Assert.True(
                    step <= 1e-9 * Math.Max(1, parameter.LinalgVectorNorm().ToDouble()) * Math.Sqrt(parameter.Size(0)),
                    $"{name}: {step}"
                );
        }
    }

    [Fact]
    public void Adaptive_clipping_leaves_short_gradients_as_they_are()
    {
        float[][] Train(double? factor)
        {
            using var scope = new Scope();
            var (trainer, model, _) = Tiny.Training(null, new(Seed: 1, ClipGradAdaptive: factor), epochs: 1, test: false);
            using (trainer)
                trainer.Train();
            return [.. model.Parameters().Select(p => p.ToArray<float>())];
        }
        Assert.Equal(Train(null), Train(1e9));
    }

    [Fact]
    public void A_sharpness_aware_step_goes_by_the_gradient_uphill()
    {
        using var scope = new Scope();
        var (trainer, model, _) = Tiny.Training(
            null,
            new TrainOptions(Seed: 5, Sam: new(0.5)),
            epochs: 1,
            lr: 0.1,
            objective: model => new HeadOnly(model),
            data: Tiny.Source(1),
            test: false
        );
        using (trainer)
            trainer.Train();

        Torch.Seed(5);
        var byHand = new TinyModel();
        var method = new HeadOnly(byHand);
        var optimizer = new AdamWOptions(0.1).Optimizer(method);
        optimizer.LearningRate = new CosineOptions(1, 0.5).LearningRate(0.1, 0, 1);
        var batch = Tiny.Source(1).Epoch(0).Single();
        Gradient();
        var before = byHand.Head.Weight.Detach().Clone();
        using (new Optim.SharpnessAware(byHand.Parameters(), 0.5))
        {
            Assert.False(byHand.Head.Weight.Equal(before));
            optimizer.ZeroGrad();
            Gradient();
        }
        optimizer.Step();
        Assert.Equal(byHand.Head.Weight.ToArray<float>(), model.Head.Weight.ToArray<float>());

        void Gradient() => method.Compute(batch, new(0, 1, 0, 1)).Total.Backward();
    }

    private sealed class HeadOnly(TinyModel model) : BackboneObjective(model)
    {
        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
        {
            var pooled = batch.Inputs.Reshape(batch.Count, -1).Slice(1, 0, TinyModel.Width);
            return new(ClassificationLosses.CrossEntropy(((TinyModel)Student).Head.Call(pooled), batch.Labels()));
        }
    }

    [Fact]
    public void A_batch_that_is_not_finite_stops_the_run_and_is_named()
    {
        using var trainer = Tiny.Training(null, lr: 1e-2, data: Poisoned()).Trainer;
        var error = Assert.Throws<NonFiniteLossException>(() => trainer.Train());
        Assert.Equal(2, error.Step);
        Assert.Equal("the batch", error.Where);
        Assert.Equal(Enumerable.Range(12, 6), error.Samples);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static BatchSource Poisoned() => Tiny.Source(bad: true);

    [Fact]
    public void The_first_module_that_is_not_finite_is_named()
    {
        var (trainer, model, _) = Tiny.Training(null, new());
        using (Torch.NoGrad())
            model.Stem.Weight.Fill_(3e38);
        using (trainer)
        {
            var error = Assert.Throws<NonFiniteLossException>(() => trainer.Train());
            Assert.Equal("stem", error.Where);
            Assert.Contains("first module whose output is not finite is stem", error.Message, StringComparison.Ordinal);
            Assert.Contains("optimizer.lr", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_moving_average_follows_its_formula_and_swaps_back()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        using var ema = new Ema(model);
        var before = model.Head.Weight.ToArray<float>();
        using (Torch.NoGrad())
            model.Head.Weight.Add_(1);
        var after = model.Head.Weight.ToArray<float>();
        ema.Update(0.75);
        var average = ema.StateDict()["head.weight"].ToArray<float>();
        for (var i = 0; i < before.Length; i++)
            Assert.Equal(0.75f * before[i] + 0.25f * after[i], average[i], 1e-6);
        ema.Swap();
        Assert.Equal(average, model.Head.Weight.ToArray<float>());
        ema.Swap();
        Assert.Equal(after, model.Head.Weight.ToArray<float>());
    }
}
