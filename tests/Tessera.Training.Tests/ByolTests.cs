using Tessera.Distributed;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests;

/// <summary>BYOL: its loss, its target, and what keeps its embeddings from collapsing.</summary>
[Collection("engine")]
public sealed class ByolTests : IDisposable
{
    private const int Side = 16,
        Classes = 4,
        BatchSize = 16,
        Steps = 4;

    private static readonly ByolOptions small = new(Hidden: 32, Dim: 8);

    private readonly TempFolder folder = new();
    private readonly Scope scope = new();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    private static ResNet Network() => new(new((Side, Side), [1, 1, 1, 1], false, Classes, Stem: ResNetStem.Small, Width: 4));

    private static Byol Method(ByolOptions? options = null, Func<Backbone>? student = null, bool labels = false)
    {
        student ??= Network;
        return new(
            options ?? small,
            new(student(), Device.Cpu)
            {
                Another = student,
                Labels = labels ? Small.Images(12, (_, _) => { }).Annotations as ClassLabels : null,
            }
        );
    }

    // Each sample has a pattern of its own; its views differ by noise.
    private static FunctionSource Views(DType type = DType.Float32, Replica? replica = null) => new(Steps, (epoch, skip) => Enumerable
                .Range(skip, Steps - skip)
                .Select(step =>
                {
                    int[] share = replica is { } own ? BatchShare.Of(BatchSize, own) : [.. Enumerable.Range(0, BatchSize)];
                    using var outer = new Scope();
                    Tensor View(int number) =>
                        Tensor
                            .From(share.SelectMany(i => Pixels(step * BatchSize + i, epoch, number)).ToArray(), share.Length, 3, Side, Side)
                            .To(type);
                    return outer.Return(
                        new Batch(
                            [new(View(0)), new(View(1))],
                            new ClassTargets(Tensor.From([.. share.Select(i => (long)(i % Small.Classes))])),
                            [.. share.Select(i => step * BatchSize + i)]
                        )
                        {
                            GlobalCount = BatchSize,
                        }
                    );
                }));

    private static IEnumerable<double> Pixels(int sample, int epoch, int view)
    {
        var (own, noise) = (new Random(sample), new Random(1_000_000 + sample * 1000 + epoch * 2 + view));
        return Enumerable
            .Range(0, 3 * Side * Side)
            .Select(i => own.NextDouble() - 0.5 + (i / Side % Side / 4 == sample % Classes ? 1 : 0) + 0.4 * (noise.NextDouble() - 0.5));
    }

    private static double[] Values(Module module, bool parameters = true) =>
        [
            .. (
                parameters ? module.NamedParameters().Select(p => (Tensor)p.Parameter) : module.NamedBuffers().Select(b => (Tensor)b.Buffer)
            ).SelectMany(tensor => tensor.Detach().ToArray<double>()),
        ];

    private static Module Member(Byol method, string name) => method.Children.Single(child => child.Name == name).Module;

    [Fact]
    public void The_share_that_the_target_keeps_comes_to_exactly_one()
    {
        Assert.Equal(0.97, CosineRamp.At(0.97, 1, 0, 2), 1e-15);
        Assert.Equal(1 - 0.03 / 2, CosineRamp.At(0.97, 1, 1, 2), 1e-15);
        Assert.Equal(1, CosineRamp.At(0.97, 1, 2, 2));
        Assert.Equal(1, CosineRamp.At(0, 1, 2, 2));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(90, 4)]
    [InlineData(180, 8)]
    public void The_loss_sums_both_orders_and_lies_between_0_and_8(double degrees, double loss)
    {
        var (x, y) = (Math.Cos(degrees * Math.PI / 180), Math.Sin(degrees * Math.PI / 180));
        // Lengths do not matter.
        var view = new ByolView(Torch.Zeros([2, 1]), Torch.Zeros([2, 2]), Row(3, 0), Row(0.1 * x, 0.1 * y));
        Assert.Equal(loss, Byol.Between(view, view).ToDouble(), 1e-6);
        Assert.Equal(loss / 2, NormalizedRegression.Rows(view.Prediction, view.Target)[0].ToDouble(), 1e-6);

        static Tensor Row(double x, double y) => Tensor.From([x, y, x, y], 2, 2);
    }

    [Fact]
    public void A_row_of_zeros_makes_no_number_that_is_none()
    {
        var zeros = Torch.Zeros([1, 3]);
        zeros.RequiresGrad = true;
        var loss = NormalizedRegression.Rows(zeros, Torch.Ones([1, 3])).Sum();
        loss.Backward();
        Assert.Equal(1, loss.ToDouble(), 1e-6);
        Assert.All(zeros.Grad!.ToArray<double>(), value => Assert.True(double.IsFinite(value)));
    }

    [Fact]
    public void The_target_begins_as_the_online_network_or_for_itself()
    {
        Torch.Seed(1);
        var copied = Method();
        Assert.Equal(Values(copied.Student), Values(Member(copied, "model_t")));
        Assert.Equal(Values(Member(copied, "head")), Values(Member(copied, "head_t")));
        var own = Method(small with { RandomTarget = true });
        Assert.NotEqual(Values(own.Student), Values(Member(own, "model_t")));
        Assert.NotEqual(Values(Member(own, "head")), Values(Member(own, "head_t")));
        Assert.All(own.Children.Where(child => child.Name.EndsWith("_t", StringComparison.Ordinal)), child =>
            Assert.All(child.Module.Parameters(), parameter => Assert.False(parameter.RequiresGrad))
        );
    }

    [Fact]
    public void The_target_gathers_statistics_of_its_own_and_follows_by_parameters_after_the_step()
    {
        Torch.Seed(2);
        var method = Method(small with { Tau = 0.75 });
        method.Train();
        var target = Member(method, "model_t");
        var (parameters, buffers) = (Values(target), Values(target, parameters: false));
        var loss = method.Compute(Views().Epoch(0).First(), new(0, 1, 0, Steps));
        loss.Total.Backward();
        Assert.Equal(0.75, loss.Parts["tau"].ToDouble(), 1e-6);
        Assert.Equal(parameters, Values(target));
        // In training mode: a pass of each view has moved its running statistics.
        var moved = Values(target, parameters: false);
        Assert.NotEqual(buffers, moved);
        Assert.All(target.Parameters(), parameter => Assert.Null(parameter.Grad));
        Assert.All(Member(method, "pred").Parameters(), parameter => Assert.NotNull(parameter.Grad));
        using (Torch.NoGrad())
            foreach (var parameter in method.Student.Parameters())
                parameter.Add_(1);
        method.AfterStep(new(0, 1, 0, Steps));
        Assert.All(parameters.Zip(Values(target)), pair => Assert.Equal(pair.First + 0.25, pair.Second, 1e-5));
        Assert.Equal(moved, Values(target, parameters: false));
    }

    [Fact]
    public void Tau_goes_by_steps_or_by_epochs()
    {
        double At(ByolOptions options, Progress progress) =>
            Method(options).Compute(Views().Epoch(0).First(), progress).Parts["tau"].ToDouble();
        var halfway = new Progress(1, 2, 6, Steps);
        Assert.Equal(CosineRamp.At(0.5, 1, 6, 8), At(small with { Tau = 0.5 }, halfway), 1e-6);
        Assert.Equal(CosineRamp.At(0.5, 1, 1, 2), At(small with { Tau = 0.5, TauPerEpoch = true }, halfway), 1e-6);
        Assert.Equal(CosineRamp.At(0.5, 1, 1, 2), At(small with { Tau = 0.5, Form = ByolForm.Htdt }, halfway), 1e-6);
        // A training that ends within an epoch.
        Assert.Equal(CosineRamp.At(0.5, 1, 6, 7), At(small with { Tau = 0.5 }, halfway with { TotalSteps = 7 }), 1e-6);
    }

    [Fact]
    public void The_forms_differ_in_widths_and_biases()
    {
        var official = Method(new()).StateDict();
        Assert.Equal(new Shape(4096, 32), official["head.0.weight"].Shape);
        Assert.Equal(new Shape(256, 4096), official["pred.3.weight"].Shape);
        Assert.DoesNotContain("head.3.bias", official.Keys);
        var htdt = Method(new(ByolForm.Htdt, HeadLayers: 3)).StateDict();
        Assert.Equal(new Shape(1024, 1024), htdt["head.3.weight"].Shape);
        Assert.Equal(new Shape(64), htdt["head.6.bias"].Shape);
        Assert.Equal(new Shape(64), htdt["pred.3.bias"].Shape);
    }

    private static (Trainer Trainer, Byol Method, Optim.Optimizer Optimizer) Training(
        ByolOptions options,
        int epochs,
        string? run = null,
        Action<TrainingEvent>? report = null,
        Func<Backbone>? student = null,
        ProcessGroup? group = null,
        DType type = DType.Float32,
        double lr = 3e-3,
        bool labels = false
    )
    {
        Byol method;
        lock (small)
        {
            Torch.Seed(5);
            method = Method(options, student, labels);
        }
        method.To(dtype: type);
        var train = new TrainOptions(Seed: 5, LogEvery: 1);
        OptimizerOptions how = group is null && type == DType.Float32 ? new AdamWOptions(lr) : new SgdOptions(lr);
        var phases = Phases.Of(method, how, train);
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases = phases,
            Schedule = new CosineOptions(epochs),
            Data = Views(type, group is null ? null : new Replica(group.Rank, group.Size)),
            Options = train,
            Group = group,
        };
        return (new(setup, run is null || group is { IsFirst: false } ? null : new RunFolder(run), report), method, phases[0].Optimizer);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_stopped_and_resumed_training_equals_one_that_was_not_stopped(bool transformer)
    {
        Func<Backbone> student = transformer ? () => Small.Vit() : Network;
        var options = small with { RandomTarget = transformer };
        var expected = State("whole", [7]);
        var found = State("parts", [2, 4, 7]);
        Assert.Contains(expected.Keys, name => name.StartsWith("head_t.module.", StringComparison.Ordinal));
        Assert.Contains(expected.Keys, name => name.StartsWith("probe.", StringComparison.Ordinal));
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (tensor, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(found[tensor]), $"{tensor} differs");

        Dictionary<string, byte[]> State(string run, int[] stops)
        {
            foreach (var stop in stops)
            {
                using var inner = new Scope();
                var (trainer, method, optimizer) = Training(options, 2, Path.Combine(folder.Path, run), student: student, labels: true);
                using (trainer)
                {
                    // Whatever ran before in the process must not matter.
                    Torch.Seed(stop == stops[0] ? 5UL : 999UL);
                    Assert.Equal(stop != stops[0], trainer.Resume());
                    trainer.Train(stop);
                    if (stop == stops[^1])
                        return method
                            .StateDict()
                            .Concat(optimizer.StateDict().Select(entry => KeyValuePair.Create($"optimizer:{entry.Key}", entry.Value)))
                            .ToDictionary(entry => entry.Key, entry => entry.Value.ToBytes());
                }
            }
            throw new InvalidOperationException("no stop");
        }
    }

    private (double Deviation, double Loss) After(ByolOptions options, int epochs, string run)
    {
        using var inner = new Scope();
        var path = Path.Combine(folder.Path, run);
        var (trainer, _, _) = Training(options, epochs, path);
        using (trainer)
            trainer.Train();
        var last = RunLog.Read(new RunFolder(path).LogPath).Last(line => (string?)line["kind"] == "step");
        return ((double)last["deviation"]!, (double)last["loss"]!);
    }

    [Fact]
    [Trait("Category", "Long")]
    public void Embeddings_stay_spread_and_begin_to_collapse_without_a_predictor()
    {
        var kept = After(small, 40, "kept");
        var collapsed = After(small with { Predictor = false, Tau = 0 }, 40, "collapsed");
        Assert.True(kept.Deviation > 0.5, $"the deviation is {kept.Deviation}/sqrt(D)");
        Assert.True(kept.Loss < 2, $"the loss is {kept.Loss}");
        Assert.True(collapsed.Deviation < 0.5, $"without a predictor the deviation is {collapsed.Deviation}/sqrt(D)");
    }

    [Fact]
    public void Two_processes_come_to_the_weights_of_one()
    {
        var whole = Train(null);
        foreach (var (rank, found) in Ranks.Run(2, Train).Index())
        {
            Assert.Equal(whole.Keys.Order(), found.Keys.Order());
            foreach (var (name, values) in whole)
                Assert.All(values.Zip(found[name]), pair =>
                    Assert.True(Math.Abs(pair.First - pair.Second) <= 1e-9, $"rank {rank}: {name} is {pair.Second}, not {pair.First}")
                );
        }

        static Dictionary<string, double[]> Train(ProcessGroup? group)
        {
            using var inner = new Scope();
            var remarks = new List<TrainingEvent>();
            var (trainer, method, _) = Training(small, 2, report: remarks.Add, group: group, type: DType.Float64, lr: 0.05);
            using (trainer)
                trainer.Train();
            // Every sample is compared with itself alone, and norms see all processes: there is nothing to warn of.
            Assert.DoesNotContain(remarks, happened => happened is ProcessesDiffer);
            return method.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.ToArray<double>());
        }
    }
}
